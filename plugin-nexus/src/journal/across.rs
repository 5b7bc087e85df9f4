//! SIMILAR_TO edges to documents of other collections: under `x` and the document [`Across`], postcard; under `y`, the target and the
//! source, nothing.
//!
//! Invariant: a document's record and its entries in the reverse index change in one atomic write. Edges within a collection are
//! part of the document's state.

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::keys::{key, parse_key, sized_key};
use super::{DocumentId, Journal, JournalError};

const ACROSS: u8 = b'x';
const REVERSE_ACROSS: u8 = b'y';

/// One active edge to a document of another collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcrossEdge {
    /// The neighbour's collection.
    pub collection: String,
    /// Its id there.
    pub id: String,
    /// The life of the neighbour's node when the edge was written: the edge went with that node.
    pub target_born: u64,
    /// The score that was written.
    pub score: f32,
}

impl AcrossEdge {
    /// The neighbour.
    #[must_use]
    pub fn target(&self) -> DocumentId {
        DocumentId::new(self.collection.as_str(), self.id.as_str())
    }
}

/// The edges of one document to other collections that the graph holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Across {
    /// The journal's epoch when they were written; `None` where the outcome of a write is not known.
    pub epoch: Option<u32>,
    /// The life of the document's node that owns them.
    pub born: u64,
    /// The active edges, closest first.
    pub edges: Vec<AcrossEdge>,
}

/// How a document's edges to other collections changed.
#[derive(Debug)]
pub struct AcrossChange {
    /// Those that it had, as far as anybody knows.
    pub before: Vec<AcrossEdge>,
    /// What it has now.
    pub after: Across,
}

fn reverse_prefix(target: &DocumentId) -> Result<Vec<u8>, JournalError> {
    sized_key(REVERSE_ACROSS, target)
}

fn reverse_key(source: &DocumentId, target: &DocumentId) -> Result<Vec<u8>, JournalError> {
    let mut bytes = reverse_prefix(target)?;
    // Without the letter of the kind, which is there for whole records only.
    bytes.extend(&key(REVERSE_ACROSS, source)?[1..]);
    Ok(bytes)
}

impl Changes {
    pub(super) fn change_across(
        &mut self,
        document: &DocumentId,
        change: &AcrossChange,
    ) -> Result<(), JournalError> {
        for edge in &change.before {
            self.remove(reverse_key(document, &edge.target())?);
        }
        if change.after.edges.is_empty() {
            self.remove(key(ACROSS, document)?);
            return Ok(());
        }
        for edge in &change.after.edges {
            self.put(reverse_key(document, &edge.target())?, []);
        }
        self.put_across(document, &change.after)
    }

    fn put_across(&mut self, document: &DocumentId, across: &Across) -> Result<(), JournalError> {
        let bytes = postcard::to_stdvec(across).map_err(|_| JournalError::Damaged { what: "edges" })?;
        self.put(key(ACROSS, document)?, bytes);
        Ok(())
    }
}

impl Journal {
    /// The edges of a document to other collections; a record that cannot be read counts as one of which nothing is known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn across(&self, document: &DocumentId) -> Result<Option<Across>, JournalError> {
        let found = self.disk.get(&key(ACROSS, document)?)?;
        Ok(found.map(|bytes| {
            postcard::from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds unreadable edges"))
                .unwrap_or_default()
        }))
    }

    /// The documents of other collections with an edge to this one.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sources_across(&self, document: &DocumentId) -> Result<Vec<DocumentId>, JournalError> {
        let prefix = reverse_prefix(document)?;
        let mut sources = Vec::new();
        for entry in self.disk.scan(prefix.clone()) {
            let (key, _) = entry?;
            let source = [&[REVERSE_ACROSS], key.get(prefix.len()..).unwrap_or_default()].concat();
            match parse_key(&source) {
                Ok(source) => sources.push(source),
                Err(error) => tracing::warn!(%error, "an edge in the journal is passed over"),
            }
        }
        Ok(sources)
    }

    /// Forgets all edges across collections from and to a document that is gone; answers those that had one to it.
    pub(super) fn part_across(
        &self,
        document: &DocumentId,
        changes: &mut Changes,
    ) -> Result<Vec<DocumentId>, JournalError> {
        if let Some(across) = self.across(document)? {
            for edge in &across.edges {
                changes.remove(reverse_key(document, &edge.target())?);
            }
            changes.remove(key(ACROSS, document)?);
        }
        let sources = self.sources_across(document)?;
        for source in &sources {
            changes.remove(reverse_key(source, document)?);
        }
        Ok(sources)
    }

    /// Relies no longer on what is remembered of a document's edges to other collections.
    pub(super) fn distrust_across(
        &self,
        document: &DocumentId,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        match self.across(document)? {
            Some(across) if across.epoch.is_some() => {
                let across = Across {
                    epoch: None,
                    ..across
                };
                changes.put_across(document, &across)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{settings, state};
    use super::*;
    use crate::journal::{Batch, Outcome, Stage, StateChange, Work};

    fn edge(collection: &str, id: &str) -> AcrossEdge {
        AcrossEdge {
            collection: collection.into(),
            id: id.into(),
            target_born: state(1, &[]).born,
            score: 0.5,
        }
    }

    fn across(edges: Vec<AcrossEdge>) -> Across {
        Across {
            epoch: Some(1),
            born: 1,
            edges,
        }
    }

    fn claim(journal: &Journal, collection: &str, id: &str) -> Batch {
        journal.add(collection, [id].into_iter(), Work::NODE, 1).unwrap();
        loop {
            match journal.claim(Stage::Nodes, 1).unwrap() {
                crate::journal::Claimable::Batch(batch) => return batch,
                _ => std::thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
    }

    fn commit(journal: &Journal, batch: &Batch, change: StateChange, across: Option<AcrossChange>) {
        let id = batch.claims[0].id.clone();
        let mut outcome = Outcome::new(id, Work::NONE, change);
        outcome.across = across;
        journal.commit(batch, vec![outcome], &[], &[], 2).unwrap();
        journal.end(batch).unwrap();
    }

    #[test]
    fn who_leads_to_a_document_of_another_collection_is_told_that_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        let batch = claim(&journal, "d", "x");
        commit(&journal, &batch, StateChange::Put(state(1, &[])), None);
        let batch = claim(&journal, "c", "a");
        let change = AcrossChange {
            before: Vec::new(),
            after: across(vec![edge("d", "x"), edge("d", "xy")]),
        };
        commit(&journal, &batch, StateChange::Put(state(1, &[])), Some(change));
        let (source, target) = (DocumentId::new("c", "a"), DocumentId::new("d", "x"));
        assert_eq!(
            journal.sources_across(&target).unwrap(),
            std::slice::from_ref(&source)
        );

        let batch = claim(&journal, "d", "x");
        commit(&journal, &batch, StateChange::Remove, None);
        assert!(journal.sources_across(&target).unwrap().is_empty());
        let told = journal.claim(Stage::Edges, 9).unwrap().batch().unwrap();
        assert_eq!(
            (told.document(&told.claims[0].id), told.claims[0].work),
            (source, Work::EDGES)
        );
    }

    #[test]
    fn a_document_that_goes_takes_its_edges_along() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        let batch = claim(&journal, "c", "a");
        let change = AcrossChange {
            before: Vec::new(),
            after: across(vec![edge("d", "x")]),
        };
        commit(&journal, &batch, StateChange::Put(state(1, &[])), Some(change));
        let batch = claim(&journal, "c", "a");
        commit(&journal, &batch, StateChange::Remove, None);
        assert_eq!(journal.across(&DocumentId::new("c", "a")).unwrap(), None);
        assert!(
            journal
                .sources_across(&DocumentId::new("d", "x"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn edges_that_changed_leave_nothing_in_the_reverse_index() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        let (old, new) = (edge("d", "old"), edge("e", "new"));
        for (before, after) in [
            (vec![], vec![old.clone()]),
            (vec![old.clone()], vec![new.clone()]),
        ] {
            let batch = claim(&journal, "c", "a");
            let change = AcrossChange {
                before,
                after: across(after),
            };
            commit(&journal, &batch, StateChange::Put(state(1, &[])), Some(change));
        }
        assert!(journal.sources_across(&old.target()).unwrap().is_empty());
        assert_eq!(journal.sources_across(&new.target()).unwrap().len(), 1);
        journal.distrust_all(&"c".into(), &["a".into()]).unwrap();
        let known = journal.across(&DocumentId::new("c", "a")).unwrap().unwrap();
        assert_eq!((known.epoch, known.edges), (None, vec![new]));
    }
}
