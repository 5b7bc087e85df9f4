//! Claims: who works on what, in memory and on disk.
//!
//! A batch that is at work is on disk as a claim, so that the next run knows what was at work when the process ended. That is
//! no document's fault as a rule (somebody killed it), and may be one's (its content makes the process end, every time). So
//! such an end is counted apart from failed attempts:
//! - from the second in a row on ([`super::pending::ALONE_AFTER`]) the document is worked on alone, so that only what is at
//!   fault is counted any further;
//! - from the third on it also waits, longer each time, so that all others get on in between;
//! - after as many as attempts are allowed it is a dead letter.
//!
//! Any end of the work on it, good or bad, begins the count anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::changes::Changes;
use super::failure::Failure;
use super::keys::claim_key;
use super::pending::{ALONE_AFTER, Claimed};
use super::{Batch, DeadLetter, DocumentId, Journal, JournalError, Stage, Work};

/// What a lane finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimable {
    /// These documents, the lane's own until it commits or releases them, and ends the claim.
    Batch(Batch),
    /// A batch that is not full yet; it is to be had after this time.
    Soon(Duration),
    /// Nothing.
    Nothing,
}

impl Claimable {
    /// The batch, where there is one.
    #[must_use]
    pub fn batch(self) -> Option<Batch> {
        match self {
            Self::Batch(batch) => Some(batch),
            Self::Soon(_) | Self::Nothing => None,
        }
    }
}

impl Journal {
    /// Claims up to `most` documents of one collection for a stage. They are the caller's until it commits or
    /// releases them; afterwards it ends the claim ([`Journal::end`]).
    ///
    /// # Errors
    /// [`JournalError`]: nothing is claimed then.
    pub fn claim(&self, stage: Stage, most: usize) -> Result<Claimable, JournalError> {
        if self.disk.vault.is_failed() {
            return Ok(Claimable::Nothing);
        }
        let now = self.timing.now().instant;
        let mut batch = {
            let mut desk = self.desk.lock();
            match desk.pending.claim(stage, most, now) {
                Claimed::Batch(batch) => Batch {
                    ended_lives: desk.ended_lives,
                    ..batch
                },
                Claimed::Soon(wait) => return Ok(Claimable::Soon(wait)),
                Claimed::Nothing => return Ok(Claimable::Nothing),
            }
        };
        batch.number = self.claims.fetch_add(1, Ordering::Relaxed);
        match self.write_claim(&batch, self.careful_until.is_some_and(|end| now < end)) {
            Ok(()) => Ok(Claimable::Batch(batch)),
            Err(error) => {
                self.release(&batch);
                Err(error)
            }
        }
    }

    fn write_claim(&self, batch: &Batch, at_once: bool) -> Result<(), JournalError> {
        let ids: Vec<&str> = batch.claims.iter().map(|claim| claim.id.as_ref()).collect();
        let record = postcard::to_stdvec(&(batch.collection.as_ref() as &str, ids))
            .map_err(|_| JournalError::Damaged { what: "claim" })?;
        let mut changes = Changes::default();
        changes.put(claim_key(batch.number), record);
        self.disk.apply(&changes)?;
        if at_once {
            self.disk.flush()?;
        }
        Ok(())
    }

    /// Gives a batch back untouched: nobody's fault, and no attempt at anything in it.
    pub fn release(&self, batch: &Batch) {
        let now = self.timing.now().instant;
        let mut desk = self.desk.lock();
        for claim in &batch.claims {
            let document = batch.document(&claim.id);
            desk.pending.release(&document, Some(claim.since_micros), now);
        }
        drop(desk);
        self.work.notify_waiters();
    }

    /// Ends a claim: what became of its documents is told.
    ///
    /// # Errors
    /// [`JournalError`]; should the process end before the storage is back, its documents count as interrupted.
    pub fn end(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        changes.remove(claim_key(batch.number));
        self.disk.apply(&changes)
    }

    /// No claim of this run counts as interrupted: it ends by itself.
    pub(super) fn forget_claims(&self) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        self.disk.claims(|(key, _)| changes.remove(key))?;
        self.disk.apply(&changes)
    }

    /// Counts the end of the last run for those documents that were at work.
    pub(super) fn put_interrupted_back(&mut self, documents: Vec<DocumentId>) -> Result<(), JournalError> {
        let now = self.timing.now();
        let attempts = self.settings.attempts;
        let desk = self.desk.get_mut();
        let mut changes = Changes::default();
        for document in documents {
            if !desk.pending.contains(&document) {
                continue;
            }
            let last = self.disk.failure(&document)?;
            let failure = Failure {
                attempts: last.as_ref().map_or(0, |last| last.attempts),
                first_micros: last.as_ref().map_or(now.unix_micros, |last| last.first_micros),
                last_micros: now.unix_micros,
                due_micros: now.unix_micros,
                cause: "the process ended while the document was at work".to_owned(),
                interrupted: last.as_ref().map_or(0, |last| last.interrupted) + 1,
            };
            if failure.interrupted >= attempts.most.max(ALONE_AFTER + 1)
                && desk.dead.len() < attempts.max_dead_letters
            {
                tracing::warn!(
                    collection = %document.collection,
                    id = %document.id,
                    interrupted = failure.interrupted,
                    "the process ended again and again while this document alone was at work; it is a dead letter now"
                );
                changes.remove_hint(&document)?;
                changes.remove_failure(&document)?;
                let letter = DeadLetter {
                    work: Work::ALL,
                    attempts: failure.interrupted,
                    first_micros: failure.first_micros,
                    last_micros: failure.last_micros,
                    cause: failure.cause,
                    seen: None,
                };
                changes.put_dead_letter(&document, &letter)?;
                desk.pending.bury(&document);
                desk.dead.insert(&document);
                continue;
            }
            let wait = match failure.interrupted.saturating_sub(ALONE_AFTER) {
                0 => Duration::ZERO,
                times => attempts.backoff.wait(times, self.timing.chance()),
            };
            let failure = Failure {
                due_micros: now.unix_micros + u64::try_from(wait.as_micros()).unwrap_or(u64::MAX),
                ..failure
            };
            changes.put_failure(&document, &failure)?;
            let due = match wait {
                Duration::ZERO => None,
                wait => Some(now.instant + wait),
            };
            desk.pending
                .restore(&document, failure.attempts, failure.interrupted, due);
        }
        self.disk.apply(&changes)?;
        self.disk.flush()
    }

    /// Whether a document waits or is at work.
    pub fn is_pending(&self, collection: &Arc<str>, id: &str) -> bool {
        let document = DocumentId::new(Arc::clone(collection), id);
        self.desk.lock().pending.contains(&document)
    }
}
