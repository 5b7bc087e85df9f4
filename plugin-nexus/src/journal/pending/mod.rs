//! The work in memory: who has to be worked on next, by whom it is owned now.
//!
//! Invariants:
//! - a document is in one place at a time (queued, waiting, at work);
//! - collections take turns, and so do the two priorities: of [`TURNS`] batches one is bulk work where both wait, so that an
//!   import does not hold up a user's change, and is not held up for ever itself;
//! - a batch is full, or the stage is idle, or its oldest document has waited for [`LINGER`] (Nagle's rule: small batches
//!   only while nothing else is under way);
//! - edges wait while nodes of their collection are queued (they would be compared again), and so does an import's enrichment
//!   while edges are, but not for longer than [`EDGE_PATIENCE`];
//! - a document that was at work when the process ended more than once is worked on alone ([`ALONE_AFTER`]).
//!
//! A million waiting documents have to fit in memory: ordered maps do not double, times are numbers.

mod claiming;
mod counting;
mod ending;
mod queues;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use queues::Lines;

use super::work::{Batch, Priority, Stage, Work};
use super::{DocumentId, Standby};

/// Interactive hints of a collection beyond this backlog are bulk work: a storm of single changes is one, too.
const MAX_INTERACTIVE: usize = 1_000;
/// Ends of the process, with a document at work, after which it is worked on alone.
pub(super) const ALONE_AFTER: u32 = 2;

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

/// What there is to claim.
#[derive(Debug)]
pub(super) enum Claimed {
    /// These.
    Batch(Batch),
    /// A batch that is not full yet; it is to be had after this time.
    Soon(Duration),
    /// Nothing.
    Nothing,
}

/// Microseconds since the queue was made.
type Micros = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued(Stage),
    Waiting,
    InFlight {
        /// The work that came meanwhile.
        meanwhile: Work,
        /// Whether the document changed meanwhile.
        anew: bool,
    },
}

#[derive(Debug)]
struct Slot {
    since_micros: u64,
    /// Since when it is queued or at work; for one that waits, until when.
    at: Micros,
    failures: u16,
    interrupted: u16,
    place: Place,
    work: Work,
    priority: Priority,
}

/// How many documents are where.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// By stage.
    stages: [usize; 3],
    /// Those of them that are bulk work.
    bulk: [usize; 3],
    /// Those of them that failed and wait for another attempt.
    waiting: [usize; 3],
}

impl Counts {
    fn add(&mut self, slot: Counted) {
        self.stages[slot.stage.index()] += 1;
        self.bulk[slot.stage.index()] += usize::from(slot.is_bulk);
        self.waiting[slot.stage.index()] += usize::from(slot.waits);
    }

    fn take(&mut self, slot: Counted) {
        self.stages[slot.stage.index()] -= 1;
        self.bulk[slot.stage.index()] -= usize::from(slot.is_bulk);
        self.waiting[slot.stage.index()] -= usize::from(slot.waits);
    }
}

/// As what a document is counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    stage: Stage,
    is_bulk: bool,
    waits: bool,
}

impl Slot {
    fn counted(&self) -> Counted {
        Counted {
            stage: stage_of(self.work),
            is_bulk: self.priority == Priority::Bulk,
            waits: self.place == Place::Waiting,
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pending {
    start: Instant,
    slots: HashMap<Arc<str>, BTreeMap<Arc<str>, Slot>>,
    counts: Counts,
    nodes: Lines,
    edges: Lines,
    enrichment: Lines,
    waiting: BinaryHeap<Reverse<(Micros, DocumentId)>>,
    /// Documents at work, by stage.
    in_flight: [HashSet<DocumentId>; 3],
}

impl Pending {
    /// An empty queue. No time before `start` is told apart from it.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            slots: HashMap::new(),
            counts: Counts::default(),
            nodes: Lines::default(),
            edges: Lines::default(),
            enrichment: Lines::default(),
            waiting: BinaryHeap::new(),
            in_flight: Default::default(),
        }
    }
}

fn stage_of(work: Work) -> Stage {
    if work.has(Work::NODE) {
        Stage::Nodes
    } else if work.within(Work::ALL).is_none() {
        Stage::Enrichment
    } else {
        Stage::Edges
    }
}

/// Nobody counts further.
fn short(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.counts.stages.iter().sum()
    }

    pub(super) fn contains(&self, document: &DocumentId) -> bool {
        self.slot(document).is_some()
    }

    fn micros(&self, at: Instant) -> Micros {
        u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    fn slot(&self, document: &DocumentId) -> Option<&Slot> {
        self.slots
            .get(&document.collection)?
            .get(document.id.as_ref() as &str)
    }

    /// Changes a slot and keeps the counts right.
    fn change<T>(&mut self, document: &DocumentId, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let slot = self
            .slots
            .get_mut(&document.collection)?
            .get_mut(document.id.as_ref() as &str)?;
        self.counts.take(slot.counted());
        let result = change(slot);
        self.counts.add(slot.counted());
        Some(result)
    }

    fn remove(&mut self, document: &DocumentId) {
        if let Some(slots) = self.slots.get_mut(&document.collection)
            && let Some(slot) = slots.remove(document.id.as_ref() as &str)
        {
            self.counts.take(slot.counted());
            if slots.is_empty() {
                self.slots.remove(&document.collection);
            }
            self.land(document);
        }
    }

    fn land(&mut self, document: &DocumentId) {
        for stage in &mut self.in_flight {
            stage.remove(document);
        }
    }

    /// All documents, in the order of their ids within a collection.
    pub(super) fn documents(&self) -> impl Iterator<Item = DocumentId> {
        self.slots.iter().flat_map(|(collection, slots)| {
            slots.keys().map(|id| DocumentId {
                collection: Arc::clone(collection),
                id: Arc::clone(id),
            })
        })
    }

    /// What a document waits for.
    pub(super) fn standby(&self, document: &DocumentId) -> Option<Standby> {
        self.slot(document).map(|slot| Standby {
            work: slot.work,
            in_flight: matches!(slot.place, Place::InFlight { .. }),
        })
    }

    /// Adds work for a document; returns what is to be journaled.
    pub(super) fn add(
        &mut self,
        document: &DocumentId,
        work: Work,
        since_micros: u64,
        now: Instant,
        hint: Hint,
        priority: Priority,
    ) -> Added {
        let priority = self.priority(document, priority);
        let queued_at = self.micros(now);
        let Some(slot) = self.slot(document) else {
            self.insert(document, work, since_micros, queued_at, priority);
            return Added {
                work,
                since_micros,
                anew: false,
            };
        };
        let change = hint == Hint::Change;
        let failed = change && (slot.failures > 0 || slot.interrupted > 0);
        let added = self.change(document, |slot| {
            if failed {
                slot.failures = 0;
                slot.interrupted = 0;
            }
            if let Place::InFlight { meanwhile, anew } = &mut slot.place {
                // What is at work took its time along; what is to be shown next is this change.
                if change && work.has(Work::NODE) && !meanwhile.has(Work::NODE) {
                    slot.since_micros = since_micros;
                }
                *meanwhile = meanwhile.and(work);
                *anew |= change;
                let added = Added {
                    work: slot.work.and(*meanwhile),
                    since_micros: slot.since_micros,
                    anew: failed,
                };
                return (added, false);
            }
            let before = (slot.work, slot.priority);
            slot.work = before.0.and(work);
            // What is asked for by a user does not become less urgent.
            slot.priority = before.1.min(priority);
            // The age is that of the change to be shown; edges left over from an earlier one do not make it older.
            if work.has(Work::NODE) && !before.0.has(Work::NODE) {
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
                Place::Waiting if change => {
                    slot.at = queued_at;
                    true
                }
                Place::Waiting => false,
                Place::Queued(stage) => stage != stage_of(slot.work) || slot.priority != before.1,
                Place::InFlight { .. } => false,
            };
            (added, requeue)
        });
        match added {
            Some((added, requeue)) => {
                if requeue {
                    self.queue(document);
                }
                added
            }
            None => Added {
                work,
                since_micros,
                anew: false,
            },
        }
    }

    fn insert(
        &mut self,
        document: &DocumentId,
        work: Work,
        since_micros: u64,
        queued_at: Micros,
        priority: Priority,
    ) {
        // One text of the collection's name for all of its documents.
        let known = self.slots.get_key_value(&document.collection);
        let collection = Arc::clone(known.map_or(&document.collection, |(name, _)| name));
        let document = DocumentId {
            collection: Arc::clone(&collection),
            id: Arc::clone(&document.id),
        };
        let slot = Slot {
            since_micros,
            at: queued_at,
            failures: 0,
            interrupted: 0,
            place: Place::Queued(stage_of(work)),
            work,
            priority,
        };
        self.counts.add(slot.counted());
        self.slots
            .entry(collection)
            .or_default()
            .insert(Arc::clone(&document.id), slot);
        self.queue(&document);
    }

    /// A storm of single changes is bulk work.
    fn priority(&self, document: &DocumentId, asked: Priority) -> Priority {
        if self.nodes.interactive.len_of(&document.collection) >= MAX_INTERACTIVE {
            Priority::Bulk
        } else {
            asked
        }
    }

    /// Puts a document into the queue of its stage. Entries of it elsewhere become stale and are skipped.
    fn queue(&mut self, document: &DocumentId) {
        let queued = self.change(document, |slot| {
            let stage = stage_of(slot.work);
            slot.place = Place::Queued(stage);
            (stage, slot.priority)
        });
        match queued {
            Some((Stage::Nodes, priority)) => self.nodes.of(priority).push(document),
            Some((Stage::Edges, priority)) => self.edges.of(priority).push(document),
            Some((Stage::Enrichment, priority)) => self.enrichment.of(priority).push(document),
            None => {}
        }
    }
}
