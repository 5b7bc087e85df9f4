//! In how many documents of a collection a word occurs, in bounded memory.
//!
//! Words are counted in 65,536 buckets by a hash; two that share a bucket count as one, which makes both look more common than they
//! are, and never less. The counts are frozen when they are made, since every score depends on them: were they kept up to date, each
//! change would move all scores of the collection, and all edges would have to be written for it. They are made anew
//! when the collection has doubled or halved ([`TermStatistics::is_stale`]), so over its life the comparisons this takes are about as many
//! as its documents.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::terms::{self, Term};
use crate::payload::Text;

/// Counters.
const BUCKETS: usize = 1 << 16;
/// Documents that are counted at most: more make no word's weight much better.
pub const SAMPLE: usize = 20_000;
/// A collection with fewer documents than this counts as having so many, where it is asked whether it has doubled.
const FEW: u64 = 32;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermStatistics {
    /// Documents in the collection when the counts were made.
    collection: u64,
    /// Documents that were counted.
    counted: u32,
    /// Documents by bucket of the words in them.
    buckets: Vec<u32>,
}

impl TermStatistics {
    /// Those of a collection that has so many documents; the first [`SAMPLE`] of them are yet to be added.
    #[must_use]
    pub fn of_collection(documents: u64) -> Self {
        Self {
            collection: documents,
            counted: 0,
            buckets: vec![0; BUCKETS],
        }
    }

    /// Counts a document.
    pub fn add(&mut self, text: Text<'_>) {
        self.counted = self.counted.saturating_add(1);
        let buckets: BTreeSet<usize> = terms::counts(text).keys().map(|term| bucket(*term)).collect();
        for bucket in buckets {
            if let Some(count) = self.buckets.get_mut(bucket) {
                *count += 1;
            }
        }
    }

    /// How much a word counts, from about 0.7 for one that is everywhere: `ln(1 + n / (1 + df))`, of `n` documents and the `df`
    /// with the word, which is the inverse document frequency in a form that never is 0.
    #[must_use]
    pub fn weight(&self, term: Term) -> f32 {
        let with = self.buckets.get(bucket(term)).copied().unwrap_or_default();
        (1.0 + f64::from(self.counted) / (1.0 + f64::from(with))).ln() as f32
    }

    /// Whether the collection has changed so much that the counts are to be made anew: it has doubled or halved.
    #[must_use]
    pub fn is_stale(&self, documents: u64) -> bool {
        let (before, now) = (self.collection.max(FEW), documents.max(FEW));
        now >= before.saturating_mul(2) || now <= before / 2
    }

    /// Digest of the counts.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let counts = self.buckets.iter().chain([&self.counted]);
        terms::hash(counts.flat_map(|count| count.to_le_bytes()))
    }

    /// Whether a record that was read back can be used.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.buckets.len() == BUCKETS
    }
}

fn bucket(term: Term) -> usize {
    (term as usize) & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> Text<'_> {
        Text { title: "", body }
    }

    fn term(word: &str) -> Term {
        *terms::counts(text(word)).keys().next().unwrap()
    }

    #[test]
    fn rare_words_weigh_more_and_all_weigh_something() {
        let mut statistics = TermStatistics::of_collection(100);
        for n in 0..100 {
            let body = format!("the contract {}", if n % 10 == 0 { "lease lease" } else { "" });
            statistics.add(text(&body));
        }
        let [the, lease, unseen] = ["the", "lease", "osmosis"].map(|word| statistics.weight(term(word)));
        assert!(
            0.6 < the && the < lease && lease < unseen,
            "{the} {lease} {unseen}"
        );
        assert!(
            (lease - (1.0_f32 + 100.0 / 11.0).ln()).abs() < 1e-5,
            "each document counts once"
        );
    }

    #[test]
    fn they_are_made_anew_when_the_collection_has_doubled_or_halved() {
        let statistics = TermStatistics::of_collection(100);
        assert!(
            ![51, 100, 199]
                .map(|documents| statistics.is_stale(documents))
                .contains(&true)
        );
        assert!(statistics.is_stale(200) && statistics.is_stale(50) && statistics.is_stale(0));
        let small = TermStatistics::of_collection(1);
        assert!(
            !small.is_stale(63) && small.is_stale(64),
            "a few documents say little"
        );
        assert!(!small.is_stale(0));
    }

    #[test]
    fn the_digest_tells_counts_apart() {
        let mut one = TermStatistics::of_collection(1);
        let empty = one.digest();
        one.add(text("word"));
        assert_ne!(one.digest(), empty);
        assert_eq!(one.digest(), one.clone().digest());
    }
}
