//! Changes of the journal on disk that are written together.

use serde::{Deserialize, Serialize};

use super::DocumentId;
use super::dead_letter::{DeadLetter, Seen};
use super::error::JournalError;
use super::failure::Failure;
use super::keys::{DEAD, FAILURE, HINT, STATE, key, reverse_key};
use super::state::DocumentState;
use super::storage::Writes;
use super::work::Work;

/// Changes that are written together.
#[derive(Debug, Default)]
pub(super) struct Changes {
    writes: Writes,
}

impl Changes {
    pub(super) fn writes(&self) -> &Writes {
        &self.writes
    }

    pub(super) fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.put(key, value);
    }

    pub(super) fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.remove(key);
    }

    pub(super) fn put_hint(
        &mut self,
        document: &DocumentId,
        work: Work,
        since: u64,
    ) -> Result<(), JournalError> {
        let mut value = [0; 9];
        value[0] = work.bits();
        value[1..].copy_from_slice(&since.to_be_bytes());
        self.writes.put(key(HINT, document)?, value);
        Ok(())
    }

    pub(super) fn remove_hint(&mut self, document: &DocumentId) -> Result<(), JournalError> {
        self.writes.remove(key(HINT, document)?);
        Ok(())
    }

    pub(super) fn put_failure(
        &mut self,
        document: &DocumentId,
        failure: &Failure,
    ) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(failure).map_err(|_| JournalError::Damaged { what: "failure" })?;
        self.writes.put(key(FAILURE, document)?, bytes);
        Ok(())
    }

    pub(super) fn remove_failure(&mut self, document: &DocumentId) -> Result<(), JournalError> {
        self.writes.remove(key(FAILURE, document)?);
        Ok(())
    }

    pub(super) fn put_dead_letter(
        &mut self,
        document: &DocumentId,
        letter: &DeadLetter,
    ) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(&StoredLetter::from(letter))
            .map_err(|_| JournalError::Damaged { what: "dead letter" })?;
        self.writes.put(key(DEAD, document)?, bytes);
        Ok(())
    }

    pub(super) fn remove_dead_letter(&mut self, document: &DocumentId) -> Result<(), JournalError> {
        self.writes.remove(key(DEAD, document)?);
        Ok(())
    }

    pub(super) fn put_state(
        &mut self,
        document: &DocumentId,
        state: &DocumentState,
    ) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(state).map_err(|_| JournalError::Damaged { what: "state" })?;
        self.writes.put(key(STATE, document)?, bytes);
        Ok(())
    }

    pub(super) fn put_edge(&mut self, source: &DocumentId, target: &str) -> Result<(), JournalError> {
        self.writes.put(reverse_key(source, target)?, []);
        Ok(())
    }

    pub(super) fn remove_edge(&mut self, source: &DocumentId, target: &str) -> Result<(), JournalError> {
        self.writes.remove(reverse_key(source, target)?);
        Ok(())
    }

    pub(super) fn remove_state(&mut self, document: &DocumentId) -> Result<(), JournalError> {
        self.writes.remove(key(STATE, document)?);
        Ok(())
    }
}

/// A dead letter as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredLetter {
    work: u8,
    attempts: u32,
    first_micros: u64,
    last_micros: u64,
    cause: String,
    seen: Option<Seen>,
}

impl From<&DeadLetter> for StoredLetter {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            work: letter.work.bits(),
            attempts: letter.attempts,
            first_micros: letter.first_micros,
            last_micros: letter.last_micros,
            cause: letter.cause.clone(),
            seen: letter.seen,
        }
    }
}

impl From<StoredLetter> for DeadLetter {
    fn from(stored: StoredLetter) -> Self {
        Self {
            work: Work::from_bits(stored.work),
            attempts: stored.attempts,
            first_micros: stored.first_micros,
            last_micros: stored.last_micros,
            cause: stored.cause,
            seen: stored.seen,
        }
    }
}
