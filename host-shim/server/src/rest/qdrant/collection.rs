//! `PUT /qdrant/collections/{name}`: a collection of any dimension.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use vectorizer_plugin_api::model::{JsonMap, Metric};

use crate::rest::extract::{At, Body};
use crate::rest::request::{optional_count, text};
use crate::rest::{ApiError, AppState};

/// Makes a collection of `{"vectors": {"size": N, "distance": "Cosine|Euclid|Dot"}}`.
pub(in crate::rest) async fn create_collection(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let vectors = single_vector(&body)?;
            let size = optional_count(vectors, "size")?
                .ok_or_else(|| ApiError::validation("vectors.size", "missing or invalid size parameter"))?;
            let metric = match text(vectors, "distance")?.to_ascii_lowercase().as_str() {
                "cosine" => Metric::Cosine,
                "euclid" | "euclidean" => Metric::Euclidean,
                "dot" => Metric::Dot,
                _ => {
                    return Err(ApiError::validation(
                        "vectors.distance",
                        "must be Cosine, Euclid or Dot",
                    ));
                }
            };
            state.store.create_collection(&name, size, metric)?;
            Ok("acknowledged")
        })
        .await
}

/// The parameters of the one vector of a point, be it named or not.
fn single_vector(body: &JsonMap) -> Result<&JsonMap, ApiError> {
    let vectors = body
        .get("vectors")
        .and_then(Value::as_object)
        .ok_or_else(|| ApiError::validation("vectors", "missing or invalid vectors parameter"))?;
    if vectors.contains_key("size") {
        return Ok(vectors);
    }
    let mut named = vectors.values();
    match (named.next().and_then(Value::as_object), named.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(ApiError::validation(
            "vectors",
            "exactly one vector per point is supported",
        )),
    }
}
