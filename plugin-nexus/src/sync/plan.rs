//! What has to change about the edges of one document: its neighbours are searched and compared with the edges it has.
//!
//! For a document whose vector is new it also finds the documents that are concerned by it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};

use super::context::{Context, unless_gone};
use super::fault::StageFault;
use super::fingerprint::vector_digest;
use super::neighbours::{Candidate, EdgeDiff, diff, eligible, enters};
use crate::config::Similarity;
use crate::journal::{Claim, DocumentId, DocumentState, Work};

/// Hits asked for beyond the neighbours wanted, since an index may be approximate and a hit may have no node yet.
const SLACK: usize = 16;
/// First width of the search for the documents that a new one comes near to.
const SPREAD_WIDTH: usize = 128;
/// From this width on that search goes on only while it finds documents that are concerned. Up to it, it goes down to the
/// threshold: one with few neighbours takes any that is near enough, however many others are nearer.
const WIDE: usize = 2_048;

/// One document's edges, compared.
pub(super) struct Plan {
    pub(super) id: Arc<str>,
    pub(super) state: DocumentState,
    pub(super) vector: u64,
    pub(super) diff: EdgeDiff,
    /// Documents to compare again.
    pub(super) marks: BTreeSet<String>,
}

/// A search for neighbours in one collection.
pub(super) struct Search<'a> {
    context: &'a Context,
    collection: CollectionInfo,
    settings: Similarity,
    threshold: f64,
}

impl<'a> Search<'a> {
    pub(super) fn new(context: &'a Context, collection: CollectionInfo) -> Self {
        let settings = context.config.similarity_of(&collection.name);
        let threshold = settings.threshold.of(collection.metric);
        Self {
            context,
            collection,
            settings,
            threshold,
        }
    }

    /// Compares one document. Blocks.
    ///
    /// # Errors
    /// `StageFault::Host` or `StageFault::Journal`.
    pub(super) fn plan(
        &self,
        claim: &Claim,
        id: &DocumentId,
        document: &Document,
        state: DocumentState,
    ) -> Result<Plan, StageFault> {
        let k = self.settings.top_k;
        let vector = vector_digest(&document.vector);
        let spread = spreads(claim.work, &state, vector);
        let mut states = HashMap::new();
        let mut width = (2 * k + SLACK).max(if spread { SPREAD_WIDTH } else { 0 });
        let (eligible, mut marks) = loop {
            let hits = unless_gone(self.context.host.search(
                &self.collection.name,
                &document.vector,
                width,
                Fields::NONE,
            ))?
            .unwrap_or_default();
            let exhausted = hits.len() < width;
            let hits = hits.into_iter().map(|hit| Candidate {
                id: hit.document.id,
                score: hit.score,
            });
            let eligible = eligible(&claim.id, hits, self.threshold);
            let above = eligible.len();
            for candidate in &eligible {
                if !states.contains_key(&candidate.id) {
                    let other = DocumentId::new(Arc::clone(&id.collection), candidate.id.as_str());
                    states.insert(candidate.id.clone(), self.context.journal.state(&other)?);
                }
            }
            let known = |id: &str| states.get(id).and_then(Option::as_ref);
            // Those that others may see are no neighbours where permissions keep documents apart.
            let eligible: Vec<Candidate> = eligible
                .into_iter()
                .filter(|other| {
                    !self.context.deriver.isolates()
                        || known(&other.id).is_none_or(|theirs| theirs.access == state.access)
                })
                .collect();
            // One that was never compared itself will find this document when it is.
            let entered: BTreeSet<String> = eligible
                .iter()
                .filter(|other| {
                    spread
                        && known(&other.id).is_some_and(|theirs| {
                            theirs.vector.is_some() && enters(theirs, &claim.id, state.born, other.score, k)
                        })
                })
                .map(|other| other.id.clone())
                .collect();
            let nodes = eligible.iter().filter(|other| known(&other.id).is_some()).count();
            let reached_threshold = above + 1 < width;
            let farther_half = eligible.get(width / 2..).unwrap_or_default();
            let settled = nodes >= k
                && (!spread
                    || (width >= WIDE && !farther_half.iter().any(|other| entered.contains(&other.id))));
            if exhausted || reached_threshold || settled {
                break (eligible, entered);
            }
            width *= 4;
        };
        if spread {
            marks.extend(self.context.journal.sources(id)?);
        }
        // Targets that are no longer near were not looked up above.
        for edge in &state.edges {
            if !states.contains_key(&edge.target) {
                let other = DocumentId::new(Arc::clone(&id.collection), edge.target.as_str());
                states.insert(edge.target.clone(), self.context.journal.state(&other)?);
            }
        }
        let diff = diff(&state.edges, &eligible, k, |id| {
            states.get(id)?.as_ref().map(|state| state.born)
        });
        Ok(Plan {
            id: Arc::clone(&claim.id),
            state,
            vector,
            diff,
            marks,
        })
    }
}

/// Whether neighbours are told. Where the vector is not the one compared before they are, whatever was asked for: the document
/// may have been read before the news of it came, and then the first stage will find the vector compared already.
fn spreads(work: Work, state: &DocumentState, vector: u64) -> bool {
    work.has(Work::SPREAD) || state.vector != Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::state;

    #[test]
    fn neighbours_are_told_of_a_vector_that_is_seen_before_its_news() {
        let known = state(1, &[]);
        let compared = known.vector.unwrap_or_default();
        assert!(!spreads(Work::EDGES, &known, compared) && spreads(Work::SPREAD, &known, compared));
        assert!(spreads(Work::EDGES, &known, compared + 1));
        let never = DocumentState {
            vector: None,
            ..known
        };
        assert!(spreads(Work::EDGES, &never, compared));
    }
}
