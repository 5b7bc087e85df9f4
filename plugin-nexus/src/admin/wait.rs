//! Waiting until what was written is in the graph, for whoever reads there what they wrote here.
//!
//! A writer is answered when its change is in the journal, never later: it may hold the store's locks, which the work behind it
//! needs. So waiting is a request of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{ApiError, Awaited, Call, Endpoint, Parameter};
use crate::journal::{DocumentId, Work};
use crate::sync::Context;

const WHAT: &[Parameter] = &[
    Parameter::required("collection", "The collection that was written to"),
    Parameter::text("id", "Only this document of it"),
    Parameter::count("timeout_ms", "How long to wait at most", 5_000, 30_000),
];
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::awaited(
            "GET",
            "/wait",
            "Wait until the graph shows what was written before this request",
            wait,
        )
        .asks(WHAT)
        .refuses(&[409]),
    ]
}

/// Whether the graph shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Waited {
    /// Whether nothing of it waits any more. A document that Nexus refuses is a dead letter by then, or still waits.
    done: bool,
    /// Documents that still wait or are at work.
    waiting: usize,
    /// Documents of it that are dead letters.
    dead_letters: usize,
}

fn wait(call: &Call<'_>) -> Result<Awaited<Waited>, ApiError> {
    let begun = Instant::now();
    let query = call.query()?;
    let collection = query.required("collection")?.to_owned();
    let id = query.text("id")?.map(str::to_owned);
    let until = begun + Duration::from_millis(query.count("timeout_ms")? as u64);
    let context = Arc::clone(call.context());
    if !context.config().syncs(&collection) {
        return Err(ApiError::Conflict(format!("'{collection}' is not synced")));
    }
    // Hints that are on their way to the journal are in it then.
    call.engine
        .absorb_all()
        .map_err(|_| ApiError::Unavailable("the journal does not take what was written".to_owned()))?;
    Ok(Box::pin(async move {
        loop {
            let waiting = waiting(&context, &collection, id.as_deref());
            if waiting == 0 || Instant::now() >= until {
                return Ok(Waited {
                    done: waiting == 0,
                    waiting,
                    dead_letters: dead_letters(&context, &collection, id.as_deref()),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }))
}

/// Documents whose node or edges are not as they should be yet.
fn waiting(context: &Context, collection: &str, id: Option<&str>) -> usize {
    let journal = &context.journal;
    match id {
        None => journal
            .depth_by_collection()
            .get(collection)
            .copied()
            .unwrap_or_default(),
        Some(id) => {
            let standby = journal.standby(&DocumentId::new(collection, id));
            usize::from(
                standby.is_some_and(|standby| standby.in_flight || !standby.work.within(Work::ALL).is_none()),
            )
        }
    }
}

fn dead_letters(context: &Context, collection: &str, id: Option<&str>) -> usize {
    match id {
        None => context
            .journal
            .dead_letter_counts()
            .get(collection)
            .copied()
            .unwrap_or_default(),
        Some(id) => usize::from(context.journal.is_dead_letter(&DocumentId::new(collection, id))),
    }
}
