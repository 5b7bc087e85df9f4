//! Looking for what did not come through this server: writes by gRPC, RPC and the file watcher, boot loads, restores, a Vectorizer
//! that died and came back with less.
//!
//! One listing of all collections tells it, cheaply, by the number of documents and the time of the last write. How often it is
//! asked depends on how long it takes: by itself a fiftieth of Vectorizer's time at most, and a fifth where changes call for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::Api;
use super::catalogue::{Catalogue, Outcome};
use super::metrics::Counters;

/// How many times as long as it took a listing is not repeated.
const REST: u32 = 50;
/// How often it is looked while collections are still changing after a start.
const SETTLING: Duration = Duration::from_millis(200);
/// The same where something happened that calls for one.
const LEAST_REST: u32 = 4;
/// How soon a listing follows another at the earliest, whatever happens.
const LEAST_GAP: Duration = Duration::from_millis(50);
/// How long the end of requests is waited for that may drop a collection.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the [module](self).
pub(super) struct Watch {
    pub(super) api: Arc<Api>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) counters: Arc<Counters>,
    pub(super) interval: Duration,
}

impl Watch {
    /// Looks until [`Catalogue::stop`]. `ready` is called once, on a thread of its own, when Vectorizer can be asked for the first
    /// time.
    pub(super) fn run(&self, ready: impl FnOnce() + Send + 'static) {
        let mut ready = Some(ready);
        let mut gap = Duration::ZERO;
        while self.catalogue.wait(gap) {
            let begun = Instant::now();
            let outcome = self.look();
            if outcome == Some(Outcome::Settled)
                && let Some(ready) = ready.take()
            {
                let started = std::thread::Builder::new()
                    .name("plugins-start".to_owned())
                    .spawn(ready);
                if let Err(error) = started {
                    tracing::error!(%error, "plugins cannot be started: there is no thread");
                }
            }
            let rest = begun.elapsed() * REST;
            gap = match outcome {
                Some(Outcome::Settling) => SETTLING.max(rest).min(self.interval.max(SETTLING)),
                Some(Outcome::Settled) => self.interval.max(rest),
                None => self.interval,
            };
            // Whoever wakes it often does not make it ask without end.
            std::thread::sleep(LEAST_GAP.max(begun.elapsed() * LEAST_REST));
        }
    }

    /// Looks once. `None`: it did not answer, or could not be asked.
    fn look(&self) -> Option<Outcome> {
        let look = self.catalogue.look(PATIENCE)?;
        match self.api.listing() {
            Ok(listing) => {
                self.counters.poll(true);
                Some(self.catalogue.listed(look.began, listing, Instant::now()))
            }
            Err(fault) => {
                self.counters.poll(false);
                self.catalogue.unreached(fault.to_string());
                None
            }
        }
    }
}
