//! The relations of documents other than similarity: what they mention, where they belong to, what they are parts of.
//!
//! ```text
//! store + journal -> derive (what each document should have)   -> things (nodes of entities, domains, sources are there)
//!                                                              -> plan   (what differs: edges, reading order, orphans)
//! ```
//!
//! Part of the edge stage, of which there is one lane. So nobody else changes a thing or its members meanwhile, in any
//! collection; all below relies on that.
//!
//! Invariants:
//! - an edge is written after the nodes of both its ends, and a relation with a reverse type in both directions;
//! - a thing without members is deleted before its last member's work counts as done, so a crash between the two ends in
//!   another attempt and never in an orphan;
//! - what is remembered of a document's relations is relied upon in the epoch and the life of the node that it was written
//!   in; else the graph is asked what has to go, and everything is asserted again.

mod chain;
mod derive;
mod derived;
mod members;
mod orphans;
mod plan;
mod rows;
mod things;
mod verify;

pub use derive::{DeriveError, Deriver};
pub(in crate::sync) use derived::{Derived, derive};
pub use orphans::OrphanSweep;
pub(in crate::sync) use plan::{Related, RelationPlan, plan};
pub(in crate::sync) use rows::{edge_type, written_confidence};
pub(in crate::sync) use verify::verify;
