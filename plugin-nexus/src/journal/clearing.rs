//! Taking out of the queue what waits in it.
//!
//! Invariants: what is at work ends by itself; dead letters stay; of what is taken out no state says any more that its edges were compared,
//! so the next comparison of its collection finds it again, and nothing is lost.

use super::changes::Changes;
use super::error::JournalError;
use super::{DocumentId, Journal};

/// Documents whose hints are taken out at a time.
const PAGE: usize = 1_000;

impl Journal {
    /// Takes out all documents that wait, or those of one collection; answers how many. Blocks.
    ///
    /// # Errors
    /// [`JournalError`]; some may be taken out by then.
    pub fn clear(&self, collection: Option<&str>) -> Result<usize, JournalError> {
        let waiting: Vec<DocumentId> = {
            let desk = self.desk.lock();
            let wanted =
                |document: &DocumentId| collection.is_none_or(|name| document.collection.as_ref() == name);
            desk.pending.documents().filter(wanted).collect()
        };
        let mut cleared = 0;
        for page in waiting.chunks(PAGE) {
            let mut desk = self.desk.lock();
            let mut changes = Changes::default();
            let mut gone = Vec::with_capacity(page.len());
            for document in page {
                if desk
                    .pending
                    .standby(document)
                    .is_none_or(|standby| standby.in_flight)
                {
                    continue;
                }
                if let Some(mut state) = self.disk.state(document)?
                    && state.vector.take().is_some()
                {
                    changes.put_state(document, &state)?;
                }
                changes.remove_hint(document)?;
                changes.remove_failure(document)?;
                gone.push(document);
            }
            // First on disk: what a restart would bring back was not taken out.
            self.disk.apply(&changes)?;
            for document in gone {
                desk.pending.bury(document);
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{settings, state};
    use super::*;
    use crate::journal::{Outcome, Stage, StateChange, Work};

    #[test]
    fn what_waits_is_taken_out_also_after_a_restart_and_what_is_at_work_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        journal
            .add("c", ["1", "2", "3"].into_iter(), Work::NODE, 1)
            .unwrap();
        journal.add("d", ["1"].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        assert_eq!(batch.collection.as_ref(), "c");
        assert_eq!(journal.clear(Some("c")).unwrap(), 2);
        assert_eq!(journal.waiting(), 2);
        assert_eq!(journal.clear(None).unwrap(), 1);
        journal.release(&batch);
        drop(journal);
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        assert_eq!(journal.depth_by_collection(), [("c".to_owned(), 1)].into());
    }

    #[test]
    fn the_state_of_what_is_taken_out_asks_for_its_edges_to_be_compared() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        journal.add("c", ["1"].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        let mut known = state(1, &[]);
        known.vector = Some(7);
        let outcome = Outcome::new("1".into(), Work::NONE, StateChange::Put(known));
        journal.commit(&batch, vec![outcome], &[], &[], 1).unwrap();
        let document = DocumentId::new("c", "1");
        assert_eq!(journal.state(&document).unwrap().unwrap().vector, Some(7));
        journal.add("c", ["1"].into_iter(), Work::EDGES, 1).unwrap();
        assert_eq!(journal.clear(None).unwrap(), 1);
        assert_eq!(journal.state(&document).unwrap().unwrap().vector, None);
    }
}
