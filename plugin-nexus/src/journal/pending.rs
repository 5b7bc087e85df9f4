//! The work in memory: who has to be worked on next, by whom it is owned now.
//!
//! Invariants: a document is in one place at a time (queued, waiting, at work); collections take turns; edges wait
//! while nodes of their collection are queued (they would be compared again), but not for longer than
//! [`EDGE_PATIENCE`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Depth, DocumentId};

/// How long edges wait for a stream of nodes to end.
const EDGE_PATIENCE: Duration = Duration::from_secs(1);

/// What is to be done for a document, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work(u8);

impl Work {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Bring the node in line with the store.
    pub const NODE: Self = Self(1);
    /// Compare the edges that the document owns.
    pub const EDGES: Self = Self(2);
    /// Find the documents whose nearest neighbours changed with this one; includes [`Work::EDGES`].
    pub const SPREAD: Self = Self(4 | 2);
    /// All there is.
    pub const ALL: Self = Self(7);

    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// The two stages of work on a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its node.
    Nodes,
    /// Its edges, once the node is right.
    Edges,
}

/// One claimed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub id: Arc<str>,
    /// What is to be done.
    pub work: Work,
    /// When the oldest hint for it came: Unix microseconds.
    pub since_micros: u64,
    /// Attempts that failed by the document's own fault.
    pub failures: u32,
}

/// Claimed documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Their collection.
    pub collection: Arc<str>,
    /// The documents, each once.
    pub claims: Vec<Claim>,
}

impl Batch {
    /// One of its documents.
    pub fn document(&self, id: &Arc<str>) -> DocumentId {
        DocumentId {
            collection: Arc::clone(&self.collection),
            id: Arc::clone(id),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued(Stage),
    Waiting,
    /// At work; the work that came meanwhile.
    InFlight(Work),
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

    /// Adds work for a document; returns all the work it has now and since when, to be journaled.
    pub(super) fn add(
        &mut self,
        document: &DocumentId,
        work: Work,
        since_micros: u64,
        now: Instant,
    ) -> (Work, u64) {
        let Some(slot) = self.slots.get_mut(document) else {
            let slot = Slot {
                work,
                since_micros,
                queued_at: now,
                failures: 0,
                place: Place::Waiting,
            };
            self.slots.insert(document.clone(), slot);
            self.queue(document);
            return (work, since_micros);
        };
        if let Place::InFlight(meanwhile) = &mut slot.place {
            *meanwhile = meanwhile.and(work);
            return (slot.work.and(*meanwhile), slot.since_micros);
        }
        let before = slot.work;
        slot.work = before.and(work);
        // The age is that of the change to be shown; edges left over from an earlier one do not make it older.
        if work.has(Work::NODE) && !before.has(Work::NODE) {
            slot.since_micros = since_micros;
        }
        let result = (slot.work, slot.since_micros);
        // A failed document is tried at once when something new is known of it. In the other cases it keeps its turn,
        // unless it has to change queues.
        if slot.place == Place::Waiting || stage_of(before) != stage_of(slot.work) {
            self.queue(document);
        }
        result
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
                    slot.place = Place::InFlight(Work::NONE);
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
        let Place::InFlight(meanwhile) = slot.place else {
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

    /// Ends a failed attempt: the document waits, longer with each failure, unless something new came meanwhile.
    pub(super) fn postpone(
        &mut self,
        document: &DocumentId,
        claim: &Claim,
        base: Duration,
        cap: Duration,
        now: Instant,
    ) {
        let Some(slot) = self.slots.get_mut(document) else {
            return;
        };
        let Place::InFlight(meanwhile) = slot.place else {
            return;
        };
        slot.work = claim.work.and(meanwhile);
        slot.failures = claim.failures.saturating_add(1);
        if !meanwhile.is_none() {
            self.queue(document);
            return;
        }
        let factor = 1_u32.checked_shl(claim.failures).unwrap_or(u32::MAX);
        let wait = base.saturating_mul(factor).min(cap);
        slot.place = Place::Waiting;
        self.waiting.push(Reverse((now + wait, document.clone())));
    }

    fn wake(&mut self, now: Instant) {
        while self.waiting.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            if let Some(Reverse((_, document))) = self.waiting.pop()
                && self
                    .slots
                    .get(&document)
                    .is_some_and(|slot| slot.place == Place::Waiting)
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
                Place::Waiting => depth.waiting += 1,
                Place::InFlight(_) => depth.in_flight += 1,
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
