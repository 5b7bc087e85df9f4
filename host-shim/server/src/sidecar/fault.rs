//! Why a call to Vectorizer failed.

use vectorizer_host_shim::store::StoreError;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallFault {
    /// It did not answer, or not to the end.
    #[error("{0}")]
    Unanswered(String),
    /// It answered with something else than success.
    #[error("it answers {status} {error_type}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// As in its error shape; empty where the answer has another one.
        error_type: String,
        /// As it says it.
        message: String,
    },
    /// It is busy for longer than a call waits.
    #[error("it is busy (429)")]
    Busy,
    /// Its answer is not of the agreed form.
    #[error("its answer to {path} cannot be understood: {reason}")]
    Form {
        /// What was asked.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It does not let the configured user in.
    #[error("it does not let the user of server.upstream.username in: {0}")]
    Login(String),
    /// It wants credentials, and none are configured.
    #[error("it wants credentials; set server.upstream.username and password")]
    NoCredentials,
}

impl CallFault {
    /// The same, of a login.
    pub(super) fn of_login(self) -> Self {
        match self {
            Self::Status { status, message, .. } if status < 500 => {
                Self::Login(format!("{status} {message}"))
            }
            other => other,
        }
    }

    /// Whether the same call is of no use for a while.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Login(_) | Self::NoCredentials)
    }

    /// Whether there is no such route.
    pub(super) const fn is_no_route(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 404 | 405,
                ..
            }
        )
    }

    /// As a store says it, of a call on this collection.
    pub(super) fn into_store_error(self, collection: &str) -> StoreError {
        match self {
            Self::Status { status: 404, .. } => StoreError::CollectionNotFound(collection.to_owned()),
            Self::Status {
                status: 400 | 413 | 422,
                message,
                ..
            } => StoreError::Invalid(message),
            other => StoreError::Unavailable(format!("Vectorizer: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> CallFault {
        CallFault::Status {
            status,
            error_type: "t".to_owned(),
            message: "m".to_owned(),
        }
    }

    #[test]
    fn only_what_repeating_cannot_help_is_not_unavailable() {
        let of = |fault: CallFault| fault.into_store_error("c");
        assert!(matches!(of(status(404)), StoreError::CollectionNotFound(name) if name == "c"));
        assert!(matches!(of(status(400)), StoreError::Invalid(_)));
        for fault in [
            status(401),
            status(409),
            status(500),
            CallFault::Busy,
            CallFault::NoCredentials,
            CallFault::Login(String::new()),
            CallFault::Unanswered(String::new()),
        ] {
            assert!(matches!(of(fault), StoreError::Unavailable(_)));
        }
    }

    #[test]
    fn a_login_is_refused_by_vectorizer_and_by_nothing_else() {
        assert!(status(401).of_login().is_lasting() && status(429).of_login().is_lasting());
        assert!(!status(500).of_login().is_lasting());
        assert!(!CallFault::Unanswered(String::new()).of_login().is_lasting());
    }
}
