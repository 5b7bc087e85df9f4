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
//! - What a crash takes with it (the last [`crate::config::Sync::flush_interval_ms`]) the reconcile at the next start
//!   finds again. After a crash the journal begins a new *epoch*: a state written in an older one is not relied upon
//!   for what must never be wrong (widths, edges), the graph is asked first.

mod disk;
mod error;
mod intake;
mod pending;
mod server;
mod state;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use error::JournalError;
pub use intake::{Intake, IntakeEvent, split};
pub use pending::{Batch, Claim, Stage, Work};
pub use server::CheckedServer;
pub use state::{DocumentState, EdgeState};

use disk::{Changes, Disk};
use pending::Pending;

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

/// What a lane did with a document that it had claimed.
#[derive(Debug)]
pub struct Outcome {
    /// The document's id in the batch's collection.
    pub id: Arc<str>,
    /// What is still to do for it.
    pub left: Work,
    /// What the graph holds of it now.
    pub state: StateChange,
    /// Targets to which it has an edge now and had none before.
    pub gained: Vec<String>,
    /// Targets to which it has none any more.
    pub lost: Vec<String>,
}

impl Outcome {
    /// All done, or as much as `left` says, with the edges as they were.
    pub fn new(id: Arc<str>, left: Work, state: StateChange) -> Self {
        Self {
            id,
            left,
            state,
            gained: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// How a document's state changed.
#[derive(Debug)]
pub enum StateChange {
    /// Not at all.
    Keep,
    /// To this.
    Put(DocumentState),
    /// The document is not in the graph.
    Remove,
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

/// See the [module](self).
#[derive(Debug)]
pub struct Journal {
    disk: Disk,
    pending: Mutex<Pending>,
    dirty: Mutex<BTreeSet<String>>,
    /// Told when there may be something to claim.
    work: Notify,
    /// Told when a collection became dirty.
    dirt: Notify,
    max_pending: usize,
}

impl Journal {
    /// Opens the journal in `folder`, with the hints of the last run pending again.
    ///
    /// # Errors
    /// [`JournalError`]: another process has it, or it cannot be read.
    pub fn open(folder: &Path, flush_interval: Duration, max_pending: usize) -> Result<Self, JournalError> {
        let disk = Disk::open(folder, flush_interval)?;
        let mut pending = Pending::default();
        let now = Instant::now();
        for hint in disk.hints() {
            let (document, work, since_micros) = hint?;
            pending.add(&document, work, since_micros, now);
        }
        Ok(Self {
            disk,
            pending: Mutex::new(pending),
            dirty: Mutex::default(),
            work: Notify::new(),
            dirt: Notify::new(),
            max_pending,
        })
    }

    /// Takes hints in: these documents need this work since `since_micros` (Unix time). Where the queue is full the
    /// collection becomes dirty instead.
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
        let name: Arc<str> = collection.into();
        let now = Instant::now();
        let mut changes = Changes::default();
        let mut overflow = false;
        {
            let mut pending = self.pending.lock();
            for id in ids {
                let document = DocumentId::new(Arc::clone(&name), id);
                if pending.len() >= self.max_pending && !pending.contains(&document) {
                    overflow = true;
                    continue;
                }
                let (work, since) = pending.add(&document, work, since_micros, now);
                changes.put_hint(&document, work, since)?;
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
        self.pending.lock().claim(stage, most, Instant::now())
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
        self.pending.lock().len()
    }

    /// Ends the work on a batch: new states, what is left to do, and work found for other documents of the
    /// collection (`marks`), all in one atomic write. Documents of the batch without an outcome go back as they were.
    ///
    /// # Errors
    /// [`JournalError`]; the batch's work is then repeated after the next start.
    pub fn commit(
        &self,
        batch: &Batch,
        outcomes: Vec<Outcome>,
        marks: &[(Arc<str>, Work)],
        now_micros: u64,
    ) -> Result<(), JournalError> {
        let now = Instant::now();
        let mut changes = Changes::default();
        let mut done: HashMap<Arc<str>, Work> = HashMap::with_capacity(outcomes.len());
        for outcome in outcomes {
            let document = batch.document(&outcome.id);
            match &outcome.state {
                StateChange::Keep => {}
                StateChange::Put(state) => changes.put_state(&document, state)?,
                StateChange::Remove => changes.remove_state(&document)?,
            }
            for target in &outcome.lost {
                changes.remove_edge(&document, target)?;
            }
            for target in &outcome.gained {
                changes.put_edge(&document, target)?;
            }
            done.insert(outcome.id, outcome.left);
        }
        {
            let mut pending = self.pending.lock();
            for claim in &batch.claims {
                let document = batch.document(&claim.id);
                let left = done.get(&claim.id).copied().unwrap_or(claim.work);
                match pending.finish(&document, left, now) {
                    Some((work, since)) => changes.put_hint(&document, work, since)?,
                    None => changes.remove_hint(&document)?,
                }
            }
            for (id, work) in marks {
                let document = batch.document(id);
                let (work, since) = pending.add(&document, *work, now_micros, now);
                changes.put_hint(&document, work, since)?;
            }
            self.disk.apply(changes)?;
        }
        self.work.notify_waiters();
        Ok(())
    }

    /// Gives a batch back untouched: nobody's fault.
    pub fn release(&self, batch: &Batch) {
        let now = Instant::now();
        let mut pending = self.pending.lock();
        for claim in &batch.claims {
            let document = batch.document(&claim.id);
            pending.finish(&document, claim.work, now);
        }
        drop(pending);
        self.work.notify_waiters();
    }

    /// Gives one document back to be tried again after a while, which doubles with each attempt that failed.
    pub fn postpone(&self, collection: &Arc<str>, claim: &Claim, base: Duration, cap: Duration) {
        let document = DocumentId {
            collection: Arc::clone(collection),
            id: Arc::clone(&claim.id),
        };
        self.pending
            .lock()
            .postpone(&document, claim, base, cap, Instant::now());
    }

    /// What is waiting.
    pub fn depth(&self) -> Depth {
        self.pending.lock().depth(Instant::now())
    }

    /// Documents waiting or at work, by collection.
    pub fn depth_by_collection(&self) -> HashMap<String, usize> {
        self.pending.lock().by_collection()
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

    /// Relies no longer on what is remembered of these documents' records and edges: a write of unknown outcome was
    /// under way.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn distrust(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for claim in &batch.claims {
            let document = batch.document(&claim.id);
            if let Some(state) = self.disk.state(&document)? {
                let state = DocumentState {
                    epoch: None,
                    edges_epoch: None,
                    ..state
                };
                changes.put_state(&document, &state)?;
            }
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
mod tests;
