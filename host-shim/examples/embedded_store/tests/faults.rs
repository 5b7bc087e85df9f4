//! The conformance checks find what is wrong with a store, and say so by the name of the behaviour.

use std::sync::Arc;

use vectorizer_host_shim::api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Metric, Page};
use vectorizer_host_shim::conformance::{self, Fixture, Outcome};
use vectorizer_host_shim::embedded::GatedStore;
use vectorizer_host_shim::store::{Store, StoreError};

use crate::Failure;
use crate::fixture::EmbeddedFixture;

/// What is wrong with a store.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// A collection that is not there is empty.
    EmptyNotAbsent,
    /// Ids that read as numbers are numbers.
    NumericIds,
    /// A search returns one fewer, as where tombstones take up places.
    FewerHits,
    /// Each page begins with the last document of the one before.
    InclusiveCursors,
    /// A merge is a read and a write.
    MergeInTwoSteps,
    /// Vectors are a little off, and said to be exact.
    Rounded,
}

struct Faulty {
    store: Arc<GatedStore>,
    fault: Fault,
}

impl Faulty {
    fn numeric<'i>(&self, id: &'i str) -> &'i str {
        let number = id.trim_start_matches(['0', '+']);
        match self.fault == Fault::NumericIds && number.parse::<u64>().is_ok() {
            true => number,
            false => id,
        }
    }

    fn seen(&self, mut document: Document) -> Document {
        document.id = self.numeric(&document.id).to_owned();
        if self.fault == Fault::Rounded {
            document
                .vector
                .iter_mut()
                .for_each(|x| *x = (*x * 256.0).trunc() / 256.0);
        }
        document
    }
}

impl Store for Faulty {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        self.store.collections()
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        self.store.collection(name)
    }

    fn get(&self, name: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        let ids: Vec<&str> = ids.iter().map(|id| self.numeric(id)).collect();
        let found = self.store.get(name, &ids, fields)?;
        Ok(found.into_iter().map(|document| self.seen(document)).collect())
    }

    fn search(
        &self,
        name: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        let mut hits = self.store.search(name, vector, limit, fields)?;
        if self.fault == Fault::FewerHits && hits.len() > 5 {
            hits.pop();
        }
        for hit in &mut hits {
            hit.document = self.seen(hit.document.clone());
        }
        Ok(hits)
    }

    fn scan(
        &self,
        name: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        let mut page = self.store.scan(name, cursor, limit, fields)?;
        if self.fault == Fault::InclusiveCursors && cursor.is_some() && limit > 1 {
            page.documents.rotate_right(1);
            if let [again, first, ..] = page.documents.as_mut_slice() {
                again.clone_from(first);
            }
        }
        Ok(page)
    }

    fn count(&self, name: &str) -> Result<u64, StoreError> {
        match self.store.count(name) {
            Err(StoreError::CollectionNotFound(_)) if self.fault == Fault::EmptyNotAbsent => Ok(0),
            counted => counted,
        }
    }

    fn merge_payload(
        &self,
        name: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, StoreError> {
        if self.fault == Fault::MergeInTwoSteps {
            let nothing = JsonMap::new();
            match self.store.merge_payload(name, id, expected, &nothing)? {
                Merge::Merged => std::thread::sleep(std::time::Duration::from_millis(2)),
                refused => return Ok(refused),
            }
            return self.store.merge_payload(name, id, &nothing, patch);
        }
        self.store.merge_payload(name, id, expected, patch)
    }

    fn embed(&self, name: &str, text: &str) -> Result<Vec<f32>, StoreError> {
        self.store.embed(name, text)
    }

    fn invalidate_cache(&self, name: &str) {
        self.store.invalidate_cache(name);
    }
}

struct FaultyFixture {
    sound: EmbeddedFixture,
    fault: Fault,
}

impl Fixture for FaultyFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Faulty {
            store: Arc::clone(&self.sound.seen),
            fault: self.fault,
        })
    }

    fn create(&self, collection: &str, dimension: u32, metric: Metric) -> Outcome {
        self.sound.create(collection, dimension, metric)
    }

    fn put(&self, collection: &str, documents: &[Document]) -> Outcome {
        self.sound.put(collection, documents)
    }

    fn delete(&self, collection: &str, ids: &[&str]) -> Outcome {
        self.sound.delete(collection, ids)
    }

    fn drop_collection(&self, collection: &str) -> Outcome {
        self.sound.drop_collection(collection)
    }

    fn rename(&self, from: &str, to: &str) -> Result<bool, Failure> {
        self.sound.rename(from, to)
    }
}

#[test]
fn each_fault_fails_the_check_that_is_named_for_it_and_leaves_nothing_behind() {
    for (fault, check) in [
        (
            Fault::EmptyNotAbsent,
            "an_unknown_collection_is_not_found_by_any_call",
        ),
        (Fault::NumericIds, "ids_are_any_text_and_never_numbers"),
        (
            Fault::FewerHits,
            "a_search_finds_as_many_as_asked_for_after_many_changes",
        ),
        (
            Fault::InclusiveCursors,
            "a_scan_meets_each_document_once_at_any_limit",
        ),
        (
            Fault::MergeInTwoSteps,
            "of_merges_that_expect_the_same_one_succeeds",
        ),
        (Fault::Rounded, "documents_come_back_as_they_were_put"),
    ] {
        let fixture = FaultyFixture {
            sound: EmbeddedFixture::new().unwrap(),
            fault,
        };
        let failures = conformance::run(&fixture, "c-").unwrap_err();
        assert!(
            failures.0.iter().any(|failure| failure.check == check),
            "{failures}"
        );
        assert!(fixture.sound.store.collections.is_empty(), "{check}");
    }
}
