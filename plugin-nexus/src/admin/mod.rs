//! Routes for administrators: `/admin/sync/*`.
//!
//! Invariants: every route here is registered with [`Access::Admin`], which the host enforces; input that is not understood
//! is answered with 400 and the name of the field, and changes nothing.

mod body;
mod dead_letters;
mod domains;
mod jobs;
mod query;

use serde_json::Value;
use vectorizer_plugin_api::{Access, Fault, Request, Response, Route};

use crate::journal::JournalError;
use crate::sync::Context;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum AdminError {
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
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(Fault),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl AdminError {
    fn field(field: &str, reason: impl Into<String>) -> Self {
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
            Self::Store(_) => (503, "unavailable"),
            Self::Journal(_) => (500, "internal_error"),
        };
        Response::json_error(status, error_type, &self.to_string())
    }
}

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    dead_letters::ROUTES
        .iter()
        .chain(&jobs::ROUTES)
        .chain(&domains::ROUTES)
        .map(|(method, path)| Route::new(method, path, Access::Admin))
}

/// Answers a request; `None` where it is for none of these routes. Blocks while the journal works.
pub(crate) fn respond(context: &Context, request: &Request) -> Option<Response> {
    if let Some(answer) = dead_letters::respond(&context.journal, request) {
        return Some(respond_with(answer.map(|body| (200, body))));
    }
    domains::respond(context, request)
        .or_else(|| jobs::respond(context, request))
        .map(respond_with)
}

fn respond_with(answer: Result<(u16, Value), AdminError>) -> Response {
    match answer {
        Ok((status, body)) => Response::json(status, &body),
        Err(error) => error.response(),
    }
}
