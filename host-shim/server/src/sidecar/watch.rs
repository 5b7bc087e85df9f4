//! Looking for what did not come through this server: writes by gRPC, RPC and the file watcher, boot loads, restores, a Vectorizer
//! that died and came back with less.
//!
//! One listing of all collections tells it, cheaply, by the number of documents and the time of the last write. How often it is
//! asked depends on how long it takes: it never takes more than a small part of Vectorizer's time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::Api;
use super::catalogue::{Catalogue, Outcome};
use super::metrics::Counters;

/// How many times as long as it took a listing is not repeated.
const REST: u32 = 50;
/// How often it is looked while collections are still changing after a start.
const SETTLING: Duration = Duration::from_millis(200);
/// How soon a listing follows another at the earliest, whatever happens.
const LEAST_GAP: Duration = Duration::from_millis(50);

/// See the [module](self).
pub(super) struct Watch {
    pub(super) api: Arc<Api>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) counters: Arc<Counters>,
    pub(super) interval: Duration,
}

impl Watch {
    /// Looks until [`Catalogue::stop`]. `ready` is called once, when Vectorizer can be asked for the first time.
    pub(super) fn run(&self, ready: impl FnOnce()) {
        let mut ready = Some(ready);
        let mut gap = Duration::ZERO;
        while self.catalogue.wait(gap) {
            let begun = Instant::now();
            let outcome = self.look();
            if outcome == Some(Outcome::Settled)
                && let Some(ready) = ready.take()
            {
                ready();
            }
            let rest = begun.elapsed() * REST;
            gap = match outcome {
                Some(Outcome::Settling) => SETTLING.max(rest).min(self.interval.max(SETTLING)),
                Some(Outcome::Settled) => self.interval.max(rest),
                None => self.interval,
            };
            // Whoever wakes it often does not make it ask without end.
            std::thread::sleep(LEAST_GAP);
        }
    }

    /// Looks once. `None`: it did not answer.
    fn look(&self) -> Option<Outcome> {
        let began = self.catalogue.begin_listing();
        match self.api.listing() {
            Ok(listing) => {
                self.counters.poll(true);
                Some(self.catalogue.listed(began, listing, Instant::now()))
            }
            Err(fault) => {
                self.counters.poll(false);
                self.catalogue.unreached(fault.to_string());
                None
            }
        }
    }
}
