//! The routes that follow Qdrant's API, as far as Vectorizer does.

mod collection;
mod points;
mod scroll;

pub(super) use collection::create_collection;
pub(super) use points::{count, delete, retrieve, search, upsert};
pub(super) use scroll::{ScrollMarks, scroll};

use serde::Serialize;
use serde_json::Value;
use vectorizer_plugin_api::model::{Document, JsonMap};

use super::ApiError;

/// A point in an answer. Without its vector the list is empty, as in Vectorizer.
#[derive(Serialize)]
struct Point {
    id: String,
    vector: Vec<f32>,
    payload: Option<JsonMap>,
}

impl From<Document> for Point {
    fn from(Document { id, vector, payload }: Document) -> Self {
        Self { id, vector, payload }
    }
}

/// The wrapper of answers.
#[derive(Serialize)]
struct Answer<T> {
    result: T,
}

/// The answer to a write. The write is durable when it is sent.
#[derive(Serialize)]
struct Acknowledged {
    status: &'static str,
    operation_id: Option<u64>,
}

const ACKNOWLEDGED: Acknowledged = Acknowledged {
    status: "acknowledged",
    operation_id: None,
};

/// An id: a string, or a whole number, which is the same as its digits.
fn point_id(value: &Value, field: &str) -> Result<String, ApiError> {
    match value {
        Value::String(id) => Ok(id.clone()),
        Value::Number(number) if number.is_u64() => Ok(number.to_string()),
        _ => Err(ApiError::validation(
            field,
            "a point id is a string or a whole number",
        )),
    }
}

/// An array of ids.
fn point_ids(body: &JsonMap, field: &str) -> Result<Vec<String>, ApiError> {
    let ids = body.get(field).and_then(Value::as_array).ok_or_else(|| {
        ApiError::validation(
            field,
            format!("missing or invalid {field} parameter (expected an array of ids)"),
        )
    })?;
    ids.iter().map(|id| point_id(id, field)).collect()
}
