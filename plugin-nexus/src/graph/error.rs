//! Why an operation on the graph failed.

use thiserror::Error;

use super::catalogue::RowTooLarge;
use super::key::DocumentKey;
use super::literal::LiteralError;
use super::record::RecordError;
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
    /// An edge from a document to itself; the server would not return it.
    #[error("an edge from `{key}` to itself is not stored")]
    SelfEdge {
        /// The document.
        key: DocumentKey,
    },
    /// Edges name documents that do not exist; nothing was written.
    #[error("edges name {} documents that do not exist; nothing was written", keys.len())]
    MissingEndpoints {
        /// The documents, in order.
        keys: Vec<DocumentKey>,
    },
    /// The server marked nodes that it was not asked to mark; nothing was deleted.
    #[error("{strangers} nodes were marked for deletion that were not asked for; nothing was deleted")]
    WrongSetTagged {
        /// Nodes that do not belong to the set.
        strangers: usize,
    },
    /// The server acknowledged a deletion, and the nodes are still there.
    #[error("{left} documents are still there after their deletion")]
    NotDeleted {
        /// Documents left.
        left: usize,
    },
}

impl GraphError {
    /// What to do about it.
    pub fn class(&self) -> FaultClass {
        match self {
            Self::Nexus(error) => error.class(),
            Self::Record(_) | Self::Literal(_) | Self::RowTooLarge(_) | Self::SelfEdge { .. } => {
                FaultClass::StatementRejected
            }
            Self::MissingEndpoints { .. } => FaultClass::MissingEndpoint,
            Self::WrongSetTagged { .. } | Self::NotDeleted { .. } => FaultClass::BadAnswer,
        }
    }
}
