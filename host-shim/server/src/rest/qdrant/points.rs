//! Points: upsert, retrieve, delete, search, count.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::model::{Fields, JsonMap};

use super::{ACKNOWLEDGED, Answer, Point, point_id, point_ids};
use crate::rest::extract::{At, Body};
use crate::rest::request::{
    entries, object, optional_bool, optional_count, optional_filter, optional_number, payload,
    refuse_encryption, required_vector, vector,
};
use crate::rest::{ApiError, AppState};
use crate::store::{Atomicity, Change, DbError, Query};

const DEFAULT_LIMIT: usize = 10;

/// `PUT .../points`: stores all points or none, before the answer.
pub(in crate::rest) async fn upsert(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            refuse_encryption(&body)?;
            let changes = entries(&body, "points")?
                .iter()
                .enumerate()
                .map(|(at, point)| parse_point(point, &format!("points[{at}]")))
                .collect::<Result<Vec<_>, _>>()?;
            state
                .store
                .apply(&name, changes, Atomicity::AllOrNothing)
                .map_err(qdrant)?;
            Ok(ACKNOWLEDGED)
        })
        .await
}

fn parse_point(point: &Value, field: &str) -> Result<Change, ApiError> {
    let point = object(point, field)?;
    refuse_encryption(point)?;
    let id_field = format!("{field}.id");
    let id = point_id(point.get("id").unwrap_or(&Value::Null), &id_field)?;
    let payload = match point.get("payload") {
        Some(value) => payload(value, &format!("{field}.payload"))?,
        None => None,
    };
    Ok(Change::Upsert {
        id,
        vector: point_vector(point, &format!("{field}.vector"))?,
        payload,
    })
}

/// The vector of a point: an array, or the only entry of an object of arrays.
fn point_vector(point: &JsonMap, field: &str) -> Result<Vec<f32>, ApiError> {
    match point.get("vector") {
        Some(Value::Object(named)) => match (named.values().next(), named.len()) {
            (Some(only), 1) => vector(only, field),
            _ => Err(ApiError::validation(
                field,
                "exactly one named vector is supported",
            )),
        },
        Some(value) => vector(value, field),
        None => Err(ApiError::validation(field, "missing")),
    }
}

/// `POST .../points`: the points with these ids; those that are not there are left out.
pub(in crate::rest) async fn retrieve(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let ids = point_ids(&body, "ids")?;
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let fields = Fields {
                payload: optional_bool(&body, "with_payload")?.unwrap_or(true),
                vector: optional_bool(&body, "with_vector")?.unwrap_or(false),
            };
            let documents = state.store.get(&name, &ids, fields).map_err(qdrant)?;
            Ok(Answer {
                result: documents.into_iter().map(Point::from).collect::<Vec<_>>(),
            })
        })
        .await
}

/// `POST .../points/delete` with `points` (ids) or `filter`. Ids that are not there are passed over.
pub(in crate::rest) async fn delete(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            match optional_filter(&body)? {
                Some(_) if body.contains_key("points") => {
                    return Err(ApiError::validation("filter", "give either points or filter"));
                }
                Some(filter) => {
                    state.store.delete_where(&name, &filter).map_err(qdrant)?;
                }
                None => {
                    let changes = point_ids(&body, "points")?
                        .into_iter()
                        .map(|id| Change::Delete { id })
                        .collect();
                    state
                        .store
                        .apply(&name, changes, Atomicity::EachAlone)
                        .map_err(qdrant)?;
                }
            }
            Ok(ACKNOWLEDGED)
        })
        .await
}

/// A hit in an answer. Without its vector that is null, as in Vectorizer.
#[derive(Serialize)]
struct ScoredPoint {
    id: String,
    vector: Option<Vec<f32>>,
    payload: Option<JsonMap>,
    score: f32,
}

/// `POST .../points/search`. The filter applies before the hits are cut to `limit`.
pub(in crate::rest) async fn search(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let limit = optional_count(&body, "limit")?.unwrap_or(DEFAULT_LIMIT);
            let offset = optional_count(&body, "offset")?.unwrap_or(0);
            let filter = optional_filter(&body)?;
            let fields = Fields {
                payload: optional_bool(&body, "with_payload")?.unwrap_or(true),
                vector: optional_bool(&body, "with_vector")?.unwrap_or(false),
            };
            let query = Query {
                vector: required_vector(&body, "vector")?,
                limit: limit.saturating_add(offset),
                fields,
                filter: filter.as_ref(),
                min_score: optional_number(&body, "score_threshold")?.map(|least| least as f32),
            };
            let hits = state.store.find_similar(&name, query).map_err(qdrant)?;
            let result: Vec<ScoredPoint> = hits
                .into_iter()
                .skip(offset)
                .map(|hit| ScoredPoint {
                    id: hit.document.id,
                    vector: fields.vector.then_some(hit.document.vector),
                    payload: hit.document.payload,
                    score: hit.score,
                })
                .collect();
            Ok(Answer { result })
        })
        .await
}

/// `POST .../points/count`, of all points or of those that a filter finds.
pub(in crate::rest) async fn count(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let filter = optional_filter(&body.object()?)?;
            let count = state
                .store
                .count_documents(&name, filter.as_ref())
                .map_err(qdrant)?;
            Ok(json!({"result": {"count": count}}))
        })
        .await
}

/// An error of the store as these routes say it.
pub(super) fn qdrant(error: DbError) -> ApiError {
    ApiError::from(error).into_qdrant()
}
