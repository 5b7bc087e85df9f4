//! `POST /insert_vectors`: vectors that the client made.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;
use vectorizer_plugin_api::model::{JsonMap, Metric};

use super::extract::Body;
use super::request::{
    client_id, entries, metadata, object, payload, refuse_encryption, required_vector, text,
};
use super::{ApiError, AppState};
use crate::store::{Atomicity, Change};
use crate::text::TEXT_DIMENSION;

/// Stores each entry that is right, in one transaction, and says of each what became of it. A collection
/// that is not there is made with the server's defaults.
pub(super) async fn insert_vectors(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let collection = text(&body, "collection")?;
            let entries = entries(&body, "vectors")?;
            refuse_encryption(&body)?;
            ensure_collection(state, collection)?;
            let parsed: Vec<Result<Change, ApiError>> = entries.iter().map(parse_entry).collect();
            let outcomes = apply_each(state, collection, parsed)?;
            let results: Vec<Value> = entries
                .iter()
                .zip(&outcomes)
                .enumerate()
                .map(|(index, (entry, outcome))| {
                    let client_id = entry.get("id").and_then(Value::as_str);
                    match outcome {
                        Ok(id) => json!({
                            "index": index, "client_id": client_id, "status": "ok", "vector_ids": [id],
                        }),
                        Err(error) => failed_entry(index, client_id, error),
                    }
                })
                .collect();
            let inserted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            Ok(json!({
                "collection": collection,
                "inserted": inserted,
                "failed": outcomes.len() - inserted,
                "count": outcomes.len(),
                "results": results,
            }))
        })
        .await
}

/// Makes the collection with the server's defaults if it is not there.
pub(super) fn ensure_collection(state: &AppState, name: &str) -> Result<(), ApiError> {
    if state
        .store
        .ensure_collection(name, TEXT_DIMENSION, Metric::Cosine)?
    {
        tracing::info!(collection = name, "made a collection on its first insert");
    }
    Ok(())
}

/// An entry of an answer that says why this one failed.
pub(super) fn failed_entry(index: usize, client_id: Option<&str>, error: &ApiError) -> Value {
    json!({
        "index": index,
        "client_id": client_id,
        "status": "error",
        "error": error.to_string(),
        "error_type": error.error_type(),
    })
}

fn parse_entry(entry: &Value) -> Result<Change, ApiError> {
    let entry = object(entry, "vectors")?;
    refuse_encryption(entry)?;
    let id = client_id(entry)?.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    let vector = required_vector(entry, "embedding")?;
    Ok(Change::Upsert {
        id,
        vector,
        payload: Some(entry_payload(entry)?),
    })
}

fn entry_payload(entry: &JsonMap) -> Result<JsonMap, ApiError> {
    match entry.get("payload") {
        Some(value) => Ok(payload(value, "payload")?.unwrap_or_default()),
        None => metadata(entry),
    }
}

/// Applies the changes that could be read. For each entry its id, or why it failed.
fn apply_each(
    state: &AppState,
    collection: &str,
    parsed: Vec<Result<Change, ApiError>>,
) -> Result<Vec<Result<String, ApiError>>, ApiError> {
    let mut ids = Vec::with_capacity(parsed.len());
    let mut changes = Vec::with_capacity(parsed.len());
    for entry in parsed {
        ids.push(entry.map(|change| {
            let id = match &change {
                Change::Upsert { id, .. } => id.clone(),
                _ => String::new(),
            };
            changes.push(change);
            id
        }));
    }
    let mut stored = state
        .store
        .apply(collection, changes, Atomicity::EachAlone)?
        .into_iter();
    Ok(ids
        .into_iter()
        .map(|entry| {
            let id = entry?;
            stored
                .next()
                .unwrap_or(Ok(()))
                .map_err(|error| ApiError::from(error).about_embedding())?;
            Ok(id)
        })
        .collect())
}
