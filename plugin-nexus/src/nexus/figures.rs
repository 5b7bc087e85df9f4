//! What the client counts: statements by name, how long they took and what came of them.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::error::NexusError;
use super::fault::FaultClass;

/// Statements by name: how long they took, and what came of them.
#[derive(Debug, Clone)]
pub struct StatementFigures {
    /// By `statement`.
    pub(crate) seconds: HistogramVec,
    /// By `statement` and `result`.
    pub(crate) results: IntCounterVec,
}

impl StatementFigures {
    /// Counts one attempt.
    pub(super) fn count<T>(&self, statement: &str, answer: &Result<T, NexusError>, took: Duration) {
        let result = answer
            .as_ref()
            .map_or_else(|error| error.class().name(), |_| "ok");
        self.results.with_label_values(&[statement, result]).inc();
        self.seconds
            .with_label_values(&[statement])
            .observe(took.as_secs_f64());
    }
}

impl FaultClass {
    /// Its name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unanswered => "unanswered",
            Self::Overloaded { .. } => "overloaded",
            Self::ServerFault => "server_fault",
            Self::Unauthorised => "unauthorised",
            Self::BadAnswer => "bad_answer",
            Self::NotUnderstood => "not_understood",
            Self::StatementRejected => "rejected",
            Self::MissingEndpoint => "missing_endpoint",
            Self::TooLarge => "too_large",
        }
    }
}
