//! Edges of which nothing is remembered, read from the graph; and nodes that are remembered and not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::across::key;
use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use super::super::neighbours::SEEN_IN_GRAPH;
use super::super::plan::{Held, Plan};
use super::super::relations::Related;
use crate::graph::literal::Part;
use crate::graph::{DocumentKey, Graph};
use crate::journal::{AcrossEdge, Batch, DocumentId, EdgeState, RelationKind, Work};

/// Active edges by source, as the graph has them.
pub(super) type Edges = HashMap<Arc<str>, Held>;

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
        let Some(state) = context.journal.head(&document)? else {
            continue;
        };
        let across = context.journal.across(&document)?;
        if claim.work.has(Work::LOOK)
            || state.edges_epoch != Some(epoch)
            || across.is_some_and(|across| across.epoch != Some(epoch))
        {
            ids.insert(key(&document)?, Arc::clone(&claim.id));
        }
    }
    let mut edges: Edges = ids.values().map(|id| (Arc::clone(id), Held::default())).collect();
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
        let Ok((Part::Text(collection), Part::Text(id))) = edge.target.parts() else {
            continue;
        };
        let document = DocumentId::new(collection.as_str(), id.as_str());
        let target_born = context
            .journal
            .head(&document)?
            .map_or(SEEN_IN_GRAPH, |state| state.born);
        // The score as a number that no real one equals, where the stored record has none: it is written again.
        let score = edge.score.map_or(f32::NEG_INFINITY, |score| score as f32);
        let held = edges.entry(Arc::clone(source)).or_default();
        if *collection == *batch.collection {
            held.own.push(EdgeState {
                target: id,
                target_born,
                score,
            });
        } else {
            held.across.push(AcrossEdge {
                collection,
                id,
                target_born,
                score,
            });
        }
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
    let is_missing = |document: &DocumentId| -> Result<bool, StageFault> {
        let key = key(document)?;
        Ok(missing.iter().any(|missing| missing == key.as_str()))
    };
    let beside = |id: &str| DocumentId::new(Arc::clone(&batch.collection), id);
    let mut suspects: BTreeSet<DocumentId> = BTreeSet::new();
    for plan in plans {
        suspects.insert(batch.document(&plan.id));
        let own = plan.diff.assert.iter().chain(&plan.diff.retract);
        suspects.extend(own.map(|edge| beside(&edge.target)));
        let across = plan.across.iter();
        let across = across.flat_map(|across| across.assert.iter().chain(&across.retract));
        suspects.extend(across.map(AcrossEdge::target));
    }
    for (id, plan) in &related.plans {
        suspects.insert(batch.document(id));
        let next = plan.asserted.iter().chain(&plan.retracted);
        let next = next.filter(|relation| relation.kind == RelationKind::Next);
        suspects.extend(next.map(|relation| beside(&relation.target)));
    }
    related.lost_things(context, missing)?;
    let mut lost: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for document in suspects {
        if is_missing(&document)? {
            lost.entry(document.collection).or_default().push(document.id);
        }
    }
    for (collection, lost) in lost {
        tracing::warn!(
            %collection,
            lost = lost.len(),
            "nodes are missing in the graph that were there before; they are written again"
        );
        context.journal.forget(&collection, &lost)?;
        let ids = lost.iter().map(AsRef::as_ref);
        context.journal.add(&collection, ids, Work::ALL, now_micros())?;
    }
    Ok(())
}
