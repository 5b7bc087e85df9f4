//! A medium in memory whose disk fails, fills up, tears and rots on demand.
//!
//! What was applied and not flushed is lost by a [`Memory::crash`], as it is with a process that is killed. Faults are set
//! by the test, for the next operations of a kind.

#![cfg_attr(
    not(test),
    allow(dead_code, reason = "fuzz targets need a disk, and none of its faults")
)]

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Entry, Medium, Opened, Storage, StorageError, Writes};

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum Fault {
    /// Applying fails; nothing of the batch is there.
    Apply,
    /// Writing out fails: the disk is full.
    Flush,
    /// Reading finds damage.
    Read,
    /// Opening fails: the disk is away.
    Open,
    /// Opening finds damage.
    Rotten,
}

#[derive(Debug, Default)]
struct Generation {
    /// What survives.
    durable: Content,
    /// What the process sees.
    seen: Content,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Mutex<Generation>>>,
    successor: Option<Arc<Mutex<Generation>>>,
    faults: Vec<Fault>,
    quarantined: usize,
    deleted: bool,
}

/// See the [module](self). A clone is the same disk.
#[derive(Debug, Default, Clone)]
pub(in crate::journal) struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// The next operations of these kinds fail, in this order within a kind.
    pub(in crate::journal) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().faults.extend(faults);
    }

    /// No more faults.
    pub(in crate::journal) fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// The process ends: what was not written out is gone.
    pub(in crate::journal) fn crash(&self) {
        let mut state = self.0.lock();
        state.successor = None;
        if let Some(generation) = &state.current {
            let durable = generation.lock().durable.clone();
            // Another object: the storage of the process that ended sees nothing of what follows.
            state.current = Some(Arc::new(Mutex::new(Generation {
                seen: durable.clone(),
                durable,
            })));
        }
    }

    /// Somebody deletes the folder.
    pub(in crate::journal) fn delete(&self) {
        self.0.lock().deleted = true;
    }

    /// How often something was put aside.
    pub(in crate::journal) fn quarantined(&self) -> usize {
        self.0.lock().quarantined
    }

    fn strikes(&self, fault: Fault) -> bool {
        let faults = &mut self.0.lock().faults;
        match faults.iter().position(|next| *next == fault) {
            Some(at) => {
                faults.remove(at);
                true
            }
            None => false,
        }
    }

    fn storage(&self, generation: &Arc<Mutex<Generation>>) -> Arc<dyn Storage> {
        Arc::new(MemoryStorage {
            generation: Arc::clone(generation),
            disk: self.clone(),
        })
    }

    fn begin(&self) -> Arc<dyn Storage> {
        let generation = Arc::default();
        let mut state = self.0.lock();
        state.current = Some(Arc::clone(&generation));
        state.deleted = false;
        drop(state);
        self.storage(&generation)
    }
}

fn full() -> StorageError {
    StorageError::Io {
        kind: io::ErrorKind::StorageFull,
        reason: "no space left".to_owned(),
    }
}

fn rotten() -> StorageError {
    StorageError::Corrupt {
        reason: "a checksum differs".to_owned(),
    }
}

impl Medium for Memory {
    fn open(&self) -> Result<Opened, StorageError> {
        if self.strikes(Fault::Open) {
            return Err(full());
        }
        if self.strikes(Fault::Rotten) {
            return Err(rotten());
        }
        let current = self.0.lock().current.clone();
        Ok(match current {
            Some(generation) => Opened {
                storage: self.storage(&generation),
                is_new: false,
            },
            None => Opened {
                storage: self.begin(),
                is_new: true,
            },
        })
    }

    fn successor(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let generation = Arc::default();
        self.0.lock().successor = Some(Arc::clone(&generation));
        Ok(self.storage(&generation))
    }

    fn promote(&self) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        state.current = state.successor.take();
        Ok(())
    }

    fn sweep(&self) {
        self.0.lock().successor = None;
    }

    fn quarantine(&self, _reason: &str) -> Result<Arc<dyn Storage>, StorageError> {
        if self.strikes(Fault::Open) {
            return Err(full());
        }
        self.0.lock().quarantined += 1;
        Ok(self.begin())
    }

    fn is_there(&self) -> bool {
        !self.0.lock().deleted
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }
}

#[derive(Debug)]
struct MemoryStorage {
    generation: Arc<Mutex<Generation>>,
    disk: Memory,
}

impl Storage for MemoryStorage {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if self.disk.strikes(Fault::Read) {
            return Err(rotten());
        }
        Ok(self.generation.lock().seen.get(key).cloned())
    }

    fn page(&self, from: &[u8], to: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StorageError> {
        if self.disk.strikes(Fault::Read) {
            return Err(rotten());
        }
        if to.is_some_and(|to| from >= to) {
            return Ok(Vec::new());
        }
        let generation = self.generation.lock();
        let range = (
            Bound::Included(from),
            to.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let entries = generation.seen.range::<[u8], _>(range).take(most);
        Ok(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Entry>, StorageError> {
        if self.disk.strikes(Fault::Read) {
            return Err(rotten());
        }
        if from >= to {
            return Ok(None);
        }
        let generation = self.generation.lock();
        let range = (Bound::Included(from), Bound::Excluded(to));
        let last = generation.seen.range::<[u8], _>(range).next_back();
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn apply(&self, writes: &Writes) -> Result<(), StorageError> {
        if self.disk.strikes(Fault::Apply) {
            return Err(full());
        }
        let seen = &mut self.generation.lock().seen;
        for (key, value) in writes.iter() {
            match value {
                Some(value) => drop(seen.insert(key.to_vec(), value.to_vec())),
                None => drop(seen.remove(key)),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        if self.disk.strikes(Fault::Flush) {
            return Err(full());
        }
        let mut generation = self.generation.lock();
        generation.durable = generation.seen.clone();
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        let generation = self.generation.lock();
        let lengths = generation.seen.iter().map(|(key, value)| key.len() + value.len());
        Ok(lengths.sum::<usize>() as u64)
    }
}
