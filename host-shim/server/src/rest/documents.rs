//! Single documents: read, change, delete; and the paged list of a collection.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vectorizer_plugin_api::model::{Document, Fields, JsonMap};

use super::extract::{At, Body, Params};
use super::request::{metadata, optional_text, payload, text, vector};
use super::{ApiError, AppState};
use crate::store::{Atomicity, Change, PayloadChange};
use crate::text::{TEXT_DIMENSION, embed};

/// Most documents on one page of the list, as in Vectorizer.
const MAX_PAGE: usize = 50;
const DEFAULT_PAGE: usize = 10;
/// Farthest that a list can be paged; a longer way is for the scroll.
const MAX_OFFSET: usize = 1_000_000;

/// A document in an answer.
#[derive(Serialize)]
pub(super) struct Shown {
    id: String,
    vector: Vec<f32>,
    payload: Option<JsonMap>,
}

impl From<Document> for Shown {
    fn from(Document { id, vector, payload }: Document) -> Self {
        Self { id, vector, payload }
    }
}

#[derive(Deserialize)]
pub(super) struct Paging {
    limit: Option<usize>,
    offset: Option<usize>,
}

/// `GET /collections/{name}/vectors?limit=10&offset=0`, in insertion order.
pub(super) async fn list(
    State(state): State<AppState>,
    At(name): At<String>,
    Params(paging): Params<Paging>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        vectors: Vec<Shown>,
        total: u64,
        limit: usize,
        offset: usize,
        message: Option<String>,
    }
    state
        .answer(move |state| {
            let limit = paging.limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
            let offset = paging.offset.unwrap_or(0);
            if offset > MAX_OFFSET {
                return Err(ApiError::validation(
                    "offset",
                    format!("must be at most {MAX_OFFSET}"),
                ));
            }
            let (documents, total) = state.store.list(&name, offset, limit)?;
            let message = (total > limit as u64)
                .then(|| format!("Showing {limit} of {total} vectors. Use pagination for more."));
            let vectors = documents.into_iter().map(Shown::from).collect();
            Ok(Answer {
                vectors,
                total,
                limit,
                offset,
                message,
            })
        })
        .await
}

/// `GET /collections/{name}/vectors/{id}`.
pub(super) async fn get(
    State(state): State<AppState>,
    At((name, id)): At<(String, String)>,
) -> Result<Response, ApiError> {
    state.answer(move |state| read(state, &name, &id)).await
}

/// `POST /vector` with `collection` and `id`.
pub(super) async fn get_by_body(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            read(state, text(&body, "collection")?, text(&body, "id")?)
        })
        .await
}

#[derive(Serialize)]
struct Single {
    #[serde(flatten)]
    document: Shown,
    metadata: Value,
}

fn read(state: &AppState, collection: &str, id: &str) -> Result<Single, ApiError> {
    let document = state.store.get_one(collection, id, Fields::ALL)?;
    Ok(Single {
        document: document.into(),
        metadata: json!({"collection": collection}),
    })
}

/// `DELETE /collections/{name}/vectors/{id}`.
pub(super) async fn delete(
    State(state): State<AppState>,
    At((name, id)): At<(String, String)>,
) -> Result<Response, ApiError> {
    state.answer(move |state| remove(state, &name, &id)).await
}

/// `POST /delete` with `collection` and `id`.
pub(super) async fn delete_by_body(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            remove(state, text(&body, "collection")?, text(&body, "id")?)
        })
        .await
}

fn remove(state: &AppState, collection: &str, id: &str) -> Result<Value, ApiError> {
    let change = Change::Delete { id: id.to_owned() };
    state
        .store
        .apply(collection, vec![change], Atomicity::AllOrNothing)?;
    Ok(json!({
        "message": format!("Vector '{id}' deleted from collection '{collection}'"),
        "success": true,
    }))
}

/// `POST /update` with `collection` and `id`, and at least one of: `vector`, or `text` to make one of;
/// `payload` as it is, or `metadata` as text, either in the place of the old payload.
pub(super) async fn update(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let id = text(&body, "id")?;
            let collection = text(&body, "collection")?;
            let change = Change::Update {
                id: id.to_owned(),
                vector: new_vector(state, collection, &body)?,
                payload: new_payload(&body)?,
            };
            if matches!(
                &change,
                Change::Update {
                    vector: None,
                    payload: PayloadChange::Keep,
                    ..
                }
            ) {
                return Err(ApiError::validation(
                    "body",
                    "one of vector, text, payload or metadata is needed",
                ));
            }
            state
                .store
                .apply(collection, vec![change], Atomicity::AllOrNothing)?;
            Ok(json!({"message": format!("Vector '{id}' updated successfully")}))
        })
        .await
}

fn new_vector(state: &AppState, collection: &str, body: &JsonMap) -> Result<Option<Vec<f32>>, ApiError> {
    match (body.get("vector"), optional_text(body, "text")?) {
        (Some(_), Some(_)) => Err(ApiError::validation("text", "give either vector or text")),
        (Some(value), None) => vector(value, "vector").map(Some),
        (None, Some(text)) => {
            text_collection(state, collection)?;
            let embedded = embed(text);
            embedded
                .map(Some)
                .ok_or_else(|| ApiError::validation("text", "must not be empty"))
        }
        (None, None) => Ok(None),
    }
}

/// Refuses a collection whose vectors cannot have been made of text here.
pub(super) fn text_collection(state: &AppState, collection: &str) -> Result<(), ApiError> {
    let dimension = state.store.describe_collection(collection)?.info.dimension as usize;
    if dimension == TEXT_DIMENSION {
        Ok(())
    } else {
        Err(ApiError::ProviderDimension { requested: dimension })
    }
}

fn new_payload(body: &JsonMap) -> Result<PayloadChange, ApiError> {
    match (body.get("payload"), body.get("metadata")) {
        (Some(_), Some(_)) => Err(ApiError::validation(
            "metadata",
            "give either payload or metadata",
        )),
        (Some(value), None) => Ok(PayloadChange::Replace(payload(value, "payload")?)),
        (None, Some(_)) => Ok(PayloadChange::Replace(Some(metadata(body)?))),
        (None, None) => Ok(PayloadChange::Keep),
    }
}
