//! Why the journal cannot do what it was asked to.

use std::path::PathBuf;

use super::storage::StorageError;

/// A failed operation of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process uses the folder.
    #[error(
        "the journal in {folder} is in use by another process; is another host running on the same data?"
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be used.
    #[error("the journal in {folder} cannot be opened: {reason}")]
    Open {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Written by a later release.
    #[error(
        "the journal has format {found}, this plugin reads {known}; upgrade the plugin, or remove the journal to rebuild it"
    )]
    Format {
        /// The format found.
        found: String,
        /// The format of this release.
        known: u8,
    },
    /// The storage failed. It is reopened by itself; until then hints wait in memory.
    #[error("the journal's storage failed: {0}")]
    Storage(#[from] StorageError),
    /// A record does not read back.
    #[error("the journal holds an unreadable {what}")]
    Damaged {
        /// Which kind of record.
        what: &'static str,
    },
    /// A name is longer than any store allows.
    #[error("a name of {0} bytes is too long for the journal")]
    NameTooLong(usize),
}

impl JournalError {
    /// What is damaged, where what is stored is to blame and not the way to it.
    pub(super) fn damage(&self) -> Option<String> {
        match self {
            Self::Storage(StorageError::Corrupt { .. }) | Self::Damaged { .. } => Some(self.to_string()),
            Self::Storage(StorageError::Io { .. })
            | Self::Locked { .. }
            | Self::Open { .. }
            | Self::Format { .. }
            | Self::NameTooLong(_) => None,
        }
    }
}
