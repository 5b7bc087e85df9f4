//! What jobs need of the journal: their own records, who is pending, and the documents it has states of in small portions.
//!
//! A job's record is opaque here; it stands under `j` and the job's number (8 bytes, big-endian).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::keys::{STATE, behind, collection_prefix, key};
use super::{DocumentId, Journal, JournalError, Work};

const JOB: u8 = b'j';

/// A document that waits or is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standby {
    /// Its work, without what came while it is at work.
    pub work: Work,
    /// Whether it is at work.
    pub in_flight: bool,
}

/// The beginning of a [`super::DocumentState`], which is all that a comparison needs: shape and edges are not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHead {
    /// See [`super::DocumentState::epoch`].
    pub epoch: Option<u32>,
    /// See [`super::DocumentState::edges_epoch`].
    pub edges_epoch: Option<u32>,
    /// See [`super::DocumentState::rev`].
    pub rev: u64,
    /// See [`super::DocumentState::born`].
    pub born: u64,
    /// See [`super::DocumentState::fingerprint`].
    pub fingerprint: u128,
    /// See [`super::DocumentState::copy_rules`].
    pub copy_rules: u64,
    /// See [`super::DocumentState::vector`].
    pub vector: Option<u64>,
}

fn job_key(number: u64) -> [u8; 9] {
    let mut key = [JOB; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

impl Journal {
    /// Writes the record of a job.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn put_job(&self, number: u64, record: &[u8]) -> Result<(), JournalError> {
        self.disk.put(&job_key(number), record)
    }

    /// Removes the record of a job.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn remove_job(&self, number: u64) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        changes.remove(job_key(number));
        self.disk.apply(&changes)
    }

    /// The records of all jobs, by number.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn jobs(&self) -> Result<Vec<(u64, Vec<u8>)>, JournalError> {
        let mut jobs = Vec::new();
        let parse = |key: &[u8], record: &[u8]| {
            let number = key.get(1..).and_then(|number| number.try_into().ok());
            let number = number.map(u64::from_be_bytes);
            let number = number.ok_or(JournalError::Damaged { what: "job's number" })?;
            Ok((number, record.to_vec()))
        };
        self.disk.mend(JOB, parse, |job| jobs.push(job))?;
        Ok(jobs)
    }

    /// Whether the last run ended with nothing under way. False for a new journal.
    pub fn began_clean(&self) -> bool {
        self.condition().began == "clean"
    }

    /// What a document waits for, `None` where it waits for nothing.
    pub fn standby(&self, document: &DocumentId) -> Option<Standby> {
        self.desk.lock().pending.standby(document)
    }

    /// Those of the documents that wait for nothing.
    pub fn idle_among<'a>(&self, documents: impl Iterator<Item = &'a DocumentId>) -> Vec<DocumentId> {
        let desk = self.desk.lock();
        documents
            .filter(|document| !desk.pending.contains(document))
            .cloned()
            .collect()
    }

    /// Up to `most` pending documents of the collections that are wanted.
    pub fn some_pending(&self, wanted: impl Fn(&str) -> bool, most: usize) -> Vec<DocumentId> {
        let desk = self.desk.lock();
        desk.pending
            .documents()
            .filter(|document| wanted(&document.collection))
            .take(most)
            .collect()
    }

    /// The beginning of a document's state.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn head(&self, document: &DocumentId) -> Result<Option<StateHead>, JournalError> {
        match self.disk.get(&key(STATE, document)?)? {
            Some(bytes) => Ok(postcard::take_from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds an unreadable state"))
                .ok()
                .map(|(head, _)| head)),
            None => Ok(None),
        }
    }

    /// The ids behind `after` of the documents of a collection that the journal has a state of, in order.
    ///
    /// # Errors
    /// [`JournalError::NameTooLong`].
    pub fn ids_after(
        &self,
        collection: &str,
        after: Option<&str>,
    ) -> Result<impl Iterator<Item = Result<Arc<str>, JournalError>> + use<'_>, JournalError> {
        let prefix = collection_prefix(STATE, collection)?;
        let from = behind(&prefix, after);
        let length = prefix.len();
        Ok(self.disk.scan_from(&prefix, from).map(move |entry| {
            let (key, _) = entry?;
            let id = key.get(length..).unwrap_or_default();
            match std::str::from_utf8(id) {
                Ok(id) => Ok(id.into()),
                Err(_) => Err(JournalError::Damaged { what: "key" }),
            }
        }))
    }

    /// Relies no longer on what is remembered of these documents, so that they are written again.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn distrust_all(&self, collection: &Arc<str>, ids: &[Arc<str>]) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for id in ids {
            let document = DocumentId {
                collection: Arc::clone(collection),
                id: Arc::clone(id),
            };
            self.distrust_into(&document, &mut changes)?;
        }
        self.disk.apply(&changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{settings, state};
    use super::*;
    use crate::journal::{EdgeState, Outcome, Stage, StateChange};

    fn with_states(folder: &std::path::Path, ids: &[&str]) -> Journal {
        let journal = Journal::open(folder, settings(1_000)).unwrap();
        for collection in ["c", "cd"] {
            journal
                .add(collection, ids.iter().copied(), Work::NODE, 1)
                .unwrap();
        }
        while let Some(batch) = journal.claim(Stage::Nodes, 100).unwrap().batch() {
            let edge = EdgeState {
                target: "x".into(),
                target_born: 3,
                score: 0.5,
            };
            let outcomes = batch
                .claims
                .iter()
                .map(|claim| {
                    let mut state = state(7, &[]);
                    state.edges.push(edge.clone());
                    Outcome::new(claim.id.clone(), Work::NONE, StateChange::Put(state))
                })
                .collect();
            journal.commit(&batch, outcomes, &[], &[], 1).unwrap();
            journal.end(&batch).unwrap();
        }
        journal
    }

    #[test]
    fn the_head_of_a_state_is_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let journal = with_states(folder.path(), &["a"]);
        let document = DocumentId::new("c", "a");
        let whole = journal.state(&document).unwrap().unwrap();
        assert!(!whole.edges.is_empty());
        let expected = StateHead {
            epoch: whole.epoch,
            edges_epoch: whole.edges_epoch,
            rev: whole.rev,
            born: whole.born,
            fingerprint: whole.fingerprint,
            copy_rules: whole.copy_rules,
            vector: whole.vector,
        };
        assert_eq!(journal.head(&document).unwrap(), Some(expected));
        assert_eq!(journal.head(&DocumentId::new("c", "b")).unwrap(), None);
    }

    #[test]
    fn ids_go_on_behind_the_last_one_and_stay_in_their_collection() {
        let folder = tempfile::tempdir().unwrap();
        let journal = with_states(folder.path(), &["a", "aa", "b", "é"]);
        let after = |after| {
            let ids = journal.ids_after("c", after).unwrap();
            ids.map(|id| id.unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(after(None), ["a", "aa", "b", "é"]);
        assert_eq!(after(Some("a")), ["aa", "b", "é"]);
        assert_eq!(after(Some("c")), ["é"]);
        assert!(after(Some("é")).is_empty());
    }

    #[test]
    fn records_of_jobs_survive_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        assert!(!journal.began_clean());
        for number in [1, 256, u64::MAX] {
            journal.put_job(number, &number.to_be_bytes()).unwrap();
        }
        journal.remove_job(256).unwrap();
        journal.close(true).unwrap();
        drop(journal);
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        assert!(journal.began_clean());
        let found: Vec<u64> = journal
            .jobs()
            .unwrap()
            .into_iter()
            .map(|(number, record)| {
                assert_eq!(record, number.to_be_bytes());
                number
            })
            .collect();
        assert_eq!(found, [1, u64::MAX]);
    }

    #[test]
    fn a_document_that_is_not_relied_upon_keeps_its_record() {
        let folder = tempfile::tempdir().unwrap();
        let journal = with_states(folder.path(), &["a", "b"]);
        journal
            .distrust_all(&"c".into(), &["a".into(), "none".into()])
            .unwrap();
        let head = |id| journal.head(&DocumentId::new("c", id)).unwrap().unwrap();
        assert_eq!(
            (head("a").epoch, head("a").edges_epoch, head("a").rev),
            (None, None, 7)
        );
        assert!(head("b").epoch.is_some());
        assert_eq!(journal.head(&DocumentId::new("c", "none")).unwrap(), None);
    }

    #[test]
    fn who_waits_is_told_from_who_is_at_work() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        journal.add("c", ["a", "b"].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        let standby = |id: &str| journal.standby(&DocumentId::new("c", id));
        let other = if &*batch.claims[0].id == "a" { "b" } else { "a" };
        assert!(standby(&batch.claims[0].id).unwrap().in_flight);
        assert!(!standby(other).unwrap().in_flight);
        assert_eq!(standby("c"), None);
        assert_eq!(journal.some_pending(|name| name == "c", 9).len(), 2);
        assert_eq!(journal.some_pending(|name| name == "c", 1).len(), 1);
        assert!(journal.some_pending(|name| name != "c", 9).is_empty());
        let all = ["a", "z"].map(|id| DocumentId::new("c", id));
        assert_eq!(journal.idle_among(all.iter()), [all[1].clone()]);
    }
}
