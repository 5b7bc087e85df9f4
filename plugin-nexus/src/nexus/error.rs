//! What can go wrong with Nexus. The module `fault` says which evidence becomes which error.
//!
//! Errors carry the name of a statement, never its text or parameters, and at most
//! a short excerpt of what the server said.

use std::time::Duration;

use thiserror::Error;

use super::fault::FaultClass;

/// Characters of a server's message that are kept.
const MAX_EXCERPT: usize = 240;

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
    /// The session's process is gone, or was given up. The statement was not applied; it belongs to another session.
    #[error("the process that this session is for is not there any more")]
    SessionEnded,
    /// The process is too young to be told apart from a successor. Nothing was sent; look again soon.
    #[error("Nexus started only just now and is looked at again soon")]
    Unsettled,
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
    /// The server said when to come back, and that is not yet. Nothing was sent.
    #[error("Nexus is overloaded and is left alone for another {wait:.0?}")]
    Paused {
        /// How long yet.
        wait: Duration,
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
    /// The server does not know the form of the statement, or lacks part of what was sent.
    #[error("Nexus does not understand `{request}`: {message}")]
    NotUnderstood {
        /// Name of the statement or endpoint.
        request: &'static str,
        /// Excerpt of the server's message.
        message: String,
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
    pub(super) fn setup(what: impl Into<String>) -> Self {
        Self::Setup { what: what.into() }
    }

    /// What kind of failure it is, and so who is to blame.
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Unreachable { .. } | Self::SessionEnded | Self::Unsettled => FaultClass::Unreachable,
            Self::TimedOut { .. } | Self::Interrupted { .. } => FaultClass::Unanswered,
            Self::Paused { wait } => FaultClass::Overloaded {
                retry_after: Some(*wait),
            },
            Self::Overloaded { retry_after, .. } => FaultClass::Overloaded {
                retry_after: *retry_after,
            },
            Self::Server { .. } => FaultClass::ServerFault,
            Self::Unauthorised { .. } => FaultClass::Unauthorised,
            Self::NotUnderstood { .. } => FaultClass::NotUnderstood,
            Self::Rejected { .. } => FaultClass::StatementRejected,
            Self::MissingEndpoint { .. } => FaultClass::MissingEndpoint,
            Self::Setup { .. } | Self::BadAnswer { .. } => FaultClass::BadAnswer,
            Self::AnswerTooLarge { .. } | Self::RequestTooLarge { .. } => FaultClass::TooLarge,
        }
    }

    /// Whether a write whose last attempt failed this way may have been applied, wholly or in part, or may still
    /// be. Nexus has no atomic batch: a statement that is rejected keeps the rows before the bad one.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Self::Setup { .. }
            | Self::Unreachable { .. }
            | Self::SessionEnded
            | Self::Unsettled
            | Self::Overloaded { .. }
            | Self::Paused { .. }
            | Self::Unauthorised { .. }
            | Self::RequestTooLarge { .. } => false,
            Self::TimedOut { .. }
            | Self::Interrupted { .. }
            | Self::Server { .. }
            // The executor may give up on a clause behind one that it ran.
            | Self::NotUnderstood { .. }
            | Self::Rejected { .. }
            | Self::MissingEndpoint { .. }
            | Self::BadAnswer { .. }
            | Self::AnswerTooLarge { .. } => true,
        }
    }
}

/// The beginning of a foreign text, in one line.
pub(super) fn excerpt(text: &str) -> String {
    in_one_line(text.chars().take(MAX_EXCERPT))
}

/// These characters, with blanks for all that end a line or move a cursor.
pub(crate) fn in_one_line(text: impl Iterator<Item = char>) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// The innermost cause: the outer ones only say that something failed.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    excerpt(&cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_and_kept_in_one_line() {
        let printed = excerpt(&format!("Parse error: \n{}", "é".repeat(5_000)));
        assert!(printed.chars().count() == MAX_EXCERPT && !printed.contains('\n'));
        assert_eq!(excerpt("a\r\u{2028}b\u{2029}\u{1b}c"), "a  b  c");
    }
}
