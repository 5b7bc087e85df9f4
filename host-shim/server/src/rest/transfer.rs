//! `POST /collections/{source}/vectors/move` and `.../copy`.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::extract::{At, Body};
use super::request::{entries, text};
use super::{ApiError, AppState};
use crate::store::{Transfer, Transferred};

/// Moves documents to another collection; a document is always in one of the two.
pub(super) async fn move_documents(
    State(state): State<AppState>,
    At(source): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| run(state, &source, &body, Transfer::Move, "moved"))
        .await
}

/// Copies documents to another collection.
pub(super) async fn copy_documents(
    State(state): State<AppState>,
    At(source): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| run(state, &source, &body, Transfer::Copy, "copied"))
        .await
}

fn run(state: &AppState, source: &str, body: &Body, kind: Transfer, done: &str) -> Result<Value, ApiError> {
    let body = body.object()?;
    let destination = text(&body, "destination")?;
    let entries = entries(&body, "ids")?;
    let ids: Vec<&str> = entries.iter().filter_map(Value::as_str).collect();
    let mut outcomes = state.store.transfer(source, destination, &ids, kind)?.into_iter();
    let mut succeeded = 0;
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        let outcome = if entry.is_string() { outcomes.next() } else { None };
        results.push(match outcome {
            Some(Transferred::Done) => {
                succeeded += 1;
                json!({"id": entry, "status": "ok"})
            }
            Some(Transferred::MissingInSource(error)) => {
                json!({"id": entry, "status": "missing_in_src", "error": error.to_string()})
            }
            Some(Transferred::RefusedByDestination(error)) => {
                json!({"id": entry, "status": "dst_insert_failed", "error": error.to_string()})
            }
            None => json!({"id": null, "status": "missing_in_src", "error": "id must be a string"}),
        });
    }
    Ok(json!({
        "src": source,
        "dst": destination,
        "requested": entries.len(),
        done: succeeded,
        "failed": entries.len() - succeeded,
        "results": results,
    }))
}
