//! The store as plugins see it.

use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

use super::database::DocumentStore;
use super::read::{Scan, Start};
use super::search::Query;
use super::{Atomicity, Change, DbError, PayloadChange};
use crate::text::{TEXT_DIMENSION, embed};

impl Store for DocumentStore {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        let summaries = self.list_collections()?;
        Ok(summaries.into_iter().map(|summary| summary.info).collect())
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        Ok(self.describe_collection(name)?.info)
    }

    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        Ok(DocumentStore::get(self, collection, ids, fields)?)
    }

    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        let query = Query {
            vector: vector.to_vec(),
            limit,
            fields,
            filter: None,
            min_score: None,
        };
        Ok(self.find_similar(collection, query)?)
    }

    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        let start = cursor.map_or(Start::Beginning, Start::After);
        let page = self.scan_page(
            collection,
            &Scan {
                start,
                limit,
                fields,
                filter: None,
            },
        )?;
        let documents = page.documents.into_iter().map(|(document, _)| document).collect();
        Ok(Page {
            documents,
            next: page.next,
        })
    }

    fn count(&self, collection: &str) -> Result<u64, StoreError> {
        Ok(self.count_documents(collection, None)?)
    }

    fn merge_payload(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        let change = Change::Update {
            id: id.to_owned(),
            vector: None,
            payload: PayloadChange::Merge {
                expected: expected.clone(),
                patch: patch.clone(),
            },
        };
        match self.apply(collection, vec![change], Atomicity::AllOrNothing) {
            Ok(_) => Ok(Merge::Merged),
            Err(DbError::DocumentNotFound(_)) => Ok(Merge::Gone),
            Err(DbError::Differs(_)) => Ok(Merge::Differs),
            Err(other) => Err(other.into()),
        }
    }

    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, StoreError> {
        let info = Store::collection(self, collection)?;
        if info.dimension as usize != TEXT_DIMENSION {
            return Err(StoreError::Invalid(format!(
                "texts have {TEXT_DIMENSION} components, and it takes vectors of {}",
                info.dimension
            )));
        }
        embed(text).ok_or_else(|| StoreError::Invalid("the text is empty".to_owned()))
    }

    /// Nothing to do: no answer is cached.
    fn invalidate_cache(&self, _collection: &str) {}
}
