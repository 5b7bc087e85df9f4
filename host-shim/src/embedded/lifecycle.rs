//! The plugins' life inside the server's.
//!
//! Invariants:
//! - It goes one way: opened, ready, draining, stopped. A step that comes too late has no effect, so that a load in the
//!   background and a signal may come in any order.
//! - The store is asked only between [`Lifecycle::ready`] and the end of [`Lifecycle::stop`].

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::gate::Gate;
use super::gated::{GatedStore, LazyStore};
use crate::host::PluginHost;
use crate::store::Store;

/// Where the server is in its life, as far as plugins are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The plugins are there and take hints; the data is still being loaded.
    Opened,
    /// The data is complete; plugins work.
    Ready,
    /// The server takes no new requests. Those under way still tell of changes, and plugins go on.
    Draining,
    /// The plugins have ended.
    Stopped,
}

/// The plugins of a server that loads its data in the background.
#[derive(Debug)]
pub struct Lifecycle {
    host: Arc<PluginHost>,
    gate: Arc<Gate>,
    phase: Mutex<Phase>,
}

impl Lifecycle {
    /// To be made **before the store**, with the plugins that [`PluginHost::open`] or
    /// [`Loaded::into_host`](crate::Loaded::into_host) gave: the store needs [`Self::host`] to tell of its changes, and
    /// [`Self::gate`] to take collections away.
    #[must_use]
    pub fn new(host: PluginHost) -> Self {
        Self {
            host: Arc::new(host),
            gate: Arc::default(),
            phase: Mutex::new(Phase::Opened),
        }
    }

    /// The plugins: the store's [`MutationObserver`](super::MutationObserver), and what routes and metrics are of.
    #[must_use]
    pub fn host(&self) -> &Arc<PluginHost> {
        &self.host
    }

    /// What the store waits at before it takes a collection out of memory.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Where the server is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    /// To be called **when all collections are loaded**: plugins start, and compare what they know with the data. Before that, a
    /// collection that is still on disk would look deleted. Takes as long as the plugins take to start.
    ///
    /// The answer is the store as plugins see it. Where the end had begun already, none is started.
    pub fn ready(&self, store: Arc<dyn LazyStore>) -> Arc<GatedStore> {
        let seen = Arc::new(GatedStore::new(Arc::clone(&self.gate), store));
        if self.advance(Phase::Opened, Phase::Ready) {
            self.gate.open();
            let seen: Arc<dyn Store> = Arc::clone(&seen) as _;
            self.host.ready(&seen);
        }
        seen
    }

    /// To be called **at the signal to end**, before requests under way are waited for: data that is loaded by now is not worked
    /// on any more, and a probe for readiness gets to know.
    pub fn draining(&self) {
        let mut phase = self.phase.lock();
        *phase = (*phase).max(Phase::Draining);
    }

    /// To be called **after whatever loads or writes in the background has ended, before the last save**: what plugins still
    /// write is in it then. They have `deadline` together, see [`PluginHost::shutdown`]; afterwards nobody asks the store.
    pub fn stop(&self, deadline: Duration) {
        let before = std::mem::replace(&mut *self.phase.lock(), Phase::Stopped);
        if before != Phase::Stopped {
            self.host.shutdown(deadline);
            self.gate.shut();
        }
    }

    /// Whether it was there, and goes on.
    fn advance(&self, from: Phase, to: Phase) -> bool {
        let mut phase = self.phase.lock();
        let there = *phase == from;
        if there {
            *phase = to;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

    use super::*;
    use crate::store::StoreError;

    /// A store without collections.
    struct Empty;

    fn not_found<T>(name: &str) -> Result<T, StoreError> {
        Err(StoreError::CollectionNotFound(name.to_owned()))
    }

    impl Store for Empty {
        fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
            Ok(Vec::new())
        }
        fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
            not_found(name)
        }
        fn get(&self, name: &str, _: &[&str], _: Fields) -> Result<Vec<Document>, StoreError> {
            not_found(name)
        }
        fn search(&self, name: &str, _: &[f32], _: usize, _: Fields) -> Result<Vec<Hit>, StoreError> {
            not_found(name)
        }
        fn scan(&self, name: &str, _: Option<&str>, _: usize, _: Fields) -> Result<Page, StoreError> {
            not_found(name)
        }
        fn count(&self, name: &str) -> Result<u64, StoreError> {
            not_found(name)
        }
        fn merge_payload(&self, name: &str, _: &str, _: &JsonMap, _: &JsonMap) -> Result<Merge, StoreError> {
            not_found(name)
        }
        fn embed(&self, name: &str, _: &str) -> Result<Vec<f32>, StoreError> {
            not_found(name)
        }
        fn invalidate_cache(&self, _: &str) {}
    }

    impl LazyStore for Empty {
        fn resident(&self, _: &str) -> Option<String> {
            None
        }
    }

    const DEADLINE: Duration = Duration::from_secs(1);

    #[test]
    fn the_store_answers_from_ready_until_the_plugins_have_ended() {
        let lifecycle = Lifecycle::new(PluginHost::none());
        assert_eq!(lifecycle.phase(), Phase::Opened);
        let seen = lifecycle.ready(Arc::new(Empty));
        assert_eq!(lifecycle.phase(), Phase::Ready);
        assert!(seen.collections().is_ok());
        lifecycle.draining();
        assert_eq!(lifecycle.phase(), Phase::Draining);
        assert!(
            seen.collections().is_ok(),
            "plugins finish what requests under way leave them"
        );
        lifecycle.stop(DEADLINE);
        assert_eq!(lifecycle.phase(), Phase::Stopped);
        assert!(matches!(seen.collections(), Err(StoreError::Unavailable(_))));
    }

    #[test]
    fn data_that_is_loaded_after_the_end_began_is_not_worked_on() {
        for end in [Lifecycle::draining, |lifecycle: &Lifecycle| {
            lifecycle.stop(DEADLINE)
        }] {
            let lifecycle = Lifecycle::new(PluginHost::none());
            end(&lifecycle);
            let phase = lifecycle.phase();
            let seen = lifecycle.ready(Arc::new(Empty));
            assert!(matches!(seen.collections(), Err(StoreError::Unavailable(_))));
            assert_eq!(lifecycle.phase(), phase);
        }
    }

    #[test]
    fn what_has_ended_does_not_begin_to_drain() {
        let lifecycle = Lifecycle::new(PluginHost::none());
        lifecycle.stop(DEADLINE);
        lifecycle.draining();
        lifecycle.stop(DEADLINE);
        assert_eq!(lifecycle.phase(), Phase::Stopped);
    }
}
