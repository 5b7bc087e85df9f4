//! `POST /batch_update` and `POST /batch_delete`: many documents at once, each with its own outcome.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::extract::Body;
use super::request::{entries, object, payload, text, vector};
use super::{ApiError, AppState};
use crate::store::{Atomicity, Change, PayloadChange};

/// Replaces vector, payload, or both; what an update does not name is kept.
pub(super) async fn batch_update(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| run(state, &body, "updates", "updated", parse_update))
        .await
}

/// Deletes by id.
pub(super) async fn batch_delete(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| run(state, &body, "ids", "deleted", parse_delete))
        .await
}

fn run(
    state: &AppState,
    body: &Body,
    field: &str,
    done: &str,
    parse: fn(&Value) -> Result<Change, ApiError>,
) -> Result<Value, ApiError> {
    let body = body.object()?;
    let collection = text(&body, "collection")?;
    let entries = entries(&body, field)?;
    let parsed: Vec<Result<Change, ApiError>> = entries.iter().map(parse).collect();
    let changes = parsed
        .iter()
        .filter_map(|change| change.as_ref().ok().cloned())
        .collect();
    let mut stored = state
        .store
        .apply(collection, changes, Atomicity::EachAlone)?
        .into_iter();
    let mut succeeded = 0;
    let mut results = Vec::with_capacity(entries.len());
    for (index, (entry, parsed)) in entries.iter().zip(parsed).enumerate() {
        let outcome = parsed.and_then(|_| stored.next().unwrap_or(Ok(())).map_err(ApiError::from));
        let id = entry.get("id").unwrap_or(entry).as_str();
        results.push(match outcome {
            Ok(()) => {
                succeeded += 1;
                json!({"index": index, "id": id, "status": "ok"})
            }
            Err(error) => json!({"index": index, "id": id, "status": "error", "error": error.to_string()}),
        });
    }
    Ok(json!({
        "collection": collection,
        "count": entries.len(),
        done: succeeded,
        "failed": entries.len() - succeeded,
        "results": results,
    }))
}

fn parse_update(entry: &Value) -> Result<Change, ApiError> {
    let entry = object(entry, "updates")?;
    let vector = entry
        .get("vector")
        .map(|value| vector(value, "vector"))
        .transpose()?;
    let payload = match entry.get("payload") {
        Some(value) => PayloadChange::Replace(payload(value, "payload")?),
        None => PayloadChange::Keep,
    };
    if vector.is_none() && payload == PayloadChange::Keep {
        return Err(ApiError::validation("updates", "vector or payload is needed"));
    }
    Ok(Change::Update {
        id: text(entry, "id")?.to_owned(),
        vector,
        payload,
    })
}

fn parse_delete(entry: &Value) -> Result<Change, ApiError> {
    let id = entry
        .as_str()
        .ok_or_else(|| ApiError::validation("ids", "id must be a string"))?;
    Ok(Change::Delete { id: id.to_owned() })
}
