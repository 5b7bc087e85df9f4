//! The plugin's own edges of a document, as the journal knows them.
//!
//! What is written of this epoch is in the graph; what somebody else changed there since is the edge stage's to find and put right,
//! before this one. So the graph is asked only where the journal is not sure.

use super::super::across::key;
use super::super::context::Context;
use super::super::edges::written_score;
use super::super::fault::StageFault;
use super::super::relations::{edge_type, written_confidence};
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, Neighbour};
use crate::journal::{DocumentId, DocumentState, RelationKind};

/// The active edges; `None`: the journal is not sure of them.
///
/// # Errors
/// [`StageFault`].
pub(super) fn remembered(
    context: &Context,
    document: &DocumentId,
    source: &DocumentKey,
    state: &DocumentState,
) -> Result<Option<Vec<Neighbour>>, StageFault> {
    let epoch = Some(context.journal.epoch());
    let is_sure = |of: Option<u32>, born: u64| of == epoch && born == state.born;
    let (across, relations) = (
        context.journal.across(document)?,
        context.journal.relations(document)?,
    );
    let sure = state.epoch == epoch
        && state.edges_epoch == epoch
        && across
            .as_ref()
            .is_none_or(|across| is_sure(across.epoch, across.born))
        && relations
            .as_ref()
            .is_none_or(|relations| is_sure(relations.epoch, relations.born));
    if !sure {
        return Ok(None);
    }
    let mut edges = Vec::new();
    let mut add = |kind, target: &str, weight: f64| {
        edges.push(Neighbour {
            source: source.as_str().to_owned(),
            kind,
            target: target.to_owned(),
            weight: weight.into(),
            active: Some(true),
        });
    };
    for edge in &state.edges {
        let target = key(&DocumentId::new(
            document.collection.clone(),
            edge.target.as_str(),
        ))?;
        add(EdgeType::SimilarTo, target.as_str(), written_score(edge.score));
    }
    for edge in across.iter().flat_map(|across| &across.edges) {
        add(
            EdgeType::SimilarTo,
            key(&edge.target())?.as_str(),
            written_score(edge.score),
        );
    }
    for edge in relations.iter().flat_map(|relations| &relations.edges) {
        let weight = written_confidence(edge.confidence);
        match edge.kind {
            RelationKind::Next => {
                let target = DocumentId::new(document.collection.clone(), edge.target.as_str());
                add(EdgeType::Next, key(&target)?.as_str(), weight);
            }
            kind => add(edge_type(kind), &edge.target, weight),
        }
    }
    Ok(Some(edges))
}
