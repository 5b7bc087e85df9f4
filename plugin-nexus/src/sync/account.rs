//! What is told of a batch: the span that its lines are in, what was done with each document, and the record in the audit log.
//!
//! Invariant: nothing is told as done before it is journaled: an [`Account`] is drawn up before, and told afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tracing::{Level, Span};

use super::ACTOR;
use super::context::Context;
use super::lane::Done;
use crate::graph::schema::EdgeType;
use crate::journal::{Batch, Outcome, Stage, StateChange, Work};
use crate::telemetry;

/// What all lines about a batch have in common; it is in the trace of the changes that the batch is there for.
pub(super) fn span_of(context: &Context, stage: Stage, batch: &Batch) -> Span {
    let moments = batch.moments();
    macro_rules! span {
        ($name:literal) => {
            tracing::info_span!(
                $name,
                batch = batch.number(),
                stage = stage.name(),
                collection = %batch.collection,
                documents = batch.claims.len(),
                correlation_id = context.changes.names(&moments),
            )
        };
    }
    let span = match stage {
        Stage::Nodes | Stage::Edges => span!("batch"),
        Stage::Enrichment => span!("enrichment"),
    };
    telemetry::trace_batch(&span, &context.changes, &moments);
    span
}

/// A batch in numbers, as it stands in the audit log.
#[derive(Serialize)]
struct Counts {
    batch: u64,
    correlation_id: String,
    stage: &'static str,
    collection: Arc<str>,
    documents: usize,
    written: usize,
    deleted: usize,
    enriched: usize,
    failed: usize,
    edges_asserted: usize,
    edges_retracted: usize,
}

impl Counts {
    /// Whether anything was changed.
    fn is_change(&self) -> bool {
        let edges = self.edges_asserted + self.edges_retracted;
        self.written + self.deleted + self.enriched + self.failed + edges > 0
    }
}

/// What was done with a batch.
pub(super) struct Account {
    counts: Counts,
    /// With the moment of each document's change; only where somebody reads it.
    documents: Vec<(Arc<str>, u64, &'static str)>,
}

impl Account {
    pub(super) fn of(context: &Context, stage: Stage, batch: &Batch, done: &Done) -> Self {
        let edges = |counts: &BTreeMap<EdgeType, usize>| counts.values().sum::<usize>();
        Self {
            counts: Counts {
                batch: batch.number(),
                correlation_id: context.changes.names(&batch.moments()),
                stage: stage.name(),
                collection: Arc::clone(&batch.collection),
                documents: batch.claims.len(),
                written: done.written.len(),
                deleted: done.deleted,
                enriched: done.enriched,
                failed: done.failed.len(),
                edges_asserted: edges(&done.asserted),
                edges_retracted: edges(&done.retracted),
            },
            documents: match tracing::enabled!(Level::DEBUG) {
                true => documents(stage, batch, done),
                false => Vec::new(),
            },
        }
    }

    /// The journal has it.
    pub(super) fn tell(self, context: &Context) {
        let counts = &self.counts;
        tracing::debug!(
            written = counts.written,
            deleted = counts.deleted,
            enriched = counts.enriched,
            failed = counts.failed,
            edges_asserted = counts.edges_asserted,
            edges_retracted = counts.edges_retracted,
            "a batch is done"
        );
        for (id, moment, what) in self.documents {
            tracing::debug!(correlation_id = %context.changes.name(moment), %id, "{what}");
        }
        if self.counts.is_change() {
            context.audit_log.record(ACTOR, "sync.batch", &json!(self.counts));
        }
    }
}

/// What was done with each document; refused ones are told of where that is decided.
fn documents(stage: Stage, batch: &Batch, done: &Done) -> Vec<(Arc<str>, u64, &'static str)> {
    let outcomes: HashMap<&Arc<str>, &Outcome> = done
        .outcomes
        .iter()
        .map(|outcome| (&outcome.id, outcome))
        .collect();
    let told = batch.claims.iter().filter_map(|claim| {
        let outcome = outcomes.get(&claim.id)?;
        Some((Arc::clone(&claim.id), claim.since_micros, what(stage, outcome)))
    });
    told.collect()
}

fn what(stage: Stage, outcome: &Outcome) -> &'static str {
    let own = match stage {
        Stage::Nodes => Work::NODE,
        Stage::Edges => Work::EDGES.and(Work::RELATIONS),
        Stage::Enrichment => Work::ENRICHMENT,
    };
    match (&outcome.state, stage) {
        (StateChange::Remove, _) => "a document is out of the graph",
        _ if !outcome.left.within(own).is_none() => "a document is looked at once more",
        (_, Stage::Nodes) => "the node of a document is right",
        (_, Stage::Edges) => "the edges of a document are right",
        (_, Stage::Enrichment) => "the payload of a document is settled",
    }
}
