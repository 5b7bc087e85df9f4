//! Opening the journal: what the last run left is read, checked, and put in order.
//!
//! Invariants: a storage that cannot be read is put aside, and the journal begins anew; one that the file system refuses, or
//! that a later release wrote, is left as it is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::changes::Changes;
use super::dead_letter::DeadIndex;
use super::disk::Disk;
use super::outbox::Outbox;
use super::pending::{Hint, Pending};
use super::receipts::Receipts;
use super::storage::{Folder, Medium};
use super::timing::{self, Moment, Timing};
use super::upkeep::Condition;
use super::vault::{Origin, Vault};
use super::{Desk, DocumentId, Journal, JournalError, Priority, Settings};

/// How long after a run that did not end well claims are written out at once.
const CAREFUL: Duration = Duration::from_secs(60);

impl Journal {
    /// Opens the journal in `folder`. The hints of the last run are pending again; those that failed with their attempts
    /// counted, and not before they are due. What cannot be read is put aside, and the journal begins anew.
    ///
    /// # Errors
    /// [`JournalError`]: another process has it, the file system refuses, or a later release wrote it.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, JournalError> {
        let medium = Folder::take(folder)?;
        let opened = Self::open_on(Box::new(medium), settings, Arc::new(timing::System));
        opened.map_err(|error| match error {
            JournalError::Storage(error) => JournalError::Open {
                folder: folder.to_owned(),
                reason: error.to_string(),
            },
            error => error,
        })
    }

    pub(super) fn open_on(
        medium: Box<dyn Medium>,
        settings: Settings,
        timing: Arc<dyn Timing>,
    ) -> Result<Self, JournalError> {
        let (vault, mut origin) = Vault::open(medium)?;
        let disk = Disk::new(vault);
        let now = timing.now();
        let mut loaded = Loaded::from(&disk, origin != Origin::Kept, &settings, now);
        if let Err(error) = &loaded
            && origin == Origin::Kept
            && let Some(reason) = error.damage()
        {
            disk.vault.set_aside(&reason)?;
            origin = Origin::Rebuilt { reason };
            loaded = Loaded::from(&disk, origin != Origin::Kept, &settings, now);
        }
        let loaded = loaded?;
        let clean = loaded.clean && origin == Origin::Kept;
        let mut journal = Self {
            disk,
            desk: Mutex::new(loaded.desk),
            dirty: Mutex::default(),
            all_dirty: AtomicBool::new(false),
            work: Notify::new(),
            dirt: Notify::new(),
            settings,
            claims: AtomicU64::new(0),
            generations: Default::default(),
            careful_until: (!clean).then(|| now.instant + CAREFUL),
            condition: Mutex::new(Condition::at_start(origin, loaded.clean, now.unix_micros)),
            upkeep: Mutex::default(),
            receipts: Mutex::new(loaded.receipts),
            outbox: Mutex::new(loaded.outbox),
            mail: Notify::new(),
            timing,
        };
        journal.put_interrupted_back(loaded.interrupted)?;
        Ok(journal)
    }
}

/// What the last run left.
struct Loaded {
    desk: Desk,
    /// Whether it ended with nothing under way.
    clean: bool,
    /// Documents that were at work when it ended.
    interrupted: Vec<DocumentId>,
    receipts: Receipts,
    outbox: Outbox,
}

impl Loaded {
    fn from(disk: &Disk, is_new: bool, settings: &Settings, now: Moment) -> Result<Self, JournalError> {
        let clean = disk.begin(is_new)?;
        let mut desk = Desk {
            pending: Pending::new(now.instant),
            dead: DeadIndex::default(),
            ended_lives: 0,
        };
        let pending = &mut desk.pending;
        let mut unreadable = 0;
        unreadable += disk
            .hints(|(document, work, since_micros)| {
                pending.add(
                    &document,
                    work,
                    since_micros,
                    now.instant,
                    Hint::Change,
                    Priority::Bulk,
                );
            })?
            .0;
        let mut stale = Changes::default();
        let mut too_long = Ok(());
        unreadable += disk
            .failures(|(document, failure)| {
                let restored = failure.is_some_and(|failure| {
                    let due = now.at(failure.due_micros, settings.attempts.backoff.longest);
                    let due = Some(due).filter(|due| *due > now.instant);
                    pending.restore(&document, failure.attempts, failure.interrupted, due)
                });
                if !restored && let Err(error) = stale.remove_failure(&document) {
                    too_long = Err(error);
                }
            })?
            .0;
        too_long?;
        unreadable += disk.dead(|document| desk.dead.insert(&document))?.0;
        let mut interrupted = Vec::new();
        unreadable += disk
            .claims(|(key, documents)| {
                stale.remove(key);
                interrupted.extend(documents);
            })?
            .0;
        disk.apply(&stale)?;
        let receipts = Receipts::load(disk)?;
        let outbox = Outbox::load(disk, now)?;
        Ok(Self {
            desk,
            clean: clean && unreadable == 0,
            interrupted,
            receipts,
            outbox,
        })
    }
}
