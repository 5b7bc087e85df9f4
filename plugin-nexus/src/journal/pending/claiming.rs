//! Who is next: batches that are full or in time, of collections and priorities in turn.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::work::{Batch, Claim, Priority, Stage, Work};
use super::queues::Lines;
use super::{ALONE_AFTER, Claimed, Micros, Pending, Place};

/// How long edges wait for a stream of nodes to end.
const EDGE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a batch that is not full waits for more, while others are at work.
const LINGER: Duration = Duration::from_millis(20);
/// Of so many batches one is of bulk work.
const TURNS: u8 = 4;

impl Pending {
    pub(in super::super) fn claim(&mut self, stage: Stage, most: usize, now: Instant) -> Claimed {
        let now = self.micros(now);
        self.wake(now);
        let lines = self.lines(stage);
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
                    let lines = self.lines(stage);
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

    fn lines(&mut self, stage: Stage) -> &mut Lines {
        match stage {
            Stage::Nodes => &mut self.nodes,
            Stage::Edges => &mut self.edges,
            Stage::Enrichment => &mut self.enrichment,
        }
    }

    fn claim_of(&mut self, stage: Stage, priority: Priority, most: usize, now: Micros) -> Claimed {
        let idle = self.in_flight[stage.index()].is_empty();
        let mut soon = None;
        let Self {
            slots,
            nodes,
            edges,
            enrichment,
            ..
        } = self;
        // What holds the stage up. Nobody waits for an import's enrichment; after a single change somebody may.
        let (lines, ahead) = match stage {
            Stage::Nodes => (nodes, None),
            Stage::Edges => (edges, Some(&*nodes)),
            Stage::Enrichment => (enrichment, (priority == Priority::Bulk).then_some(&*edges)),
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
                    if !hurry && ahead.is_some_and(|ahead| ahead.holds(&collection)) {
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
                    self.in_flight[stage.index()].insert(batch.document(&claim.id));
                }
                Claimed::Batch(batch)
            }
            None => soon.map_or(Claimed::Nothing, Claimed::Soon),
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
}
