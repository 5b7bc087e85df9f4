//! The one trait a server implements to host plugins.
//!
//! Invariants that the shim keeps for the implementor:
//! - no method is called from inside [`crate::PluginHost::notify`], so an implementation may take its locks;
//! - none is called before [`crate::PluginHost::ready`], nor after [`crate::PluginHost::shutdown`] returned.
//!
//! What the methods promise is checked by `conformance`, with the feature of that name. A store that is in memory, and loads what is
//! named, goes behind a gate: [`crate::embedded`].

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

/// Why a store could not answer. The variants are the ones a plugin acts on differently.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No collection has this name.
    #[error("collection '{0}' not found")]
    CollectionNotFound(String),
    /// The call itself was wrong (dimension, limit, cursor): repeating it cannot help.
    #[error("{0}")]
    Invalid(String),
    /// The store failed or is busy: the same call may succeed later.
    #[error("store unavailable: {0}")]
    Unavailable(String),
}

/// Read access to the documents, and the one write a plugin may do.
///
/// All methods block; the shim calls them from plugin threads only, several at a time.
pub trait Store: Send + Sync + 'static {
    /// All collections, in any order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError>;

    /// One collection by its name. For an alias the answer holds the canonical name.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Unavailable`].
    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError>;

    /// The documents with these ids, as they are now. Absent ids are left out.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Unavailable`].
    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError>;

    /// The `limit` documents closest to `vector`, closest first. May be approximate, but never returns a
    /// document that is gone, and a document in the store is found by its own vector.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Invalid`] for a wrong dimension or a number that
    /// is not finite, [`StoreError::Unavailable`].
    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError>;

    /// The documents after `cursor` (`None`: from the start), at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Invalid`] for a foreign cursor,
    /// [`StoreError::Unavailable`].
    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError>;

    /// Documents in the collection.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Unavailable`].
    fn count(&self, collection: &str) -> Result<u64, StoreError>;

    /// Merges `patch` into the payload of one document by RFC 7396 (null removes) where its top-level fields that `expected`
    /// names are as there (null: absent). Both are one step with regard to other writers.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Unavailable`].
    fn merge_payload(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError>;

    /// The vector that a text has in a collection.
    ///
    /// # Errors
    /// [`StoreError::CollectionNotFound`], [`StoreError::Invalid`] where the collection takes no texts or the text is empty,
    /// [`StoreError::Unavailable`].
    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, StoreError>;

    /// Drops cached query results that may show an older payload.
    fn invalidate_cache(&self, collection: &str);
}
