//! Steering and watching the plugin: `/api/v1/sync/nexus/*`, and the same at `/admin/sync/*`.
//!
//! Invariants: what changes something is for administrators, what only tells is for users; what an administrator does is written to
//! the audit log with the name that the host has for the caller.

mod collections;
mod dead_letters;
mod domains;
mod jobs;
mod queue;
mod settings;
mod stats;
mod wait;
mod watch;

use serde_json::Value;

pub(crate) use settings::change;

use crate::api::{Call, Endpoint};
use crate::sync::Context;

/// All endpoints.
pub(crate) fn endpoints() -> impl Iterator<Item = Endpoint> {
    let all = [
        watch::endpoints(),
        stats::endpoints(),
        collections::endpoints(),
        settings::endpoints(),
        queue::endpoints(),
        jobs::endpoints(),
        dead_letters::endpoints(),
        domains::endpoints(),
        wait::endpoints(),
    ];
    all.into_iter().flatten().map(Endpoint::steering)
}

/// Writes down what the caller did.
fn write_down(call: &Call<'_>, action: &'static str, details: Value) {
    Deed::of(call, action, details).write_down(call.context());
}

/// What a caller asked for, to be written down once it is done.
struct Deed {
    by: String,
    action: &'static str,
    details: Value,
}

impl Deed {
    fn of(call: &Call<'_>, action: &'static str, mut details: Value) -> Self {
        if let Value::Object(details) = &mut details {
            details.insert("correlation_id".to_owned(), call.correlation_id.into());
        }
        Self {
            by: call.request.caller.name.clone(),
            action,
            details,
        }
    }

    fn write_down(&self, context: &Context) {
        let Self { by, action, details } = self;
        tracing::info!(by, action, %details, "an administrator steers the sync");
        context.audit_log.record(by, action, details);
    }
}
