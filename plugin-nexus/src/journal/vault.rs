//! The storage in force, and the change from one to the next while others read and write.
//!
//! Invariants:
//! - while a successor is being filled, every change goes to both, in one order; entries that were there before are copied
//!   page by page with all changes held up, so that a copy never overwrites what is newer;
//! - after the first fault nothing more is sent to a storage: it is reopened, or put aside ([`Vault::reopen`]);
//! - a change that failed is reported to whoever made it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::storage::{Entry, Medium, Storage, StorageError, Writes};

/// Entries that are copied at a time. Writers wait for as long as that takes.
const COPIED: usize = 256;
/// Pause after each page, as a multiple of the time the page took: so that a copy takes a fraction of a core.
const REST: u32 = 1;

#[derive(Debug)]
struct Stores {
    /// `None` while it is being reopened.
    active: Option<Arc<dyn Storage>>,
    successor: Option<Arc<dyn Storage>>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Vault {
    medium: Box<dyn Medium>,
    stores: RwLock<Stores>,
    /// Gives the changes of both storages one order; only taken while there are two.
    order: Mutex<()>,
    failed: AtomicBool,
    failure: Mutex<Option<StorageError>>,
    unflushed: AtomicBool,
    written: AtomicU64,
}

/// What a storage that failed was replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reopened {
    /// Itself.
    Same,
    /// An empty one, since it could not be read.
    Empty {
        /// Why not.
        reason: String,
    },
}

impl Vault {
    /// Opens the storage in force; one that cannot be read is put aside.
    pub(super) fn open(medium: Box<dyn Medium>) -> Result<(Self, Origin), StorageError> {
        let (storage, origin) = match medium.open() {
            Ok(opened) if opened.is_new => (opened.storage, Origin::New),
            Ok(opened) => (opened.storage, Origin::Kept),
            Err(StorageError::Corrupt { reason }) => {
                (medium.quarantine(&reason)?, Origin::Rebuilt { reason })
            }
            Err(error) => return Err(error),
        };
        Ok((Self::new(medium, storage), origin))
    }

    /// Puts the storage in force aside and begins with an empty one.
    pub(super) fn set_aside(&self, reason: &str) -> Result<Reopened, StorageError> {
        self.fail(&StorageError::Corrupt {
            reason: reason.to_owned(),
        });
        self.reopen()
    }

    pub(super) fn new(medium: Box<dyn Medium>, storage: Arc<dyn Storage>) -> Self {
        Self {
            medium,
            stores: RwLock::new(Stores {
                active: Some(storage),
                successor: None,
            }),
            order: Mutex::default(),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            unflushed: AtomicBool::new(false),
            written: AtomicU64::new(0),
        }
    }

    /// Why nothing is read or written, while that is so.
    pub(super) fn failure(&self) -> Option<StorageError> {
        self.failure.lock().clone()
    }

    pub(super) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Counts what was written since the vault was opened.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(|storage| storage.get(key))
    }

    pub(super) fn page(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(|storage| storage.page(from, to, most))
    }

    pub(super) fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StorageError> {
        self.read(|storage| storage.last(from, to))
    }

    pub(super) fn size(&self) -> Result<u64, StorageError> {
        self.read(|storage| storage.size())
    }

    pub(super) fn apply(&self, writes: &Writes) -> Result<(), StorageError> {
        if writes.is_empty() {
            return Ok(());
        }
        let stores = self.stores.read();
        let storage = self.active(&stores)?;
        match &stores.successor {
            None => self.noted(storage.apply(writes))?,
            Some(successor) => {
                let _one_order = self.order.lock();
                self.noted(storage.apply(writes))?;
                self.noted(successor.apply(writes))?;
            }
        }
        self.unflushed.store(true, Ordering::Release);
        self.written.fetch_add(writes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Makes all that was applied durable.
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        if !self.unflushed.swap(false, Ordering::AcqRel) {
            return self.read(|_| Ok(()));
        }
        self.read(|storage| storage.flush())
            .inspect_err(|_| self.unflushed.store(true, Ordering::Release))
    }

    fn read<T>(&self, read: impl FnOnce(&dyn Storage) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let stores = self.stores.read();
        let storage = self.active(&stores)?;
        self.noted(read(storage.as_ref()))
    }

    fn active<'a>(&self, stores: &'a Stores) -> Result<&'a Arc<dyn Storage>, StorageError> {
        if self.is_failed()
            && let Some(failure) = self.failure()
        {
            return Err(failure);
        }
        stores.active.as_ref().ok_or_else(|| StorageError::Io {
            kind: std::io::ErrorKind::NotConnected,
            reason: "the journal is closed".to_owned(),
        })
    }

    fn noted<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result {
            self.fail(error);
        }
        result
    }

    /// Nothing is read or written until [`Vault::reopen`].
    pub(super) fn fail(&self, error: &StorageError) {
        let mut failure = self.failure.lock();
        if failure.is_none() {
            tracing::error!(%error, "the journal's storage failed; changes wait in memory until it is back");
            *failure = Some(error.clone());
            self.failed.store(true, Ordering::Release);
        }
    }

    /// Tries to get a storage that failed back. What cannot be read is put aside.
    pub(super) fn reopen(&self) -> Result<Reopened, StorageError> {
        let mut stores = self.stores.write();
        let damage = match self.failure() {
            Some(StorageError::Corrupt { reason }) => Some(reason),
            _ if !self.medium.is_there() => Some("its folder was deleted".to_owned()),
            _ => None,
        };
        stores.successor = None;
        stores.active = None;
        let opened = match damage {
            Some(reason) => (self.medium.quarantine(&reason)?, Reopened::Empty { reason }),
            None => match self.medium.open() {
                Ok(opened) => (opened.storage, Reopened::Same),
                Err(StorageError::Corrupt { reason }) => {
                    (self.medium.quarantine(&reason)?, Reopened::Empty { reason })
                }
                Err(error) => return Err(error),
            },
        };
        let (storage, reopened) = opened;
        // It has to take a change before anybody relies on it.
        storage.flush()?;
        stores.active = Some(storage);
        self.unflushed.store(true, Ordering::Release);
        *self.failure.lock() = None;
        self.failed.store(false, Ordering::Release);
        Ok(reopened)
    }

    /// Whether the storage is still where it should be.
    pub(super) fn is_there(&self) -> bool {
        self.medium.is_there()
    }

    /// Bytes that are free where it is.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.medium.free_bytes()
    }

    /// Bytes of all keys and values.
    pub(super) fn live_bytes(&self) -> Result<u64, StorageError> {
        let (mut bytes, mut from) = (0, Vec::new());
        loop {
            let page = self.page(&from, None, COPIED)?;
            let Some((last, _)) = page.last() else {
                return Ok(bytes);
            };
            from = [last.as_slice(), &[0]].concat();
            let lengths = page.iter().map(|(key, value)| (key.len() + value.len()) as u64);
            bytes += lengths.sum::<u64>();
        }
    }

    /// Copies everything into a new storage and puts that in force. `rewrite` says what becomes of a page of entries.
    pub(super) fn rewrite(&self, rewrite: impl Fn(Vec<Entry>) -> Writes) -> Result<(), StorageError> {
        let successor = self.medium.successor()?;
        self.stores.write().successor = Some(Arc::clone(&successor));
        let copied = self
            .copy(&successor, rewrite)
            .and_then(|()| successor.flush())
            .and_then(|()| {
                let mut stores = self.stores.write();
                self.active(&stores)?;
                successor.flush()?;
                self.medium.promote()?;
                stores.active = Some(Arc::clone(&successor));
                Ok(())
            });
        self.stores.write().successor = None;
        drop(successor);
        self.medium.sweep();
        copied
    }

    fn copy(
        &self,
        successor: &Arc<dyn Storage>,
        rewrite: impl Fn(Vec<Entry>) -> Writes,
    ) -> Result<(), StorageError> {
        let mut from = Vec::new();
        loop {
            let begun = std::time::Instant::now();
            let full = {
                let stores = self.stores.write();
                let page = self.noted(self.active(&stores)?.page(&from, None, COPIED))?;
                let Some((last, _)) = page.last() else {
                    return Ok(());
                };
                from = [last.as_slice(), &[0]].concat();
                let full = page.len() == COPIED;
                successor.apply(&rewrite(page))?;
                full
            };
            if !full {
                return Ok(());
            }
            std::thread::sleep((begun.elapsed() * REST).min(Duration::from_millis(20)));
        }
    }
}

/// Where the storage comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was there.
    Kept,
    /// There was none.
    New,
    /// There was one that cannot be read.
    Rebuilt {
        /// Why not.
        reason: String,
    },
}
