//! The store does what plugins rely upon, with its graph and without.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use tempfile::TempDir;
use vectorizer_host::store::{Atomicity, Change, DocumentStore, StoreOptions};
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::api::model::{Document, Metric};
use vectorizer_host_shim::conformance::{self, Fixture, Outcome};
use vectorizer_host_shim::store::Store;

struct HostFixture {
    store: Arc<DocumentStore>,
    _folder: TempDir,
}

impl HostFixture {
    fn new(graph_from: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            graph_from: Some(graph_from),
            ..StoreOptions::default()
        };
        let store = DocumentStore::open(folder.path(), options, Arc::new(PluginHost::none())).unwrap();
        Self {
            store: Arc::new(store),
            _folder: folder,
        }
    }

    fn apply(&self, collection: &str, changes: Vec<Change>) -> Outcome {
        self.store.apply(collection, changes, Atomicity::AllOrNothing)?;
        // So that searches go through the graph where there is one.
        common::settle(&self.store);
        Ok(())
    }
}

impl Fixture for HostFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn create(&self, collection: &str, dimension: u32, metric: Metric) -> Outcome {
        Ok(self
            .store
            .create_collection(collection, dimension as usize, metric)?)
    }

    fn put(&self, collection: &str, documents: &[Document]) -> Outcome {
        let upsert = |document: &Document| Change::Upsert {
            id: document.id.clone(),
            vector: document.vector.clone(),
            payload: document.payload.clone(),
        };
        self.apply(collection, documents.iter().map(upsert).collect())
    }

    fn delete(&self, collection: &str, ids: &[&str]) -> Outcome {
        let delete = |id: &&str| Change::Delete { id: (*id).to_owned() };
        self.apply(collection, ids.iter().map(delete).collect())
    }

    fn drop_collection(&self, collection: &str) -> Outcome {
        self.store.drop_collection(collection)?;
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        self.store.rename_collection(from, to)?;
        Ok(true)
    }
}

fn check(graph_from: usize) {
    conformance::run(&HostFixture::new(graph_from), "c-").unwrap_or_else(|failures| panic!("{failures}"));
}

#[test]
fn the_store_conforms_where_it_compares_with_every_document() {
    check(usize::MAX);
}

#[test]
fn the_store_conforms_where_it_searches_through_a_graph() {
    check(1);
}
