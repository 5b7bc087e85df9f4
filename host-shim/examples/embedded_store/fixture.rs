//! The store behind its gate, for the conformance checks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::api::model::{Document, Metric};
use vectorizer_host_shim::conformance::{Fixture, Outcome};
use vectorizer_host_shim::embedded::{GatedStore, Lifecycle, MutationObserver};
use vectorizer_host_shim::store::Store;

use crate::Failure;
use crate::disk::Disk;
use crate::store::VectorStore;

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A store in a folder of its own, which goes with it, ready and without plugins.
pub(crate) struct EmbeddedFixture {
    pub(crate) store: Arc<VectorStore>,
    /// What plugins would see of it.
    pub(crate) seen: Arc<GatedStore>,
    folder: PathBuf,
}

impl EmbeddedFixture {
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::observed_by(Arc::new(PluginHost::none()))
    }

    pub(crate) fn observed_by(observer: Arc<dyn MutationObserver>) -> Result<Self, Failure> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("embedded-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let lifecycle = Lifecycle::new(PluginHost::none());
        let gate = Arc::clone(lifecycle.gate());
        let store = Arc::new(VectorStore::new(Disk::open(&folder)?, observer, gate));
        Ok(Self {
            seen: lifecycle.ready(Arc::clone(&store) as _),
            store,
            folder,
        })
    }
}

impl Drop for EmbeddedFixture {
    fn drop(&mut self) {
        // What is left behind is a matter of the system's cleaning.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Fixture for EmbeddedFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.seen) as _
    }

    fn create(&self, collection: &str, dimension: u32, metric: Metric) -> Outcome {
        Ok(self.store.create(collection, dimension as usize, metric)?)
    }

    fn put(&self, collection: &str, documents: &[Document]) -> Outcome {
        Ok(self.store.insert(collection, documents)?)
    }

    fn delete(&self, collection: &str, ids: &[&str]) -> Outcome {
        Ok(self.store.delete(collection, ids)?)
    }

    /// Saves first, so that the collection is on disk when it is deleted: to name it would bring it back.
    fn drop_collection(&self, collection: &str) -> Outcome {
        self.store.save()?;
        Ok(self.store.drop_collection(collection)?)
    }

    fn rename(&self, from: &str, to: &str) -> Result<bool, Failure> {
        self.store.save()?;
        self.store.rename(from, to)?;
        Ok(true)
    }
}
