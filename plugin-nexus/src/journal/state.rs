//! What the graph holds of one document, remembered.

use serde::{Deserialize, Serialize};

use crate::graph::RecordShape;

/// The state of one document's node and of the edges it owns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentState {
    /// The journal's epoch when the node was written; `None` where the outcome of a write is not known.
    pub epoch: Option<u32>,
    /// The journal's epoch when the edges were; `None` where nothing is known of them.
    pub edges_epoch: Option<u32>,
    /// Counts the writes of the node.
    pub rev: u64,
    /// Names this life of the node: a document that was deleted and came back has another one, and none of the old
    /// edges.
    pub born: u64,
    /// Digest of the payload that was written.
    pub fingerprint: u128,
    /// Digest of the settings that decide what is copied from the payload.
    pub copy_rules: u64,
    /// Digest of what the edges were compared by, the vector above all; `None` until they were.
    pub vector: Option<u64>,
    /// The stored record's width and property names.
    pub shape: RecordShape,
    /// The active edges, closest first.
    pub edges: Vec<EdgeState>,
    /// Digest of who may see the document; 0: everybody.
    pub access: u64,
    /// Digest of the payload and the vector that subscribers were told of.
    pub content: u64,
}

/// One active SIMILAR_TO edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeState {
    /// The neighbour's id in the same collection.
    pub target: String,
    /// [`DocumentState::born`] of the neighbour when the edge was written: the edge went with that node.
    pub target_born: u64,
    /// The score that was written.
    pub score: f32,
}
