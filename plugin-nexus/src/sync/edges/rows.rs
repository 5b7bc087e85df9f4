//! The SIMILAR_TO edges of a batch as they are sent, and as they should read afterwards.

use std::sync::Arc;

use super::super::context::now_text;
use super::super::fault::StageFault;
use super::super::plan::Plan;
use super::key;
use crate::graph::verify::WrittenEdges;
use crate::graph::{Edge, GraphError};

/// An edge to be sent, and whose it is.
pub(super) struct Row {
    pub(super) source: Arc<str>,
    pub(super) edge: Edge,
}

/// What has to be sent, retractions first: then no document ever shows more edges than it may have.
pub(super) fn similar_rows(collection: &str, method: &str, plans: &[Plan]) -> Result<Vec<Row>, StageFault> {
    let now = now_text();
    let mut rows = Vec::new();
    for plan in plans {
        let source = key(collection, &plan.id)?;
        let retract = plan.diff.retract.iter().map(|edge| (edge, false));
        for (edge, active) in retract.chain(plan.diff.assert.iter().map(|edge| (edge, true))) {
            let target = key(collection, &edge.target)?;
            let edge = Edge::similar(&source, &target, written_score(edge.score), method, &now, active);
            rows.push(Row {
                source: Arc::clone(&plan.id),
                edge: edge.map_err(GraphError::from)?,
            });
        }
    }
    Ok(rows)
}

/// A document's edges as they should read now.
pub(super) fn written(collection: &str, plan: &Plan) -> Result<WrittenEdges, StageFault> {
    Ok(WrittenEdges {
        source: key(collection, &plan.id)?,
        active: plan
            .diff
            .edges
            .iter()
            .map(|edge| Ok((key(collection, &edge.target)?, written_score(edge.score))))
            .collect::<Result<_, StageFault>>()?,
        retracted: plan
            .diff
            .retract
            .iter()
            .map(|edge| key(collection, &edge.target))
            .collect::<Result<_, StageFault>>()?,
    })
}

/// Six decimals: more is noise of the index, and fewer digits leave more of the record's width to its padding.
fn written_score(score: f32) -> f64 {
    if score.is_finite() {
        (f64::from(score) * 1e6).round() / 1e6
    } else {
        0.0
    }
}
