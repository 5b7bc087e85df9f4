//! Reading back what a stage wrote, and what to do where it differs.
//!
//! A mismatch is no document's fault. What differs is written once more, since somebody else may have written in between; if it
//! differs again, the server does not do what it says, and the fault carries both values.

use super::context::Context;
use super::fault::StageFault;
use crate::graph::verify::{ReadBack, WrittenEdges, WrittenNode};
use crate::graph::{DocumentKey, Edge, Graph, GraphError, NodeWrite};
use crate::journal::Stage;

/// Reads nodes back. Those that differ are written once more; if they differ again, the server is not to be trusted.
pub(super) async fn verify_nodes(
    context: &Context,
    graph: &Graph,
    sample: Vec<(NodeWrite, WrittenNode)>,
    how: ReadBack,
) -> Result<(), StageFault> {
    if sample.is_empty() {
        return Ok(());
    }
    let (writes, written): (Vec<_>, Vec<_>) = sample.into_iter().unzip();
    let first = graph.verify_nodes(&written, how).await?;
    context
        .metrics
        .sync
        .verified(Stage::Nodes, written.len(), first.len());
    if first.is_empty() {
        return Ok(());
    }
    let differing = |key: &DocumentKey| first.iter().any(|mismatch| mismatch.key == *key);
    let writes: Vec<_> = writes
        .into_iter()
        .filter(|write| differing(write.key()))
        .collect();
    let written: Vec<_> = written.into_iter().filter(|node| differing(&node.key)).collect();
    tracing::warn!(nodes = writes.len(), first = %first[0], "nodes read back differently; they are written once more");
    graph.upsert_nodes(&writes).await?;
    match graph.verify_nodes(&written, how).await?.into_iter().next() {
        None => Ok(()),
        Some(mismatch) => Err(GraphError::from(mismatch).into()),
    }
}

/// Reads edges back. Documents whose edges differ have theirs written once more; if they differ again, the server is not
/// to be trusted.
pub(super) async fn verify_edges(
    context: &Context,
    graph: &Graph,
    sample: Vec<(WrittenEdges, Vec<Edge>)>,
) -> Result<(), StageFault> {
    if sample.is_empty() {
        return Ok(());
    }
    let (written, rows): (Vec<_>, Vec<_>) = sample.into_iter().unzip();
    let first = graph.verify_edges(&written).await?;
    context
        .metrics
        .sync
        .verified(Stage::Edges, written.len(), first.len());
    if first.is_empty() {
        return Ok(());
    }
    let differing = |edges: &WrittenEdges| first.iter().any(|mismatch| mismatch.key == edges.source);
    let (written, rows): (Vec<_>, Vec<_>) = written
        .into_iter()
        .zip(rows)
        .filter(|(written, _)| differing(written))
        .unzip();
    tracing::warn!(documents = written.len(), first = %first[0], "edges read back differently; they are written once more");
    graph.write_edges(&rows.concat()).await?;
    match graph.verify_edges(&written).await?.into_iter().next() {
        None => Ok(()),
        Some(mismatch) => Err(GraphError::from(mismatch).into()),
    }
}
