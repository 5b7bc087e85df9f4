//! The search index of one collection, in memory: it proposes which documents may be closest.
//!
//! Invariants:
//! - It is never the truth. The store checks every proposal against its snapshot and computes the scores.
//! - Every document it knows is in exactly one place: in the *list* (new ones, compared one by one), or in the
//!   *graph* (HNSW). A background thread moves documents from the list to the graph in small steps, so a write
//!   costs an append, and a search never waits for the graph to grow.
//! - A document that was removed, or whose vector changed, leaves a dead entry behind. Dead entries are never
//!   proposed. Where they exceed a quarter of the graph, it is rebuilt from the living, in steps, beside the
//!   old one.
//! - Graphs may fail to reach a point. A table of digests of all vectors makes sure that a document is found
//!   by its own vector.
//! - Points are inserted one after the other: parallel insertion in `hnsw_rs` leaves points that no search
//!   reaches. Its filtered search may panic when nothing passes, so more is asked for and filtered here.
//! - Where it cannot propose enough (still loading, too few living points found) it says so, and the store
//!   compares with every document.

mod builder;
mod digest;
mod distance;
mod entry;
mod graph;
mod list;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use vectorizer_plugin_api::model::Metric;

use builder::Rebuild;
use digest::digest;
use entry::Entry;
use graph::Graph;
use list::List;

/// When a collection gets a graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexOptions {
    /// Live documents from which on there is a graph.
    graph_from: usize,
}

impl IndexOptions {
    /// Below this a comparison with every document is about as fast as a graph.
    const GRAPH_FROM: usize = 2_000;

    pub(crate) fn from_threshold(graph_from: Option<usize>) -> Self {
        Self {
            graph_from: graph_from.unwrap_or(Self::GRAPH_FROM).max(1),
        }
    }
}

/// The index of one collection. Methods that change it are called in the order of the commits.
pub(crate) struct Index {
    metric: Metric,
    dimension: usize,
    options: IndexOptions,
    state: RwLock<State>,
    /// A graph being rebuilt. Only the background thread takes this lock.
    rebuild: Mutex<Option<Rebuild>>,
}

struct State {
    loading: Loading,
    live: HashMap<u64, Placed>,
    /// (digest, sequence number) of every live vector.
    digests: BTreeSet<(u64, u64)>,
    list: List,
    /// Entries that the graph cannot take (see [`Graph::admits`]); compared one by one like the list.
    misfits: List,
    graph: Option<Arc<Graph>>,
    /// Dead entries in the graph.
    graph_dead: usize,
}

/// How much of the stored documents the index knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    /// Those up to this sequence number, and all that were written since the store opened.
    Upto(Option<u64>),
    /// All.
    Done,
    /// It failed: it proposes nothing any more.
    Abandoned,
}

struct Placed {
    entry: Arc<Entry>,
    digest: u64,
}

impl Index {
    /// The index of a collection without documents.
    pub(crate) fn empty(metric: Metric, dimension: usize, options: IndexOptions) -> Self {
        Self::new(metric, dimension, options, Loading::Done)
    }

    /// The index of a collection whose documents it has yet to be given.
    pub(crate) fn unloaded(metric: Metric, dimension: usize, options: IndexOptions) -> Self {
        Self::new(metric, dimension, options, Loading::Upto(None))
    }

    fn new(metric: Metric, dimension: usize, options: IndexOptions, loading: Loading) -> Self {
        let state = State {
            loading,
            live: HashMap::new(),
            digests: BTreeSet::new(),
            list: List::default(),
            misfits: List::default(),
            graph: None,
            graph_dead: 0,
        };
        Self {
            metric,
            dimension,
            options,
            state: RwLock::new(state),
            rebuild: Mutex::new(None),
        }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Where loading stands: `None` when there is nothing to load, else the sequence number after which to
    /// go on (`Some(None)`: from the start).
    pub(crate) fn load_cursor(&self) -> Option<Option<u64>> {
        match self.state.read().loading {
            Loading::Upto(after) => Some(after),
            Loading::Done | Loading::Abandoned => None,
        }
    }

    /// Takes in a stored document, unless a write was faster.
    pub(crate) fn load(&self, seq: u64, vector: &[f32]) {
        let mut state = self.state.write();
        if state.loading != Loading::Abandoned && !state.live.contains_key(&seq) {
            state.put(seq, vector);
        }
    }

    /// A page was loaded that ended with this sequence number; `None`: there was nothing left.
    pub(crate) fn loaded_up_to(&self, last: Option<u64>) {
        let mut state = self.state.write();
        if let Loading::Upto(_) = state.loading {
            state.loading = last.map_or(Loading::Done, |seq| Loading::Upto(Some(seq)));
        }
    }

    /// A document was written.
    pub(crate) fn put(&self, seq: u64, vector: &[f32]) {
        let mut state = self.state.write();
        if state.loading != Loading::Abandoned {
            state.put(seq, vector);
        }
    }

    /// A document was removed.
    pub(crate) fn remove(&self, seq: u64) {
        self.state.write().remove(seq);
    }

    /// Gives up: from now on the store compares with every document.
    pub(crate) fn abandon(&self) {
        *self.rebuild.lock() = None;
        let mut state = self.state.write();
        state.loading = Loading::Abandoned;
        state.live = HashMap::new();
        state.digests = BTreeSet::new();
        state.list = List::default();
        state.misfits = List::default();
        state.graph = None;
        state.graph_dead = 0;
    }

    /// The sequence numbers of at least the `limit` documents closest to a prepared vector, as far as the
    /// index can tell, in no order. `None`: compare with every document instead.
    pub(crate) fn candidates(&self, query: &[f32], limit: usize) -> Option<Vec<u64>> {
        let (graph, graph_live, list, misfits, mut found) = {
            let state = self.state.read();
            if state.loading != Loading::Done || state.live.len() < self.options.graph_from {
                return None;
            }
            let own = digest(query);
            let twins: Vec<u64> = state
                .digests
                .range((own, 0)..=(own, u64::MAX))
                .take(limit)
                .map(|(_, seq)| *seq)
                .collect();
            let graph_live = state.graph.as_ref().map_or(0, |g| g.len() - state.graph_dead);
            (
                state.graph.clone(),
                graph_live,
                state.list.clone(),
                state.misfits.clone(),
                twins,
            )
        };
        if let Some(graph) = graph {
            found.extend(graph.nearest(query, limit, graph_live)?);
        }
        found.extend(list.nearest(self.metric, query, limit));
        found.extend(misfits.nearest(self.metric, query, limit));
        Some(found)
    }
}

impl State {
    fn put(&mut self, seq: u64, vector: &[f32]) {
        let digest = digest(vector);
        if self.live.get(&seq).is_some_and(|placed| placed.digest == digest) {
            // The same vector again: only the payload changed.
            return;
        }
        self.remove(seq);
        let entry = Arc::new(Entry::new(seq));
        self.live.insert(
            seq,
            Placed {
                entry: Arc::clone(&entry),
                digest,
            },
        );
        self.digests.insert((digest, seq));
        self.list.push(entry, vector.into());
    }

    fn remove(&mut self, seq: u64) {
        if let Some(Placed { entry, digest }) = self.live.remove(&seq) {
            self.digests.remove(&(digest, seq));
            entry.kill();
            self.graph_dead += usize::from(entry.is_in_graph());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMENSION: usize = 16;

    /// Points around twenty centres, by a generator without state.
    fn vector(n: u64) -> Vec<f32> {
        let noise = |at: u64| (digest(&[n as f32, at as f32]) % 1_000) as f32 / 1_000.0 - 0.5;
        let centre = |at: u64| (digest(&[(n % 20) as f32, at as f32, 1.0]) % 1_000) as f32 / 500.0 - 1.0;
        let raw: Vec<f32> = (0..DIMENSION as u64)
            .map(|at| centre(at) + 0.4 * noise(at))
            .collect();
        let length = distance::length(&raw) as f32;
        raw.iter().map(|x| x / length).collect()
    }

    /// The tests over the store cannot tell a graph from the comparison with everything that stands in for it.
    #[test]
    fn the_graph_answers_nearly_every_query_itself() {
        for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
            let index = Index::empty(metric, DIMENSION, IndexOptions { graph_from: 500 });
            (0..1_500).for_each(|seq| index.put(seq, &vector(seq)));
            while index.advance() {}
            assert!(index.is_settled());
            let proposals: Vec<Vec<u64>> = (2_000..2_200)
                .filter_map(|n| index.candidates(&vector(n), 10))
                .collect();
            assert!(proposals.len() >= 190, "{metric}: {} of 200", proposals.len());
            assert!(proposals.iter().all(|found| (10..100).contains(&found.len())));
        }
    }

    #[test]
    fn many_dead_points_lead_to_a_new_graph_without_them() {
        let index = Index::empty(Metric::Cosine, DIMENSION, IndexOptions { graph_from: 500 });
        (0..3_000).for_each(|seq| index.put(seq, &vector(seq)));
        while index.advance() {}
        (0..1_500).for_each(|seq| index.remove(seq));
        assert!(!index.is_settled());
        while index.advance() {}
        let state = index.state.read();
        assert_eq!(
            (state.graph_dead, state.graph.as_ref().map(|graph| graph.len())),
            (0, Some(1_500))
        );
    }

    #[test]
    fn a_collection_that_was_emptied_gets_a_graph_that_fits_what_comes_next() {
        let index = Index::empty(Metric::Dot, DIMENSION, IndexOptions { graph_from: 500 });
        for (round, scale) in [(0, 1.0), (1, 100.0), (2, 0.01)] {
            let seqs = round * 1_000..round * 1_000 + 900;
            for seq in seqs.clone() {
                let scaled: Vec<f32> = vector(seq).iter().map(|x| x * scale).collect();
                index.put(seq, &scaled);
            }
            while index.advance() {}
            {
                let state = index.state.read();
                assert_eq!(
                    state.graph.as_ref().map(|graph| graph.len()),
                    Some(900),
                    "{scale}"
                );
                assert!(state.misfits.is_empty());
            }
            seqs.for_each(|seq| index.remove(seq));
            while index.advance() {}
        }
    }

    #[test]
    fn an_abandoned_index_proposes_nothing_and_is_not_settled() {
        let index = Index::empty(Metric::Cosine, DIMENSION, IndexOptions { graph_from: 1 });
        (0..10).for_each(|seq| index.put(seq, &vector(seq)));
        index.abandon();
        index.put(11, &vector(11));
        assert_eq!(index.candidates(&vector(1), 1), None);
        assert!(!index.is_settled() && !index.advance());
    }
}
