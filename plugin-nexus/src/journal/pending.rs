//! The work in memory: who has to be worked on next, by whom it is owned now.
//!
//! Invariants: a document is in one place at a time (queued, waiting, at work); collections take turns; edges wait
//! while nodes of their collection are queued (they would be compared again), but not for longer than
//! [`EDGE_PATIENCE`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::work::{Batch, Claim, Stage, Work};
use super::{Depth, DocumentId};

/// How long edges wait for a stream of nodes to end.
const EDGE_PATIENCE: Duration = Duration::from_secs(1);

/// Why work is added for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// The document changed: if it failed before, it starts anew.
    Change,
    /// Another document changed, or the store was compared: one that failed keeps its attempts and its turn.
    Mark,
}

/// What [`Pending::add`] did, to be journaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Added {
    /// All the work the document has now.
    pub(super) work: Work,
    /// Since when.
    pub(super) since_micros: u64,
    /// Whether it had failed before, which does not count any more.
    pub(super) anew: bool,
}

/// How a document stands that is at work and was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) work: Work,
    pub(super) since_micros: u64,
    /// Attempts that failed before.
    pub(super) failures: u32,
    /// Whether it changed meanwhile.
    pub(super) anew: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued(Stage),
    /// Until then.
    Waiting(Instant),
    InFlight {
        /// The work that came meanwhile.
        meanwhile: Work,
        /// Whether the document changed meanwhile.
        anew: bool,
    },
}

#[derive(Debug)]
struct Slot {
    work: Work,
    since_micros: u64,
    queued_at: Instant,
    failures: u32,
    place: Place,
}

/// Documents of all collections, taken out in turn.
#[derive(Debug, Default)]
struct Turns {
    queues: HashMap<Arc<str>, VecDeque<Arc<str>>>,
    /// Collections with a queue that is not empty, each once.
    order: VecDeque<Arc<str>>,
}

impl Turns {
    fn push(&mut self, document: &DocumentId) {
        let queue = self.queues.entry(Arc::clone(&document.collection)).or_default();
        if queue.is_empty() {
            self.order.push_back(Arc::clone(&document.collection));
        }
        queue.push_back(Arc::clone(&document.id));
    }

    fn holds(&self, collection: &str) -> bool {
        self.queues.contains_key(collection)
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: HashMap<DocumentId, Slot>,
    nodes: Turns,
    edges: Turns,
    waiting: BinaryHeap<Reverse<(Instant, DocumentId)>>,
}

fn stage_of(work: Work) -> Stage {
    if work.has(Work::NODE) {
        Stage::Nodes
    } else {
        Stage::Edges
    }
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn contains(&self, document: &DocumentId) -> bool {
        self.slots.contains_key(document)
    }

    /// Adds work for a document; returns what is to be journaled.
    pub(super) fn add(
        &mut self,
        document: &DocumentId,
        work: Work,
        since_micros: u64,
        now: Instant,
        hint: Hint,
    ) -> Added {
        let Some(slot) = self.slots.get_mut(document) else {
            let slot = Slot {
                work,
                since_micros,
                queued_at: now,
                failures: 0,
                place: Place::Waiting(now),
            };
            self.slots.insert(document.clone(), slot);
            self.queue(document);
            return Added {
                work,
                since_micros,
                anew: false,
            };
        };
        let change = hint == Hint::Change;
        let failed = change && slot.failures > 0;
        if failed {
            slot.failures = 0;
        }
        if let Place::InFlight { meanwhile, anew } = &mut slot.place {
            *meanwhile = meanwhile.and(work);
            *anew |= change;
            return Added {
                work: slot.work.and(*meanwhile),
                since_micros: slot.since_micros,
                anew: failed,
            };
        }
        let before = slot.work;
        slot.work = before.and(work);
        // The age is that of the change to be shown; edges left over from an earlier one do not make it older.
        if work.has(Work::NODE) && !before.has(Work::NODE) {
            slot.since_micros = since_micros;
        }
        let added = Added {
            work: slot.work,
            since_micros: slot.since_micros,
            anew: failed,
        };
        // A failed document is tried at once when it changed. In the other cases it keeps its turn, unless it has to
        // change queues.
        let requeue = match slot.place {
            Place::Waiting(_) => change,
            Place::Queued(stage) => stage != stage_of(slot.work),
            Place::InFlight { .. } => false,
        };
        if requeue {
            self.queue(document);
        }
        added
    }

    /// Restores what was known of a document's failures when the journal was opened.
    pub(super) fn restore(&mut self, document: &DocumentId, failures: u32, due: Instant) -> bool {
        let Some(slot) = self.slots.get_mut(document) else {
            return false;
        };
        slot.failures = failures;
        self.wait_until(document, due);
        true
    }

    /// Puts a document into the queue of its stage. Entries of it elsewhere become stale and are skipped.
    fn queue(&mut self, document: &DocumentId) {
        if let Some(slot) = self.slots.get_mut(document) {
            let stage = stage_of(slot.work);
            slot.place = Place::Queued(stage);
            match stage {
                Stage::Nodes => self.nodes.push(document),
                Stage::Edges => self.edges.push(document),
            }
        }
    }

    pub(super) fn claim(&mut self, stage: Stage, most: usize, now: Instant) -> Option<Batch> {
        self.wake(now);
        let Self {
            slots, nodes, edges, ..
        } = self;
        // Nodes that hold up the edges; none hold up nodes.
        let (turns, ahead) = match stage {
            Stage::Nodes => (nodes, None),
            Stage::Edges => (edges, Some(&*nodes)),
        };
        for _ in 0..turns.order.len() {
            let collection = turns.order.pop_front()?;
            let Some(queue) = turns.queues.get_mut(&collection) else {
                continue;
            };
            let mut claims = Vec::new();
            while claims.len() < most
                && let Some(id) = queue.front()
            {
                let document = DocumentId {
                    collection: Arc::clone(&collection),
                    id: Arc::clone(id),
                };
                let slot = slots
                    .get_mut(&document)
                    .filter(|slot| slot.place == Place::Queued(stage));
                if let Some(slot) = slot {
                    let hurry = now.saturating_duration_since(slot.queued_at) >= EDGE_PATIENCE;
                    if !hurry && ahead.is_some_and(|nodes| nodes.holds(&collection)) {
                        break;
                    }
                    claims.push(Claim {
                        id: Arc::clone(&document.id),
                        work: slot.work,
                        since_micros: slot.since_micros,
                        failures: slot.failures,
                    });
                    slot.place = Place::InFlight {
                        meanwhile: Work::NONE,
                        anew: false,
                    };
                }
                queue.pop_front();
            }
            if queue.is_empty() {
                turns.queues.remove(&collection);
            } else {
                turns.order.push_back(Arc::clone(&collection));
            }
            if !claims.is_empty() {
                return Some(Batch { collection, claims });
            }
        }
        None
    }

    /// Ends the work on a document. Returns what is left, to be journaled; `None`: nothing, the hint goes.
    pub(super) fn finish(&mut self, document: &DocumentId, left: Work, now: Instant) -> Option<(Work, u64)> {
        let slot = self.slots.get_mut(document)?;
        let Place::InFlight { meanwhile, .. } = slot.place else {
            return Some((slot.work, slot.since_micros));
        };
        let work = left.and(meanwhile);
        if work.is_none() {
            self.slots.remove(document);
            return None;
        }
        slot.work = work;
        slot.queued_at = now;
        slot.failures = 0;
        let result = (work, slot.since_micros);
        self.queue(document);
        Some(result)
    }

    /// Puts a document that was at work back into the queue as it was, with what came meanwhile.
    pub(super) fn release(&mut self, document: &DocumentId, now: Instant) {
        if let Some(slot) = self.slots.get_mut(document)
            && let Place::InFlight { meanwhile, .. } = slot.place
        {
            slot.work = slot.work.and(meanwhile);
            slot.queued_at = now;
            self.queue(document);
        }
    }

    /// How a document stands that was refused; `None` where it is not at work.
    pub(super) fn standing(&self, document: &DocumentId) -> Option<Standing> {
        let slot = self.slots.get(document)?;
        match slot.place {
            Place::InFlight { meanwhile, anew } => Some(Standing {
                work: slot.work.and(meanwhile),
                since_micros: slot.since_micros,
                failures: slot.failures,
                anew,
            }),
            Place::Queued(_) | Place::Waiting(_) => None,
        }
    }

    /// Ends a failed attempt: the document waits until `due`.
    pub(super) fn postpone(&mut self, document: &DocumentId, failures: u32, due: Instant) {
        if let Some(slot) = self.slots.get_mut(document)
            && let Place::InFlight { meanwhile, .. } = slot.place
        {
            slot.work = slot.work.and(meanwhile);
            slot.failures = failures;
            self.wait_until(document, due);
        }
    }

    /// Forgets a document that became a dead letter.
    pub(super) fn bury(&mut self, document: &DocumentId) {
        self.slots.remove(document);
    }

    fn wait_until(&mut self, document: &DocumentId, due: Instant) {
        if let Some(slot) = self.slots.get_mut(document) {
            slot.place = Place::Waiting(due);
            self.waiting.push(Reverse((due, document.clone())));
        }
    }

    fn wake(&mut self, now: Instant) {
        while self.waiting.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            // An entry of a wait that was cut short is stale: the document may wait again, for longer.
            if let Some(Reverse((due, document))) = self.waiting.pop()
                && self
                    .slots
                    .get(&document)
                    .is_some_and(|slot| slot.place == Place::Waiting(due))
            {
                self.queue(&document);
            }
        }
    }

    pub(super) fn depth(&self, now: Instant) -> Depth {
        let mut depth = Depth::default();
        for slot in self.slots.values() {
            match stage_of(slot.work) {
                Stage::Nodes => depth.nodes += 1,
                Stage::Edges => depth.edges += 1,
            }
            match slot.place {
                Place::Queued(_) => {}
                Place::Waiting(_) => depth.waiting += 1,
                Place::InFlight { .. } => depth.in_flight += 1,
            }
            depth.oldest = depth.oldest.max(now.saturating_duration_since(slot.queued_at));
        }
        depth
    }

    pub(super) fn by_collection(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for document in self.slots.keys() {
            *counts.entry(document.collection.to_string()).or_default() += 1;
        }
        counts
    }
}
