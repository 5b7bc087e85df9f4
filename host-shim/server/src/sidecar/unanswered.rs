//! Why there is no answer of Vectorizer's, and what the client is told.

use std::error::Error;
use std::time::Duration;

use http_body_util::LengthLimitError;
use hyper_util::client::legacy::Error as ClientError;

use super::body::BodyError;
use super::metrics::Handed;
use crate::rest::ApiError;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) error: ApiError,
    pub(super) handed: Handed,
    /// Whether Vectorizer cannot have done anything.
    pub(super) is_unsent: bool,
    /// For the log.
    pub(super) reason: String,
}

impl Unanswered {
    /// The request is refused, by this server.
    pub(super) fn refused(error: ApiError) -> Self {
        Self {
            reason: error.to_string(),
            error,
            handed: Handed::Refused,
            is_unsent: true,
        }
    }

    /// The client's body could not be read.
    pub(super) fn of_request(error: BodyError, limit: usize) -> Self {
        Self::refused(match error {
            BodyError::Broken(error) if is_too_long(&error) => ApiError::BodyTooLarge { limit },
            BodyError::Broken(error) => ApiError::Parse(format!("the request broke off: {error}")),
            BodyError::Late => ApiError::RequestLate,
            BodyError::Busy => ApiError::Busy,
        })
    }

    /// The answer could not be read.
    pub(super) fn of_answer(error: BodyError) -> Self {
        let (reason, handed) = match error {
            BodyError::Broken(error) => (error.to_string(), Handed::Failed),
            BodyError::Late => ("its answer stopped coming".to_owned(), Handed::Late),
            BodyError::Busy => (
                "its answer is long, and there is no memory for it now".to_owned(),
                Handed::Failed,
            ),
        };
        Self {
            error: ApiError::Upstream,
            handed,
            is_unsent: false,
            reason,
        }
    }

    /// No answer began in time.
    pub(super) fn late(patience: Duration) -> Self {
        Self {
            error: ApiError::UpstreamLate(patience),
            handed: Handed::Late,
            is_unsent: false,
            reason: "no answer began in time".to_owned(),
        }
    }

    /// The request could not be sent, or there was no answer.
    pub(super) fn of_client(error: &ClientError, limit: usize) -> Self {
        // A part of it was sent then, which Vectorizer cannot make anything of.
        if is_too_long(error) {
            return Self::refused(ApiError::BodyTooLarge { limit });
        }
        if is_stalled(error) {
            return Self::refused(ApiError::RequestLate);
        }
        let reason = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self {
            error: ApiError::Upstream,
            handed: Handed::Failed,
            is_unsent: error.is_connect(),
            reason,
        }
    }
}

fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<LengthLimitError>())
}

fn is_stalled(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<tower_http::timeout::TimeoutError>())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}
