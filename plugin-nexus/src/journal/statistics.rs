//! The frozen word counts of collections whose documents are compared by their words.

use super::changes::Changes;
use super::keys::{collection_prefix, parse_key};
use super::{Journal, JournalError};
use crate::similarity::TermStatistics;

/// The record of a collection's counts; the id in its key is empty.
const STATISTICS: u8 = b'w';

impl Journal {
    /// The word counts of a collection; such as cannot be read count as none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn term_statistics(&self, collection: &str) -> Result<Option<TermStatistics>, JournalError> {
        let found = self.disk.get(&collection_prefix(STATISTICS, collection)?)?;
        Ok(found.and_then(|bytes| {
            postcard::from_bytes::<TermStatistics>(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds unreadable word counts"))
                .ok()
                .filter(TermStatistics::is_whole)
        }))
    }

    /// Keeps the word counts of a collection, and forgets those of collections that are not in `living`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_term_statistics(
        &self,
        collection: &str,
        statistics: &TermStatistics,
        living: &[String],
    ) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for entry in self.disk.scan(vec![STATISTICS]) {
            let (key, _) = entry?;
            let known = parse_key(&key)
                .is_ok_and(|document| living.iter().any(|name| **name == *document.collection));
            if !known {
                changes.remove(key);
            }
        }
        let bytes =
            postcard::to_stdvec(statistics).map_err(|_| JournalError::Damaged { what: "word counts" })?;
        changes.put(collection_prefix(STATISTICS, collection)?, bytes);
        self.disk.apply(&changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::payload::Text;

    fn counts(body: &str) -> TermStatistics {
        let mut counts = TermStatistics::of_collection(1);
        counts.add(Text { title: "", body });
        counts
    }

    #[test]
    fn word_counts_outlive_the_process_and_go_with_their_collection() {
        let folder = tempfile::tempdir().unwrap();
        let living = ["a".to_owned(), "b".to_owned()];
        {
            let journal = Journal::open(folder.path(), settings(10)).unwrap();
            journal.set_term_statistics("a", &counts("one"), &living).unwrap();
            journal.set_term_statistics("b", &counts("two"), &living).unwrap();
            journal.close(true).unwrap();
        }
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        assert_eq!(journal.term_statistics("a").unwrap(), Some(counts("one")));
        journal
            .set_term_statistics("b", &counts("three"), &living[1..])
            .unwrap();
        assert_eq!(journal.term_statistics("a").unwrap(), None);
        assert_eq!(journal.term_statistics("b").unwrap(), Some(counts("three")));
    }
}
