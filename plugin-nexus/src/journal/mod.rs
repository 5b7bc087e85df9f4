//! The journal: which documents have work to do, and what the graph holds of each.
//!
//! ```text
//! hook -> intake (bounded queue in memory) -> pending (in memory) + hints (sled) -> lane -> commit
//! ```
//!
//! Invariants:
//! - A hint stays until the work it stands for is acknowledged by Nexus, then its removal and the document's new
//!   state are written in one atomic batch.
//! - One lane owns a document at a time; a hint for a document at work means one more pass, no more.
//! - Memory is bounded: where the intake or the queue is full, the hint is dropped and its collection marked dirty,
//!   which makes the reconcile compare it with the store.
//! - A document that fails by its own fault waits, and after so many attempts it becomes a dead letter. Both are written
//!   with the hint, in one atomic batch ([`Refusal`], [`DeadLetter`]).
//! - What a crash takes with it (the last [`crate::config::Sync::flush_interval_ms`]) the reconcile at the next start
//!   finds again. After a crash the journal begins a new *epoch*: a state written in an older one is not relied upon
//!   for what must never be wrong (widths, edges), the graph is asked first.

mod changes;
mod commit;
mod dead_letter;
mod disk;
mod error;
mod failure;
mod intake;
mod keys;
mod pending;
mod server;
mod state;
mod timing;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use commit::{Outcome, StateChange};
pub use dead_letter::{Chosen, DeadLetter, DeadLetterPage, Seen};
pub use error::JournalError;
pub use failure::{Attempts, Fate, Refusal, Verdict};
pub use intake::{Intake, IntakeEvent, split};
pub use server::CheckedServer;
pub use state::{DocumentState, EdgeState};
pub(crate) use timing::unix_micros;
pub use work::{Batch, Claim, Stage, Work};

use changes::Changes;
use dead_letter::DeadIndex;
use disk::Disk;
use pending::{Hint, Pending};
use timing::Timing;

/// A document, by collection and id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId {
    /// The collection's canonical name.
    pub collection: Arc<str>,
    /// The document's id in it.
    pub id: Arc<str>,
}

impl DocumentId {
    /// A document.
    pub fn new(collection: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self {
            collection: collection.into(),
            id: id.into(),
        }
    }
}

/// What is waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Depth {
    /// Documents whose node has to be written or deleted, those at work included.
    pub nodes: usize,
    /// Documents whose edges have to be compared.
    pub edges: usize,
    /// Documents that failed and wait for another attempt; counted above too.
    pub waiting: usize,
    /// Documents at work; counted above too.
    pub in_flight: usize,
    /// How long the oldest hint has been waiting.
    pub oldest: Duration,
}

/// What the journal is told at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often it is written out.
    pub flush_interval: Duration,
    /// Documents that may wait.
    pub max_pending: usize,
    /// When a document that failed is tried again.
    pub attempts: Attempts,
}

/// What is known of the documents in memory: each is pending, a dead letter, or neither.
#[derive(Debug, Default)]
struct Desk {
    pending: Pending,
    dead: DeadIndex,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Journal {
    disk: Disk,
    /// Held while changes of hints are written, so that memory and disk see them in one order.
    desk: Mutex<Desk>,
    dirty: Mutex<BTreeSet<String>>,
    /// Told when there may be something to claim.
    work: Notify,
    /// Told when a collection became dirty.
    dirt: Notify,
    settings: Settings,
    timing: Arc<dyn Timing>,
}

impl Journal {
    /// Opens the journal in `folder`. The hints of the last run are pending again; those that failed with their attempts
    /// counted, and not before they are due.
    ///
    /// # Errors
    /// [`JournalError`]: another process has it, or it cannot be read.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, JournalError> {
        Self::open_with(folder, settings, Arc::new(timing::System))
    }

    fn open_with(folder: &Path, settings: Settings, timing: Arc<dyn Timing>) -> Result<Self, JournalError> {
        let disk = Disk::open(folder, settings.flush_interval)?;
        let mut desk = Desk::default();
        let now = timing.now();
        for hint in disk.hints() {
            let (document, work, since_micros) = hint?;
            desk.pending
                .add(&document, work, since_micros, now.instant, Hint::Change);
        }
        let mut stale = Changes::default();
        for failure in disk.failures() {
            let (document, failure) = failure?;
            let restored = failure.is_some_and(|failure| {
                let due = now.at(failure.due_micros, settings.attempts.backoff.longest);
                desk.pending.restore(&document, failure.attempts, due)
            });
            if !restored {
                stale.remove_failure(&document)?;
            }
        }
        for document in disk.dead() {
            desk.dead.insert(&document?);
        }
        disk.apply(stale)?;
        Ok(Self {
            disk,
            desk: Mutex::new(desk),
            dirty: Mutex::default(),
            work: Notify::new(),
            dirt: Notify::new(),
            settings,
            timing,
        })
    }

    /// Takes hints in: these documents changed and need this work since `since_micros` (Unix time). Those that failed
    /// before start anew, dead letters too. Where the queue is full the collection becomes dirty instead.
    ///
    /// # Errors
    /// [`JournalError`]; the hints are then pending in memory only.
    pub fn add<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
        work: Work,
        since_micros: u64,
    ) -> Result<(), JournalError> {
        self.take_in(collection, ids, work, since_micros, Hint::Change)
    }

    /// Takes in what a comparison found. As [`Journal::add`], but a document that waits for another attempt keeps its
    /// attempts and its turn: it is not known to have changed, and will be looked at then. It is for the caller to leave
    /// out the dead letters that have not changed.
    ///
    /// # Errors
    /// [`JournalError`]; the hints are then pending in memory only.
    pub fn add_compared<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
        work: Work,
        since_micros: u64,
    ) -> Result<(), JournalError> {
        self.take_in(collection, ids, work, since_micros, Hint::Mark)
    }

    fn take_in<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
        work: Work,
        since_micros: u64,
        hint: Hint,
    ) -> Result<(), JournalError> {
        let name: Arc<str> = collection.into();
        let now = self.timing.now().instant;
        let mut changes = Changes::default();
        let mut overflow = false;
        {
            let mut desk = self.desk.lock();
            let Desk { pending, dead } = &mut *desk;
            for id in ids {
                let document = DocumentId::new(Arc::clone(&name), id);
                if pending.len() >= self.settings.max_pending && !pending.contains(&document) {
                    overflow = true;
                    continue;
                }
                let mut work = work;
                if dead.contains(&document) {
                    let letter = self.disk.dead_letter(&document)?;
                    work = work.and(letter.map_or(Work::ALL, |letter| letter.work));
                    changes.remove_dead_letter(&document)?;
                    dead.remove(&document);
                }
                let added = pending.add(&document, work, since_micros, now, hint);
                changes.put_hint(&document, added.work, added.since_micros)?;
                if added.anew {
                    changes.remove_failure(&document)?;
                }
            }
            self.disk.apply(changes)?;
        }
        self.work.notify_waiters();
        if overflow {
            self.mark_dirty(collection);
        }
        Ok(())
    }

    /// Marks a collection for a comparison with the store.
    pub fn mark_dirty(&self, collection: &str) {
        self.dirty.lock().insert(collection.to_owned());
        self.dirt.notify_one();
    }

    /// Takes the collections to be compared.
    pub fn take_dirty(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Waits until a collection becomes dirty. One waiter only.
    pub async fn dirt(&self) {
        self.dirt.notified().await;
    }

    /// Claims up to `most` documents of one collection for a stage. They are the caller's until it commits or
    /// releases them.
    pub fn claim(&self, stage: Stage, most: usize) -> Option<Batch> {
        self.desk
            .lock()
            .pending
            .claim(stage, most, self.timing.now().instant)
    }

    /// Ends when there may be something to claim, at the latest after `patience`. What comes between this call and the first
    /// poll counts: so call it, then claim, then wait.
    pub fn work(&self, patience: Duration) -> impl Future<Output = ()> + '_ {
        let notified = self.work.notified();
        async move {
            let _ = tokio::time::timeout(patience, notified).await;
        }
    }

    /// Documents waiting or at work.
    pub fn waiting(&self) -> usize {
        self.desk.lock().pending.len()
    }

    /// Gives a batch back untouched: nobody's fault, and no attempt at anything in it.
    pub fn release(&self, batch: &Batch) {
        let now = self.timing.now().instant;
        let mut desk = self.desk.lock();
        for claim in &batch.claims {
            desk.pending.release(&batch.document(&claim.id), now);
        }
        drop(desk);
        self.work.notify_waiters();
    }

    /// What is waiting.
    pub fn depth(&self) -> Depth {
        self.desk.lock().pending.depth(self.timing.now().instant)
    }

    /// Documents waiting or at work, by collection.
    pub fn depth_by_collection(&self) -> HashMap<String, usize> {
        self.desk.lock().pending.by_collection()
    }

    /// What the graph holds of a document, as far as the journal knows.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn state(&self, document: &DocumentId) -> Result<Option<DocumentState>, JournalError> {
        self.disk.state(document)
    }

    /// Forgets what the graph was thought to hold of these documents: it does not.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn forget(&self, collection: &Arc<str>, ids: &[Arc<str>]) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for id in ids {
            changes.remove_state(&DocumentId {
                collection: Arc::clone(collection),
                id: Arc::clone(id),
            })?;
        }
        self.disk.apply(changes)
    }

    /// The ids of the documents with an edge to this one.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sources(&self, document: &DocumentId) -> Result<Vec<String>, JournalError> {
        self.disk.sources(document)
    }

    /// The ids of all documents of a collection that the journal has a state of, in order.
    pub fn ids(&self, collection: &str) -> impl Iterator<Item = Result<String, JournalError>> + use<> {
        self.disk.ids(collection)
    }

    /// The collections that the journal has states of.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn collections(&self) -> Result<BTreeSet<String>, JournalError> {
        self.disk.collections()
    }

    /// The present epoch; see the [module](self).
    pub fn epoch(&self) -> u32 {
        self.disk.epoch()
    }

    /// Begins a new epoch: Nexus is not known to hold what it held.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn next_epoch(&self) -> Result<u32, JournalError> {
        self.disk.next_epoch()
    }

    /// Writes all out. `clean` says that no statement is under way, so the next start may rely on the states.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn close(&self, clean: bool) -> Result<(), JournalError> {
        self.disk.close(clean)
    }
}

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use disk::properties;

#[cfg(test)]
mod attempts_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod dead_letter_tests;
#[cfg(test)]
mod tests;
