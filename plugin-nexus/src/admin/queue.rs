//! The queue: paused and resumed as a whole, and emptied.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Deed, settings, write_down};
use crate::api::{ApiError, Awaited, Call, Endpoint};
use crate::settings::Pause;

/// Longest reason, in bytes.
const LONGEST: usize = 1_024;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::awaited(
            "POST",
            "/pause",
            "Write nothing to Nexus until resumed, also over restarts; changes are journaled",
            pause,
        )
        .may_take::<PauseRequest>(),
        Endpoint::awaited("POST", "/resume", "Go on", resume).may_take::<ResumeRequest>(),
        Endpoint::new(
            "POST",
            "/clear",
            "Take out of the queue what waits in it; dead letters stay, and the next comparison brings back what differs",
            clear,
        )
        .takes::<ClearRequest>(),
    ]
}

/// Why nothing is to be written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct PauseRequest {
    /// For those who look at the status.
    #[schemars(length(max = 1024))]
    reason: Option<String>,
}

/// Nothing is to be said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ResumeRequest {}

/// What is to be taken out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClearRequest {
    /// The word `clear`, so that nobody does it by mistake.
    confirm: Confirmation,
    /// Only of this collection.
    collection: Option<String>,
}

/// The word that is to be given.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum Confirmation {
    /// Yes.
    #[serde(rename = "clear")]
    Clear,
}

/// It is so.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Done")]
struct Done {
    success: bool,
    message: String,
}

/// The queue was emptied.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QueueCleared")]
struct Cleared {
    success: bool,
    message: String,
    /// Documents that were taken out; those at work go on.
    cleared: usize,
}

fn pause(call: &Call<'_>) -> Result<Awaited<Done>, ApiError> {
    call.query()?;
    let PauseRequest { reason } = call.body_or_default()?;
    if reason.as_ref().is_some_and(|reason| reason.len() > LONGEST) {
        return Err(ApiError::field(
            "reason",
            format!("must have {LONGEST} bytes at most"),
        ));
    }
    let pause = Pause {
        since: Timestamp::now(),
        by: call.request.caller.name.clone(),
        reason,
    };
    hold(call, Some(pause))
}

fn resume(call: &Call<'_>) -> Result<Awaited<Done>, ApiError> {
    call.query()?;
    let ResumeRequest {} = call.body_or_default()?;
    hold(call, None)
}

fn hold(call: &Call<'_>, pause: Option<Pause>) -> Result<Awaited<Done>, ApiError> {
    let deed = match &pause {
        Some(pause) => Deed::of(call, "sync.paused", json!({"reason": pause.reason})),
        None => Deed::of(call, "sync.resumed", json!({})),
    };
    let context = Arc::clone(call.context());
    Ok(Box::pin(async move {
        let paused = pause.is_some();
        settings::change(&context, false, move |settings| {
            settings.propose(|requested| {
                // Who paused first stays named.
                requested.paused = pause.map(|pause| requested.paused.take().unwrap_or(pause));
            })
        })
        .await?;
        deed.write_down(&context);
        let message = match paused {
            true => "nothing is written to Nexus any more; what is at work ends",
            false => "work goes on",
        };
        Ok(Done {
            success: true,
            message: message.to_owned(),
        })
    }))
}

fn clear(call: &Call<'_>) -> Result<Cleared, ApiError> {
    call.query()?;
    let ClearRequest {
        confirm: Confirmation::Clear,
        collection,
    } = call.body()?;
    if collection.as_deref() == Some("") {
        return Err(ApiError::field("collection", "must not be empty"));
    }
    let cleared = call.context().journal.clear(collection.as_deref())?;
    write_down(
        call,
        "queue.cleared",
        json!({"collection": collection, "documents": cleared}),
    );
    Ok(Cleared {
        success: true,
        message: format!(
            "{cleared} documents were taken out; the next comparison brings back those whose graph differs"
        ),
        cleared,
    })
}
