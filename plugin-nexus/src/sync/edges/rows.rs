//! The SIMILAR_TO edges of a batch as they are sent, and as they should read afterwards.

use std::sync::Arc;

use super::super::across::key;
use super::super::context::now_text;
use super::super::fault::StageFault;
use super::super::plan::Plan;
use crate::config::SimilarityMethod;
use crate::graph::verify::WrittenEdges;
use crate::graph::{DocumentKey, Edge, GraphError};
use crate::journal::Batch;

/// How neighbours in other collections are found, as it stands in the graph.
const ACROSS: &str = SimilarityMethod::Embedding.name();

/// An edge to be sent, and whose it is.
pub(super) struct Row {
    pub(super) source: Arc<str>,
    pub(super) edge: Edge,
}

/// What has to be sent, retractions first: then no document ever shows more edges than it may have.
pub(super) fn similar_rows(batch: &Batch, method: &str, plans: &[Plan]) -> Result<Vec<Row>, StageFault> {
    let now = now_text();
    let mut rows = Vec::new();
    for plan in plans {
        let source = key(&batch.document(&plan.id))?;
        let mut row = |target: DocumentKey, score: f32, method: &str, active: bool| {
            let edge = Edge::similar(&source, &target, written_score(score), method, &now, active);
            rows.push(Row {
                source: Arc::clone(&plan.id),
                edge: edge.map_err(GraphError::from)?,
            });
            Ok::<_, StageFault>(())
        };
        let own = [(&plan.diff.retract, false), (&plan.diff.assert, true)];
        let across = plan.across.iter();
        let across = across.flat_map(|across| [(&across.retract, false), (&across.assert, true)]);
        for (edges, active) in own {
            for edge in edges {
                row(
                    key(&batch.document(&edge.target.as_str().into()))?,
                    edge.score,
                    method,
                    active,
                )?;
            }
        }
        for (edges, active) in across {
            for edge in edges {
                row(key(&edge.target())?, edge.score, ACROSS, active)?;
            }
        }
    }
    Ok(rows)
}

/// A document's edges as they should read now.
pub(super) fn written(batch: &Batch, plan: &Plan) -> Result<WrittenEdges, StageFault> {
    let mut written = WrittenEdges {
        source: key(&batch.document(&plan.id))?,
        active: Vec::new(),
        retracted: Vec::new(),
    };
    for edge in &plan.diff.edges {
        let target = key(&batch.document(&edge.target.as_str().into()))?;
        written.active.push((target, written_score(edge.score)));
    }
    for edge in &plan.diff.retract {
        written
            .retracted
            .push(key(&batch.document(&edge.target.as_str().into()))?);
    }
    if let Some(across) = &plan.across {
        for edge in &across.change.after.edges {
            let target = key(&edge.target())?;
            written.active.push((target, written_score(edge.score)));
        }
        for edge in &across.retract {
            written.retracted.push(key(&edge.target())?);
        }
    }
    Ok(written)
}

/// Six decimals: more is noise of the index, and fewer digits leave more of the record's width to its padding.
pub(in crate::sync) fn written_score(score: f32) -> f64 {
    if score.is_finite() {
        (f64::from(score) * 1e6).round() / 1e6
    } else {
        0.0
    }
}
