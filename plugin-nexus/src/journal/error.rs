//! Why the journal cannot do what it was asked to.

use std::path::PathBuf;

/// A failed operation of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be opened: another process has it, or the file system refuses.
    #[error("the journal in {folder} cannot be opened: {reason}; is another host running on the same data?")]
    Open {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Written by a later release.
    #[error("the journal in {folder} has format {found}, this plugin reads {known}; upgrade the plugin")]
    Format {
        /// The folder.
        folder: PathBuf,
        /// The format found.
        found: String,
        /// The format of this release.
        known: u8,
    },
    /// The storage failed.
    #[error("the journal's storage failed: {0}")]
    Storage(#[from] sled::Error),
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
