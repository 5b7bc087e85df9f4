//! Keeps the Nexus graph database true to every insert, update and delete of a vector database.
//!
//! # The way of a change
//!
//! ```text
//! host: notify -> journal (sled) -> lane: node stage -> lane: edge stage -> Nexus
//!                                     |  reads the store and the journal's state, writes what differs
//! ```
//!
//! - [`journal`]: which documents have work to do, and what the graph holds of each;
//! - [`sync`]: lanes, stages, the link to Nexus, the comparison with the store;
//! - [`graph`]: keys, records, the catalogue of statements, operations on the graph;
//! - [`nexus`]: the HTTP client;
//! - [`webhooks`]: signed messages of changes in the graph, and to subscribers of changes in the store;
//! - [`audit_log`]: what was decided, and by whom;
//! - [`search`]: searches over vectors, words and the graph;
//! - [`lexical`]: which documents have which words;
//! - [`similarity`]: how alike texts are by their words;
//! - [`config`], [`settings`]: what is asked for, and where it comes from;
//! - [`plugin`], [`status`], [`health`], [`metrics`], and the routes in `admin`: what the operator sees;
//! - `page`: the same in a browser, at `/admin/nexus/`.
//!
//! # Promise
//!
//! At-least-once, in order per document, effects idempotent. Hints say where to look, never what is there; a stage reads
//! the store when it works. So repeats, lost order and crashes all end in a graph that says what the store says.

pub use vectorizer_audit_log as audit_log;

pub mod access;
mod admin;
#[cfg(not(fuzzing))]
mod allocator;
mod api;
pub mod backoff;
pub mod config;
pub mod correlation;
pub mod domains;
pub mod entities;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod graph;
pub mod health;
pub mod journal;
mod kill_point;
pub mod lexical;
pub mod metrics;
pub mod nexus;
mod page;
pub mod payload;
pub mod plugin;
pub mod search;
pub mod settings;
pub mod similarity;
pub mod status;
mod strict_json;
pub mod structure;
pub mod sync;
mod telemetry;
pub mod webhooks;
mod whole_file;
