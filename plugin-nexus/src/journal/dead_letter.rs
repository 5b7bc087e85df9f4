//! Documents that Nexus refused so often that they are not tried any more.
//!
//! Invariants:
//! - A dead letter has no hint and no record of a failure: its own takes their place in one atomic batch, and a hint takes
//!   it out in one.
//! - There are at most [`super::Attempts::max_dead_letters`]; their ids are in memory, the records on disk.
//! - It leaves by a change of the document, by a comparison that finds the document different from what the last attempt
//!   saw, by a replay or by a purge. Not by a restart, nor by a new epoch. Work that other documents have for it is added to
//!   it, to be done when it leaves.
//! - What it saw was read before the last attempt: a document that changed during it differs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::pending::Hint;
use super::work::{Priority, Work};
use super::{DocumentId, Journal, JournalError};

/// Documents that are replayed or purged in one atomic write.
const CHUNK: usize = 500;

/// A document as an attempt found it, in digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Digest of the payload.
    pub fingerprint: u128,
    /// Digest of what edges are compared by; the vector has no part in it where the store does not return exact ones. `None`: not known.
    pub vector: Option<u64>,
    /// Digest of the settings that decide what is copied from the payload.
    pub copy_rules: u64,
}

/// The record of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The work that could not be done.
    pub work: Work,
    /// Attempts that failed.
    pub attempts: u32,
    /// When the first failed: Unix microseconds.
    pub first_micros: u64,
    /// When the last did.
    pub last_micros: u64,
    /// Why the last failed. No payload text.
    pub cause: String,
    /// What the last attempt saw; `None` where the store had no such document.
    pub seen: Option<Seen>,
}

impl DeadLetter {
    /// What stands for a record that cannot be read: everything is to be done, and any document differs from it.
    #[must_use]
    pub fn unreadable() -> Self {
        Self {
            work: Work::ALL,
            attempts: 0,
            first_micros: 0,
            last_micros: 0,
            cause: "the journal's record of it is unreadable".to_owned(),
            seen: None,
        }
    }

    /// Whether it stands for a record that cannot be read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.attempts == 0
    }
}

/// Dead letters in the order of collection and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// These.
    pub letters: Vec<(DocumentId, DeadLetter)>,
    /// How many there are on all pages.
    pub total: usize,
    /// The last document looked at; `None`: no more come after it.
    pub next: Option<DocumentId>,
}

/// Which documents are dead letters.
#[derive(Debug, Default)]
pub(super) struct DeadIndex {
    documents: BTreeSet<DocumentId>,
    counts: BTreeMap<Arc<str>, usize>,
}

impl DeadIndex {
    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn contains(&self, document: &DocumentId) -> bool {
        self.documents.contains(document)
    }

    pub(super) fn insert(&mut self, document: &DocumentId) {
        // One text of the collection's name for all of its documents.
        let known = self.counts.get_key_value(&document.collection);
        let collection = Arc::clone(known.map_or(&document.collection, |(name, _)| name));
        if self.documents.insert(DocumentId {
            collection: Arc::clone(&collection),
            id: Arc::clone(&document.id),
        }) {
            *self.counts.entry(collection).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, document: &DocumentId) -> bool {
        let found = self.documents.remove(document);
        if found && let Some(count) = self.counts.get_mut(&document.collection) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&document.collection);
            }
        }
        found
    }

    fn count(&self, collection: Option<&str>) -> usize {
        match collection {
            Some(name) => self.counts.get(name).copied().unwrap_or_default(),
            None => self.len(),
        }
    }

    /// Those behind `after`, of one collection or of all.
    fn behind<'a>(
        &'a self,
        collection: Option<&'a str>,
        after: Option<&DocumentId>,
    ) -> impl Iterator<Item = &'a DocumentId> {
        let first = DocumentId::new(collection.unwrap_or_default(), "");
        let from = match after {
            Some(after) if *after >= first => Bound::Excluded(after.clone()),
            _ => Bound::Included(first),
        };
        self.documents
            .range((from, Bound::Unbounded))
            .take_while(move |document| collection.is_none_or(|name| *document.collection == *name))
    }
}

/// Which dead letters an operation is for.
#[derive(Debug, Clone, Copy)]
pub enum Chosen<'a> {
    /// All.
    All,
    /// Those of a collection.
    Collection(&'a str),
    /// These of a collection; others among the ids are passed over.
    Ids(&'a str, &'a [String]),
}

impl Journal {
    /// Up to `limit` dead letters behind `after`, of one collection or of all.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn dead_letters(
        &self,
        collection: Option<&str>,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<DeadLetterPage, JournalError> {
        let (total, mut documents) = {
            let desk = self.desk.lock();
            let behind = desk.dead.behind(collection, after).take(limit.saturating_add(1));
            (desk.dead.count(collection), behind.cloned().collect::<Vec<_>>())
        };
        let more = documents.len() > limit;
        documents.truncate(limit);
        let next = documents.last().filter(|_| more).cloned();
        let mut letters = Vec::with_capacity(documents.len());
        for document in documents {
            // One that left meanwhile is passed over.
            if let Some(letter) = self.disk.dead_letter(&document)? {
                letters.push((document, letter));
            }
        }
        Ok(DeadLetterPage { letters, total, next })
    }

    /// The dead letter of a document.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn dead_letter(&self, document: &DocumentId) -> Result<Option<DeadLetter>, JournalError> {
        if !self.desk.lock().dead.contains(document) {
            return Ok(None);
        }
        self.disk.dead_letter(document)
    }

    /// Whether a document is a dead letter.
    pub fn is_dead_letter(&self, document: &DocumentId) -> bool {
        self.desk.lock().dead.contains(document)
    }

    /// How many dead letters there are, by collection.
    pub fn dead_letter_counts(&self) -> BTreeMap<String, usize> {
        let desk = self.desk.lock();
        let counts = desk.dead.counts.iter();
        counts.map(|(name, count)| (name.to_string(), *count)).collect()
    }

    /// How many dead letters there are.
    pub fn dead_letter_count(&self) -> usize {
        self.desk.lock().dead.len()
    }

    /// Puts dead letters back into the queue, to start anew. Returns how many. They are taken even where the queue is full:
    /// they are few, and a comparison would not find them.
    ///
    /// # Errors
    /// [`JournalError`]; those replayed until then are.
    pub fn replay(&self, chosen: Chosen<'_>) -> Result<usize, JournalError> {
        let moment = self.timing.now();
        let count = self.take_out(chosen, |desk, document, letter, changes| {
            let added = desk.pending.add(
                document,
                letter.work,
                moment.unix_micros,
                moment.instant,
                Hint::Change,
                Priority::Interactive,
            );
            changes.put_hint(document, added.work, added.since_micros)
        })?;
        self.work.notify_waiters();
        Ok(count)
    }

    /// Forgets dead letters. Returns how many. The next comparison of everything finds those documents that the graph
    /// still lacks.
    ///
    /// # Errors
    /// [`JournalError`]; those purged until then are.
    pub fn purge(&self, chosen: Chosen<'_>) -> Result<usize, JournalError> {
        self.take_out(chosen, |_, _, _, _| Ok(()))
    }

    fn take_out(
        &self,
        chosen: Chosen<'_>,
        then: impl Fn(&mut super::Desk, &DocumentId, &DeadLetter, &mut Changes) -> Result<(), JournalError>,
    ) -> Result<usize, JournalError> {
        let documents: Vec<DocumentId> = {
            let desk = self.desk.lock();
            match chosen {
                Chosen::All => desk.dead.behind(None, None).cloned().collect(),
                Chosen::Collection(name) => desk.dead.behind(Some(name), None).cloned().collect(),
                Chosen::Ids(name, ids) => {
                    let name: Arc<str> = name.into();
                    ids.iter()
                        .map(|id| DocumentId::new(Arc::clone(&name), id.as_str()))
                        .filter(|document| desk.dead.contains(document))
                        .collect()
                }
            }
        };
        let mut count = 0;
        for chunk in documents.chunks(CHUNK) {
            let mut changes = Changes::default();
            let mut desk = self.desk.lock();
            let mut taken = Vec::with_capacity(chunk.len());
            for document in chunk {
                if desk.dead.contains(document) {
                    let letter = self.disk.dead_letter(document)?;
                    let letter = letter.unwrap_or_else(DeadLetter::unreadable);
                    changes.remove_dead_letter(document)?;
                    taken.push((document, letter));
                }
            }
            for (document, letter) in &taken {
                if desk.dead.remove(document) {
                    count += 1;
                    then(&mut desk, document, letter, &mut changes)?;
                }
            }
            self.disk.apply(&changes)?;
        }
        // An administrator acts on the answer: it stays true whatever happens next.
        self.disk.flush()?;
        Ok(count)
    }
}
