//! Reading relations back, as the neighbourhood of their documents.

use std::collections::BTreeSet;

use super::super::context::Context;
use super::super::fault::StageFault;
use super::plan::{RelationPlan, expected};
use super::rows::TYPES;
use crate::graph::schema::EdgeType;
use crate::graph::verify::Mismatch;
use crate::graph::{DocumentKey, Graph, GraphError};
use crate::journal::{RelationEdge, Stage};

/// Reads the relations of documents back. Where they differ they are written once more; where they differ again, the server is
/// not to be trusted.
///
/// # Errors
/// [`StageFault`].
pub(in crate::sync) async fn verify(
    context: &Context,
    graph: &Graph,
    collection: &str,
    sample: &[(DocumentKey, &RelationPlan)],
) -> Result<(), StageFault> {
    if sample.is_empty() {
        return Ok(());
    }
    let first = differing(graph, collection, sample).await?;
    context
        .metrics
        .sync
        .verified(Stage::Edges, sample.len(), first.len());
    let Some((_, mismatch)) = first.first() else {
        return Ok(());
    };
    tracing::warn!(documents = first.len(), first = %mismatch, "relations read back differently; they are written once more");
    let again: Vec<(DocumentKey, &RelationPlan)> =
        first.into_iter().map(|(at, _)| sample[at].clone()).collect();
    let edges: Vec<_> = again
        .iter()
        .flat_map(|(_, plan)| plan.edges.iter().cloned())
        .collect();
    graph.write_edges(&edges).await?;
    match differing(graph, collection, &again).await?.into_iter().next() {
        None => Ok(()),
        Some((_, mismatch)) => Err(GraphError::from(mismatch).into()),
    }
}

/// Those of the documents that read back differently, by position.
async fn differing(
    graph: &Graph,
    collection: &str,
    sample: &[(DocumentKey, &RelationPlan)],
) -> Result<Vec<(usize, Mismatch)>, StageFault> {
    let keys: Vec<DocumentKey> = sample.iter().map(|(key, _)| key.clone()).collect();
    let read: BTreeSet<(String, EdgeType, String)> = graph
        .neighbours(&TYPES, &keys)
        .await?
        .into_iter()
        .filter(|edge| edge.active == Some(true))
        .map(|edge| (edge.source, edge.kind, edge.target))
        .collect();
    let mut found = Vec::new();
    for (at, (key, plan)) in sample.iter().enumerate() {
        let wrong = |relations: &[RelationEdge], should: bool| -> Result<Option<String>, StageFault> {
            for relation in relations {
                let (kind, target) = expected(collection, relation)?;
                let name = format!("{} to {target}", kind.name());
                if read.contains(&(key.as_str().to_owned(), kind, target)) != should {
                    return Ok(Some(name));
                }
            }
            Ok(None)
        };
        let (holds, gone) = ("holding", "retracted");
        let mismatch = match (wrong(&plan.asserted, true)?, wrong(&plan.retracted, false)?) {
            (Some(edge), _) => Some((edge, holds, gone)),
            (None, Some(edge)) => Some((edge, gone, holds)),
            (None, None) => None,
        };
        if let Some((edge, wrote, reads)) = mismatch {
            let mismatch = Mismatch {
                key: key.clone(),
                what: "a relation",
                wrote: format!("{edge}, {wrote}"),
                read: reads.to_owned(),
            };
            found.push((at, mismatch));
        }
    }
    Ok(found)
}
