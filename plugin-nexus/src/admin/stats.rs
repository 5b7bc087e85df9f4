//! What was done since the start, in numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{ApiError, Call, Endpoint};
use crate::graph::schema::EdgeType;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::new(
        "GET",
        "/stats",
        "What was done since the start, in numbers",
        stats,
    )]
}

/// What was done since the start.
#[derive(Debug, Serialize, JsonSchema)]
struct Stats {
    /// When the plugin started.
    since: Timestamp,
    /// Nodes written, deleted, and failed attempts, of all collections.
    total: Counts,
    /// The same by collection.
    collections: BTreeMap<String, Counts>,
    /// Edges by type; reverse ones are not counted.
    relationships: BTreeMap<&'static str, Edges>,
    /// Documents that wait or are at work now.
    queue_depth: usize,
    /// Documents that are dead letters now, by collection.
    dead_letters: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "SyncCounts")]
struct Counts {
    /// Nodes written.
    synced: u64,
    /// Nodes deleted.
    deleted: u64,
    /// Documents that could not be brought into the graph, counted at each attempt.
    errors: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EdgeCounts")]
struct Edges {
    /// Written as active.
    created: u64,
    /// Retracted.
    retracted: u64,
}

fn stats(call: &Call<'_>) -> Result<Stats, ApiError> {
    call.query()?;
    let context = call.context();
    let mut total = Counts::default();
    let collections = context.metrics.sync.totals().into_iter().map(|(name, totals)| {
        let counts = Counts {
            synced: totals.synced,
            deleted: totals.deleted,
            errors: totals.errors,
        };
        total.synced += counts.synced;
        total.deleted += counts.deleted;
        total.errors += counts.errors;
        (name, counts)
    });
    let collections = collections.collect();
    let relationships = EdgeType::ALL.into_iter().map(|kind| {
        let [created, retracted] = context.metrics.sync.edges_of(kind);
        (kind.name(), Edges { created, retracted })
    });
    Ok(Stats {
        since: context.metrics.started(),
        total,
        collections,
        relationships: relationships.collect(),
        queue_depth: context.journal.depth().total(),
        dead_letters: context.journal.dead_letter_counts().into_iter().collect(),
    })
}
