//! Texts: `POST /insert`, `POST /insert_texts` (and its older name `/batch_insert`), `POST /embed`.
//!
//! A short text is stored as its vector with the metadata alone, a long one as chunks with their content. A
//! text that is inserted again under its id replaces all that its earlier version left, chunks included.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;
use vectorizer_plugin_api::model::JsonMap;

use super::documents::text_collection;
use super::extract::Body;
use super::insert::{ensure_collection, failed_entry};
use super::request::{
    client_id, entries, metadata, object, optional_bool, optional_count, refuse_encryption, text,
};
use super::{ApiError, AppState};
use crate::store::{Atomicity, Change};
use crate::text::{Chunking, TEXT_DIMENSION, embed};

/// One text, ready to be stored.
struct Prepared {
    changes: Vec<Change>,
    ids: Vec<String>,
    chunked: bool,
}

/// `POST /insert`.
pub(super) async fn insert_text(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let collection = text(&body, "collection")?;
            let prepared = prepare(&body, &body)?;
            ensure_collection(state, collection)?;
            text_collection(state, collection)?;
            state
                .store
                .apply(collection, prepared.changes, Atomicity::AllOrNothing)?;
            let created = prepared.ids.len();
            Ok(json!({
                "message": format!("Text inserted successfully ({created} vector(s) created)"),
                "vectors_created": created,
                "vector_ids": prepared.ids,
                "collection": collection,
                "chunked": prepared.chunked,
            }))
        })
        .await
}

/// `POST /insert_texts`: stores each text that is right, in one transaction. Options on the request count for
/// the texts that have none of their own.
pub(super) async fn insert_texts(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let collection = text(&body, "collection")?;
            let entries = entries(&body, "texts")?;
            refuse_encryption(&body)?;
            ensure_collection(state, collection)?;
            text_collection(state, collection)?;
            let mut changes = Vec::new();
            let mut inserted = 0;
            let mut results = Vec::with_capacity(entries.len());
            for (index, entry) in entries.iter().enumerate() {
                let client_id = entry.get("id").and_then(Value::as_str);
                results.push(
                    match object(entry, "texts").and_then(|entry| prepare(entry, &body)) {
                        Ok(prepared) => {
                            inserted += 1;
                            changes.extend(prepared.changes);
                            json!({
                                "index": index,
                                "client_id": client_id,
                                "status": "ok",
                                "vectors_created": prepared.ids.len(),
                                "vector_ids": prepared.ids,
                                "chunked": prepared.chunked,
                            })
                        }
                        Err(error) => failed_entry(index, client_id, &error),
                    },
                );
            }
            // What was prepared cannot be refused: its ids and vectors were made or checked here.
            state.store.apply(collection, changes, Atomicity::AllOrNothing)?;
            Ok(json!({
                "collection": collection,
                "inserted": inserted,
                "failed": entries.len() - inserted,
                "count": entries.len(),
                "results": results,
            }))
        })
        .await
}

/// `POST /embed`: the vector of a text, without storing anything.
pub(super) async fn embed_text(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |_| {
            let body = body.object()?;
            let text = text(&body, "text")?;
            Ok(json!({"embedding": embedded(text)?, "text": text, "dimension": TEXT_DIMENSION}))
        })
        .await
}

fn prepare(entry: &JsonMap, defaults: &JsonMap) -> Result<Prepared, ApiError> {
    let text = text(entry, "text")?;
    refuse_encryption(entry)?;
    let id = client_id(entry)?;
    let metadata = metadata(entry)?;
    let auto_chunk = either(entry, defaults, "auto_chunk", optional_bool)?.unwrap_or(true);
    let size = either(entry, defaults, "chunk_size", optional_count)?;
    let overlap = either(entry, defaults, "chunk_overlap", optional_count)?;
    let chunking = Chunking::new(size, overlap)
        .map_err(|error| ApiError::validation("chunk_size", error.to_string()))?;

    let chunked = auto_chunk && Chunking::applies_to(text);
    let mut prepared = if chunked {
        chunks_of(&chunking.split(text), id, &metadata)?
    } else {
        let own_id = id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        let upsert = Change::Upsert {
            id: own_id.clone(),
            vector: embedded(text)?,
            payload: Some(metadata),
        };
        Prepared {
            changes: vec![upsert],
            ids: vec![own_id],
            chunked,
        }
    };
    if let Some(id) = id {
        let keep = prepared.ids.iter().cloned().collect::<HashSet<_>>();
        prepared.changes.push(Change::Prune {
            text: id.to_owned(),
            keep,
        });
    }
    Ok(prepared)
}

fn chunks_of(chunks: &[&str], id: Option<&str>, metadata: &JsonMap) -> Result<Prepared, ApiError> {
    if chunks.is_empty() {
        return Err(no_text());
    }
    let parent = id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    let file_path = metadata
        .get("filename")
        .or_else(|| metadata.get("file_path"))
        .cloned()
        .unwrap_or_else(|| json!("text_input"));
    let mut prepared = Prepared {
        changes: Vec::new(),
        ids: Vec::new(),
        chunked: true,
    };
    for (index, chunk) in chunks.iter().enumerate() {
        let chunk_id = id.map_or_else(|| Uuid::new_v4().to_string(), |id| format!("{id}#{index}"));
        let mut payload = metadata.clone();
        payload.insert("content".to_owned(), json!(chunk));
        payload.insert("file_path".to_owned(), file_path.clone());
        payload.insert("chunk_index".to_owned(), json!(index));
        payload.insert("parent_id".to_owned(), json!(parent));
        prepared.changes.push(Change::Upsert {
            id: chunk_id.clone(),
            vector: embedded(chunk)?,
            payload: Some(payload),
        });
        prepared.ids.push(chunk_id);
    }
    Ok(prepared)
}

fn either<T>(
    entry: &JsonMap,
    defaults: &JsonMap,
    field: &str,
    read: impl Fn(&JsonMap, &str) -> Result<Option<T>, ApiError>,
) -> Result<Option<T>, ApiError> {
    match read(entry, field)? {
        Some(value) => Ok(Some(value)),
        None => read(defaults, field),
    }
}

fn embedded(text: &str) -> Result<Vec<f32>, ApiError> {
    embed(text).ok_or_else(no_text)
}

fn no_text() -> ApiError {
    ApiError::validation("text", "text must contain at least one visible character")
}
