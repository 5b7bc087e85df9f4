//! From a hint to a true graph.
//!
//! ```text
//! lane: claim a batch -> stage (nodes | edges) -> commit          reconcile: store <-> journal -> hints
//!                          |                                      link: is Nexus there, and the one we know?
//!                          +-- host: the documents as they are now
//!                          +-- graph: what has to be written, no more
//! ```
//!
//! Invariants:
//! - A stage looks at the store when it works; a hint says only where to look. So any stage may be repeated at any time.
//! - A document's own fault blocks that document only. A fault of Nexus or of the way to it is nobody's fault: batches go
//!   back as they were and lanes wait for the link.
//! - Nodes are written before the edges between them; an edge is only written to a node that the journal has a state of.

mod context;
mod document;
mod edges;
mod engine;
mod fault;
mod fingerprint;
mod lane;
mod link;
mod neighbours;
mod nodes;
mod reconcile;

pub use context::Context;
pub use document::is_reserved_property;
pub use engine::Engine;
pub use fingerprint::{fingerprint, fingerprint_text};
pub use lane::Done;
pub use link::LinkState;
