//! What is waiting, for people and for the journal on disk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::work::Work;
use super::super::{Depth, DocumentId};
use super::{Pending, Place};

impl Pending {
    /// All documents with the work that the journal should hold of them.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = (DocumentId, Work, u64)> {
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
    pub(in super::super) fn depth(&self, now: Instant) -> Depth {
        let now = self.micros(now);
        let heads = [&self.nodes, &self.edges, &self.enrichment]
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
            enrichment: self.counts.stages[2],
            bulk: self.counts.bulk,
            waiting: self.counts.waiting.iter().sum(),
            waiting_by_stage: self.counts.waiting,
            in_flight: self.in_flight.iter().map(HashSet::len).sum(),
            oldest: oldest.map_or(Duration::ZERO, |oldest| {
                Duration::from_micros(now.saturating_sub(oldest))
            }),
        }
    }

    pub(in super::super) fn by_collection(&self) -> HashMap<String, usize> {
        self.slots
            .iter()
            .map(|(collection, slots)| (collection.to_string(), slots.len()))
            .collect()
    }
}
