//! What the journal is kept in: ordered bytes that survive the process.
//!
//! Two concepts. A [`Storage`] is one open store of keys and values. A [`Medium`] is where storages come from: it knows
//! which one is in force, makes an empty one to take its place, and puts one aside that cannot be read. Above them
//! nobody knows of files; tests put a medium in memory underneath, which loses, fails and tears on demand.
//!
//! Invariants:
//! - a batch of [`Writes`] is seen whole or not at all, after a crash too;
//! - what was applied before a [`Storage::flush`] that succeeded survives any crash;
//! - the change from one storage to the next ([`Medium::promote`]) is atomic: after a crash one of the two is in force.

mod folder;
#[cfg(any(test, fuzzing))]
pub(super) mod memory;
mod sled;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(super) use folder::Folder;

/// A key and its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// Changes that are applied together, in order.
#[derive(Debug, Default, Clone)]
pub(super) struct Writes(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Writes {
    pub(super) fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((key.into(), Some(value.into())));
    }

    pub(super) fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.0.push((key.into(), None));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys with their new values, `None` for those that go.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }
}

/// Why a storage does not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The file system refuses: no space, no right to write, a fault of the disk. What is stored is not at fault.
    #[error("{reason}")]
    Io {
        /// The operating system's kind of error.
        kind: io::ErrorKind,
        /// Its words.
        reason: String,
    },
    /// What is stored cannot be read.
    #[error("what is stored is damaged: {reason}")]
    Corrupt {
        /// What was found.
        reason: String,
    },
}

impl StorageError {
    fn io(error: &io::Error) -> Self {
        let kind = error.kind();
        Self::Io {
            kind,
            // sled wraps the system's error and prints its fields.
            reason: match (error.raw_os_error(), kind) {
                (Some(_), _) | (None, io::ErrorKind::Other) => error.to_string(),
                (None, kind) => kind.to_string(),
            },
        }
    }
}

/// An open store of keys and values, in the order of the keys.
pub(super) trait Storage: Debug + Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Up to `most` entries from `from` (itself included) up to `to` (not included; `None`: to the end).
    fn page(&self, from: &[u8], to: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StorageError>;

    /// The last entry from `from` (itself included) up to `to` (not included).
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StorageError>;

    /// Applies changes together.
    fn apply(&self, writes: &Writes) -> Result<(), StorageError>;

    /// Makes all that was applied durable.
    fn flush(&self) -> Result<(), StorageError>;

    /// Bytes it takes up.
    fn size(&self) -> Result<u64, StorageError>;
}

/// Where storages come from.
pub(super) trait Medium: Debug + Send + Sync {
    /// Opens the storage in force; an empty one where there is none. The former one must have been dropped.
    fn open(&self) -> Result<Opened, StorageError>;

    /// Makes an empty storage beside the one in force.
    fn successor(&self) -> Result<Arc<dyn Storage>, StorageError>;

    /// Puts the successor, which is flushed, in force. The former storage stays readable until it is dropped.
    fn promote(&self) -> Result<(), StorageError>;

    /// Removes what is left of storages that are not in force.
    fn sweep(&self);

    /// Puts the storage in force aside, for whoever wants to look at it, and begins with an empty one.
    fn quarantine(&self, reason: &str) -> Result<Arc<dyn Storage>, StorageError>;

    /// Whether the storage in force is still where it was made: somebody may have deleted it under the process.
    fn is_there(&self) -> bool;

    /// Bytes that are free where it is; `None` where nobody knows.
    fn free_bytes(&self) -> Option<u64>;
}

/// A storage that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) storage: Arc<dyn Storage>,
    /// Whether it was made just now.
    pub(super) is_new: bool,
}

/// The least key above all that begin with `prefix`; `None` where there is none.
pub(super) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_above_all_that_begin_with_it() {
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(end_of(&[255]), None);
    }
}
