//! The HTTP server: a few routes of its own, those of plugins, and one scrape of both.
//!
//! Invariant: who sent a request is known before any route is asked, and each layer below decides for itself. Routes of plugins
//! are outside the layer that wants a key, since some of them are for everybody; the shim checks them by their own access.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use vectorizer_host_shim::api::model::{Document, Fields, JsonMap, Metric};
use vectorizer_host_shim::api::{Caller, Role};
use vectorizer_host_shim::embedded::{Lifecycle, Phase};
use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_host_shim::{http, metrics};

use crate::store::VectorStore;

/// Longest body, in bytes.
const BODY_LIMIT: usize = 100 << 20;

#[derive(Clone)]
struct Server {
    store: Arc<VectorStore>,
    lifecycle: Arc<Lifecycle>,
}

pub(crate) fn router(store: &Arc<VectorStore>, lifecycle: &Arc<Lifecycle>, key: Option<&str>) -> Router {
    let server = Server {
        store: Arc::clone(store),
        lifecycle: Arc::clone(lifecycle),
    };
    let own = Router::new()
        .route("/collections", post(create))
        .route("/collections/{name}", delete(drop_collection))
        .route("/collections/{name}/documents", post(insert))
        .route("/collections/{name}/search", post(search))
        .route_layer(from_fn(require_user));
    let public = Router::new()
        .route("/ready", get(ready))
        .route("/prometheus/metrics", get(scrape));
    let plugins = http::router(lifecycle.host(), BODY_LIMIT, caller_of);
    own.merge(public)
        .with_state(server)
        .merge(plugins)
        .layer(from_fn_with_state(key.map(Arc::<str>::from), identify))
}

/// Finds out who sends a request. Here it may wait, as for a database of keys; [`caller_of`] may not.
async fn identify(State(key): State<Option<Arc<str>>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get("x-api-key").map(|value| value.as_bytes());
    let (role, name) = match &key {
        None => (Role::Admin, "local"),
        Some(key) if given == Some(key.as_bytes()) => (Role::Admin, "key"),
        Some(_) => (Role::Anonymous, ""),
    };
    let name = name.to_owned();
    request.extensions_mut().insert(Caller { role, name });
    next.run(request).await
}

/// Who [`identify`] found.
fn caller_of(parts: &Parts) -> Caller {
    let nobody = || Caller {
        role: Role::Anonymous,
        name: String::new(),
    };
    parts.extensions.get().cloned().unwrap_or_else(nobody)
}

async fn require_user(request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.role >= Role::User => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Whether plugins work, for whoever distributes requests.
async fn ready(State(server): State<Server>) -> (StatusCode, Json<Value>) {
    let phase = server.lifecycle.phase();
    let status = match phase {
        Phase::Ready => StatusCode::OK,
        Phase::Opened | Phase::Draining | Phase::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({"phase": format!("{phase:?}")})))
}

/// Everything to be scraped. Plugins have half a second, so it is asked for on a thread that may block.
async fn scrape(State(server): State<Server>) -> Result<String, Refusal> {
    blocking(move || {
        let name = "embedded_store_collections";
        let mut text = format!("# HELP {name} Collections in memory\n# TYPE {name} gauge\n");
        let _ = writeln!(text, "{name} {}", server.store.collections.len());
        metrics::append(&mut text, &server.lifecycle.host().metrics());
        Ok(text)
    })
    .await
}

#[derive(Deserialize)]
struct Create {
    name: String,
    dimension: usize,
    metric: Metric,
}

async fn create(State(server): State<Server>, Json(create): Json<Create>) -> Result<(), Refusal> {
    blocking(move || server.store.create(&create.name, create.dimension, create.metric)).await
}

async fn drop_collection(State(server): State<Server>, Path(name): Path<String>) -> Result<(), Refusal> {
    // It waits for calls of plugins.
    blocking(move || server.store.drop_collection(&name)).await
}

#[derive(Deserialize)]
struct Put {
    id: String,
    vector: Vec<f32>,
    payload: Option<JsonMap>,
}

async fn insert(
    State(server): State<Server>,
    Path(name): Path<String>,
    Json(documents): Json<Vec<Put>>,
) -> Result<(), Refusal> {
    let documents: Vec<Document> = documents
        .into_iter()
        .map(|Put { id, vector, payload }| Document { id, vector, payload })
        .collect();
    blocking(move || server.store.insert(&name, &documents)).await
}

#[derive(Deserialize)]
struct Search {
    vector: Vec<f32>,
    limit: usize,
}

async fn search(
    State(server): State<Server>,
    Path(name): Path<String>,
    Json(search): Json<Search>,
) -> Result<Json<Value>, Refusal> {
    // A client may load a collection by naming it. A plugin may not.
    let hits = blocking(move || {
        let Search { vector, limit } = search;
        Store::search(&*server.store, &name, &vector, limit, Fields::PAYLOAD)
    })
    .await?;
    let hits = hits
        .into_iter()
        .map(|hit| json!({"id": hit.document.id, "score": hit.score, "payload": hit.document.payload}));
    Ok(Json(hits.collect()))
}

/// What a request was refused with.
struct Refusal(StoreError);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0 {
            StoreError::CollectionNotFound(_) => StatusCode::NOT_FOUND,
            StoreError::Invalid(_) => StatusCode::BAD_REQUEST,
            StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, self.0.to_string()).into_response()
    }
}

/// The store blocks.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let ended = tokio::task::spawn_blocking(call).await;
    ended
        .unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        .map_err(Refusal)
}
