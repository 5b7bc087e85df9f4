//! What decides which neighbours a document has: its vector, and where words count its text and how common words are.
//!
//! How common they are is counted once and kept in the journal, since every score of the collection depends on it; see
//! [`crate::similarity::statistics`].

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};

use super::context::{Context, now_micros, unless_gone};
use super::fault::StageFault;
use super::fingerprint::{likeness_digest, vector_digest};
use crate::journal::{DocumentId, JournalError, Work};
use crate::payload::{Text, text};
use crate::similarity::TermStatistics;
use crate::similarity::statistics::SAMPLE;

/// Documents whose words are counted at a time.
const PAGE: usize = 256;

/// Word counts by collection, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct WordCounts(Mutex<HashMap<Arc<str>, Arc<Frozen>>>);

/// Word counts with their digest.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) counts: TermStatistics,
    digest: u64,
}

/// Bits of a likeness that are of the vector. The rest are of everything else.
const VECTOR_BITS: u32 = 40;
const VECTOR: u64 = (1 << VECTOR_BITS) - 1;

/// One digest out of two, each of which can be told apart in it. A vector that was not read leaves its part 0.
fn joined(others: u64, vector: &[f32]) -> u64 {
    let vector = match vector.is_empty() {
        true => 0,
        false => (vector_digest(vector) & VECTOR).max(1),
    };
    others & !VECTOR | vector
}

/// Whether the edges of a document that was so like are right for one that is so like `now`. Where its vector was not read, since the
/// store gives it back another way each time, only the rest is compared.
pub(super) fn is_alike(before: u64, now: u64) -> bool {
    before & !VECTOR == now & !VECTOR && (now & VECTOR == 0 || before & VECTOR == now & VECTOR)
}

impl Context {
    /// Digest of all that decides which neighbours a document has: its vector, its text where texts count, and what the
    /// collection's settings make of them. Where it differs from the one that the edges were compared with, they are compared
    /// again.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn likeness(&self, collection: &str, document: &Document) -> Result<u64, JournalError> {
        let config = self.config();
        let settings = config.similarity_of(collection);
        let mut digests = vec![settings.digest()];
        let across = config.across_of(collection);
        digests.extend(across.map(|across| across.digest(settings.threshold)));
        if !settings.method.reads_texts() {
            return Ok(joined(
                likeness_digest(&digests, Text::default()),
                &document.vector,
            ));
        }
        digests.push(self.word_counts(collection)?.map_or(0, |frozen| frozen.digest));
        let text = document.payload.as_ref().map(text).unwrap_or_default();
        Ok(joined(likeness_digest(&digests, text), &document.vector))
    }

    /// The word counts of a collection, if there are any yet.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn word_counts(&self, collection: &str) -> Result<Option<Arc<Frozen>>, JournalError> {
        let mut all = self.words.0.lock();
        if let Some(known) = all.get(collection) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(counts) = self.journal.term_statistics(collection)? else {
            return Ok(None);
        };
        let frozen = Arc::new(Frozen {
            digest: counts.digest(),
            counts,
        });
        all.insert(collection.into(), Arc::clone(&frozen));
        Ok(Some(frozen))
    }

    /// Brings the word counts of a collection up to its size, where texts count. If they are made anew, all of its documents are to
    /// be compared again. Blocks.
    ///
    /// # Errors
    /// `StageFault::Host`, `StageFault::Journal`.
    pub(super) fn refresh_word_counts(&self, collection: &CollectionInfo) -> Result<(), StageFault> {
        let name = &collection.name;
        if !self.config().similarity_of(name).method.reads_texts() {
            return Ok(());
        }
        let before = self.word_counts(name)?;
        if before
            .as_ref()
            .is_some_and(|frozen| !frozen.counts.is_stale(collection.count))
        {
            return Ok(());
        }
        let Some(counts) = self.count_words(collection)? else {
            return Ok(());
        };
        let living: Vec<String> = self
            .host
            .collections()?
            .into_iter()
            .map(|living| living.name)
            .collect();
        self.journal.set_term_statistics(name, &counts, &living)?;
        let frozen = Frozen {
            digest: counts.digest(),
            counts,
        };
        self.words.0.lock().insert(name.as_str().into(), Arc::new(frozen));
        tracing::info!(collection = %name, documents = collection.count, "words were counted; all documents are compared again");
        self.compare_all(name)
    }

    /// Counts the words of the first [`SAMPLE`] documents; `None`: the collection is gone.
    fn count_words(&self, collection: &CollectionInfo) -> Result<Option<TermStatistics>, StageFault> {
        let mut counts = TermStatistics::of_collection(collection.count);
        let (mut cursor, mut left) = (None, SAMPLE);
        while left > 0 {
            let most = left.min(PAGE);
            let page = self
                .host
                .scan(&collection.name, cursor.as_deref(), most, Fields::PAYLOAD);
            let Some(page) = unless_gone(page)? else {
                return Ok(None);
            };
            for document in &page.documents {
                counts.add(document.payload.as_ref().map(text).unwrap_or_default());
            }
            left -= page.documents.len().min(left);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(Some(counts))
    }

    /// Has all documents of a collection compared again that the graph has, but for dead letters: such a one is tried again when it
    /// changes, or on request.
    fn compare_all(&self, collection: &str) -> Result<(), StageFault> {
        let mut ids = self.journal.ids(collection);
        loop {
            let page: Vec<String> = ids.by_ref().take(PAGE).collect::<Result<_, _>>()?;
            if page.is_empty() {
                return Ok(());
            }
            let mut waiting = Vec::with_capacity(page.len());
            for id in &page {
                let document = DocumentId::new(collection, id.as_str());
                if self.journal.dead_letter(&document)?.is_none() {
                    waiting.push(id.as_str());
                }
            }
            self.journal
                .add_compared(collection, waiting.into_iter(), Work::SPREAD, now_micros())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_tell_where_vectors_cannot() {
        let (settings, others) = (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321);
        let vector = [0.5, 0.25];
        let before = joined(settings, &vector);
        assert!(is_alike(before, joined(settings, &vector)));
        assert!(!is_alike(before, joined(settings, &[0.5, 0.26])));
        assert!(!is_alike(before, joined(others, &vector)));
        assert!(is_alike(before, joined(settings, &[])), "it was not read");
        assert!(!is_alike(before, joined(others, &[])));
    }
}
