//! Documents on disk: collections of vectors with payloads.
//!
//! Invariants:
//! - A write that was acknowledged survives the death of the process and the loss of power: one durable
//!   transaction per call, all of its changes or none.
//! - A vector reads back bit for bit as it was stored. Cosine collections store the direction (see
//!   [`metric`]), the others what they were given.
//! - The order of a collection is the order of first insertion, kept by a sequence number that is never
//!   used twice. An upsert or an update keeps a document's place.
//! - Every read answers from one snapshot. The index in memory only proposes candidates: what is not in the
//!   snapshot is not returned, and scores are computed from the stored vectors.
//! - The [`MutationObserver`](vectorizer_host_shim::embedded::MutationObserver) is told after the write is durable, and with no lock held.
//! - One process at a time uses a data folder.

mod bulk;
mod database;
mod document;
mod error;
pub mod filter;
mod lifecycle;
mod maintenance;
pub mod metric;
mod plugin;
mod read;
mod record;
mod search;
mod tables;
mod transfer;
mod write;

pub use bulk::Bulk;
pub use database::{DocumentStore, StoreOptions};
pub use error::DbError;
pub use read::{Scan, ScanPage, Start};
pub use record::{CollectionSummary, MAX_COLLECTION_NAME_BYTES, MAX_DIMENSION};
pub use search::{MAX_SEARCH_LIMIT, Query};
pub use transfer::{Transfer, Transferred};
pub use write::{Atomicity, Change, MAX_ID_BYTES, PayloadChange};
