//! The store as plugins ask it, through the gate.
//!
//! Invariant: each call takes one guard, and drops it before it returns; none is called inside a hook.

use vectorizer_host_shim::api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};
use vectorizer_host_shim::embedded::LazyStore;
use vectorizer_host_shim::store::{Store, StoreError};

use crate::store::VectorStore;

impl LazyStore for VectorStore {
    fn resident(&self, name: &str) -> Option<String> {
        let canonical = self.canonical(name);
        self.collections.contains_key(&canonical).then_some(canonical)
    }
}

impl Store for VectorStore {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        let infos = self.collections.iter().map(|found| found.info(found.key()));
        Ok(infos.collect())
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        let found = self.get(name)?;
        Ok(found.info(found.key()))
    }

    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        Ok(VectorStore::get(self, collection)?.get(ids, fields))
    }

    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        VectorStore::get(self, collection)?.search(vector, limit, fields)
    }

    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        VectorStore::get(self, collection)?.page(cursor, limit, fields)
    }

    fn count(&self, collection: &str) -> Result<u64, StoreError> {
        Ok(Store::collection(self, collection)?.count)
    }

    fn merge_payload(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        VectorStore::merge_payload(self, collection, id, expected, patch)
    }

    fn embed(&self, collection: &str, _text: &str) -> Result<Vec<f32>, StoreError> {
        Store::collection(self, collection)?;
        Err(StoreError::Invalid("texts have no vectors here".to_owned()))
    }

    /// Nothing to do: no answer is cached.
    fn invalidate_cache(&self, _collection: &str) {}
}
