//! What the end-to-end tests, the benchmarks and the demo share: servers as child processes, clients that speak plain HTTP,
//! and an oracle that compares a graph with the store it should mirror.
//!
//! Nothing here uses the plugin's code: what it did is judged from outside.

pub mod agreement;
pub mod build;
pub mod churn;
pub mod data;
pub mod mentions;
pub mod nexus;
pub mod oracle;
pub mod process;
pub mod scrape;
pub mod soak;
pub mod structure;
pub mod upstream;
pub mod vectorizer;
pub mod webhook;

/// A client for which every status is an answer, not an error.
pub(crate) fn agent(timeout: std::time::Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Why a helper of the tests could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A process did not do what it should.
    #[error("{0}")]
    Process(String),
    /// A request failed on its way.
    #[error("{url}: {reason}")]
    Http {
        /// The request's address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A server answered what it should not.
    #[error("{url}: HTTP {status}: {body}")]
    Answer {
        /// The request's address.
        url: String,
        /// The status code.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Files could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file or folder.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something took too long.
    #[error("not within {seconds} s: {what}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
}

impl TestError {
    /// Something about a file.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        }
    }
}
