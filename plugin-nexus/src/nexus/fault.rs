//! The one table that says what a failure means.
//!
//! Evidence is of three kinds: how an exchange failed (`Transport`), a status code, and the `error` text of an answer
//! with status 200, which is how the server reports everything about a statement. Each becomes a [`NexusError`], each
//! of those has a [`FaultClass`], and each class says who is to blame ([`Blame`]). Recorded texts are in the tests,
//! word for word.

use std::time::Duration;

use super::error::{NexusError, excerpt, root_cause};

/// Who is to blame for a failure, and so what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Nobody: it passes. Wait, then repeat.
    Passing,
    /// The server: it is wrong, or does not understand us. Stop and have a look; no document is to blame.
    Server,
    /// A row of the statement. Find it by bisection; the others can be written.
    Row,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The server cannot be reached, or is another process.
    Unreachable,
    /// The server was reached, and gave no complete answer, or none in time.
    Unanswered,
    /// The server asks for less.
    Overloaded {
        /// The server's Retry-After.
        retry_after: Option<Duration>,
    },
    /// The server failed on its own account.
    ServerFault,
    /// The API key is missing, wrong or lacks a permission. An operator must act.
    Unauthorised,
    /// The answer is none that Nexus gives. A wrong address, a proxy, or another version.
    BadAnswer,
    /// The server does not know the form of our statement. Their text is fixed, so no value is at fault.
    NotUnderstood,
    /// The server refuses this statement with these values. Repeating it does not help.
    StatementRejected,
    /// An edge names a node that does not exist: write the node first, then the edge.
    MissingEndpoint,
    /// The request or the answer exceeds a size limit. Send less at a time.
    TooLarge,
}

impl FaultClass {
    /// Who is to blame.
    pub fn blame(self) -> Blame {
        match self {
            Self::Unreachable | Self::Unanswered | Self::Overloaded { .. } | Self::ServerFault => {
                Blame::Passing
            }
            Self::Unauthorised | Self::BadAnswer | Self::NotUnderstood => Blame::Server,
            Self::StatementRejected | Self::MissingEndpoint | Self::TooLarge => Blame::Row,
        }
    }
}

/// How an exchange failed below HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    /// No connection was made, in time or at all; nothing was sent.
    NoConnection,
    /// Not complete within the time for one request.
    NoAnswerInTime,
    /// The request cannot be built.
    Unusable,
    /// Anything else: the connection broke, or what came over it was no HTTP.
    Broken,
}

impl Transport {
    fn of(error: &reqwest::Error) -> Self {
        // A connection that is not made in time is both, and nothing was sent.
        if error.is_connect() {
            Self::NoConnection
        } else if error.is_timeout() {
            Self::NoAnswerInTime
        } else if error.is_builder() {
            Self::Unusable
        } else {
            Self::Broken
        }
    }
}

/// The meaning of a transport error.
pub(super) fn of_transport(error: reqwest::Error, request: &'static str, limit: Duration) -> NexusError {
    let kind = Transport::of(&error);
    let detail = root_cause(&error.without_url());
    match kind {
        Transport::NoConnection => NexusError::Unreachable { detail },
        Transport::NoAnswerInTime => NexusError::TimedOut { request, limit },
        Transport::Unusable => NexusError::Setup { what: detail },
        Transport::Broken => NexusError::Interrupted { request, detail },
    }
}

/// The meaning of a status code with the beginning of its body, `None` for 200.
pub(super) fn of_status(
    status: u16,
    retry_after: Option<Duration>,
    body: &str,
    request: &'static str,
) -> Option<NexusError> {
    let message = || format!("status {status} {}", excerpt(body));
    Some(match status {
        200 => return None,
        // What is wrong with a request is in the text, as it is in an answer with 200.
        400 | 422 => of_meaning(Meaning::of(&told(body)), message(), request),
        401 | 403 | 407 => NexusError::Unauthorised { status },
        // A gateway gave up; the server behind it may have gone on.
        408 | 502 | 504 => NexusError::Interrupted {
            request,
            detail: format!("status {status}"),
        },
        413 => NexusError::RequestTooLarge { request },
        425 | 429 | 503 => NexusError::Overloaded { status, retry_after },
        500.. => of_meaning(Meaning::ServerFault, message(), request),
        // Redirects (3xx) are not followed: a key must not travel to another host. 404, 405, 410, 415 and all others of
        // 4xx say that there is no Nexus at the address. Other successes than 200 have no answer in them.
        0..=199 | 201..=399 | 402 | 404..=406 | 409..=412 | 414..=421 | 423..=424 | 426..=428 | 430..=499 => {
            NexusError::BadAnswer {
                request,
                what: message(),
            }
        }
    })
}

/// The meaning of the `error` text of an answer.
pub(super) fn of_message(message: &str, statement: &'static str) -> NexusError {
    of_meaning(Meaning::of(message), excerpt(message), statement)
}

/// What the text of an error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotUnderstood,
    MissingEndpoint,
    ServerFault,
    Rejected,
}

use Meaning::{MissingEndpoint, NotUnderstood, Rejected, ServerFault};

/// The table of texts: the first beginning that fits wins. `Execution error: `, which the server puts before errors of
/// its core on some ways and not on others, is taken off first. What is not here is [`Meaning::Rejected`]: bisection
/// finds out.
const TEXTS: [(&str, Meaning); 46] = [
    // Whatever stands behind it: the parser failed.
    ("Parse error:", NotUnderstood),
    ("Cypher syntax error:", NotUnderstood),
    ("Query parser error:", NotUnderstood),
    ("Executor error:", NotUnderstood),
    ("Cypher execution error: Unsupported ", NotUnderstood),
    // We send every parameter, and IF NOT EXISTS: a server that misses them does not read what we send.
    ("Cypher execution error: Parameter `", NotUnderstood),
    ("Cypher execution error: ERR_MISSING_PARAMETER", NotUnderstood),
    ("Cypher execution error: Index on ", NotUnderstood),
    (
        "Failed to deserialize the JSON body into the target type: missing field",
        NotUnderstood,
    ),
    (
        "Failed to deserialize the JSON body into the target type: unknown field",
        NotUnderstood,
    ),
    // `r` is the edge of every statement that writes one; it is unbound when an end of it was not found.
    (
        "Cypher execution error: Unknown variable 'r' in SET clause",
        MissingEndpoint,
    ),
    ("Unknown variable 'r' in SET clause", MissingEndpoint),
    ("Catalog error:", ServerFault),
    ("Database error:", ServerFault),
    ("Deadlock detected:", ServerFault),
    ("I/O error:", ServerFault),
    ("Index consistency error:", ServerFault),
    ("Index error:", ServerFault),
    ("Internal error:", ServerFault),
    ("JSON error:", ServerFault),
    ("Lock timeout:", ServerFault),
    ("Out of memory:", ServerFault),
    ("Page cache error:", ServerFault),
    ("Quota exceeded:", ServerFault),
    ("Replication error:", ServerFault),
    ("Retryable error:", ServerFault),
    ("Storage error:", ServerFault),
    ("Tantivy error:", ServerFault),
    ("Task execution error:", ServerFault),
    ("Transaction error:", ServerFault),
    ("WAL error:", ServerFault),
    // Values that are refused.
    (
        "Cypher execution error: Cannot merge node using null property value",
        Rejected,
    ),
    ("Cypher execution error: ERR_SET_NON_MAP:", Rejected),
    ("Cypher execution error: ERR_INVALID_KEY:", Rejected),
    ("Cypher execution error:", Rejected),
    ("Constraint violation:", Rejected),
    ("Type mismatch:", Rejected),
    ("Invalid input:", Rejected),
    ("Invalid ID:", Rejected),
    ("Not found:", Rejected),
    ("Node not found", Rejected),
    ("Format error:", Rejected),
    ("Graph correlation error:", Rejected),
    ("Plugin error:", Rejected),
    ("Regex error:", Rejected),
    ("external id conflict:", Rejected),
];

impl Meaning {
    fn of(text: &str) -> Self {
        let text = text.strip_prefix("Execution error: ").unwrap_or(text);
        TEXTS
            .iter()
            .find(|(beginning, _)| text.starts_with(beginning))
            .map_or(Rejected, |&(_, meaning)| meaning)
    }
}

fn of_meaning(meaning: Meaning, message: String, request: &'static str) -> NexusError {
    match meaning {
        NotUnderstood => NexusError::NotUnderstood { request, message },
        MissingEndpoint => NexusError::MissingEndpoint { statement: request },
        ServerFault => NexusError::Server { request, message },
        Rejected => NexusError::Rejected {
            statement: request,
            message,
        },
    }
}

/// What an error page says: the `error` or `message` of an object, else all of it.
fn told(body: &str) -> String {
    let object: Option<serde_json::Value> = serde_json::from_str(body).ok();
    ["error", "message"]
        .iter()
        .find_map(|name| object.as_ref()?.get(name)?.as_str())
        .unwrap_or(body)
        .trim_start()
        .to_owned()
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod tests;
