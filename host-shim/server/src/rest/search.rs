//! Searching by vector and by text.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use vectorizer_plugin_api::model::{Fields, Hit, JsonMap};

use super::documents::text_collection;
use super::extract::{At, Body};
use super::request::{optional_count, optional_filter, optional_number, required_vector, text};
use super::{ApiError, AppState};
use crate::store::Query;
use crate::text::embed;

const DEFAULT_LIMIT: usize = 10;

#[derive(Serialize)]
struct Found {
    id: String,
    score: f32,
    vector: Vec<f32>,
    payload: Option<JsonMap>,
}

impl From<Hit> for Found {
    fn from(hit: Hit) -> Self {
        let document = hit.document;
        Self {
            id: document.id,
            score: hit.score,
            vector: document.vector,
            payload: document.payload,
        }
    }
}

#[derive(Serialize)]
struct Answer {
    results: Vec<Found>,
    query_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    limit: usize,
    collection: String,
    total_results: usize,
}

/// `POST /collections/{name}/search`.
pub(super) async fn in_collection(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            search(state, &name, &body, required_vector(&body, "vector")?, None)
        })
        .await
}

/// `POST /search` with `collection`.
pub(super) async fn anywhere(State(state): State<AppState>, body: Body) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let collection = text(&body, "collection")?;
            search(state, collection, &body, required_vector(&body, "vector")?, None)
        })
        .await
}

/// `POST /collections/{name}/search/text`: the texts that share words with `query`.
pub(super) async fn by_text(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let query = text(&body, "query")?;
            text_collection(state, &name)?;
            let vector = embed(query).ok_or_else(|| ApiError::validation("query", "must not be empty"))?;
            search(state, &name, &body, vector, Some(query))
        })
        .await
}

fn search(
    state: &AppState,
    collection: &str,
    body: &JsonMap,
    vector: Vec<f32>,
    query: Option<&str>,
) -> Result<Answer, ApiError> {
    let limit = optional_count(body, "limit")?.unwrap_or(DEFAULT_LIMIT);
    let filter = optional_filter(body)?;
    let found = state.store.find_similar(
        collection,
        Query {
            vector,
            limit,
            fields: Fields::ALL,
            filter: filter.as_ref(),
            min_score: optional_number(body, "threshold")?.map(|least| least as f32),
        },
    )?;
    let results: Vec<Found> = found.into_iter().map(Found::from).collect();
    Ok(Answer {
        total_results: results.len(),
        results,
        query_type: if query.is_some() { "text" } else { "vector" },
        query: query.map(str::to_owned),
        limit,
        collection: collection.to_owned(),
    })
}
