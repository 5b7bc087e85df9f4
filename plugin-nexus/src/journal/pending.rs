//! The work in memory: who has to be worked on next, by whom it is owned now.
//!
//! Invariants:
//! - a document is in one place at a time (queued, waiting, at work);
//! - collections take turns, and so do the two priorities: of [`TURNS`] batches one is bulk work where both wait, so that an
//!   import does not hold up a user's change, and is not held up for ever itself;
//! - a batch is full, or the stage is idle, or its oldest document has waited for [`LINGER`] (Nagle's rule: small batches
//!   only while nothing else is under way);
//! - edges wait while nodes of their collection are queued (they would be compared again), but not for longer than
//!   [`EDGE_PATIENCE`];
//! - a document that was at work when the process ended more than once is worked on alone ([`ALONE_AFTER`]).
//!
//! A million waiting documents have to fit in memory: ordered maps do not double, times are numbers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::work::{Batch, Claim, Priority, Stage, Work};
use super::{Depth, DocumentId, Standby};

/// How long edges wait for a stream of nodes to end.
const EDGE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a batch that is not full waits for more, while others are at work.
pub(super) const LINGER: Duration = Duration::from_millis(20);
/// Of so many batches one is of bulk work.
const TURNS: u8 = 4;
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

    fn len_of(&self, collection: &str) -> usize {
        self.queues.get(collection).map_or(0, VecDeque::len)
    }
}

/// The queues of one stage.
#[derive(Debug, Default)]
struct Lines {
    interactive: Turns,
    bulk: Turns,
    /// Batches since the last of bulk work.
    turn: u8,
}

impl Lines {
    fn of(&mut self, priority: Priority) -> &mut Turns {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    fn holds(&self, collection: &str) -> bool {
        self.interactive.queues.contains_key(collection) || self.bulk.queues.contains_key(collection)
    }
}

/// How many documents are where.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// By stage: nodes, edges.
    stages: [usize; 2],
    waiting: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pending {
    start: Instant,
    slots: HashMap<Arc<str>, BTreeMap<Arc<str>, Slot>>,
    counts: Counts,
    nodes: Lines,
    edges: Lines,
    waiting: BinaryHeap<Reverse<(Micros, DocumentId)>>,
    /// Documents at work, by stage.
    in_flight: [HashSet<DocumentId>; 2],
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
            waiting: BinaryHeap::new(),
            in_flight: Default::default(),
        }
    }
}

fn stage_of(work: Work) -> Stage {
    if work.has(Work::NODE) {
        Stage::Nodes
    } else {
        Stage::Edges
    }
}

/// Nobody counts further.
fn short(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn index(stage: Stage) -> usize {
    match stage {
        Stage::Nodes => 0,
        Stage::Edges => 1,
    }
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
        let before = (stage_of(slot.work), slot.place == Place::Waiting);
        let result = change(slot);
        let after = (stage_of(slot.work), slot.place == Place::Waiting);
        self.counts.stages[index(before.0)] -= 1;
        self.counts.stages[index(after.0)] += 1;
        self.counts.waiting -= usize::from(before.1);
        self.counts.waiting += usize::from(after.1);
        Some(result)
    }

    fn remove(&mut self, document: &DocumentId) {
        if let Some(slots) = self.slots.get_mut(&document.collection)
            && let Some(slot) = slots.remove(document.id.as_ref() as &str)
        {
            self.counts.stages[index(stage_of(slot.work))] -= 1;
            self.counts.waiting -= usize::from(slot.place == Place::Waiting);
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
        self.counts.stages[index(stage_of(work))] += 1;
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

    /// Says what is known of a document's failures when the journal is opened, and until when it waits.
    pub(super) fn restore(
        &mut self,
        document: &DocumentId,
        failures: u32,
        interrupted: u32,
        due: Option<Instant>,
    ) -> bool {
        let found = self.change(document, |slot| {
            slot.failures = short(failures);
            slot.interrupted = short(interrupted);
        });
        if let Some(due) = due.filter(|_| found.is_some()) {
            let due = self.micros(due);
            self.wait_until(document, due);
        }
        found.is_some()
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
            None => {}
        }
    }

    pub(super) fn claim(&mut self, stage: Stage, most: usize, now: Instant) -> Claimed {
        let now = self.micros(now);
        self.wake(now);
        let lines = match stage {
            Stage::Nodes => &mut self.nodes,
            Stage::Edges => &mut self.edges,
        };
        let bulk_first = lines.turn + 1 >= TURNS;
        let order = if bulk_first {
            [Priority::Bulk, Priority::Interactive]
        } else {
            [Priority::Interactive, Priority::Bulk]
        };
        let mut soon = None;
        for priority in order {
            match self.claim_of(stage, priority, most, now) {
                Claimed::Batch(batch) => {
                    let lines = match stage {
                        Stage::Nodes => &mut self.nodes,
                        Stage::Edges => &mut self.edges,
                    };
                    lines.turn = match priority {
                        Priority::Bulk => 0,
                        Priority::Interactive => lines.turn.saturating_add(1).min(TURNS),
                    };
                    return Claimed::Batch(batch);
                }
                Claimed::Soon(wait) => soon = Some(soon.map_or(wait, |soon: Duration| soon.min(wait))),
                Claimed::Nothing => {}
            }
        }
        soon.map_or(Claimed::Nothing, Claimed::Soon)
    }

    fn claim_of(&mut self, stage: Stage, priority: Priority, most: usize, now: Micros) -> Claimed {
        let idle = self.in_flight[index(stage)].is_empty();
        let mut soon = None;
        let Self {
            slots, nodes, edges, ..
        } = self;
        // Nodes that hold up the edges; none hold up nodes.
        let (lines, ahead) = match stage {
            Stage::Nodes => (nodes, None),
            Stage::Edges => (edges, Some(&*nodes)),
        };
        let turns = lines.of(priority);
        let mut found = None;
        for _ in 0..turns.order.len() {
            let Some(collection) = turns.order.pop_front() else {
                break;
            };
            let Some(queue) = turns.queues.get_mut(&collection) else {
                continue;
            };
            let mut claims: Vec<Claim> = Vec::new();
            let mut empty = BTreeMap::new();
            let slots = slots.get_mut(&collection).unwrap_or(&mut empty);
            while claims.len() < most
                && let Some(id) = queue.front()
            {
                let slot = slots
                    .get_mut(id.as_ref() as &str)
                    .filter(|slot| slot.place == Place::Queued(stage) && slot.priority == priority);
                if let Some(slot) = slot {
                    let age = now.saturating_sub(slot.at);
                    let hurry = age >= EDGE_PATIENCE.as_micros() as u64;
                    if !hurry && ahead.is_some_and(|nodes| nodes.holds(&collection)) {
                        break;
                    }
                    let linger = LINGER.as_micros() as u64;
                    if claims.is_empty() && !idle && queue.len() < most && age < linger {
                        let wait = Duration::from_micros(linger - age);
                        soon = Some(soon.map_or(wait, |soon: Duration| soon.min(wait)));
                        break;
                    }
                    let alone = u32::from(slot.interrupted) >= ALONE_AFTER;
                    if alone && !claims.is_empty() {
                        break;
                    }
                    claims.push(Claim {
                        id: Arc::clone(id),
                        work: slot.work,
                        since_micros: slot.since_micros,
                        failures: slot.failures.into(),
                        interrupted: slot.interrupted.into(),
                    });
                    slot.place = Place::InFlight {
                        meanwhile: Work::NONE,
                        anew: false,
                    };
                    queue.pop_front();
                    if alone {
                        break;
                    }
                } else {
                    queue.pop_front();
                }
            }
            if queue.is_empty() {
                turns.queues.remove(&collection);
            } else {
                turns.order.push_back(Arc::clone(&collection));
            }
            if !claims.is_empty() {
                found = Some((collection, claims));
                break;
            }
        }
        match found {
            Some((collection, claims)) => {
                let batch = Batch::new(collection, claims, priority);
                for claim in &batch.claims {
                    self.in_flight[index(stage)].insert(batch.document(&claim.id));
                }
                Claimed::Batch(batch)
            }
            None => soon.map_or(Claimed::Nothing, Claimed::Soon),
        }
    }

    /// Ends the work on a document. Returns what is left, to be journaled; `None`: nothing, the hint goes.
    pub(super) fn finish(&mut self, document: &DocumentId, left: Work, now: Instant) -> Option<(Work, u64)> {
        let now = self.micros(now);
        let slot = self.slot(document)?;
        let Place::InFlight { meanwhile, .. } = slot.place else {
            return Some((slot.work, slot.since_micros));
        };
        let work = left.and(meanwhile);
        if work.is_none() {
            self.remove(document);
            return None;
        }
        let since = self.change(document, |slot| {
            slot.work = work;
            slot.at = now;
            slot.failures = 0;
            slot.interrupted = 0;
            slot.since_micros
        })?;
        self.land(document);
        self.queue(document);
        Some((work, since))
    }

    /// Puts a document that was at work back into the queue as it was, with what came meanwhile.
    pub(super) fn release(&mut self, document: &DocumentId, now: Instant) {
        let now = self.micros(now);
        let released = self.change(document, |slot| {
            if let Place::InFlight { meanwhile, .. } = slot.place {
                slot.work = slot.work.and(meanwhile);
                slot.at = now;
                true
            } else {
                false
            }
        });
        if released == Some(true) {
            self.land(document);
            self.queue(document);
        }
    }

    /// How a document stands that was refused; `None` where it is not at work.
    pub(super) fn standing(&self, document: &DocumentId) -> Option<Standing> {
        let slot = self.slot(document)?;
        match slot.place {
            Place::InFlight { meanwhile, anew } => Some(Standing {
                work: slot.work.and(meanwhile),
                since_micros: slot.since_micros,
                failures: slot.failures.into(),
                anew,
            }),
            Place::Queued(_) | Place::Waiting => None,
        }
    }

    /// Ends a failed attempt: the document waits until `due`.
    pub(super) fn postpone(&mut self, document: &DocumentId, failures: u32, due: Instant) {
        let due = self.micros(due);
        let postponed = self.change(document, |slot| {
            if let Place::InFlight { meanwhile, .. } = slot.place {
                slot.work = slot.work.and(meanwhile);
                slot.failures = short(failures);
                true
            } else {
                false
            }
        });
        if postponed == Some(true) {
            self.land(document);
            self.wait_until(document, due);
        }
    }

    /// Forgets a document that became a dead letter.
    pub(super) fn bury(&mut self, document: &DocumentId) {
        self.remove(document);
    }

    fn wait_until(&mut self, document: &DocumentId, due: Micros) {
        if self
            .change(document, |slot| {
                slot.place = Place::Waiting;
                slot.at = due;
            })
            .is_some()
        {
            self.waiting.push(Reverse((due, document.clone())));
        }
    }

    fn wake(&mut self, now: Micros) {
        while self.waiting.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            // An entry of a wait that was cut short is stale: the document may wait again, for longer.
            if let Some(Reverse((due, document))) = self.waiting.pop()
                && self
                    .slot(&document)
                    .is_some_and(|slot| slot.place == Place::Waiting && slot.at == due)
            {
                self.queue(&document);
            }
        }
    }

    /// All documents with the work that the journal should hold of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (DocumentId, Work, u64)> {
        self.slots.iter().flat_map(|(collection, slots)| {
            slots.iter().map(|(id, slot)| {
                let document = DocumentId {
                    collection: Arc::clone(collection),
                    id: Arc::clone(id),
                };
                let work = match slot.place {
                    Place::InFlight { meanwhile, .. } => slot.work.and(meanwhile),
                    Place::Queued(_) | Place::Waiting => slot.work,
                };
                (document, work, slot.since_micros)
            })
        })
    }

    /// What is waiting. Looks at the head of each queue and at what is at work, not at everything.
    pub(super) fn depth(&self, now: Instant) -> Depth {
        let now = self.micros(now);
        let heads = [&self.nodes, &self.edges]
            .into_iter()
            .flat_map(|lines| [&lines.interactive, &lines.bulk])
            .flat_map(|turns| &turns.queues)
            .filter_map(|(collection, queue)| {
                let slots = self.slots.get(collection)?;
                queue
                    .iter()
                    .take(64)
                    .find_map(|id| slots.get(id.as_ref() as &str))
            });
        let flights = self.in_flight.iter().flatten();
        let flights = flights.filter_map(|document| self.slot(document));
        let oldest = heads.chain(flights).map(|slot| slot.at).min();
        Depth {
            nodes: self.counts.stages[0],
            edges: self.counts.stages[1],
            waiting: self.counts.waiting,
            in_flight: self.in_flight.iter().map(HashSet::len).sum(),
            oldest: oldest.map_or(Duration::ZERO, |oldest| {
                Duration::from_micros(now.saturating_sub(oldest))
            }),
        }
    }

    pub(super) fn by_collection(&self) -> HashMap<String, usize> {
        self.slots
            .iter()
            .map(|(collection, slots)| (collection.to_string(), slots.len()))
            .collect()
    }
}
