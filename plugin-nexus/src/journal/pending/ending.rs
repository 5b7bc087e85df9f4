//! How work on a document ends: done, given back, put off, or buried.

use std::cmp::Reverse;
use std::time::Instant;

use super::super::DocumentId;
use super::super::work::Work;
use super::{Micros, Pending, Place, Standing, short};

impl Pending {
    /// Ends the work on a document. Returns what is left, to be journaled; `None`: nothing, the hint goes.
    pub(in super::super) fn finish(
        &mut self,
        document: &DocumentId,
        left: Work,
        now: Instant,
    ) -> Option<(Work, u64)> {
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

    /// Puts a document that was at work back into the queue as it was, with what came meanwhile; its work is as old as it was `since`.
    pub(in super::super) fn release(&mut self, document: &DocumentId, since: Option<u64>, now: Instant) {
        let now = self.micros(now);
        let released = self.change(document, |slot| {
            if let Place::InFlight { meanwhile, .. } = slot.place {
                slot.work = slot.work.and(meanwhile);
                slot.since_micros = since.map_or(slot.since_micros, |since| since.min(slot.since_micros));
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
    pub(in super::super) fn standing(&self, document: &DocumentId) -> Option<Standing> {
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
    pub(in super::super) fn postpone(&mut self, document: &DocumentId, failures: u32, due: Instant) {
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
    pub(in super::super) fn bury(&mut self, document: &DocumentId) {
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

    /// Says what is known of a document's failures when the journal is opened, and until when it waits.
    pub(in super::super) fn restore(
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
}
