//! Vectorizer's HTTP API over the store.
//!
//! Requests, answers and their quirks follow Vectorizer 3.5, except where it answers wrongly or not at all:
//! `/update`, `/delete`, `/vector` and `GET .../vectors/{id}` do what they say, Qdrant upserts are stored
//! before they are acknowledged, filters apply before the number of hits is cut, and what cannot be done is an
//! error instead of a success. All errors have one shape, see [`ApiError`].
//!
//! Handlers run on threads that may block, parsing and formatting included; one file holds one resource.

mod batch;
mod bulk;
mod collections;
mod documents;
mod error;
mod extract;
mod insert;
mod qdrant;
mod request;
mod search;
mod texts;
mod transfer;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Serialize;

use crate::auth::{Access, require_user};
use crate::correlation::spawn_blocking;
use crate::store::DocumentStore;

pub use error::ApiError;
use qdrant::ScrollMarks;

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    store: Arc<DocumentStore>,
    access: Access,
    max_body_bytes: usize,
    scroll_marks: Arc<ScrollMarks>,
}

impl AppState {
    /// The state of a server: its documents, who may reach them, and the longest request body in bytes.
    #[must_use]
    pub fn new(store: Arc<DocumentStore>, access: Access, max_body_bytes: usize) -> Self {
        Self {
            store,
            access,
            max_body_bytes,
            scroll_marks: Arc::default(),
        }
    }

    /// Runs `work` on a thread that may block and answers with its result as JSON.
    async fn answer<T: Serialize>(
        self,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let formatted = spawn_blocking(move || {
            serde_json::to_vec(&work(&self)?).map_err(|error| ApiError::Internal(error.to_string()))
        });
        let body = formatted
            .await
            .map_err(|error| ApiError::Internal(error.to_string()))??;
        Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}

/// All routes of the API. They need a user where keys are configured.
///
/// Has no fallback, so that it can be merged; [`not_found`] is one in the shape of the API's errors.
pub fn router(state: AppState) -> Router {
    let access = state.access.clone();
    Router::new()
        .route("/collections", get(collections::list).post(collections::create))
        .route(
            "/collections/{name}",
            get(collections::describe).delete(collections::delete),
        )
        .route("/collections/{name}/rename", post(collections::rename))
        .route("/collections/{name}/search", post(search::in_collection))
        .route("/collections/{name}/search/text", post(search::by_text))
        .route("/collections/{name}/vectors", get(documents::list))
        .route(
            "/collections/{name}/vectors/{id}",
            get(documents::get).delete(documents::delete),
        )
        .route("/collections/{name}/vectors/move", post(transfer::move_documents))
        .route("/collections/{name}/vectors/copy", post(transfer::copy_documents))
        .route(
            "/collections/{name}/vectors/delete_by_filter",
            post(bulk::delete_by_filter),
        )
        .route(
            "/collections/{name}/vectors/bulk_update_metadata",
            post(bulk::bulk_update_metadata),
        )
        .route("/search", post(search::anywhere))
        .route("/embed", post(texts::embed_text))
        .route("/insert", post(texts::insert_text))
        .route("/insert_texts", post(texts::insert_texts))
        .route("/batch_insert", post(texts::insert_texts))
        .route("/insert_vectors", post(insert::insert_vectors))
        .route("/batch_update", post(batch::batch_update))
        .route("/batch_delete", post(batch::batch_delete))
        .route("/vector", post(documents::get_by_body))
        .route("/update", post(documents::update))
        .route("/delete", post(documents::delete_by_body))
        .route("/qdrant/collections/{name}", put(qdrant::create_collection))
        .route(
            "/qdrant/collections/{name}/points",
            post(qdrant::retrieve).put(qdrant::upsert),
        )
        .route("/qdrant/collections/{name}/points/delete", post(qdrant::delete))
        .route("/qdrant/collections/{name}/points/search", post(qdrant::search))
        .route("/qdrant/collections/{name}/points/scroll", post(qdrant::scroll))
        .route("/qdrant/collections/{name}/points/count", post(qdrant::count))
        .route_layer(from_fn_with_state(access, require_user))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// The answer to a path that nobody serves.
pub async fn not_found() -> ApiError {
    ApiError::RouteNotFound
}

/// The answer to a path that is served, with other methods.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
