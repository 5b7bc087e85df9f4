//! Taking requests apart, so that every refusal has the API's shape.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::{ApiError, AppState};

/// A body that says it is JSON, not yet parsed: that is left to a thread that may block.
pub(super) struct Body(Bytes);

impl FromRequest<AppState> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        if !says_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let limit = state.max_body_bytes;
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(ApiError::BodyTooLarge { limit });
        }
        to_bytes(request.into_body(), limit)
            .await
            .map(Self)
            .map_err(|error| body_error(&error, limit))
    }
}

/// The library tells an overlong body from a broken connection by the source of its error only.
fn body_error(error: &axum::Error, limit: usize) -> ApiError {
    let source = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    if source.contains("length limit") {
        ApiError::BodyTooLarge { limit }
    } else {
        ApiError::Parse("the request body could not be read to its end".to_owned())
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    media_type
        .is_some_and(|m| m == "application/json" || (m.starts_with("application/") && m.ends_with("+json")))
}

impl Body {
    /// The object that the body is.
    pub(super) fn object(&self) -> Result<JsonMap, ApiError> {
        match serde_json::from_slice(&self.0) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(ApiError::Parse(
                "the request body must be a JSON object".to_owned(),
            )),
            Err(error) => Err(ApiError::Parse(format!(
                "the request body is not valid JSON: {error}"
            ))),
        }
    }
}

/// Parts of the path.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(inner) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::validation("path", rejection.body_text()))?;
        Ok(Self(inner))
    }
}

/// Parts of the query string.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(inner) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::validation("query", rejection.body_text()))?;
        Ok(Self(inner))
    }
}
