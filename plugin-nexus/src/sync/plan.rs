//! What has to change about the edges of one document: its neighbours are searched and compared with the edges it has.
//!
//! For a document whose vector is new it also finds the documents that are concerned by it. Searches are in two parts: the
//! first of a document needs nothing but the store, so it can be made ahead ([`super::ahead`]); wider ones follow where the
//! states of what was found say so.
//!
//! Where words count (`keyword`, `hybrid`) the vectors propose and the words decide: all documents whose vectors are near enough to
//! be looked at (`similarity.candidates`), the nearest [`WIDE`] of them, are scored by their texts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};

use super::across::{self, AcrossPlan, AcrossSearch};
use super::context::{Context, Nearest};
use super::fault::StageFault;
use super::likeness::Frozen;
use super::neighbours::{Candidate, EdgeDiff, diff, eligible, enters};
use super::vector::{Unsearchable, searchable};
use crate::config::Similarity;
use crate::journal::{AcrossEdge, Claim, DocumentId, DocumentState, EdgeState, Work};
use crate::payload::text;
use crate::similarity::{Scorer, TermStatistics, TermVector};

/// Hits asked for beyond the neighbours wanted, since an index may be approximate and a hit may have no node yet.
const SLACK: usize = 16;
/// First width of the search for the documents that a new one comes near to.
const SPREAD_WIDTH: usize = 128;
/// From this width on that search goes on only while it finds documents that are concerned. Up to it, it goes down to the
/// threshold: one with few neighbours takes any that is near enough, however many others are nearer.
const WIDE: usize = 2_048;
/// No search is wider; stores have a limit of their own.
const WIDEST: usize = 8_192;
/// First width where words count: all candidates are looked at then, up to [`WIDE`].
const FIRST_POOL: usize = 512;
/// Texts that are held at a time.
const TEXTS: usize = 64;

/// One document's edges, compared.
pub(super) struct Plan {
    pub(super) id: Arc<str>,
    pub(super) state: DocumentState,
    /// Digest of what was compared with the neighbours being told; of an older vector where they were not. A document may be read
    /// before the hint of its new vector is taken in: were that one noted here, nobody would be told of it.
    pub(super) likeness: Option<u64>,
    pub(super) diff: EdgeDiff,
    /// Its edges to other collections; `None`: it has none, as before, or they are what they were.
    pub(super) across: Option<AcrossPlan>,
    /// Documents of its collection to compare again.
    pub(super) marks: BTreeSet<String>,
}

impl Plan {
    /// Edges to be written as active.
    pub(super) fn asserted(&self) -> usize {
        let across = self.across.as_ref().map_or(0, |across| across.assert.len());
        self.diff.assert.len() + across
    }

    /// Edges to be retracted.
    pub(super) fn retracted(&self) -> usize {
        let across = self.across.as_ref().map_or(0, |across| across.retract.len());
        self.diff.retract.len() + across
    }
}

/// What the graph holds of a document's edges, where nothing that is remembered is relied upon.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// In its collection.
    pub(super) own: Vec<EdgeState>,
    /// To other collections.
    pub(super) across: Vec<AcrossEdge>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Hits that were asked for.
    pub(super) width: usize,
    /// Closest first, as the store says; the document itself is among them.
    pub(super) candidates: Arc<[Candidate]>,
    /// Whether a wider search finds no others that are near enough.
    pub(super) complete: bool,
    /// Digest of what was searched for.
    pub(super) likeness: u64,
}

impl Found {
    /// Nothing, and there is nothing.
    fn nothing(likeness: u64) -> Self {
        Self {
            width: 0,
            likeness,
            candidates: Arc::new([]),
            complete: true,
        }
    }
}

/// A search for neighbours in one collection.
pub(super) struct Search<'a> {
    context: &'a Context,
    name: Arc<str>,
    collection: CollectionInfo,
    settings: Similarity,
    scorer: Scorer,
    /// The least score of an edge.
    threshold: f64,
    /// The least score of two vectors that are looked at.
    reach: f64,
    /// `None`: texts do not count.
    words: Option<Arc<Frozen>>,
}

impl<'a> Search<'a> {
    /// # Errors
    /// `StageFault::Journal`.
    pub(super) fn new(context: &'a Context, collection: CollectionInfo) -> Result<Self, StageFault> {
        let settings = context.config().similarity_of(&collection.name);
        let words = match settings.method.reads_texts() {
            true => context.word_counts(&collection.name)?,
            false => None,
        };
        Ok(Self {
            context,
            name: collection.name.as_str().into(),
            scorer: Scorer::new(&settings),
            threshold: settings.least(collection.metric),
            reach: settings.reach(collection.metric),
            words,
            settings,
            collection,
        })
    }

    /// The first search for a document. Needs the store only. Blocks.
    ///
    /// # Errors
    /// `StageFault::Host`, `StageFault::Journal`.
    pub(super) fn first(&self, claim: &Claim, document: &Document) -> Result<Found, StageFault> {
        let spread = claim.work.has(Work::SPREAD);
        let width = match (self.words.is_some(), spread) {
            (true, _) => FIRST_POOL,
            (false, true) => SPREAD_WIDTH,
            (false, false) => 0,
        };
        let likeness = self.context.likeness(&self.name, document)?;
        match searchable(&document.vector, &self.collection) {
            Ok(()) => self.search(document, likeness, width.max(2 * self.settings.top_k + SLACK)),
            Err(reason) => Ok(self.skipped(likeness, reason)),
        }
    }

    fn skipped(&self, likeness: u64, reason: Unsearchable) -> Found {
        self.context
            .metrics
            .sync
            .unsearchable(&self.collection.name, reason);
        Found::nothing(likeness)
    }

    fn search(&self, document: &Document, likeness: u64, width: usize) -> Result<Found, StageFault> {
        let generation = self.context.journal.generation(&self.name);
        let cache = &self.context.searches;
        if let Some(found) = cache.get(&self.name, likeness, width, generation, Instant::now()) {
            return Ok(found);
        }
        let Some(nearest) = self
            .context
            .nearest(&self.name, &document.vector, width, self.reach)?
        else {
            return Ok(self.skipped(likeness, Unsearchable::Refused));
        };
        let Nearest { candidates, complete } = nearest;
        let candidates = match &self.words {
            None => candidates,
            Some(words) => self.by_words(document, candidates, &words.counts)?,
        };
        let found = Found {
            width,
            likeness,
            candidates: candidates.into(),
            complete,
        };
        cache.put(&self.name, likeness, &found, generation, Instant::now());
        Ok(found)
    }

    /// Scores candidates by the words of their texts, which are read a few at a time, since texts may be long.
    fn by_words(
        &self,
        document: &Document,
        near: Vec<Candidate>,
        counts: &TermStatistics,
    ) -> Result<Vec<Candidate>, StageFault> {
        let vector = |document: &Document| {
            let text = document.payload.as_ref().map(text).unwrap_or_default();
            TermVector::of(text, counts)
        };
        let own = vector(document);
        let mut scored = Vec::with_capacity(near.len());
        for part in near.chunks(TEXTS) {
            let ids: Vec<Arc<str>> = part
                .iter()
                .map(|candidate| candidate.id.as_str().into())
                .collect();
            let documents = self.context.documents(&self.name, &ids, Fields::PAYLOAD)?;
            let overlaps: HashMap<&str, f32> = documents
                .iter()
                .map(|other| (other.id.as_str(), own.overlap(&vector(other))))
                .collect();
            // One that is gone meanwhile has a hint of its own.
            scored.extend(part.iter().filter_map(|candidate| {
                let overlap = overlaps.get(candidate.id.as_str())?;
                Some(Candidate {
                    id: candidate.id.clone(),
                    score: self.scorer.score(candidate.score, *overlap),
                })
            }));
        }
        Ok(scored)
    }

    /// Compares one document, beginning with what its first search found; and with linked collections, through `across`. Blocks.
    ///
    /// # Errors
    /// `StageFault::Host` or `StageFault::Journal`.
    #[allow(clippy::too_many_arguments, reason = "one document's case, in its parts")]
    pub(super) fn plan(
        &self,
        claim: &Claim,
        id: &DocumentId,
        document: &Document,
        mut state: DocumentState,
        held: Option<Held>,
        first: Found,
        across: Option<&AcrossSearch<'_>>,
    ) -> Result<Plan, StageFault> {
        let k = self.settings.top_k;
        let spread = claim.work.has(Work::SPREAD);
        let likeness = match spread {
            true => Some(first.likeness),
            false => state.vector,
        };
        let held_across = held.map(|held| {
            state.edges = held.own;
            held.across
        });
        let across = self.plan_across(across, id, document, &state, held_across, spread)?;
        let mut states = HashMap::new();
        let mut found = first;
        let (eligible, mut marks) = loop {
            let eligible = eligible(&claim.id, &found.candidates, self.threshold);
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
                    !self.context.deriver().isolates()
                        || known(&other.id).is_none_or(|theirs| theirs.access == state.access)
                })
                .collect();
            // One that was never compared itself will find this document when it is.
            let entered: BTreeSet<String> = eligible
                .iter()
                .filter(|other| {
                    spread
                        && known(&other.id).is_some_and(|theirs| {
                            theirs.vector.is_some()
                                && enters(&theirs.edges, &claim.id, state.born, other.score, k)
                        })
                })
                .map(|other| other.id.clone())
                .collect();
            if found.complete
                || found.width >= self.widest()
                || self.suffices(&found, &eligible, &entered, spread, known)
            {
                break (eligible, entered);
            }
            let width = (found.width * 4).min(self.widest());
            found = self.search(document, found.likeness, width)?;
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
            likeness,
            state,
            diff,
            across,
            marks,
        })
    }

    fn plan_across(
        &self,
        search: Option<&AcrossSearch<'_>>,
        id: &DocumentId,
        document: &Document,
        state: &DocumentState,
        held: Option<Vec<AcrossEdge>>,
        spread: bool,
    ) -> Result<Option<AcrossPlan>, StageFault> {
        let relied_upon = held.is_none();
        let known = match held {
            Some(held) => held,
            None => across::remembered(&self.context.journal, id, state)?,
        };
        let plan = match search {
            Some(search) if searchable(&document.vector, &self.collection).is_ok() => {
                search.plan(id, document, state, known, spread)?
            }
            _ if known.is_empty() => return Ok(None),
            _ => across::retract_all(self.context, state, known)?,
        };
        let as_before = plan.change.before == plan.change.after.edges;
        Ok(Some(plan).filter(|plan| !relied_upon || !as_before || !plan.marks.is_empty()))
    }

    fn widest(&self) -> usize {
        if self.words.is_some() { WIDE } else { WIDEST }
    }

    /// Whether what was found is all that matters, although there is more.
    fn suffices<'s>(
        &self,
        found: &Found,
        eligible: &[Candidate],
        entered: &BTreeSet<String>,
        spread: bool,
        known: impl Fn(&str) -> Option<&'s DocumentState>,
    ) -> bool {
        // The best by words may be the last by vectors.
        if self.words.is_some() {
            return false;
        }
        let nodes = eligible.iter().filter(|other| known(&other.id).is_some()).count();
        let farther_half = eligible.get(found.width / 2..).unwrap_or_default();
        nodes >= self.settings.top_k
            && (!spread
                || found.width >= WIDE && !farther_half.iter().any(|other| entered.contains(&other.id)))
    }
}
