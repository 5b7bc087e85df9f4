//! Vectors that are compared one by one.
//!
//! Made of segments that a search shares with one count of references each: it takes its clone under a short
//! lock and compares without one. Appending copies at most the last segment, and only while a search holds it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use vectorizer_plugin_api::model::Metric;

use super::entry::Entry;
use crate::store::metric::closeness;

/// Vectors in one segment.
pub(super) const SEGMENT: usize = 256;

/// A vector and whose it is.
pub(super) type Item = (Arc<Entry>, Arc<[f32]>);

#[derive(Clone, Default)]
pub(super) struct List {
    segments: Vec<Arc<Vec<Item>>>,
}

/// A candidate; the farthest is the greatest, so that a heap gives it up first.
#[derive(PartialEq)]
struct Candidate {
    closeness: f64,
    seq: u64,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .closeness
            .total_cmp(&self.closeness)
            .then(self.seq.cmp(&other.seq))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl List {
    pub(super) fn push(&mut self, entry: Arc<Entry>, vector: Arc<[f32]>) {
        match self.segments.last_mut() {
            Some(last) if last.len() < SEGMENT => Arc::make_mut(last).push((entry, vector)),
            _ => self.segments.push(Arc::new(vec![(entry, vector)])),
        }
    }

    /// Items, the dead among them.
    pub(super) fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.segments.iter().flat_map(|segment| segment.iter())
    }

    /// The oldest segment.
    pub(super) fn first(&self) -> Option<Arc<Vec<Item>>> {
        self.segments.first().cloned()
    }

    /// Removes the `count` oldest items, which are in the first segment.
    pub(super) fn remove_first(&mut self, count: usize) {
        if let Some(first) = self.segments.first_mut() {
            if first.len() <= count {
                self.segments.remove(0);
            } else {
                Arc::make_mut(first).drain(..count);
            }
        }
    }

    /// Removes the dead.
    pub(super) fn compact(&mut self) {
        let old = std::mem::take(self);
        for (entry, vector) in old.iter().filter(|(entry, _)| !entry.is_dead()) {
            self.push(Arc::clone(entry), Arc::clone(vector));
        }
    }

    /// The living among the closest `limit`.
    pub(super) fn nearest(&self, metric: Metric, query: &[f32], limit: usize) -> Vec<u64> {
        let mut best: BinaryHeap<Candidate> = BinaryHeap::new();
        for (entry, vector) in self.iter().filter(|(entry, _)| !entry.is_dead()) {
            let candidate = Candidate {
                closeness: closeness(metric, query, vector),
                seq: entry.seq,
            };
            if best.len() < limit {
                best.push(candidate);
            } else if best.peek().is_some_and(|farthest| candidate < *farthest) {
                best.pop();
                best.push(candidate);
            }
        }
        best.into_iter().map(|candidate| candidate.seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(vectors: &[f32]) -> (List, Vec<Arc<Entry>>) {
        let mut list = List::default();
        let mut entries = Vec::new();
        for (seq, x) in vectors.iter().enumerate() {
            let entry = Arc::new(Entry::new(seq as u64));
            list.push(Arc::clone(&entry), Arc::from([*x].as_slice()));
            entries.push(entry);
        }
        (list, entries)
    }

    #[test]
    fn the_closest_living_are_found() {
        let vectors: Vec<f32> = (0..1_000).map(|n| n as f32).collect();
        let (list, entries) = list(&vectors);
        entries[500].kill();
        let mut found = list.nearest(Metric::Euclidean, &[500.2], 3);
        found.sort_unstable();
        assert_eq!(found, [499, 501, 502]);
        assert_eq!(list.nearest(Metric::Euclidean, &[0.0], 5_000).len(), 999);
    }

    #[test]
    fn a_search_keeps_what_it_took() {
        let (mut list, _) = list(&[1.0, 2.0]);
        let taken = list.clone();
        list.push(Arc::new(Entry::new(9)), Arc::from([3.0].as_slice()));
        list.remove_first(2);
        assert_eq!((taken.len(), list.len()), (2, 1));
    }

    #[test]
    fn compaction_keeps_the_living_in_order() {
        let vectors: Vec<f32> = (0..600).map(|n| n as f32).collect();
        let (mut list, entries) = list(&vectors);
        entries
            .iter()
            .filter(|entry| entry.seq % 3 != 0)
            .for_each(|entry| entry.kill());
        list.compact();
        assert!(list.iter().map(|(entry, _)| entry.seq).eq((0..600).step_by(3)));
    }
}
