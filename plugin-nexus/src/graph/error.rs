//! Why an operation on the graph failed.

use thiserror::Error;

use super::catalogue::RowTooLarge;
use super::literal::{LiteralError, SafeLiteral};
use super::record::RecordError;
use super::verify::Mismatch;
use crate::nexus::{FaultClass, NexusError};

/// A failed operation on the graph.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum GraphError {
    /// The exchange with the server failed.
    #[error(transparent)]
    Nexus(#[from] NexusError),
    /// No record can be built from the document.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A name is not usable.
    #[error(transparent)]
    Literal(#[from] LiteralError),
    /// A record does not fit into a statement.
    #[error(transparent)]
    RowTooLarge(#[from] RowTooLarge),
    /// An edge from a node to itself; the server would not return it.
    #[error("an edge from `{key}` to itself is not stored")]
    SelfEdge {
        /// The node.
        key: SafeLiteral,
    },
    /// Edges name nodes that do not exist; nothing was written.
    #[error("edges name {} nodes that do not exist; nothing was written", keys.len())]
    MissingEnds {
        /// Their keys, in order.
        keys: Vec<String>,
    },
    /// The server has no right form of the operation.
    #[error("this server has no right form of `{operation}`")]
    NoForm {
        /// The operation, as the capability table calls it.
        operation: &'static str,
    },
    /// The server has no room for the labels of the model: it would accept them and lose the nodes.
    #[error("the server holds 64 labels a database and has {used}; {new} more are needed")]
    LabelsExhausted {
        /// Labels that were ever used.
        used: u64,
        /// Labels of the model among those that were not.
        new: u64,
    },
    /// The probe at connect did not come to an end.
    #[error("the server did not answer the probe's statements within {limit:?}")]
    ProbeTooSlow {
        /// The time allowed.
        limit: std::time::Duration,
    },
    /// The server marked nodes that it was not asked to mark; nothing was deleted.
    #[error("{strangers} nodes were marked for deletion that were not asked for; nothing was deleted")]
    WrongSetTagged {
        /// Nodes that do not belong to the set.
        strangers: usize,
    },
    /// The server acknowledged a deletion, and the nodes are still there.
    #[error("{left} nodes are still there after their deletion")]
    NotDeleted {
        /// Nodes left.
        left: usize,
    },
    /// What was written reads back differently by another form, twice.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

impl GraphError {
    /// What to do about it.
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Nexus(error) => error.class(),
            Self::Record(_) | Self::Literal(_) | Self::RowTooLarge(_) | Self::SelfEdge { .. } => {
                FaultClass::StatementRejected
            }
            Self::MissingEnds { .. } => FaultClass::MissingEndpoint,
            Self::ProbeTooSlow { .. } => FaultClass::Unanswered,
            Self::WrongSetTagged { .. }
            | Self::NotDeleted { .. }
            | Self::NoForm { .. }
            | Self::LabelsExhausted { .. }
            | Self::Mismatch(_) => FaultClass::BadAnswer,
        }
    }
}
