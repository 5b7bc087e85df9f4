//! Edges of which nothing is remembered, read from the graph; and nodes that are remembered and not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use super::super::neighbours::SEEN_IN_GRAPH;
use super::super::plan::Plan;
use super::super::relations::Related;
use super::key;
use crate::graph::literal::Part;
use crate::graph::{DocumentKey, Graph};
use crate::journal::{Batch, DocumentId, EdgeState, RelationKind, Work};

/// Active edges by source, as the graph has them.
pub(super) type Edges = HashMap<Arc<str>, Vec<EdgeState>>;

/// Reads the edges of those documents whose remembered ones are not of this epoch.
pub(super) async fn unknown_edges(
    context: &Arc<Context>,
    graph: &Graph,
    batch: &Batch,
    epoch: u32,
) -> Result<Edges, StageFault> {
    let mut ids = BTreeMap::new();
    for claim in batch.claims.iter().filter(|claim| claim.work.has(Work::EDGES)) {
        let document = batch.document(&claim.id);
        let state = context.journal.state(&document)?;
        if state.is_some_and(|state| state.edges_epoch != Some(epoch)) {
            ids.insert(key(&batch.collection, &claim.id)?, Arc::clone(&claim.id));
        }
    }
    let mut edges: Edges = ids.values().map(|id| (Arc::clone(id), Vec::new())).collect();
    if ids.is_empty() {
        return Ok(edges);
    }
    let keys: Vec<DocumentKey> = ids.keys().cloned().collect();
    for edge in graph
        .outgoing_similar(&keys)
        .await?
        .into_iter()
        .filter(|edge| edge.active == Some(true))
    {
        let Some(source) = ids.get(&edge.source) else {
            continue;
        };
        // A target whose id is too long to be read back from its key stays out of reach here.
        let Ok((_, Part::Text(target))) = edge.target.parts() else {
            continue;
        };
        let document = DocumentId::new(Arc::clone(&batch.collection), target.as_str());
        let target_born = context
            .journal
            .state(&document)?
            .map_or(SEEN_IN_GRAPH, |state| state.born);
        // The score as a number that no real one equals, where the stored record has none: it is written again.
        let score = edge.score.map_or(f32::NEG_INFINITY, |score| score as f32);
        edges.entry(Arc::clone(source)).or_default().push(EdgeState {
            target,
            target_born,
            score,
        });
    }
    Ok(edges)
}

/// Nodes that the journal has a state of are not in the graph. Forgets the states and asks for the nodes again.
pub(super) fn write_again(
    context: &Context,
    batch: &Batch,
    plans: &[Plan],
    related: &Related,
    missing: &[String],
) -> Result<(), StageFault> {
    let is_missing = |id: &str| -> Result<bool, StageFault> {
        let key = key(&batch.collection, id)?;
        Ok(missing.iter().any(|missing| missing == key.as_str()))
    };
    let mut lost: BTreeSet<Arc<str>> = BTreeSet::new();
    for plan in plans {
        if is_missing(&plan.id)? {
            lost.insert(Arc::clone(&plan.id));
        }
        for edge in plan.diff.assert.iter().chain(&plan.diff.retract) {
            if is_missing(&edge.target)? {
                lost.insert(edge.target.as_str().into());
            }
        }
    }
    for (id, plan) in &related.plans {
        if is_missing(id)? {
            lost.insert(Arc::clone(id));
        }
        for relation in plan.asserted.iter().chain(&plan.retracted) {
            if relation.kind == RelationKind::Next && is_missing(&relation.target)? {
                lost.insert(relation.target.as_str().into());
            }
        }
    }
    related.lost_things(context, missing)?;
    let lost: Vec<Arc<str>> = lost.into_iter().collect();
    tracing::warn!(
        collection = %batch.collection,
        lost = lost.len(),
        "nodes are missing in the graph that were there before; they are written again"
    );
    context.journal.forget(&batch.collection, &lost)?;
    context.journal.add(
        &batch.collection,
        lost.iter().map(AsRef::as_ref),
        Work::ALL,
        now_micros(),
    )?;
    Ok(())
}
