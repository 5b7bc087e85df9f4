//! What the plugin's routes share: how a request is read, and how it is refused.
//!
//! Invariants: input that is not understood is answered with 400 and the name of the field, and changes nothing; who may call a
//! route is its [`vectorizer_plugin_api::Access`], which the host enforces.

mod admission;
mod endpoint;
mod openapi;
mod query;
mod router;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vectorizer_plugin_api::{Fault, Response};

pub(crate) use endpoint::{Awaited, BASE, Call, Endpoint, Reply, respond};
pub(crate) use query::{Parameter, Query};
pub(crate) use router::Router;

use crate::journal::JournalError;
use crate::settings::SettingsError;
use crate::strict_json::{self, Misfit};
use crate::sync::StageFault;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// A field of the query or the body is not usable.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Settings are refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody knows who calls.
    #[error("credentials are missing or wrong")]
    Unauthorized,
    /// The caller may not do this.
    #[error("this needs an administrator's credentials")]
    Forbidden,
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(&'static str),
    /// The route has other methods.
    #[error("the route has other methods")]
    Method,
    /// What was asked for is not possible now.
    #[error("{0}")]
    Conflict(String),
    /// Too much was asked lately.
    #[error("too many requests; come again in {} ms", wait.as_millis().max(1))]
    RateLimited {
        /// When to come again.
        wait: Duration,
    },
    /// Something that is needed is not usable at present.
    #[error("{0}")]
    Unavailable(String),
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(Fault),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A fault of the plugin.
    #[error("{0}")]
    Internal(String),
}

/// Of work that was to be done on another thread.
impl From<StageFault> for ApiError {
    fn from(fault: StageFault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl ApiError {
    pub(crate) fn field(field: &str, reason: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    /// The error's status and type, by which clients tell errors apart.
    fn kind(&self) -> (u16, &'static str) {
        match self {
            Self::Field { .. } => (400, "validation_error"),
            Self::Settings(error) => match error {
                SettingsError::Config(_) | SettingsError::Secret(_) => (400, "validation_error"),
                SettingsError::Pinned { .. } => (409, "conflict"),
                SettingsError::Unusable { .. } | SettingsError::Write(_) => (503, "unavailable"),
            },
            Self::Unauthorized => (401, "unauthorized"),
            Self::Forbidden => (403, "forbidden"),
            Self::NotFound(_) => (404, "not_found"),
            Self::Method => (405, "method_not_allowed"),
            Self::Conflict(_) => (409, "conflict"),
            Self::RateLimited { .. } => (429, "rate_limited"),
            Self::Unavailable(_) | Self::Store(_) => (503, "unavailable"),
            Self::Journal(_) | Self::Internal(_) => (500, "internal_error"),
        }
    }

    /// What a client may want to read apart from the message.
    fn details(&self) -> Value {
        match self {
            Self::Field { field, reason } => json!({"field": field, "reason": reason}),
            Self::Settings(SettingsError::Config(error)) => json!({"faults": error.faults}),
            Self::Settings(SettingsError::Pinned { key, variable }) => {
                json!({"key": key, "variable": variable})
            }
            Self::RateLimited { wait } => json!({"retry_after_ms": wait.as_millis().max(1) as u64}),
            _ => Value::Null,
        }
    }

    fn response(&self) -> Response {
        let (status, error_type) = self.kind();
        let body = openapi::ErrorBody {
            error_type,
            message: self.to_string(),
            details: self.details(),
            status_code: status,
        };
        let mut response = Response::json(status, &json!(body));
        if let Self::RateLimited { wait } = self {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            response
                .headers
                .push(("retry-after".to_owned(), format!("{seconds}")));
        }
        response
    }
}

/// Reads a JSON body strictly; a fault names the field.
pub(crate) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // A list would do for a struct, its values in the order of the fields.
    if body
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'{')
    {
        return Err(ApiError::field("body", "must be a JSON object"));
    }
    strict_json::parse(body).map_err(|Misfit { field, reason }| ApiError::Field {
        field: field.unwrap_or_else(|| "body".to_owned()),
        reason,
    })
}
