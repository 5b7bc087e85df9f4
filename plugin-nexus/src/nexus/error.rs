//! What can go wrong with Nexus, and the one table that says what it means.
//!
//! Three kinds of evidence become a [`NexusError`]: a transport error, a status code, and the
//! `error` text of an answer with status 200, which is how the server reports everything about a
//! statement. [`NexusError::class`] then maps every variant to a [`FaultClass`].
//!
//! Errors carry the name of a statement, never its text or parameters, and at most
//! a short excerpt of what the server said.

use std::time::Duration;

use thiserror::Error;

/// Characters of a server's message that are kept.
const MAX_EXCERPT: usize = 240;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The server cannot be reached or did not answer in time. Transient; nobody's fault.
    Unreachable,
    /// The server asks for less. Transient, after the time it asked for.
    Overloaded {
        /// The server's Retry-After.
        retry_after: Option<Duration>,
    },
    /// The server failed on its own account. Transient.
    ServerFault,
    /// The API key is missing, wrong or lacks a permission. An operator must act.
    Unauthorised,
    /// The server refuses this statement with these values. Repeating it does not help.
    StatementRejected,
    /// An edge names a node that does not exist: write the node first, then the edge.
    MissingEndpoint,
    /// The answer is none that Nexus gives. A wrong address, a proxy, or another version.
    BadAnswer,
    /// The request or the answer exceeds a size limit. Send less at a time.
    TooLarge,
}

impl FaultClass {
    /// Whether the same statement may succeed later without anybody acting.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Overloaded { .. } | Self::ServerFault => true,
            Self::Unauthorised
            | Self::StatementRejected
            | Self::MissingEndpoint
            | Self::BadAnswer
            | Self::TooLarge => false,
        }
    }
}

/// A failed exchange with Nexus.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NexusError {
    /// The configuration cannot make a client.
    #[error("the Nexus client cannot be set up: {what}")]
    Setup {
        /// Which setting is unusable, and why.
        what: String,
    },
    /// No connection could be made. The statement was not applied.
    #[error("Nexus cannot be reached: {detail}")]
    Unreachable {
        /// The underlying cause.
        detail: String,
    },
    /// No complete answer in time. The statement may have been applied, or may still be.
    #[error("`{request}` had no complete answer within {limit:?}")]
    TimedOut {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// The time allowed.
        limit: Duration,
    },
    /// The connection broke before the answer was complete. The statement may have been applied.
    #[error("the connection broke during `{request}`: {detail}")]
    Interrupted {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// The underlying cause.
        detail: String,
    },
    /// The server is busy or limits the rate.
    #[error("Nexus is overloaded (status {status}, asks to wait for {retry_after:?})")]
    Overloaded {
        /// The status code.
        status: u16,
        /// The server's Retry-After.
        retry_after: Option<Duration>,
    },
    /// The server failed.
    #[error("Nexus failed on `{request}`: {message}")]
    Server {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// Status code or excerpt of the server's message.
        message: String,
    },
    /// The API key was not accepted.
    #[error("Nexus refuses the API key (status {status})")]
    Unauthorised {
        /// The status code.
        status: u16,
    },
    /// The statement was refused.
    #[error("Nexus rejects `{statement}`: {message}")]
    Rejected {
        /// Name of the statement.
        statement: &'static str,
        /// Excerpt of the server's message.
        message: String,
    },
    /// An edge was to be written whose endpoint does not exist. Rows before it were applied.
    #[error("`{statement}` names a node that does not exist")]
    MissingEndpoint {
        /// Name of the statement.
        statement: &'static str,
    },
    /// The answer cannot be understood.
    #[error("the answer to `{request}` is not one of Nexus: {what}")]
    BadAnswer {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The answer is longer than the client accepts.
    #[error("the answer to `{request}` exceeds {limit} bytes")]
    AnswerTooLarge {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// Bytes accepted.
        limit: usize,
    },
    /// The server finds the request too large.
    #[error("`{request}` is too large for Nexus")]
    RequestTooLarge {
        /// Name of the statement or endpoint.
        request: &'static str,
    },
}

impl NexusError {
    /// What to do about it.
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Interrupted { .. } => {
                FaultClass::Unreachable
            }
            Self::Overloaded { retry_after, .. } => FaultClass::Overloaded {
                retry_after: *retry_after,
            },
            Self::Server { .. } => FaultClass::ServerFault,
            Self::Unauthorised { .. } => FaultClass::Unauthorised,
            Self::Rejected { .. } => FaultClass::StatementRejected,
            Self::MissingEndpoint { .. } => FaultClass::MissingEndpoint,
            Self::Setup { .. } | Self::BadAnswer { .. } => FaultClass::BadAnswer,
            Self::AnswerTooLarge { .. } | Self::RequestTooLarge { .. } => FaultClass::TooLarge,
        }
    }

    /// Whether a write that failed this way may have been applied, wholly or in part, or may still
    /// be. Nexus has no atomic batch: a statement that is rejected keeps the rows before the bad one.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Setup { .. }
            | Self::Unreachable { .. }
            | Self::Overloaded { .. }
            | Self::Unauthorised { .. }
            | Self::RequestTooLarge { .. } => false,
            Self::TimedOut { .. }
            | Self::Interrupted { .. }
            | Self::Server { .. }
            | Self::Rejected { .. }
            | Self::MissingEndpoint { .. }
            | Self::BadAnswer { .. }
            | Self::AnswerTooLarge { .. } => true,
        }
    }

    /// The meaning of a transport error.
    pub(super) fn of_transport(error: reqwest::Error, request: &'static str, limit: Duration) -> Self {
        let error = error.without_url();
        if error.is_connect() {
            Self::Unreachable {
                detail: root_cause(&error),
            }
        } else if error.is_timeout() {
            Self::TimedOut { request, limit }
        } else if error.is_builder() {
            Self::Setup {
                what: root_cause(&error),
            }
        } else {
            Self::Interrupted {
                request,
                detail: root_cause(&error),
            }
        }
    }

    /// The meaning of a status code, `None` for 200.
    pub(super) fn of_status(
        status: u16,
        retry_after: Option<Duration>,
        body: &[u8],
        request: &'static str,
    ) -> Option<Self> {
        let message = || format!("status {status} {}", excerpt(&String::from_utf8_lossy(body)));
        Some(match status {
            200 => return None,
            400 | 422 => Self::Rejected {
                statement: request,
                message: message(),
            },
            401 | 403 | 407 => Self::Unauthorised { status },
            // A gateway gave up; the server behind it may have gone on.
            408 | 502 | 504 => Self::Interrupted {
                request,
                detail: format!("status {status}"),
            },
            413 => Self::RequestTooLarge { request },
            425 | 429 | 503 => Self::Overloaded { status, retry_after },
            500.. => Self::Server {
                request,
                message: message(),
            },
            // Redirects are not followed: a key must not travel to another host.
            _ => Self::BadAnswer {
                request,
                what: message(),
            },
        })
    }

    /// The meaning of the `error` text of an answer.
    pub(super) fn of_message(message: &str, statement: &'static str) -> Self {
        if message.contains("Unknown variable 'r'") {
            return Self::MissingEndpoint { statement };
        }
        // The server wraps errors of its core on some ways and not on others.
        let kind = message.strip_prefix("Execution error: ").unwrap_or(message);
        let message = excerpt(message);
        if SERVER_FAULTS.iter().any(|prefix| kind.starts_with(prefix)) {
            Self::Server {
                request: statement,
                message,
            }
        } else {
            Self::Rejected { statement, message }
        }
    }
}

/// Errors that are about the server and not about the statement. Every other one, known (`Parse
/// error`, `Cypher syntax error`, `Cypher execution error`, `Constraint violation`, `Type mismatch`,
/// `Invalid input`, ..) or not, rejects the statement.
const SERVER_FAULTS: [&str; 19] = [
    "Catalog error:",
    "Database error:",
    "Deadlock detected:",
    "I/O error:",
    "Index consistency error:",
    "Index error:",
    "Internal error:",
    "JSON error:",
    "Lock timeout:",
    "Out of memory:",
    "Page cache error:",
    "Quota exceeded:",
    "Replication error:",
    "Retryable error:",
    "Storage error:",
    "Tantivy error:",
    "Task execution error:",
    "Transaction error:",
    "WAL error:",
];

/// The beginning of a foreign text, in one line.
fn excerpt(text: &str) -> String {
    text.chars()
        .take(MAX_EXCERPT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The innermost cause: the outer ones only say that something failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    excerpt(&cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of_message(message: &str) -> FaultClass {
        NexusError::of_message(message, "s").class()
    }

    fn class_of_status(status: u16) -> Option<FaultClass> {
        NexusError::of_status(status, None, b"", "s").map(|error| error.class())
    }

    #[test]
    fn each_recorded_message_has_its_class() {
        let rejected = [
            "Parse error: Cypher syntax error: SHOW must be followed by DATABASES at line 1, column 6",
            "Execution error: Cypher execution error: Parameter `$rows` was not provided",
            "Constraint violation: UNIQUE constraint violated: label `L`",
            "Type mismatch: expected number, got string",
            "Execution error: Cypher execution error: Unknown variable 'd' in SET clause",
            "something new",
        ];
        for message in rejected {
            assert_eq!(
                class_of_message(message),
                FaultClass::StatementRejected,
                "{message}"
            );
        }
        let missing = "Execution error: Cypher execution error: Unknown variable 'r' in SET clause";
        assert_eq!(class_of_message(missing), FaultClass::MissingEndpoint);
        for message in [
            "Execution error: Storage error: no space",
            "I/O error: disk full",
            "Task execution error: task 12 panicked",
        ] {
            assert_eq!(class_of_message(message), FaultClass::ServerFault, "{message}");
        }
    }

    #[test]
    fn each_status_has_its_class() {
        assert_eq!(class_of_status(200), None);
        for (class, statuses) in [
            (FaultClass::StatementRejected, vec![400, 422]),
            (FaultClass::Unauthorised, vec![401, 403, 407]),
            (FaultClass::Unreachable, vec![408, 502, 504]),
            (FaultClass::TooLarge, vec![413]),
            (FaultClass::Overloaded { retry_after: None }, vec![425, 429, 503]),
            (FaultClass::ServerFault, vec![500, 501, 505, 599]),
            (
                FaultClass::BadAnswer,
                vec![201, 204, 301, 302, 307, 404, 405, 410, 415],
            ),
        ] {
            for status in statuses {
                assert_eq!(class_of_status(status), Some(class), "{status}");
            }
        }
    }

    #[test]
    fn a_long_message_is_cut_and_kept_in_one_line() {
        let error = NexusError::of_message(&format!("Parse error: \n{}", "é".repeat(5_000)), "s");
        let printed = error.to_string();
        assert!(printed.chars().count() < MAX_EXCERPT + 40 && !printed.contains('\n'));
    }

    #[test]
    fn only_faults_that_may_pass_are_transient() {
        let transient = [
            FaultClass::Unreachable,
            FaultClass::Overloaded { retry_after: None },
            FaultClass::ServerFault,
        ];
        assert!(transient.iter().all(|class| class.is_transient()));
        let lasting = [
            FaultClass::Unauthorised,
            FaultClass::StatementRejected,
            FaultClass::MissingEndpoint,
            FaultClass::BadAnswer,
            FaultClass::TooLarge,
        ];
        assert!(!lasting.iter().any(|class| class.is_transient()));
    }
}
