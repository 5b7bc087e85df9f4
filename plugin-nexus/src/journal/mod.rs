//! The journal: which documents have work to do, and what the graph holds of each.
//!
//! ```text
//! hook -> intake (bounded queue in memory) -> pending (in memory) + hints (disk) -> lane -> commit
//!                                                                    disk: records -> vault -> storage (sled)
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
//! - A storage that fails costs nothing but memory: hints wait there, lanes stand still, and it is reopened; one that cannot
//!   be read is put aside, and everything is compared with the store and the graph.
//! - Its disk follows what is in it: a storage that has outgrown its content is rewritten into a new one.
//! - What a crash takes with it (the last [`crate::config::Sync::flush_interval_ms`]) the reconcile at the next start
//!   finds again. After a crash the journal begins a new *epoch*: a state written in an older one is not relied upon
//!   for what must never be wrong (widths, edges), the graph is asked first.

mod across;
mod changes;
mod claim;
mod clearing;
mod commit;
mod dead_letter;
mod disk;
mod error;
mod failure;
mod generations;
mod intake;
mod jobs;
mod keys;
mod labels;
mod opening;
mod outbox;
mod pending;
mod receipts;
mod relations;
mod server;
mod state;
mod statistics;
mod storage;
mod things;
mod timing;
mod upkeep;
mod vault;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use across::{Across, AcrossChange, AcrossEdge};
pub use claim::Claimable;
pub use commit::{Outcome, StateChange};
pub use dead_letter::{Chosen, DeadLetter, DeadLetterPage, Seen};
pub use error::JournalError;
pub use failure::{Attempts, Fate, Refusal, Verdict};
pub use intake::{Intake, IntakeEvent, Journaling, Overflow, Unjournaled, split};
pub use jobs::{Standby, StateHead};
pub use outbox::{
    Attempt, Event, EventKind, LogEntry, Mail, Message, OutboxBounds, Retry, Subscriber, Undeliverable,
    UndeliverablePage, message_name,
};
pub use receipts::Receipt;
pub use relations::{RelationEdge, RelationKind, Relations, RelationsChange};
pub use server::CheckedServer;
pub use state::{DocumentState, EdgeState};
pub use storage::StorageError;
pub use things::{Member, Thing, ThingState};
pub(crate) use timing::{moment_of, unix_micros};
pub use upkeep::{Condition, Upkeep};
pub use work::{Batch, Claim, Priority, Stage, Work};

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

impl Depth {
    /// Documents that wait or are at work, for whatever stage.
    #[must_use]
    pub fn total(&self) -> usize {
        self.nodes + self.edges + self.enrichment
    }

    fn of_stage(&self, stage: Stage) -> usize {
        match stage {
            Stage::Nodes => self.nodes,
            Stage::Edges => self.edges,
            Stage::Enrichment => self.enrichment,
        }
    }

    /// Those of a stage that are at work, or could be.
    #[must_use]
    pub fn ready(&self, stage: Stage) -> usize {
        self.of_stage(stage)
            .saturating_sub(self.waiting_by_stage[stage.index()])
    }

    /// Those of a stage and a priority.
    #[must_use]
    pub fn of(&self, stage: Stage, priority: Priority) -> usize {
        let all = self.of_stage(stage);
        let bulk = self.bulk[stage.index()].min(all);
        match priority {
            Priority::Interactive => all - bulk,
            Priority::Bulk => bulk,
        }
    }
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
    /// Documents whose payloads wait for what the graph says of them.
    pub enrichment: usize,
    /// How many of each stage are bulk work.
    bulk: [usize; 3],
    /// How many of each stage failed and wait for another attempt.
    waiting_by_stage: [usize; 3],
    /// Documents that failed and wait for another attempt; counted above too.
    pub waiting: usize,
    /// Documents at work; counted above too.
    pub in_flight: usize,
    /// How long the oldest of those has been waiting that are queued or at work.
    pub oldest: Duration,
}

/// What an acknowledged hint survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// An end of the process or the machine, but for the hints of the last interval; those the comparison with the store at
    /// the next start finds again.
    Interval,
    /// Any end: a hook answers when its hints are on disk. Hooks that come together share one write.
    Group,
    /// A clean end only. The comparison at the next start finds all others.
    None,
}

/// What the journal is told at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What an acknowledged hint survives.
    pub durability: Durability,
    /// How often it is written out.
    pub flush_interval: Duration,
    /// Documents that may wait.
    pub max_pending: usize,
    /// When a document that failed is tried again.
    pub attempts: Attempts,
}

/// What is known of the documents in memory: each is pending, a dead letter, or neither.
#[derive(Debug)]
struct Desk {
    pending: Pending,
    dead: DeadIndex,
    /// Lives of nodes that ended in this run.
    ended_lives: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Journal {
    disk: Disk,
    /// Held while changes of hints are written, so that memory and disk see them in one order.
    desk: Mutex<Desk>,
    dirty: Mutex<BTreeSet<String>>,
    /// Whether everything is to be compared, since the journal lost what it knew.
    all_dirty: AtomicBool,
    /// Told when there may be something to claim.
    work: Notify,
    /// Told when a collection became dirty.
    dirt: Notify,
    settings: Settings,
    timing: Arc<dyn Timing>,
    /// Numbers of claims.
    claims: AtomicU64,
    generations: generations::Generations,
    /// Until then claims are on disk before anything is done: the last run may have ended by what it worked on.
    careful_until: Option<Instant>,
    condition: Mutex<Condition>,
    upkeep: Mutex<upkeep::Measured>,
    /// Taken before the desk.
    receipts: Mutex<receipts::Receipts>,
    /// Taken after the desk.
    outbox: Mutex<outbox::Outbox>,
    /// Told when there may be something to send.
    mail: Notify,
}

impl Journal {
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
        self.take_in(
            collection,
            ids,
            work,
            since_micros,
            Hint::Change,
            Priority::Interactive,
        )
    }

    /// As [`Journal::add`], for much at once: it lets single changes pass.
    ///
    /// # Errors
    /// [`JournalError`]; the hints are then pending in memory only.
    pub fn add_bulk<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
        work: Work,
        since_micros: u64,
    ) -> Result<(), JournalError> {
        self.take_in(collection, ids, work, since_micros, Hint::Change, Priority::Bulk)
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
        self.take_in(collection, ids, work, since_micros, Hint::Mark, Priority::Bulk)
    }

    fn take_in<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
        work: Work,
        since_micros: u64,
        hint: Hint,
        priority: Priority,
    ) -> Result<(), JournalError> {
        let name: Arc<str> = collection.into();
        self.generations.next(collection);
        let now = self.timing.now().instant;
        let mut changes = Changes::default();
        let mut overflow = false;
        let applied = {
            let mut desk = self.desk.lock();
            let Desk { pending, dead, .. } = &mut *desk;
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
                let added = pending.add(&document, work, since_micros, now, hint, priority);
                changes.put_hint(&document, added.work, added.since_micros)?;
                if added.anew {
                    changes.remove_failure(&document)?;
                }
            }
            self.disk.apply(&changes)
        };
        self.work.notify_waiters();
        if overflow {
            self.mark_dirty(collection);
        }
        applied
    }

    /// A number that each hint for a document of the collection changes, before the hint can be claimed. What was read from the
    /// store in this generation is as good as what is read now, but for changes of which hints are yet to come.
    pub fn generation(&self, collection: &str) -> u64 {
        self.generations.of(collection)
    }

    /// Whether another document can wait.
    pub fn has_room(&self) -> bool {
        self.desk.lock().pending.len() < self.settings.max_pending
    }

    /// Marks a collection for a comparison with the store.
    pub fn mark_dirty(&self, collection: &str) {
        self.generations.next(collection);
        self.dirty.lock().insert(collection.to_owned());
        self.dirt.notify_one();
    }

    /// Whether everything is to be compared, with the graph too, since the journal lost what it knew while running; asked
    /// once.
    pub fn take_all_dirty(&self) -> bool {
        self.all_dirty.swap(false, Ordering::AcqRel)
    }

    /// Takes the collections to be compared.
    pub fn take_dirty(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.dirty.lock())
    }

    /// Waits until a collection becomes dirty. One waiter only.
    pub async fn dirt(&self) {
        self.dirt.notified().await;
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
        let mut desk = self.desk.lock();
        desk.ended_lives += ids.len() as u64;
        self.disk.apply(&changes)
    }

    /// The ids of the documents with an edge to this one.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sources(&self, document: &DocumentId) -> Result<Vec<String>, JournalError> {
        self.disk.sources(document)
    }

    /// The ids of all documents of a collection that the journal has a state of, in order.
    pub fn ids(&self, collection: &str) -> impl Iterator<Item = Result<String, JournalError>> + use<'_> {
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
        self.forget_claims()?;
        self.disk.close(clean)
    }
}

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use disk::properties;

#[cfg(test)]
pub(crate) use relations::support;

#[cfg(test)]
mod attempts_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod dead_letter_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod tests;
