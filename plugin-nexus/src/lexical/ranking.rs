//! What a word is worth: Okapi BM25 (Robertson and Zaragoza, 2009; k1 1.2, b 0.75), by counts that show nothing of restricted
//! documents.
//!
//! Invariants:
//! - how many documents have a word, and how many there are, is counted among those of the collection that everybody may see who
//!   may see the collection; a restricted document is ranked by the same counts;
//! - the average length is that of such documents of all collections, to the nearest half power of two: collections of other tenants
//!   are among them.

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, TantivyError, Term};

use super::words::ANY;

/// See the [module](self).
pub(super) struct Ranking<'a> {
    searcher: &'a Searcher,
    /// The words of documents that are not restricted.
    open: Field,
    documents: u64,
    length: f64,
}

impl<'a> Ranking<'a> {
    /// For the collection whose words have this prefix.
    pub(super) fn new(searcher: &'a Searcher, open: Field, prefix: &str) -> Result<Self, TantivyError> {
        let count = |word: &str| searcher.doc_freq(&Term::from_field_text(open, word));
        let mut words = 0;
        for segment in searcher.segment_readers() {
            words += segment.inverted_index(open)?.total_num_tokens();
        }
        Ok(Self {
            searcher,
            open,
            documents: count(prefix)?.max(1),
            length: coarse(words as f64 / count(ANY)?.max(1) as f64),
        })
    }
}

/// To the nearest half power of two, at least 1.
fn coarse(length: f64) -> f64 {
    ((2.0 * length.max(1.0).log2()).round() / 2.0).exp2()
}

impl Bm25StatisticsProvider for Ranking<'_> {
    fn total_num_tokens(&self, _: Field) -> Result<u64, TantivyError> {
        Ok((self.documents as f64 * self.length).round() as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_coarsely() {
        assert_eq!(coarse(0.0), 1.0);
        assert_eq!(coarse(64.0), 64.0);
        assert!((coarse(90.0) - 90.509_667_991_878_08).abs() < 1e-9);
        assert_eq!(coarse(100.0), coarse(81.0));
    }
}
