//! Routes for administrators: `/admin/sync/*`.
//!
//! Invariants: every route here is registered with [`Access::Admin`], which the host enforces; input that is not understood
//! is answered with 400 and the name of the field, and changes nothing.

mod dead_letters;
mod query;

use vectorizer_plugin_api::{Access, Request, Response, Route};

use crate::journal::{Journal, JournalError};

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
            Self::Journal(_) => (500, "internal_error"),
        };
        Response::json_error(status, error_type, &self.to_string())
    }
}

/// The routes to be registered.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    dead_letters::ROUTES
        .iter()
        .map(|(method, path)| Route::new(method, path, Access::Admin))
}

/// Answers a request; `None` where it is for none of these routes. Blocks while the journal works.
pub(crate) fn respond(journal: &Journal, request: &Request) -> Option<Response> {
    let answer = dead_letters::respond(journal, request)?;
    Some(match answer {
        Ok(body) => Response::json(200, &body),
        Err(error) => error.response(),
    })
}
