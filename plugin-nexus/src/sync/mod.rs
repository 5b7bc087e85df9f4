//! From a hint to a true graph.
//!
//! ```text
//! lane: claim a batch -> stage (nodes | edges) -> commit          jobs: store <-> journal <-> graph -> hints
//!                          |                                      supervisor: the link to Nexus
//!                          +-- host: the documents as they are now          audit: what is there after a restart
//!                          +-- graph: what has to be written, no more       sweep: retracted edges, where it can delete
//!                          +-- graph: a sample is read back
//! ```
//!
//! Invariants:
//! - A stage looks at the store when it works; a hint says only where to look. So any stage may be repeated at any time.
//! - A document's own fault blocks that document only. A fault of Nexus or of the way to it is nobody's fault: batches go
//!   back as they were, and lanes wait for the link or at the breaker.
//! - Nothing is written to a process of Nexus that was not checked and probed, or that did not do what it said.
//! - Nodes are written before the edges between them; an edge is only written to a node that the journal has a state of.

mod account;
mod across;
mod ahead;
mod audit;
mod batch_size;
mod breaker;
mod connection;
mod context;
mod cool_down;
mod document;
mod edges;
mod engine;
mod enrichment;
mod fault;
mod fingerprint;
mod gate;
mod in_force;
pub mod jobs;
mod keeper;
mod lane;
mod learning;
mod likeness;
mod link;
mod neighbours;
mod nodes;
mod plan;
mod poller;
mod refusal;
mod relations;
mod search_cache;
mod supervisor;
mod sweep;
mod vector;
mod verify;

/// The plugin, as one who does something.
pub(crate) const ACTOR: &str = "plugin";

pub use audit::AuditReport;
pub use breaker::{Breaker, BreakerReport, BreakerSettings, BreakerState};
pub use connection::Connection;
pub(crate) use context::AdoptError;
pub use context::Context;
pub(crate) use context::unless_gone;
pub use document::is_reserved_property;
pub use engine::Engine;
pub(crate) use fault::StageFault;
pub(crate) use fingerprint::ENRICHMENT_KEY;
pub use fingerprint::{fingerprint, fingerprint_text};
pub(crate) use fingerprint::{settings_digest, vector_digest};
pub use lane::Done;
pub use learning::{Learning, Lesson};
pub use link::LinkState;
pub use poller::{SeenNodes, is_on as is_polled};
pub use relations::{DeriveError, Deriver, OrphanSweep};
pub use vector::Unsearchable;
