//! A storage in sled.
//!
//! sled 0.34 meets a damaged file with a panic more often than with an error (two of three flipped bits), so every call into
//! it is guarded, and a panic counts as damage. After one the storage is not used again: it is reopened or put aside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Entry, Storage, StorageError, Writes};

/// Enough for the hot end of the tree; the rest is the page cache's.
const CACHE_BYTES: u64 = 16 << 20;

/// How long a lock on the file is waited for: sled's own threads give it back a moment after the last user closed it.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct SledStorage {
    db: sled::Db,
}

impl SledStorage {
    /// Opens what is in `folder`, which must exist; makes it where there is nothing.
    pub(super) fn open(folder: &Path) -> Result<Self, StorageError> {
        let config = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            // The journal flushes by itself, so that it learns of a failure.
            .flush_every_ms(None);
        let end = Instant::now() + LOCK_PATIENCE;
        loop {
            match guarded(|| config.open()) {
                Ok(db) => return Ok(Self { db }),
                Err(StorageError::Io { .. }) if Instant::now() < end && is_locked(folder) => {
                    std::thread::sleep(LOCK_RETRY);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether somebody holds sled's own lock on the file.
fn is_locked(folder: &Path) -> bool {
    std::fs::File::open(folder.join("db"))
        .is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

impl Storage for SledStorage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        guarded(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    fn page(&self, from: &[u8], to: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StorageError> {
        guarded(|| {
            let entries = match to {
                Some(to) if from >= to => return Ok(Vec::new()),
                Some(to) => self.db.range(from..to),
                None => self.db.range(from..),
            };
            entries
                .take(most)
                .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
                .collect()
        })
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StorageError> {
        if from >= to {
            return Ok(None);
        }
        guarded(|| {
            let last = self.db.range(from..to).next_back().transpose()?;
            Ok(last.map(|(key, value)| (key.to_vec(), value.to_vec())))
        })
    }

    fn apply(&self, writes: &Writes) -> Result<(), StorageError> {
        guarded(|| {
            let mut batch = sled::Batch::default();
            for (key, value) in writes.iter() {
                match value {
                    Some(value) => batch.insert(key, value),
                    None => batch.remove(key),
                }
            }
            self.db.apply_batch(batch)
        })
    }

    fn flush(&self) -> Result<(), StorageError> {
        guarded(|| self.db.flush().map(drop))
    }

    fn size(&self) -> Result<u64, StorageError> {
        guarded(|| self.db.size_on_disk())
    }
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StorageError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StorageError::io(&error)),
        Ok(Err(error)) => Err(StorageError::Corrupt {
            reason: error.to_string(),
        }),
        Err(panic) => Err(StorageError::Corrupt {
            reason: message_of(panic.as_ref()),
        }),
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "the storage engine panicked".to_owned())
}
