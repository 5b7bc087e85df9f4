//! The one error of the API, in Vectorizer's shape:
//! `{"error_type": "..", "message": "..", "details": {..}, "status_code": 400}`, `details` where there are any.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::settings::SettingsError;
use crate::store::DbError;
use crate::text::{PROVIDER, TEXT_DIMENSION};

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// A field is missing or wrong.
    #[error("Invalid {field}: {reason}")]
    Validation {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is not JSON, or not an object.
    #[error("{0}")]
    Parse(String),
    /// The body does not say that it is JSON.
    #[error("Expected request with `Content-Type: application/json`")]
    UnsupportedMediaType,
    /// The body is longer than the server takes.
    #[error("request body is longer than {limit} bytes")]
    BodyTooLarge {
        /// The most that it takes.
        limit: usize,
    },
    /// No collection has this name.
    #[error("Collection not found: {0}")]
    CollectionNotFound(String),
    /// No collection has this name, as the Qdrant routes say it.
    #[error("collection '{0}' not found")]
    QdrantCollectionNotFound(String),
    /// The name of the new collection is taken.
    #[error("Collection already exists: {0}")]
    CollectionExists(String),
    /// The collection has no document with this id.
    #[error("Vector not found: {0}")]
    VectorNotFound(String),
    /// A vector has another length than those of the collection.
    #[error("Invalid dimension: expected {expected}, got {actual}")]
    DimensionMismatch {
        /// Components in the collection.
        expected: usize,
        /// Components given.
        actual: usize,
    },
    /// Text cannot be stored in a collection of this dimension.
    #[error("Provider '{PROVIDER}' has dimension {TEXT_DIMENSION}, request asked for {requested}")]
    ProviderDimension {
        /// Dimension asked for, or that of the collection.
        requested: usize,
    },
    /// Text is vectorised by one provider only.
    #[error("Unsupported embedding provider '{0}': this server has '{PROVIDER}'")]
    UnsupportedProvider(String),
    /// The client asked for encryption. Storing its data in the clear instead would betray it.
    #[error("Encryption is not supported by this server: nothing was stored")]
    EncryptionUnsupported,
    /// No key, or none that is known.
    #[error("A valid API key is required")]
    Unauthorized,
    /// The key is known, and not good enough.
    #[error("This needs the administrator's API key")]
    Forbidden,
    /// The server's configuration file is not what it can go on with.
    #[error(transparent)]
    Settings(SettingsError),
    /// Nobody serves this path.
    #[error("Not found")]
    RouteNotFound,
    /// The path is served, with other methods.
    #[error("Method not allowed")]
    MethodNotAllowed,
    /// The Vectorizer behind the server gave no answer, or not all of it.
    #[error("Vectorizer gave no answer")]
    Upstream,
    /// Something has to end first.
    #[error("The collection is in use: the request may be repeated")]
    Busy,
    /// The Vectorizer behind the server did not answer in time.
    #[error("Vectorizer did not answer within {} s", .0.as_secs_f64())]
    UpstreamLate(std::time::Duration),
    /// The request's body did not come in time.
    #[error("the request's body did not come in time")]
    RequestLate,
    /// The store failed. Why is in the log.
    #[error("Storage failed: the request may be repeated")]
    Storage,
    /// The server is at fault. Why is in the log.
    #[error("Internal error")]
    Internal(String),
}

impl ApiError {
    pub(super) fn validation(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Validation {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// What a client sees of it: status, name, details.
    fn parts(&self) -> (StatusCode, &'static str, Option<Value>) {
        match self {
            Self::Validation { field, reason } => (
                StatusCode::BAD_REQUEST,
                "validation_error",
                Some(json!({"field": field, "reason": reason})),
            ),
            Self::Parse(_) => (StatusCode::BAD_REQUEST, "parse_error", None),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", None)
            }
            Self::BodyTooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                Some(json!({"limit_bytes": limit})),
            ),
            Self::CollectionNotFound(name) => (
                StatusCode::NOT_FOUND,
                "collection_not_found",
                Some(json!({"collection_name": name})),
            ),
            Self::QdrantCollectionNotFound(_) => (StatusCode::NOT_FOUND, "collection_not_found", None),
            Self::CollectionExists(name) => (
                StatusCode::CONFLICT,
                "collection_already_exists",
                Some(json!({"collection_name": name})),
            ),
            Self::VectorNotFound(id) => (
                StatusCode::NOT_FOUND,
                "vector_not_found",
                Some(json!({"vector_id": id})),
            ),
            Self::DimensionMismatch { expected, actual } => (
                StatusCode::BAD_REQUEST,
                "dimension_mismatch",
                Some(json!({"expected": expected, "actual": actual})),
            ),
            Self::ProviderDimension { requested } => (
                StatusCode::BAD_REQUEST,
                "provider_dimension_mismatch",
                Some(json!({
                    "provider": PROVIDER,
                    "provider_dimension": TEXT_DIMENSION,
                    "requested_dimension": requested,
                })),
            ),
            Self::UnsupportedProvider(name) => (
                StatusCode::BAD_REQUEST,
                "unsupported_provider",
                Some(json!({"provider": name})),
            ),
            Self::EncryptionUnsupported => (StatusCode::BAD_REQUEST, "encryption_unsupported", None),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", None),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", None),
            Self::Settings(error) => (
                StatusCode::BAD_REQUEST,
                "validation_error",
                settings_details(error),
            ),
            Self::RouteNotFound => (StatusCode::NOT_FOUND, "not_found", None),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", None),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", None),
            Self::Upstream => (StatusCode::BAD_GATEWAY, "bad_gateway", None),
            Self::UpstreamLate(_) => (StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", None),
            Self::RequestLate => (StatusCode::REQUEST_TIMEOUT, "request_timeout", None),
            Self::Storage => (StatusCode::INTERNAL_SERVER_ERROR, "storage_error", None),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", None),
        }
    }

    /// The name of the error, as in `error_type`.
    pub(super) fn error_type(&self) -> &'static str {
        self.parts().1
    }

    /// The same, with what a client calls the vector where the store just says `vector`.
    pub(super) fn about_embedding(self) -> Self {
        match self {
            Self::DimensionMismatch { expected, actual } => Self::validation(
                "embedding",
                format!("embedding length {actual} does not match collection dimension {expected}"),
            ),
            Self::Validation { field, reason } if field == "vector" => Self::validation("embedding", reason),
            other => other,
        }
    }

    /// The same, as the Qdrant routes say it.
    pub(super) fn into_qdrant(self) -> Self {
        match self {
            Self::CollectionNotFound(name) => Self::QdrantCollectionNotFound(name),
            other => other,
        }
    }
}

/// The faults one by one, for clients that show them.
fn settings_details(error: &SettingsError) -> Option<Value> {
    match error {
        SettingsError::Unreadable { .. } => None,
        SettingsError::Wrong(error) => Some(json!({"faults": error.faults()})),
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::CollectionNotFound(name) => Self::CollectionNotFound(name),
            DbError::CollectionExists { name, .. } => Self::CollectionExists(name),
            DbError::DocumentNotFound(id) => Self::VectorNotFound(id),
            DbError::DimensionMismatch { expected, actual } => Self::DimensionMismatch { expected, actual },
            // No route makes a change under conditions.
            unasked @ DbError::Differs(_) => Self::Internal(unasked.to_string()),
            DbError::Invalid { field, reason } => Self::validation(field, reason),
            failed @ (DbError::InUse(_) | DbError::Damaged(_) | DbError::Unavailable(_)) => {
                tracing::error!(error = %failed, "the store failed");
                Self::Storage
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(cause) = &self {
            tracing::error!(%cause, "a request failed inside the server");
        }
        let (status, error_type, details) = self.parts();
        let mut body = json!({
            "error_type": error_type,
            "message": self.to_string(),
            "status_code": status.as_u16(),
        });
        if let Some(details) = details {
            body["details"] = details;
        }
        let mut response = (status, Json(body)).into_response();
        if self == Self::Busy {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
