//! What is known of a collection besides its documents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vectorizer_plugin_api::model::{CollectionInfo, Metric};

use super::DbError;

/// Longest name of a collection.
pub const MAX_COLLECTION_NAME_BYTES: usize = 255;

/// Most components that a vector may have.
pub const MAX_DIMENSION: usize = 65_536;

/// The row of a collection. `uid` is never used twice, so rows and cursors of a dropped collection cannot be
/// taken for those of its namesake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) uid: u64,
    pub(super) dimension: usize,
    pub(super) metric: Metric,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// The sequence number of the next new document.
    pub(super) next_seq: u64,
    pub(super) count: u64,
    pub(super) payload_bytes: u64,
}

impl Record {
    pub(super) fn new(uid: u64, dimension: usize, metric: Metric) -> Self {
        let now = Timestamp::now();
        Self {
            uid,
            dimension,
            metric,
            created_at: now,
            updated_at: now,
            next_seq: 0,
            count: 0,
            payload_bytes: 0,
        }
    }

    pub(super) fn info(&self, name: &str) -> CollectionInfo {
        CollectionInfo {
            name: name.to_owned(),
            // Bounded by MAX_DIMENSION when the collection was made.
            dimension: u32::try_from(self.dimension).unwrap_or(u32::MAX),
            metric: self.metric,
            count: self.count,
            exact_vectors: true,
        }
    }
}

/// A collection as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSummary {
    /// Name, dimension, metric, count.
    pub info: CollectionInfo,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a document in it last changed.
    pub updated_at: Timestamp,
    /// Bytes of all payloads, as JSON.
    pub payload_bytes: u64,
    /// Different texts that its chunks belong to (`parent_id`).
    pub parents: u64,
}

/// Refuses what cannot be the name of a collection.
///
/// # Errors
/// [`DbError::Invalid`] for an empty or overlong name, a control character, or a slash (the name is part of
/// paths).
pub(super) fn check_name(field: &'static str, name: &str) -> Result<(), DbError> {
    if name.trim().is_empty() {
        return Err(DbError::invalid(field, "collection name must not be empty"));
    }
    if name.len() > MAX_COLLECTION_NAME_BYTES {
        return Err(DbError::invalid(
            field,
            format!(
                "collection name must be at most {MAX_COLLECTION_NAME_BYTES} bytes (got {})",
                name.len()
            ),
        ));
    }
    if name.chars().any(|c| c.is_control() || c == '/') {
        return Err(DbError::invalid(
            field,
            "collection name must not contain '/' or control characters",
        ));
    }
    Ok(())
}
