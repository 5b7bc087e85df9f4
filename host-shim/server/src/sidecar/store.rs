//! Vectorizer as the store that plugins ask.
//!
//! Invariants:
//! - Every call is a visit of the catalogue: a collection that was dropped is not named.
//! - A payload is read, merged and written back while no client of this server writes the document, and read again afterwards.

use std::sync::Arc;
use std::time::Duration;

use vectorizer_host_shim::store::{Store, StoreError};
use vectorizer_plugin_api::merge_patch;
use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

use super::api::Api;
use super::catalogue::{Catalogue, Listed, Listing, Visit};
use super::exact::{Copies, Query};
use super::fault::CallFault;
use super::locks::DocumentLocks;
use super::payload;
use super::scan::Scans;
use super::search::closest;

/// How long a merge waits for clients that are at the document.
const MERGE_PATIENCE: Duration = Duration::from_secs(5);

/// See the [module](self).
pub(super) struct UpstreamStore {
    pub(super) api: Arc<Api>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) locks: Arc<DocumentLocks>,
    pub(super) scans: Scans,
    pub(super) copies: Copies,
}

impl UpstreamStore {
    /// What a collection is, without the number of its documents being up to date.
    fn info(&self, visit: &Visit<'_>) -> Result<CollectionInfo, StoreError> {
        if let Some(listed) = &visit.listed {
            return Ok(listed.clone().into_info());
        }
        // It is younger than the last listing.
        let listing = self.listing()?;
        let listed = listing
            .collections
            .into_iter()
            .find(|listed| listed.name == visit.name);
        listed
            .map(Listed::into_info)
            .ok_or_else(|| StoreError::CollectionNotFound(visit.name.clone()))
    }

    /// All collections as they are now. Each is named by that, so it is not asked for while one is being dropped.
    fn listing(&self) -> Result<Listing, StoreError> {
        let Some(_look) = self.catalogue.look(Duration::ZERO) else {
            return Err(StoreError::Unavailable(
                "which collections there are is not known yet".to_owned(),
            ));
        };
        self.api.listing().map_err(unavailable)
    }

    fn payload(&self, collection: &str, id: &str) -> Result<Option<JsonMap>, StoreError> {
        let points = self
            .api
            .retrieve(collection, &[id], Fields::PAYLOAD)
            .map_err(|fault| fault.into_store_error(collection))?;
        let document = points
            .into_iter()
            .next()
            .map(|point| point.into_document(Fields::PAYLOAD));
        Ok(document.map(|document| document.payload.unwrap_or_default()))
    }
}

fn unavailable(fault: CallFault) -> StoreError {
    StoreError::Unavailable(format!("Vectorizer: {fault}"))
}

impl Store for UpstreamStore {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        self.catalogue.check()?;
        self.catalogue.visitable(self.listing()?)
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        let visit = self.catalogue.visit(name)?;
        let mut info = self.info(&visit)?;
        info.count = self
            .api
            .count(&visit.name)
            .map_err(|fault| fault.into_store_error(name))?;
        Ok(info)
    }

    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let points = self
            .api
            .retrieve(&visit.name, ids, fields)
            .map_err(|fault| fault.into_store_error(collection))?;
        Ok(points
            .into_iter()
            .map(|point| point.into_document(fields))
            .collect())
    }

    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        let info = self.info(&visit)?;
        let dimension = info.dimension as usize;
        if vector.len() != dimension {
            return Err(StoreError::Invalid(format!(
                "the vector has {} components, and collection '{collection}' takes {dimension}",
                vector.len()
            )));
        }
        // JSON has no such numbers.
        if !vector.iter().all(|component| component.is_finite()) {
            return Err(StoreError::Invalid(
                "the vector has a component that is not finite".to_owned(),
            ));
        }
        if limit == 0 {
            return Ok(Vec::new());
        }
        let failed = |fault: CallFault| fault.into_store_error(collection);
        let query = Query {
            collection: &visit.name,
            metric: info.metric,
            vector,
            limit,
            fields,
        };
        let exact = self
            .copies
            .closest(&self.api, &self.catalogue, info.count, &query)
            .map_err(failed)?;
        match exact {
            Some(hits) => Ok(hits),
            None => closest(&self.api, &query).map_err(failed),
        }
    }

    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        self.scans.page(&self.api, &visit.name, cursor, limit, fields)
    }

    fn count(&self, collection: &str) -> Result<u64, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        self.api
            .count(&visit.name)
            .map_err(|fault| fault.into_store_error(collection))
    }

    fn merge_payload(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        let name = &visit.name;
        let Some(_lock) = self.locks.merge(name, id, MERGE_PATIENCE) else {
            return Err(StoreError::Unavailable(
                "clients are writing the document".to_owned(),
            ));
        };
        let Some(before) = self.payload(name, id)? else {
            return Ok(Merge::Gone);
        };
        let null = serde_json::Value::Null;
        let differs = expected
            .iter()
            .any(|(field, value)| before.get(field).unwrap_or(&null) != value);
        if differs {
            return Ok(Merge::Differs);
        }
        let mut merged = before.clone();
        merge_patch(&mut merged, patch);
        if merged == before {
            return Ok(Merge::Merged);
        }
        let write = self.catalogue.begin_own(name);
        let replaced = self.api.replace_payload(name, id, &merged);
        write.done_silently();
        if !replaced.map_err(|fault| fault.into_store_error(collection))? {
            return Ok(Merge::Gone);
        }
        match self.payload(name, id)? {
            None => Ok(Merge::Gone),
            Some(after) if payload::is_same(Some(&merged), Some(&after)) => Ok(Merge::Merged),
            // Someone who is not known here wrote it: what became of the merge is found by doing it again.
            Some(_) => Err(StoreError::Unavailable(
                "the document was written by someone else meanwhile".to_owned(),
            )),
        }
    }

    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, StoreError> {
        let visit = self.catalogue.visit(collection)?;
        if text.trim().is_empty() {
            return Err(StoreError::Invalid("the text is empty".to_owned()));
        }
        let dimension = self.info(&visit)?.dimension as usize;
        let vector = self
            .api
            .embed(text)
            .map_err(|fault| fault.into_store_error(collection))?;
        if vector.len() != dimension {
            return Err(StoreError::Invalid(format!(
                "texts have {} components, and collection '{collection}' takes vectors of {dimension}",
                vector.len()
            )));
        }
        Ok(vector)
    }

    /// Nothing to do: the one write that is made here drops what Vectorizer has cached.
    fn invalidate_cache(&self, _collection: &str) {}
}
