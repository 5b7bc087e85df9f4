//! What a stage can fail of, by who is to blame.

use vectorizer_plugin_api::{Fault, FaultCode};

use crate::graph::GraphError;
use crate::journal::JournalError;
use crate::nexus::{Blame, FaultClass};

/// Why a stage did not do its batch.
#[derive(Debug, thiserror::Error)]
pub enum StageFault {
    /// Nexus is out of reach, overloaded, or fails by itself. The batch goes back, lanes wait.
    #[error("nexus: {0}")]
    Link(GraphError),
    /// Nexus refuses the key, does not understand a statement or answers what is not so. The batch goes back, and nothing
    /// is written before Nexus was looked at again.
    #[error("nexus cannot be trusted: {0}")]
    Server(GraphError),
    /// Nexus refuses something in the batch.
    #[error("nexus refuses the batch: {0}")]
    Rejected(GraphError),
    /// What the journal remembered turned out wrong and was put right. The batch goes back and is worked on again.
    #[error("the graph had lost nodes; the batch is repeated")]
    Repeat,
    /// The store does not answer. The batch goes back.
    #[error("host: {0}")]
    Host(Fault),
    /// The journal failed. The batch goes back.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A blocking task died.
    #[error("a blocking task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<GraphError> for StageFault {
    fn from(error: GraphError) -> Self {
        match error.class().blame() {
            Blame::Passing => Self::Link(error),
            Blame::Server => Self::Server(error),
            Blame::Row => Self::Rejected(error),
        }
    }
}

impl From<Fault> for StageFault {
    fn from(fault: Fault) -> Self {
        Self::Host(fault)
    }
}

impl StageFault {
    /// Whether it was met on the way to Nexus, so that somebody has to look whether it is there.
    pub fn is_of_the_way(&self) -> bool {
        matches!(
            self,
            Self::Link(error) if matches!(error.class(), FaultClass::Unreachable | FaultClass::Unanswered)
        )
    }

    /// Whether the host has shut down, so that nothing will succeed any more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Host(fault) if fault.code == FaultCode::Closed)
    }

    /// The fault's name in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Server(_) => "server",
            Self::Rejected(_) => "rejected",
            Self::Repeat => "repeat",
            Self::Host(_) => "host",
            Self::Journal(_) => "journal",
            Self::Task(_) => "internal",
        }
    }
}
