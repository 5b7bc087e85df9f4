//! What this server knows of Vectorizer's collections: which there are, who is at work on them, and which a comparison is due for.
//!
//! Invariants:
//! - A collection that was dropped is not asked for, since naming it would bring it back: calls on it are refused from before the
//!   drop is handed on, and a drop is handed on only when no call is under way, and no list of all collections, which names each.
//!   It is there again only by something that began after the drop was over.
//! - Nothing is asked of a Vectorizer that is not known to have loaded everything: while its collections still change after it was
//!   reached, calls are refused as unavailable, not as not found.
//! - Whoever watches is told in the order in which things happened here.
//!
//! Moments are counted, not measured: of two things the one with the greater number began, or ended, later.

mod entry;
mod listing;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_host_shim::store::StoreError;
use vectorizer_plugin_api::model::{CollectionInfo, Metric};

use super::effects::Effect;
use entry::{Entry, Traffic};

pub(super) use entry::Changes;
pub(super) use listing::Outcome;
pub(super) use writes::{Scope, Write};

/// How long a call waits for the end of a request that may drop its collection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A collection as Vectorizer lists it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) dimension: u32,
    pub(super) metric: Metric,
    pub(super) version: Version,
}

/// What is different after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Version {
    pub(super) count: u64,
    /// When it was made or loaded, as Vectorizer writes it; empty where it does not say.
    pub(super) created_at: String,
    /// When something was last written; likewise.
    pub(super) updated_at: String,
}

/// All collections, and their other names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Listing {
    pub(super) collections: Vec<Listed>,
    /// Alias, collection.
    pub(super) aliases: HashMap<String, String>,
}

impl Listing {
    /// Whether another has the same collections, whatever is in them.
    fn has_same_collections(&self, other: &Self) -> bool {
        self.collections.len() == other.collections.len()
            && self.collections.iter().all(|one| {
                other
                    .collections
                    .iter()
                    .any(|other| one.name == other.name && one.version.created_at == other.version.created_at)
            })
    }
}

/// Whether Vectorizer can be asked.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Why not.
    Unreached(String),
    /// It answers, and its collections have been these since then.
    Settling {
        begun: Instant,
        since: Instant,
        listing: Listing,
    },
    Settled,
}

/// See the [module](self).
pub(super) struct Catalogue {
    state: Mutex<State>,
    /// A call is over, or the watch has something to look at.
    turned: Condvar,
    observer: Arc<dyn MutationObserver>,
    settle: Duration,
}

struct State {
    clock: u64,
    phase: Phase,
    /// Whether it ever was settled: what is there at first is nothing new.
    was_settled: bool,
    collections: BTreeMap<String, Entry>,
    aliases: HashMap<String, String>,
    /// When an alias was last heard of.
    aliased: u64,
    /// When collections were dropped, until they are not listed any more.
    dropped: HashMap<String, u64>,
    /// Requests under way that may drop any collection.
    closing_all: usize,
    /// Lists of all collections that Vectorizer is making: it names each of them.
    listings: usize,
    /// After this moment nobody knows which collections there are, until they are listed anew.
    unsure_since: Option<u64>,
    /// Effects on names that are not known yet, with when they began.
    deferred: Vec<(u64, Effect)>,
    /// Whether the watch should look at once.
    is_awaited: bool,
    is_stopping: bool,
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The canonical name.
    fn resolve(&self, name: &str) -> Option<&str> {
        if let Some((name, _)) = self.collections.get_key_value(name) {
            return Some(name);
        }
        self.aliases
            .get(name)
            .map(String::as_str)
            .filter(|target| self.collections.contains_key(*target))
    }
}

impl Catalogue {
    pub(super) fn new(observer: Arc<dyn MutationObserver>, settle: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                clock: 0,
                phase: Phase::Unreached("it was not reached yet".to_owned()),
                was_settled: false,
                collections: BTreeMap::new(),
                aliases: HashMap::new(),
                aliased: 0,
                dropped: HashMap::new(),
                closing_all: 0,
                listings: 0,
                unsure_since: None,
                deferred: Vec::new(),
                is_awaited: false,
                is_stopping: false,
            }),
            turned: Condvar::new(),
            observer,
            settle,
        }
    }

    /// A call on a collection, by any of its names; to be held while the call lasts. Where a request is under way that may drop it,
    /// its end is waited for, for a moment.
    pub(super) fn visit(&self, name: &str) -> Result<Visit<'_>, StoreError> {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state.lock();
        loop {
            state.askable()?;
            let Some(name) = state.resolve(name) else {
                return Err(StoreError::CollectionNotFound(name.to_owned()));
            };
            let entry = &state.collections[name];
            let is_closing = state.closing_all > 0 || entry.traffic.is_closing();
            if !is_closing && entry.missing_since.is_none() {
                entry.traffic.visits.fetch_add(1, Ordering::Relaxed);
                return Ok(Visit {
                    catalogue: self,
                    name: name.to_owned(),
                    traffic: Arc::clone(&entry.traffic),
                    listed: entry.listed.clone(),
                });
            }
            let refusal = StoreError::Unavailable(format!(
                "whether collection '{name}' is still there is not known yet"
            ));
            if !is_closing || self.turned.wait_until(&mut state, until).timed_out() {
                return Err(refusal);
            }
        }
    }

    /// A list of all collections begins; to be held until it is there. With `patience` the end of requests is waited for that may
    /// drop one. `None`: there still are such.
    pub(super) fn look(&self, patience: Duration) -> Option<Look<'_>> {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.is_anything_closing() {
            if state.is_stopping || self.turned.wait_until(&mut state, until).timed_out() {
                return None;
            }
        }
        state.listings += 1;
        Some(Look {
            catalogue: self,
            began: state.tick(),
        })
    }

    /// The collections that can be visited, of those that are listed.
    pub(super) fn visitable(&self, listing: Listing) -> Result<Vec<CollectionInfo>, StoreError> {
        let state = self.state.lock();
        state.askable()?;
        let is_there = |listed: &Listed| {
            let entry = state.collections.get(&listed.name);
            entry.is_some_and(|entry| !entry.traffic.is_closing() && entry.missing_since.is_none())
        };
        let listed = listing.collections.into_iter().filter(is_there);
        Ok(listed.map(Listed::into_info).collect())
    }

    /// The canonical name of a collection that is known by this one.
    pub(super) fn canonical(&self, name: &str) -> Option<String> {
        self.state.lock().resolve(name).map(str::to_owned)
    }

    /// What was heard of that changed in a collection since the last time. From now on it is noted, until [`unfollow`](Self::unfollow).
    pub(super) fn follow(&self, name: &str) -> Changes {
        match self.state.lock().collections.get_mut(name) {
            Some(entry) => entry.follow(),
            None => Changes::Unknown,
        }
    }

    /// Nobody asks what changes in a collection any more.
    pub(super) fn unfollow(&self, name: &str) {
        if let Some(entry) = self.state.lock().collections.get_mut(name) {
            entry.unfollow();
        }
    }

    /// Whether Vectorizer can be asked; if not, why.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.state.lock().askable()
    }

    /// Collections, and documents in them, as they were last listed.
    pub(super) fn figures(&self) -> (u64, u64) {
        let state = self.state.lock();
        let listed = state
            .collections
            .values()
            .filter_map(|entry| entry.listed.as_ref());
        (
            state.collections.len() as u64,
            listed.map(|listed| listed.version.count).sum(),
        )
    }

    /// Waits until the watch should look again: when `interval` is over, or something happened. False: it should stop.
    pub(super) fn wait(&self, interval: Duration) -> bool {
        let until = Instant::now() + interval;
        let mut state = self.state.lock();
        while !state.is_awaited && !state.is_stopping {
            if self.turned.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.is_awaited = false;
        !state.is_stopping
    }

    /// The watch should stop.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopping = true;
        self.turned.notify_all();
    }
}

impl State {
    fn is_anything_closing(&self) -> bool {
        self.closing_all > 0 || self.collections.values().any(|entry| entry.traffic.is_closing())
    }

    fn askable(&self) -> Result<(), StoreError> {
        match &self.phase {
            Phase::Settled if self.unsure_since.is_none() => Ok(()),
            Phase::Settled => Err(StoreError::Unavailable(
                "which collections there are is not known yet".to_owned(),
            )),
            Phase::Settling { .. } => Err(StoreError::Unavailable(
                "Vectorizer may still be loading its collections".to_owned(),
            )),
            Phase::Unreached(reason) => Err(StoreError::Unavailable(format!(
                "Vectorizer cannot be reached: {reason}"
            ))),
        }
    }
}

/// A call on a collection that is under way.
pub(super) struct Visit<'a> {
    catalogue: &'a Catalogue,
    /// The canonical name.
    pub(super) name: String,
    /// What was last known of it; `None` for one that was not listed yet.
    pub(super) listed: Option<Listed>,
    traffic: Arc<Traffic>,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // Under the lock, so that nobody looks at the number and then misses this.
        let _state = self.catalogue.state.lock();
        self.traffic.visits.fetch_sub(1, Ordering::Relaxed);
        self.catalogue.turned.notify_all();
    }
}

/// A list of all collections that is being made.
pub(super) struct Look<'a> {
    catalogue: &'a Catalogue,
    /// When it began.
    pub(super) began: u64,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.catalogue.state.lock().listings -= 1;
        self.catalogue.turned.notify_all();
    }
}

impl Listed {
    pub(super) fn into_info(self) -> CollectionInfo {
        CollectionInfo {
            name: self.name,
            dimension: self.dimension,
            metric: self.metric,
            count: self.version.count,
            // Collections are quantised unless someone asked for something else, and all are after a restart.
            exact_vectors: false,
        }
    }
}
