//! What keeps the journal going: writing out, getting a failed storage back, giving disk space back.
//!
//! The steps are called by a thread of the engine. Invariants:
//! - a storage that failed is reopened until that succeeds; then all that waits in memory is written again, a new epoch
//!   begins, and everything is compared, since what others wrote while it failed is not known;
//! - a storage that has outgrown its content is rewritten: an empty journal takes up next to nothing, however much went
//!   through it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::changes::Changes;
use super::storage::{Entry, StorageError, Writes};
use super::vault::{Origin, Reopened};
use super::{Durability, Journal, JournalError};
use crate::backoff::Backoff;

/// A storage below this size is left as it is.
const SMALL: u64 = 48 << 20;
/// A larger one may take up so many times what is in it.
const OUTGROWN: u64 = 3;
/// Written entries after which a large one is measured again.
const MEASURE_AFTER: u64 = 50_000;
/// A measurement reads everything: it is not repeated before so many times the time it took, at most this time.
const MEASURE_REST: u32 = 10;
const LONGEST_REST: Duration = Duration::from_secs(20);
/// Waits between attempts to get a failed storage back.
const REOPEN: Backoff = Backoff {
    base: Duration::from_millis(500),
    longest: Duration::from_secs(15),
};
/// Entries that are written together.
const CHUNK: usize = 1_000;

/// How the journal does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "JournalState")]
pub struct Condition {
    /// How this run began: `clean`, `after_crash`, `new`, or `rebuilt` where the journal of the last run could not be read.
    pub began: &'static str,
    /// Why nothing is read or written at present; changes wait in memory.
    pub failure: Option<String>,
    /// How often what was stored had to be put aside and begun anew.
    pub rebuilt: u32,
    /// How often a failed storage was reopened, whatever came of it.
    pub reopened: u32,
    /// Why what was stored was put aside last.
    pub rebuilt_because: Option<String>,
    /// When: Unix microseconds.
    #[serde(skip)]
    pub rebuilt_micros: u64,
    /// Bytes on disk, at the last look.
    pub bytes: u64,
}

impl Condition {
    pub(super) fn at_start(origin: Origin, clean: bool, now_micros: u64) -> Self {
        let (began, because) = match origin {
            Origin::Kept if clean => ("clean", None),
            Origin::Kept => ("after_crash", None),
            Origin::New => ("new", None),
            Origin::Rebuilt { reason } => ("rebuilt", Some(reason)),
        };
        if let Some(reason) = &because {
            tracing::error!(
                reason,
                "the journal could not be read; it was put aside and is rebuilt from the store and the graph"
            );
        }
        Self {
            began,
            failure: None,
            rebuilt: u32::from(because.is_some()),
            reopened: 0,
            rebuilt_micros: if because.is_some() { now_micros } else { 0 },
            rebuilt_because: because,
            bytes: 0,
        }
    }

    /// Whether what the graph holds cannot be known from the journal: what was forgotten may be there still.
    #[must_use]
    pub fn knows_little(&self) -> bool {
        self.began != "clean" || self.rebuilt > 0
    }
}

/// What a step of the upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing was needed.
    Idle,
    /// The storage failed and is not back yet; to be tried again after this time.
    Failed(Duration),
    /// A failed storage is back.
    Reopened,
    /// The storage was rewritten.
    Rewritten,
}

/// When the storage was measured last.
#[derive(Debug, Default)]
pub(super) struct Measured {
    written: u64,
    next: Option<Instant>,
    attempts: u32,
}

impl Journal {
    /// How the journal does.
    pub fn condition(&self) -> Condition {
        let mut condition = self.condition.lock().clone();
        condition.failure = self.disk.vault.failure().map(|failure| failure.to_string());
        condition
    }

    /// Free bytes on the journal's volume; `None` where nobody knows. Asks the operating system.
    pub fn free_bytes(&self) -> Option<u64> {
        self.disk.vault.free_bytes()
    }

    /// Whether nothing is read or written at present, since the storage failed.
    pub fn has_failed(&self) -> bool {
        self.disk.vault.is_failed()
    }

    /// Writes out what is not durable yet, where the settings ask for that now and then.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn flush_interval(&self) -> Result<(), JournalError> {
        match self.settings.durability {
            Durability::Interval | Durability::Group => self.flush(),
            Durability::None => Ok(()),
        }
    }

    /// Writes out what is not durable yet.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn flush(&self) -> Result<(), JournalError> {
        if self.disk.vault.is_failed() {
            return Ok(());
        }
        self.disk.flush()
    }

    /// One step: gets a failed storage back, or rewrites one that has outgrown its content.
    pub fn upkeep(&self) -> Upkeep {
        if !self.disk.vault.is_failed() && !self.disk.vault.is_there() {
            self.disk.vault.fail(&StorageError::Corrupt {
                reason: "its folder was deleted".to_owned(),
            });
        }
        if self.disk.vault.is_failed() {
            return self.get_back();
        }
        match self.shrink() {
            Ok(true) => Upkeep::Rewritten,
            Ok(false) => Upkeep::Idle,
            Err(error) => {
                tracing::warn!(%error, "the journal's storage could not be rewritten");
                Upkeep::Idle
            }
        }
    }

    fn get_back(&self) -> Upkeep {
        match self.reopen() {
            Ok(()) => {
                self.upkeep.lock().attempts = 0;
                self.work.notify_waiters();
                Upkeep::Reopened
            }
            Err(error) => {
                if let Some(reason) = error.damage() {
                    self.disk.vault.fail(&StorageError::Corrupt { reason });
                }
                let mut measured = self.upkeep.lock();
                measured.attempts += 1;
                let wait = REOPEN.wait(measured.attempts, self.timing.chance());
                tracing::warn!(%error, wait_ms = wait.as_millis() as u64, "the journal's storage is not back yet");
                Upkeep::Failed(wait)
            }
        }
    }

    fn reopen(&self) -> Result<(), JournalError> {
        let reopened = self.disk.vault.reopen()?;
        self.disk.resume(reopened != Reopened::Same)?;
        {
            let mut desk = self.desk.lock();
            let mut changes = Changes::default();
            for (document, work, since) in desk.pending.all() {
                changes.put_hint(&document, work, since)?;
                if changes.writes().len() >= CHUNK {
                    self.disk.apply(&std::mem::take(&mut changes))?;
                }
            }
            self.disk.apply(&changes)?;
            if matches!(reopened, Reopened::Empty { .. }) {
                // Their records are gone: they are tried anew when they are compared.
                desk.dead = Default::default();
            }
        }
        let waiting = self.outbox.lock().rewrite(self.timing.now())?;
        for changes in waiting {
            self.disk.apply(&changes)?;
        }
        self.disk.flush()?;
        {
            let mut condition = self.condition.lock();
            condition.reopened += 1;
            if let Reopened::Empty { reason } = reopened {
                condition.rebuilt += 1;
                condition.rebuilt_micros = self.timing.now().unix_micros;
                condition.rebuilt_because = Some(reason);
            }
        }
        self.all_dirty.store(true, Ordering::Release);
        self.dirt.notify_one();
        tracing::warn!("the journal's storage is back; everything is compared with the store");
        Ok(())
    }

    /// Rewrites a storage that has outgrown its content.
    fn shrink(&self) -> Result<bool, StorageError> {
        let vault = &self.disk.vault;
        let size = vault.size()?;
        self.condition.lock().bytes = size;
        let now = self.timing.now().instant;
        {
            let measured = self.upkeep.lock();
            let rests = measured.next.is_some_and(|next| now < next);
            if size < SMALL || rests || vault.written() - measured.written < MEASURE_AFTER {
                return Ok(false);
            }
        }
        let begun = Instant::now();
        let written = vault.written();
        let live = vault.live_bytes()?;
        let rest = (begun.elapsed() * MEASURE_REST).min(LONGEST_REST);
        let outgrown = size > SMALL.max(live * OUTGROWN);
        if outgrown {
            vault.rewrite(as_they_are)?;
            let after = vault.size()?;
            self.condition.lock().bytes = after;
            tracing::info!(
                before = size,
                after,
                live,
                "the journal's storage had outgrown its content and was rewritten"
            );
        }
        let mut measured = self.upkeep.lock();
        measured.written = written;
        measured.next = Some(now + rest);
        Ok(outgrown)
    }
}

/// Nothing is changed on the way.
pub(super) fn as_they_are(page: Vec<Entry>) -> Writes {
    let mut writes = Writes::default();
    for (key, value) in page {
        writes.put(key, value);
    }
    writes
}
