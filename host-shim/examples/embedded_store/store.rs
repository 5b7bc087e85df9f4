//! All collections, in shards behind locks: written to, taken away, loaded when they are named.
//!
//! Invariants:
//! - The observer is told of what was committed, after the guard of the shard is dropped, and by canonical names.
//! - A collection leaves memory only while calls of plugins are excluded from it.
//! - No guard is held while another is asked for: the lock of a shard is not re-entrant, and two collections may share one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use dashmap::mapref::one::{Ref, RefMut};
use vectorizer_host_shim::api::model::{CollectionEvent, Document, JsonMap, Merge, Metric, Op};
use vectorizer_host_shim::embedded::{Gate, MutationObserver, Touched};
use vectorizer_host_shim::store::StoreError;

use crate::collection::Collection;
use crate::disk::Disk;

/// Most documents that are inserted under one guard.
pub(crate) const CHUNK: usize = 1_000;

pub(crate) struct VectorStore {
    pub(crate) collections: DashMap<String, Collection>,
    /// Old names by which collections still go.
    aliases: DashMap<String, String>,
    disk: Disk,
    observer: Arc<dyn MutationObserver>,
    gate: Arc<Gate>,
    next_uid: AtomicU64,
}

impl VectorStore {
    pub(crate) fn new(disk: Disk, observer: Arc<dyn MutationObserver>, gate: Arc<Gate>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            collections: DashMap::new(),
            aliases: DashMap::new(),
            disk,
            observer,
            gate,
            // Nanoseconds: no other start of this store got as far.
            next_uid: AtomicU64::new(u64::try_from(now.as_nanos()).unwrap_or_default()),
        }
    }

    pub(crate) fn create(&self, name: &str, dimension: usize, metric: Metric) -> Result<(), StoreError> {
        let uid = self.next_uid.fetch_add(1, Ordering::Relaxed);
        match self.collections.entry(self.canonical(name)) {
            Entry::Occupied(_) => return Err(StoreError::Invalid(format!("'{name}' exists already"))),
            Entry::Vacant(free) => drop(free.insert(Collection::new(uid, dimension, metric))),
        }
        self.observer.collection(CollectionEvent::Created(name));
        Ok(())
    }

    /// Inserts or replaces, in chunks. Those before a chunk that is refused are in, and told of.
    pub(crate) fn insert(&self, name: &str, documents: &[Document]) -> Result<(), StoreError> {
        for chunk in documents.chunks(CHUNK) {
            let canonical = {
                let mut collection = self.get_mut(name)?;
                collection.insert_batch(chunk)?;
                collection.key().clone()
            };
            let ids: Vec<&str> = chunk.iter().map(|document| document.id.as_str()).collect();
            self.observer.changed(&canonical, Op::Upsert, &ids);
        }
        Ok(())
    }

    /// Deletes until one is not there. All under one guard, whatever way the loop ends.
    pub(crate) fn delete(&self, name: &str, ids: &[&str]) -> Result<(), StoreError> {
        // Before the guard, to be dropped after it.
        let mut deleted = Touched::new(&*self.observer, self.canonical(name), Op::Delete);
        let collection = self.get_mut(name)?;
        for id in ids {
            if !collection.delete(id) {
                return Err(StoreError::Invalid(format!("'{id}' is not in '{name}'")));
            }
            deleted.add(id);
        }
        Ok(())
    }

    pub(crate) fn merge_payload(
        &self,
        name: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        let (merge, canonical) = {
            let collection = self.get(name)?;
            (
                collection.merge_payload(id, expected, patch),
                collection.key().clone(),
            )
        };
        if merge == Merge::Merged {
            self.observer.changed(&canonical, Op::Update, &[id]);
        }
        Ok(merge)
    }

    pub(crate) fn drop_collection(&self, name: &str) -> Result<(), StoreError> {
        let canonical = self.canonical(name);
        {
            let _excluded = self.gate.exclude(&canonical);
            self.collections
                .remove(&canonical)
                .ok_or_else(|| StoreError::CollectionNotFound(name.to_owned()))?;
            self.aliases.retain(|_, target| *target != canonical);
        }
        self.observer.collection(CollectionEvent::Deleted(&canonical));
        Ok(())
    }

    /// Gives a collection another name; the old one stays as an alias.
    pub(crate) fn rename(&self, name: &str, to: &str) -> Result<(), StoreError> {
        let from = self.canonical(name);
        if self.collections.contains_key(to) || self.aliases.contains_key(to) {
            return Err(StoreError::Invalid(format!("'{to}' exists already")));
        }
        {
            // Between the two steps it has no name at all, and would be looked for on disk.
            let _excluded = self.gate.exclude(&from);
            let (_, collection) = self
                .collections
                .remove(&from)
                .ok_or_else(|| StoreError::CollectionNotFound(name.to_owned()))?;
            self.collections.insert(to.to_owned(), collection);
            for mut alias in self.aliases.iter_mut().filter(|alias| *alias.value() == from) {
                to.clone_into(alias.value_mut());
            }
            self.aliases.insert(from.clone(), to.to_owned());
        }
        self.observer
            .collection(CollectionEvent::Renamed { from: &from, to });
        Ok(())
    }

    /// Loads what is on disk and not in memory, while `go_on` says so; whether it was all.
    pub(crate) fn load_all(&self, go_on: impl Fn() -> bool) -> io::Result<bool> {
        for name in self.disk.names()? {
            if !go_on() {
                return Ok(false);
            }
            self.load(&name)?;
        }
        Ok(go_on())
    }

    /// Writes everything to disk.
    pub(crate) fn save(&self) -> io::Result<()> {
        let mut saved = BTreeMap::new();
        for collection in &self.collections {
            saved.insert(collection.key().clone(), collection.to_json()?);
        }
        self.disk.save(&saved)
    }

    /// The name that a collection of this name or alias goes by.
    pub(crate) fn canonical(&self, name: &str) -> String {
        let target = self.aliases.get(name);
        target.map_or_else(|| name.to_owned(), |target| target.clone())
    }

    /// A collection, loaded where it is not in memory, with its shard locked against writers of the map.
    pub(crate) fn get(&self, name: &str) -> Result<Ref<'_, String, Collection>, StoreError> {
        let canonical = self.loaded(name)?;
        let found = self.collections.get(&canonical);
        found.ok_or_else(|| StoreError::CollectionNotFound(name.to_owned()))
    }

    /// The same with the shard locked against everybody.
    fn get_mut(&self, name: &str) -> Result<RefMut<'_, String, Collection>, StoreError> {
        let canonical = self.loaded(name)?;
        let found = self.collections.get_mut(&canonical);
        found.ok_or_else(|| StoreError::CollectionNotFound(name.to_owned()))
    }

    /// Sees to it that a collection is in memory, if there is one; its canonical name.
    fn loaded(&self, name: &str) -> Result<String, StoreError> {
        let canonical = self.canonical(name);
        if !self.collections.contains_key(&canonical) {
            self.load(&canonical)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        Ok(canonical)
    }

    /// Loads a collection unless it is in memory or not on disk.
    fn load(&self, canonical: &str) -> io::Result<()> {
        let Some(collection) = self.disk.load(canonical)? else {
            return Ok(());
        };
        match self.collections.entry(canonical.to_owned()) {
            // Another caller was faster.
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(free) => drop(free.insert(collection)),
        }
        // All its documents came at once, and no hint told of any.
        self.observer.collection(CollectionEvent::Reset(canonical));
        Ok(())
    }
}
