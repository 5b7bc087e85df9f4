//! Why the store refused or failed.

use std::path::PathBuf;

use vectorizer_host_shim::store::StoreError;

/// Everything that can go wrong in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// No collection has this name, nor is it an alias of one.
    #[error("collection '{0}' not found")]
    CollectionNotFound(String),
    /// The name is taken, by a collection or by an alias left behind by a rename.
    #[error("collection '{name}' already exists{}", .alias_of.as_ref().map(|c| format!(" (alias of '{c}')")).unwrap_or_default())]
    CollectionExists {
        /// The name asked for.
        name: String,
        /// The collection it is an alias of, if it is one.
        alias_of: Option<String>,
    },
    /// The collection has no document with this id.
    #[error("Vector not found: {0}")]
    DocumentNotFound(String),
    /// A field of the document's payload is not as the caller expected.
    #[error("the payload of {0} is not as expected")]
    Differs(String),
    /// A vector has another number of components than its collection.
    #[error("vector length {actual} does not match collection dimension {expected}")]
    DimensionMismatch {
        /// Components in the collection.
        expected: usize,
        /// Components given.
        actual: usize,
    },
    /// An argument is wrong; repeating the call cannot help.
    #[error("Invalid {field}: {reason}")]
    Invalid {
        /// The argument.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process works in the data folder.
    #[error("data folder '{}' is in use by another process: stop it, or choose another data_dir", .0.display())]
    InUse(PathBuf),
    /// What is on disk cannot be understood: it is damaged, or from another version.
    #[error("stored data cannot be read: {0}")]
    Damaged(String),
    /// The disk failed, is full, or the store is shutting down. The same call may succeed later.
    #[error("storage failed: {0}")]
    Unavailable(String),
}

impl DbError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }
}

impl From<redb::StorageError> for DbError {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Corrupted(what) => Self::Damaged(what),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for DbError {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(storage) => storage.into(),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<redb::TableError> for DbError {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(storage) => storage.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for DbError {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(storage) => storage.into(),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What a plugin is told. Exhaustive on purpose: a new failure must be given its meaning here.
impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::CollectionNotFound(name) => Self::CollectionNotFound(name),
            wrong @ (DbError::CollectionExists { .. }
            | DbError::DocumentNotFound(_)
            | DbError::Differs(_)
            | DbError::DimensionMismatch { .. }
            | DbError::Invalid { .. }) => Self::Invalid(wrong.to_string()),
            failed @ (DbError::InUse(_) | DbError::Damaged(_) | DbError::Unavailable(_)) => {
                Self::Unavailable(failed.to_string())
            }
        }
    }
}
