//! What the background thread does to an index: it takes the list into the graph, and rebuilds a graph that
//! has too many dead points or too many misfits. One step at a time; between steps everything is consistent.

use std::sync::Arc;

use vectorizer_plugin_api::model::Metric;

use super::distance::{Space, length};
use super::graph::{Graph, Survivor};
use super::list::{Item, List, SEGMENT};
use super::{Index, Loading, State};

/// Dead points or misfits that are not worth a rebuild yet, whatever their share.
const TOLERATED: usize = 500;

/// A graph under construction, beside the one that searches use.
pub(super) struct Rebuild {
    old: Arc<Graph>,
    new: Arc<Graph>,
    todo: std::vec::IntoIter<Survivor>,
    /// Those that fitted into the old graph and do not fit into the new one.
    misfits: Vec<Item>,
}

impl Index {
    /// Does one step. Whether there may be more to do.
    pub(crate) fn advance(&self) -> bool {
        let mut under_way = self.rebuild.lock();
        if under_way.is_none() {
            *under_way = self.begin_rebuild();
        }
        match under_way.take() {
            Some(mut rebuild) => {
                if self.continue_rebuild(&mut rebuild) {
                    *under_way = Some(rebuild);
                }
                true
            }
            None => self.take_segment(),
        }
    }

    /// Whether the index knows every document and the background thread has nothing left to do here. Never, once
    /// it was abandoned.
    pub(crate) fn is_settled(&self) -> bool {
        // Locked: a step is being done.
        let busy = self.rebuild.try_lock().is_none_or(|rebuild| rebuild.is_some());
        let state = self.state.read();
        let waiting = state.live.len() >= self.options.graph_from && !state.list.is_empty();
        match state.loading {
            Loading::Upto(_) | Loading::Abandoned => false,
            Loading::Done => !busy && !waiting && !state.needs_rebuild(),
        }
    }

    /// Takes the oldest items of the list into the graph, which is made when the collection is large enough.
    fn take_segment(&self) -> bool {
        let (graph, segment) = {
            let mut state = self.state.write();
            if state.live.len() < self.options.graph_from {
                state.tidy_list();
                return false;
            }
            let Some(segment) = state.list.first() else {
                return false;
            };
            let graph = match &state.graph {
                Some(graph) => Arc::clone(graph),
                None => {
                    let lengths = state.list.iter().map(|(_, vector)| length(vector));
                    let space = Space::fitting(self.metric, lengths);
                    let graph = Arc::new(Graph::new(space, state.live.len()));
                    state.graph = Some(Arc::clone(&graph));
                    state.graph_dead = 0;
                    graph
                }
            };
            (graph, segment)
        };
        // The slow part, without a lock: searches go on, and find these items in the list.
        let mut misfits = Vec::new();
        let mut inserted = Vec::new();
        for (entry, vector) in segment.iter().filter(|(entry, _)| !entry.is_dead()) {
            if graph.admits(vector) {
                graph.insert(Arc::clone(entry), vector);
                inserted.push(entry);
            } else {
                misfits.push((entry, vector));
            }
        }
        let mut state = self.state.write();
        if state.loading == Loading::Abandoned {
            return false;
        }
        for entry in inserted {
            entry.set_in_graph(true);
            // Died while it was being inserted, when it did not yet count as a point of the graph.
            state.graph_dead += usize::from(entry.is_dead());
        }
        for (entry, vector) in misfits {
            state.misfits.push(Arc::clone(entry), Arc::clone(vector));
        }
        state.list.remove_first(segment.len());
        true
    }

    fn begin_rebuild(&self) -> Option<Rebuild> {
        let mut state = self.state.write();
        if !state.needs_rebuild() {
            return None;
        }
        let old = Arc::clone(state.graph.as_ref()?);
        let todo = old.survivors();
        // They get another chance in the new graph.
        let misfits = std::mem::take(&mut state.misfits);
        if todo.is_empty() {
            // Nothing to measure the new graph by: it is made when there are documents for it.
            state.keep_for_later(&misfits);
            state.graph = None;
            state.graph_dead = 0;
            return None;
        }
        let space = match self.metric {
            Metric::Cosine | Metric::Euclidean => Space::fitting(self.metric, std::iter::empty()),
            Metric::Dot => {
                let kept = todo.iter().map(|survivor| length(&old.vector(survivor)));
                let apart = misfits.iter().map(|(_, vector)| length(vector));
                Space::fitting(self.metric, kept.chain(apart))
            }
        };
        state.keep_for_later(&misfits);
        let new = Arc::new(Graph::new(space, state.live.len()));
        Some(Rebuild {
            old,
            new,
            todo: todo.into_iter(),
            misfits: Vec::new(),
        })
    }

    /// Whether it goes on after this step.
    fn continue_rebuild(&self, rebuild: &mut Rebuild) -> bool {
        let step: Vec<Survivor> = rebuild.todo.by_ref().take(SEGMENT).collect();
        if !step.is_empty() {
            for survivor in step.into_iter().filter(|survivor| !survivor.entry.is_dead()) {
                let vector = rebuild.old.vector(&survivor);
                if rebuild.new.admits(&vector) {
                    rebuild.new.insert(survivor.entry, &vector);
                } else {
                    rebuild.misfits.push((survivor.entry, vector.into()));
                }
            }
            return true;
        }
        // Entries die under this lock only, so the count is right when the new graph takes over.
        let mut state = self.state.write();
        for (entry, vector) in rebuild.misfits.drain(..) {
            entry.set_in_graph(false);
            state.misfits.push(entry, vector);
        }
        state.graph_dead = rebuild.new.count_dead();
        state.graph = Some(Arc::clone(&rebuild.new));
        false
    }
}

impl State {
    /// Puts the living of a list back where the next segments come from.
    fn keep_for_later(&mut self, items: &List) {
        for (entry, vector) in items.iter().filter(|(entry, _)| !entry.is_dead()) {
            self.list.push(Arc::clone(entry), Arc::clone(vector));
        }
    }

    fn needs_rebuild(&self) -> bool {
        let Some(graph) = &self.graph else { return false };
        let many_dead = self.graph_dead > TOLERATED && self.graph_dead > graph.len() / 4;
        let many_misfits = self.misfits.len() > TOLERATED && self.misfits.len() > self.live.len() / 50;
        many_dead || many_misfits
    }

    /// Where nothing leaves the list for the graph, the dead must be cleared out of it.
    fn tidy_list(&mut self) {
        if self.list.len() > 2 * self.live.len() + SEGMENT {
            self.list.compact();
        }
    }
}
