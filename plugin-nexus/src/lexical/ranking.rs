//! What a word is worth: Okapi BM25 (Robertson and Zaragoza, 2009; k1 1.2, b 0.75), by counts that show nothing of restricted
//! documents.
//!
//! Invariant: how many documents have a word, how many there are, and how long they are on average, is counted among those of the
//! collection that everybody may see who may see the collection; a restricted document is ranked by the same counts. Lengths are
//! counted by steps (`words`), since nothing else is kept apart by collection.

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, TantivyError, Term};

use super::words::{STEPS, length, of_length};

/// See the [module](self).
pub(super) struct Ranking<'a> {
    searcher: &'a Searcher,
    /// The words of documents that are not restricted.
    open: Field,
    documents: u64,
    words: f64,
}

impl<'a> Ranking<'a> {
    /// For the collection whose words have this prefix.
    pub(super) fn new(searcher: &'a Searcher, open: Field, prefix: &str) -> Result<Self, TantivyError> {
        let count = |word: &str| searcher.doc_freq(&Term::from_field_text(open, word));
        let documents = count(prefix)?.max(1);
        let mut words = 0.0;
        for step in 0..=STEPS {
            words += count(&of_length(prefix, step))? as f64 * length(step);
        }
        Ok(Self {
            searcher,
            open,
            documents,
            // Where all documents are restricted, any length will do.
            words: if words > 0.0 { words } else { 64.0 },
        })
    }
}

impl Bm25StatisticsProvider for Ranking<'_> {
    fn total_num_tokens(&self, _: Field) -> Result<u64, TantivyError> {
        Ok(self.words.round() as u64)
    }

    fn total_num_docs(&self) -> Result<u64, TantivyError> {
        Ok(self.documents)
    }

    fn doc_freq(&self, term: &Term) -> Result<u64, TantivyError> {
        let value = term.value();
        let Some(word) = value.as_str() else {
            return Ok(0);
        };
        let count = self.searcher.doc_freq(&Term::from_field_text(self.open, word))?;
        Ok(count.min(self.documents))
    }
}
