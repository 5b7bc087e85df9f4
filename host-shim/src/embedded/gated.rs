//! A store behind a gate.
//!
//! Invariants:
//! - The store is asked only for collections that are in memory when the call begins, by their canonical names, and none of
//!   them is taken out of memory before the call ends.
//! - A collection that is not in memory is answered for without the store: to name it would load it.

use std::sync::Arc;

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

use super::gate::Gate;
use crate::store::{Store, StoreError};

/// A store that loads collections from disk when they are named.
pub trait LazyStore: Store {
    /// The canonical name of the collection that `name` stands for, where it is in memory. Loads nothing, whatever there is on
    /// disk.
    fn resident(&self, name: &str) -> Option<String>;
}

/// The store as plugins get to see it: collections that are not in memory do not exist, and while the gate is not open nothing
/// is to be had.
pub struct GatedStore {
    gate: Arc<Gate>,
    store: Arc<dyn LazyStore>,
}

impl std::fmt::Debug for GatedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatedStore")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl GatedStore {
    pub(super) fn new(gate: Arc<Gate>, store: Arc<dyn LazyStore>) -> Self {
        Self { gate, store }
    }

    /// Asks the store for a collection, by its canonical name, while that stays in memory.
    fn within<T>(
        &self,
        name: &str,
        ask: impl FnOnce(&dyn LazyStore, &str) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let inside = self.gate.enter()?;
        loop {
            let Some(canonical) = self.store.resident(name) else {
                return Err(StoreError::CollectionNotFound(name.to_owned()));
            };
            let _staying = inside.go_into(&canonical);
            // Until then it may have gone, or got another name.
            if self.store.resident(name).as_ref() == Some(&canonical) {
                return ask(self.store.as_ref(), &canonical);
            }
        }
    }
}

impl Store for GatedStore {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        let _inside = self.gate.enter()?;
        let mut collections = self.store.collections()?;
        collections.retain(|collection| self.store.resident(&collection.name).is_some());
        Ok(collections)
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        self.within(name, |store, name| store.collection(name))
    }

    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        self.within(collection, |store, collection| store.get(collection, ids, fields))
    }

    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        self.within(collection, |store, collection| {
            store.search(collection, vector, limit, fields)
        })
    }

    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        self.within(collection, |store, collection| {
            store.scan(collection, cursor, limit, fields)
        })
    }

    fn count(&self, collection: &str) -> Result<u64, StoreError> {
        self.within(collection, |store, collection| store.count(collection))
    }

    fn merge_payload(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        self.within(collection, |store, collection| {
            store.merge_payload(collection, id, expected, patch)
        })
    }

    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, StoreError> {
        self.within(collection, |store, collection| store.embed(collection, text))
    }

    fn invalidate_cache(&self, collection: &str) {
        // Where there is no such collection, there is nothing to drop either.
        let _ = self.within(collection, |store, collection| {
            store.invalidate_cache(collection);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use parking_lot::Mutex;
    use vectorizer_plugin_api::model::Metric;

    use super::*;

    /// Collections on disk, and which of them are in memory. Whatever call names one loads it.
    #[derive(Default)]
    struct Lazy {
        disk: Vec<&'static str>,
        memory: Mutex<Vec<String>>,
        aliases: Mutex<BTreeMap<String, String>>,
        loads: AtomicUsize,
        /// Where a call stops over, once.
        stopover: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    }

    impl Lazy {
        fn load<T>(&self, name: &str, answer: T) -> Result<T, StoreError> {
            let stopover = self.stopover.lock().take();
            if let Some((arrived, go_on)) = stopover {
                arrived.send(()).unwrap();
                go_on.recv().unwrap();
            }
            let mut memory = self.memory.lock();
            if !memory.iter().any(|known| known == name) {
                if !self.disk.contains(&name) {
                    return Err(StoreError::CollectionNotFound(name.to_owned()));
                }
                self.loads.fetch_add(1, Ordering::SeqCst);
                memory.push(name.to_owned());
            }
            Ok(answer)
        }

        fn remove(&self, name: &str) {
            self.memory.lock().retain(|known| known != name);
        }
    }

    fn info(name: &str) -> CollectionInfo {
        CollectionInfo {
            name: name.to_owned(),
            dimension: 1,
            metric: Metric::Dot,
            count: 0,
            exact_vectors: true,
        }
    }

    impl Store for Lazy {
        fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
            Ok(self.disk.iter().map(|name| info(name)).collect())
        }
        fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
            self.load(name, info(name))
        }
        fn get(&self, name: &str, _: &[&str], _: Fields) -> Result<Vec<Document>, StoreError> {
            self.load(name, Vec::new())
        }
        fn search(&self, name: &str, _: &[f32], _: usize, _: Fields) -> Result<Vec<Hit>, StoreError> {
            self.load(name, Vec::new())
        }
        fn scan(&self, name: &str, _: Option<&str>, _: usize, _: Fields) -> Result<Page, StoreError> {
            let (documents, next) = (Vec::new(), None);
            self.load(name, Page { documents, next })
        }
        fn count(&self, name: &str) -> Result<u64, StoreError> {
            self.load(name, 0)
        }
        fn merge_payload(&self, name: &str, _: &str, _: &JsonMap, _: &JsonMap) -> Result<Merge, StoreError> {
            self.load(name, Merge::Gone)
        }
        fn embed(&self, name: &str, _: &str) -> Result<Vec<f32>, StoreError> {
            self.load(name, Vec::new())
        }
        fn invalidate_cache(&self, name: &str) {
            let _ = self.load(name, ());
        }
    }

    impl LazyStore for Lazy {
        fn resident(&self, name: &str) -> Option<String> {
            let canonical = self.aliases.lock().get(name).cloned();
            let canonical = canonical.unwrap_or_else(|| name.to_owned());
            self.memory.lock().contains(&canonical).then_some(canonical)
        }
    }

    fn gated(disk: &[&'static str], memory: &[&str]) -> (Arc<Lazy>, Arc<Gate>, Arc<GatedStore>) {
        let lazy = Arc::new(Lazy {
            disk: disk.to_vec(),
            memory: Mutex::new(memory.iter().map(|name| (*name).to_owned()).collect()),
            ..Lazy::default()
        });
        let gate = Arc::<Gate>::default();
        gate.open();
        let store = GatedStore::new(Arc::clone(&gate), Arc::clone(&lazy) as _);
        (lazy, gate, Arc::new(store))
    }

    /// What each call that names a collection comes to.
    fn call_all(store: &GatedStore, name: &str) -> [Result<(), StoreError>; 7] {
        let nothing = JsonMap::new();
        store.invalidate_cache(name);
        [
            store.collection(name).map(drop),
            store.get(name, &["a"], Fields::ALL).map(drop),
            store.search(name, &[1.0], 1, Fields::ALL).map(drop),
            store.scan(name, None, 1, Fields::ALL).map(drop),
            store.count(name).map(drop),
            store.merge_payload(name, "a", &nothing, &nothing).map(drop),
            store.embed(name, "text").map(drop),
        ]
    }

    #[test]
    fn what_is_not_in_memory_does_not_exist_and_is_not_loaded() {
        let (lazy, _, store) = gated(&["asleep", "awake"], &["awake"]);
        for outcome in call_all(&store, "asleep") {
            assert!(matches!(outcome, Err(StoreError::CollectionNotFound(name)) if name == "asleep"));
        }
        assert_eq!(store.collections().unwrap(), [info("awake")]);
        assert!(call_all(&store, "awake").iter().all(Result::is_ok));
        assert_eq!(lazy.loads.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_store_behind_a_gate_that_is_shut_is_not_asked() {
        let (_, gate, store) = gated(&["c"], &["c"]);
        gate.shut();
        for outcome in call_all(&store, "c") {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
        }
        assert!(matches!(store.collections(), Err(StoreError::Unavailable(_))));
    }

    #[test]
    fn an_alias_reaches_the_store_as_the_canonical_name() {
        let (lazy, _, store) = gated(&["c"], &["c"]);
        lazy.aliases.lock().insert("old".to_owned(), "c".to_owned());
        assert_eq!(store.collection("old").unwrap().name, "c");
    }

    /// Deletes or renames `c` while a call is inside it; what that call and one that came meanwhile were answered, and whether
    /// `c` is in memory in the end.
    fn while_a_call_is_inside(
        take: impl FnOnce(&Lazy) + Send,
    ) -> (Result<String, StoreError>, Result<String, StoreError>, bool) {
        let (lazy, gate, store) = gated(&["c"], &["c"]);
        let (arrived, has_arrived) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        *lazy.stopover.lock() = Some((arrived, may_go_on));
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| store.collection("c").map(|info| info.name));
            has_arrived.recv().unwrap();
            let taking = scope.spawn(|| {
                let _excluded = gate.exclude("c");
                take(&lazy);
            });
            thread::sleep(Duration::from_millis(30));
            let waits = !taking.is_finished();
            let second = scope.spawn(|| store.collection("c").map(|info| info.name));
            go_on.send(()).unwrap();
            taking.join().unwrap();
            // Not before: who fails must not hang.
            assert!(waits, "it does not wait for the call inside");
            (first.join().unwrap(), second.join().unwrap())
        });
        let there = lazy.memory.lock().iter().any(|name| name == "c");
        (first, second, there)
    }

    #[test]
    fn a_call_that_began_before_a_deletion_does_not_bring_the_collection_back() {
        let (first, second, there) = while_a_call_is_inside(|lazy| lazy.remove("c"));
        assert_eq!(first.unwrap(), "c");
        assert!(matches!(second, Err(StoreError::CollectionNotFound(_))));
        assert!(!there);
    }

    #[test]
    fn a_call_that_comes_during_a_renaming_finds_the_new_name() {
        let (first, second, there) = while_a_call_is_inside(|lazy| {
            lazy.remove("c");
            lazy.memory.lock().push("new".to_owned());
            lazy.aliases.lock().insert("c".to_owned(), "new".to_owned());
        });
        assert_eq!((first.unwrap().as_str(), second.unwrap().as_str()), ("c", "new"));
        assert!(!there);
    }
}
