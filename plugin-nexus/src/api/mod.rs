//! What the plugin's routes share: how a request is read, and how it is refused.
//!
//! Invariants: input that is not understood is answered with 400 and the name of the field, and changes nothing; who may call a
//! route is its [`vectorizer_plugin_api::Access`], which the host enforces.

mod query;

use std::pin::Pin;

use serde::de::DeserializeOwned;
use serde_json::Value;
use vectorizer_plugin_api::{Fault, Response};

pub(crate) use query::Query;

use crate::journal::JournalError;
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
    /// What was asked for does not exist.
    #[error("{0}")]
    NotFound(&'static str),
    /// What was asked for is not possible now.
    #[error("{0}")]
    Conflict(String),
    /// Something that is needed is not usable at present.
    #[error("{0}")]
    Unavailable(String),
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(Fault),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
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

    fn response(&self) -> Response {
        let (status, error_type) = match self {
            Self::Field { .. } => (400, "validation_error"),
            Self::NotFound(_) => (404, "not_found"),
            Self::Conflict(_) => (409, "conflict"),
            Self::Unavailable(_) | Self::Store(_) => (503, "unavailable"),
            Self::Journal(_) => (500, "internal_error"),
        };
        Response::json_error(status, error_type, &self.to_string())
    }
}

/// An answer, or one that takes its time.
pub(crate) enum Reply {
    /// It is there.
    Now(Response),
    /// It comes.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

/// Reads a JSON body strictly; a fault names the field.
pub(crate) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    strict_json::parse(body).map_err(|Misfit { field, reason }| ApiError::Field {
        field: field.unwrap_or_else(|| "body".to_owned()),
        reason,
    })
}

/// The answer to a request.
pub(crate) fn response(answer: Result<(u16, Value), ApiError>) -> Response {
    match answer {
        Ok((status, body)) => Response::json(status, &body),
        Err(error) => error.response(),
    }
}
