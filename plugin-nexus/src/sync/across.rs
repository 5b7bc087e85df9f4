//! The edges of one document to documents of other collections, where the configuration links them (`similarity.across`).
//!
//! They are a list of its own besides the one within the collection: the `top_k` nearest by vector among the documents of all linked
//! collections together. What is told to whom is as within a collection: where a vector is new, those are marked whose
//! lists it enters or leaves.
//!
//! Linked collections of another dimension or metric are passed over: their scores say nothing.

use std::collections::{BTreeSet, HashMap};

use vectorizer_plugin_api::model::{CollectionInfo, Document};

use super::context::{Context, Nearest};
use super::fault::StageFault;
use super::neighbours::{Candidate, EdgeDiff, SEEN_IN_GRAPH, diff, eligible, enters};
use crate::config;
use crate::graph::literal::LiteralError;
use crate::graph::{DocumentKey, GraphError};
use crate::journal::{AcrossChange, AcrossEdge, DocumentId, DocumentState, EdgeState, Journal};

/// Hits asked for beyond the neighbours wanted.
const SLACK: usize = 8;
/// First width of the search for the documents that a new one comes near to.
const SPREAD_WIDTH: usize = 64;
/// No search is wider.
const WIDEST: usize = 2_048;

/// One document's edges to other collections, compared.
#[derive(Debug)]
pub(super) struct AcrossPlan {
    /// New, or with another score.
    pub(super) assert: Vec<AcrossEdge>,
    /// No longer among the nearest; the target still exists.
    pub(super) retract: Vec<AcrossEdge>,
    /// What it had, and has afterwards; of no epoch yet.
    pub(super) change: AcrossChange,
    /// Documents to compare again.
    pub(super) marks: BTreeSet<DocumentId>,
}

/// A search in the collections that are linked with one.
pub(super) struct AcrossSearch<'a> {
    context: &'a Context,
    linked: Vec<CollectionInfo>,
    top_k: usize,
    threshold: f64,
}

impl<'a> AcrossSearch<'a> {
    /// `None`: the collection is linked with no other.
    ///
    /// # Errors
    /// `StageFault::Host`.
    pub(super) fn new(context: &'a Context, collection: &CollectionInfo) -> Result<Option<Self>, StageFault> {
        let config = context.config();
        let Some(across) = config.across_of(&collection.name) else {
            return Ok(None);
        };
        let general = config.similarity_of(&collection.name).threshold;
        Ok(Some(Self {
            context,
            linked: linked(context, across, collection)?,
            top_k: across.top_k,
            threshold: across.least(general, collection.metric),
        }))
    }

    /// Compares one document with what is known of its edges. Blocks.
    ///
    /// # Errors
    /// `StageFault::Host`, `StageFault::Journal`, `StageFault::Rejected`.
    pub(super) fn plan(
        &self,
        id: &DocumentId,
        document: &Document,
        state: &DocumentState,
        known: Vec<AcrossEdge>,
        spread: bool,
    ) -> Result<AcrossPlan, StageFault> {
        let own_key = key(id)?;
        let mut targets = Targets::new(&self.context.journal);
        let mut all = Vec::new();
        let mut marks = BTreeSet::new();
        for linked in &self.linked {
            let mut width = (2 * self.top_k + SLACK).max(if spread { SPREAD_WIDTH } else { 0 });
            loop {
                let found = self.search(linked, document, width, &mut targets)?;
                let mut near = Vec::with_capacity(found.candidates.len());
                for candidate in eligible(own_key.as_str(), &found.candidates, self.threshold) {
                    let theirs = targets.state(&candidate.id)?;
                    let apart = self.context.deriver().isolates()
                        && theirs.is_some_and(|theirs| theirs.access != state.access);
                    if !apart {
                        near.push(candidate);
                    }
                }
                let mut entered = BTreeSet::new();
                for other in near.iter().filter(|_| spread) {
                    if self.is_entered(&own_key, state, other, &mut targets)? {
                        entered.insert(other.id.clone());
                    }
                }
                let mut nodes = 0;
                for other in &near {
                    nodes += usize::from(targets.state(&other.id)?.is_some());
                }
                let farther_half = near.get(width / 2..).unwrap_or_default();
                let enough = nodes >= self.top_k
                    && !(spread && farther_half.iter().any(|other| entered.contains(&other.id)));
                if found.complete || enough || width >= WIDEST {
                    all.extend(near);
                    marks.extend(entered.iter().filter_map(|key| targets.document(key).cloned()));
                    break;
                }
                width *= 4;
            }
        }
        if spread {
            marks.extend(self.context.journal.sources_across(id)?);
        }
        let all = eligible(own_key.as_str(), &all, self.threshold);
        settle(&mut targets, &all, self.top_k, known, state, marks)
    }

    /// What is nearest in one linked collection, by key.
    fn search(
        &self,
        linked: &CollectionInfo,
        document: &Document,
        width: usize,
        targets: &mut Targets<'_>,
    ) -> Result<Nearest, StageFault> {
        let found = self
            .context
            .nearest(&linked.name, &document.vector, width, self.threshold)?;
        // A vector that the store does not take was counted in its own collection.
        let mut found = found.unwrap_or(Nearest {
            candidates: Vec::new(),
            complete: true,
        });
        for candidate in &mut found.candidates {
            let target = DocumentId::new(linked.name.as_str(), candidate.id.as_str());
            candidate.id = targets.note(target)?;
        }
        Ok(found)
    }

    /// Whether the document enters another one's list, or stands in it with another score. One that was never compared itself will
    /// find this document when it is.
    fn is_entered(
        &self,
        own_key: &DocumentKey,
        state: &DocumentState,
        other: &Candidate,
        targets: &mut Targets<'_>,
    ) -> Result<bool, StageFault> {
        if targets
            .state(&other.id)?
            .is_none_or(|theirs| theirs.vector.is_none())
        {
            return Ok(false);
        }
        let Some(theirs) = targets.document(&other.id) else {
            return Ok(false);
        };
        let edges = match self.context.journal.across(theirs)? {
            Some(across) => edges_by_key(&across.edges)?,
            None => Vec::new(),
        };
        Ok(enters(
            &edges,
            own_key.as_str(),
            state.born,
            other.score,
            self.top_k,
        ))
    }
}

/// The plan for a document of a collection that is linked with no other, and once was.
///
/// # Errors
/// `StageFault::Journal`, `StageFault::Rejected`.
pub(super) fn retract_all(
    context: &Context,
    state: &DocumentState,
    known: Vec<AcrossEdge>,
) -> Result<AcrossPlan, StageFault> {
    let mut targets = Targets::new(&context.journal);
    settle(&mut targets, &[], 0, known, state, BTreeSet::new())
}

fn settle(
    targets: &mut Targets<'_>,
    near: &[Candidate],
    top_k: usize,
    known: Vec<AcrossEdge>,
    state: &DocumentState,
    marks: BTreeSet<DocumentId>,
) -> Result<AcrossPlan, StageFault> {
    for edge in &known {
        let key = targets.note(edge.target())?;
        targets.state(&key)?;
    }
    let EdgeDiff {
        assert,
        retract,
        edges,
    } = diff(&edges_by_key(&known)?, near, top_k, |key| targets.born(key));
    let by_document = |edges: Vec<EdgeState>| -> Vec<AcrossEdge> {
        let edges = edges.into_iter().filter_map(|edge| {
            let target = targets.document(&edge.target)?;
            Some(AcrossEdge {
                collection: target.collection.to_string(),
                id: target.id.to_string(),
                target_born: edge.target_born,
                score: edge.score,
            })
        });
        edges.collect()
    };
    let after = crate::journal::Across {
        epoch: None,
        born: state.born,
        edges: by_document(edges),
    };
    Ok(AcrossPlan {
        assert: by_document(assert),
        retract: by_document(retract),
        change: AcrossChange { before: known, after },
        marks,
    })
}

/// What a document is known to have in the graph, where its remembered edges are relied upon.
///
/// # Errors
/// `StageFault::Journal`.
pub(super) fn remembered(
    journal: &Journal,
    id: &DocumentId,
    state: &DocumentState,
) -> Result<Vec<AcrossEdge>, StageFault> {
    // Edges of an earlier life went with its node.
    let across = journal.across(id)?.filter(|across| across.born == state.born);
    Ok(across.map(|across| across.edges).unwrap_or_default())
}

fn linked(
    context: &Context,
    across: &config::Across,
    collection: &CollectionInfo,
) -> Result<Vec<CollectionInfo>, StageFault> {
    let mut linked = Vec::new();
    for name in across.others(&collection.name) {
        if !context.config().syncs(name) {
            continue;
        }
        if let Some(other) = context.collection(name)?
            && (other.dimension, other.metric) == (collection.dimension, collection.metric)
        {
            linked.push(other);
        }
    }
    Ok(linked)
}

/// A document's key.
///
/// # Errors
/// `StageFault::Rejected`.
pub(super) fn key(document: &DocumentId) -> Result<DocumentKey, StageFault> {
    DocumentKey::new(&document.collection, &document.id)
        .map_err(|error: LiteralError| StageFault::Rejected(GraphError::from(error)))
}

fn edges_by_key(edges: &[AcrossEdge]) -> Result<Vec<EdgeState>, StageFault> {
    edges
        .iter()
        .map(|edge| {
            Ok(EdgeState {
                target: key(&edge.target())?.as_str().to_owned(),
                target_born: edge.target_born,
                score: edge.score,
            })
        })
        .collect()
}

/// Documents by key, with their states as far as they were asked for.
struct Targets<'a> {
    journal: &'a Journal,
    documents: HashMap<String, DocumentId>,
    states: HashMap<String, Option<DocumentState>>,
}

impl<'a> Targets<'a> {
    fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            documents: HashMap::new(),
            states: HashMap::new(),
        }
    }

    /// Notes a document; answers its key.
    fn note(&mut self, document: DocumentId) -> Result<String, StageFault> {
        let key = key(&document)?.as_str().to_owned();
        self.documents.insert(key.clone(), document);
        Ok(key)
    }

    fn document(&self, key: &str) -> Option<&DocumentId> {
        self.documents.get(key)
    }

    fn state(&mut self, key: &str) -> Result<Option<&DocumentState>, StageFault> {
        if !self.states.contains_key(key) {
            let state = match self.documents.get(key) {
                Some(document) => self.journal.state(document)?,
                None => None,
            };
            self.states.insert(key.to_owned(), state);
        }
        Ok(self.states.get(key).and_then(Option::as_ref))
    }

    /// The life of a document's node, if its state was asked for; 0 stands for none that is known.
    fn born(&self, key: &str) -> Option<u64> {
        let born = self.states.get(key)?.as_ref()?.born;
        (born != SEEN_IN_GRAPH).then_some(born)
    }
}
