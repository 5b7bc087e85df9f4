//! One check under way: the store, and the collections that it made.
//!
//! Invariant: what a check made is dropped when it ends, whatever came of it.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;

use super::compare::direction;
use super::{Fixture, Outcome};
use crate::api::model::{CollectionInfo, Document, Fields, JsonMap, Metric, Page};
use crate::store::{Store, StoreError};

/// Components of the vectors of all checks.
pub(super) const DIMENSION: u32 = 8;

/// All metrics, each with what to tell its collection by.
pub(super) const METRICS: [(&str, Metric); 3] = [
    ("-c", Metric::Cosine),
    ("-e", Metric::Euclidean),
    ("-d", Metric::Dot),
];

pub(super) type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Fails a check with a sentence.
pub(super) fn fail<T>(sentence: impl Into<String>) -> Answer<T> {
    Err(sentence.into().into())
}

/// Fails a check with a sentence unless something holds.
pub(super) fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { fail(sentence()) }
}

pub(super) struct Trial<'f> {
    fixture: &'f dyn Fixture,
    pub(super) store: Arc<dyn Store>,
    /// What the names of its collections begin with.
    stem: String,
    made: RefCell<Vec<String>>,
}

impl<'f> Trial<'f> {
    pub(super) fn new(fixture: &'f dyn Fixture, prefix: &str, check: &str) -> Self {
        Self {
            fixture,
            store: fixture.store(),
            stem: format!("{prefix}{}", check.replace('_', "-")),
            made: RefCell::default(),
        }
    }

    /// The name of a collection of this check. It need not be there.
    pub(super) fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.stem)
    }

    /// Makes a collection; answers its name.
    pub(super) fn create(&self, suffix: &str, metric: Metric) -> Answer<String> {
        let name = self.name(suffix);
        // Noted first: one that was made in part is to go as well.
        self.made.borrow_mut().push(name.clone());
        self.fixture.create(&name, DIMENSION, metric)?;
        Ok(name)
    }

    /// Makes a collection with these documents; answers its name.
    pub(super) fn create_with(&self, metric: Metric, documents: &[Document]) -> Answer<String> {
        let name = self.create("", metric)?;
        self.put(&name, documents)?;
        Ok(name)
    }

    pub(super) fn put(&self, collection: &str, documents: &[Document]) -> Outcome {
        self.fixture.put(collection, documents)
    }

    pub(super) fn delete(&self, collection: &str, ids: &[&str]) -> Outcome {
        self.fixture.delete(collection, ids)
    }

    pub(super) fn drop_collection(&self, collection: &str) -> Outcome {
        self.made.borrow_mut().retain(|made| made != collection);
        self.fixture.drop_collection(collection)
    }

    /// False where the store cannot rename.
    pub(super) fn rename(&self, from: &str, to: &str) -> Answer<bool> {
        let renamed = self.fixture.rename(from, to)?;
        if renamed {
            let mut made = self.made.borrow_mut();
            made.retain(|made| made != from);
            made.push(to.to_owned());
        }
        Ok(renamed)
    }

    /// The document with this id, which must be there.
    pub(super) fn one(&self, collection: &str, id: &str) -> Answer<Document> {
        let mut found = self.store.get(collection, &[id], Fields::ALL)?;
        match (found.pop(), found.pop()) {
            (Some(document), None) if document.id == id => Ok(document),
            (None, _) => fail(format!("{id:?} is not there")),
            (one, other) => fail(format!("asked for {id:?}, got {one:?} and {other:?}")),
        }
    }

    /// All ids, in the order of a scan.
    pub(super) fn scan(&self, collection: &str, limit: usize) -> Answer<Vec<String>> {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        // A page may be empty, but not for ever.
        for _ in 0..100 {
            let page = self.page(collection, cursor.as_deref(), limit)?;
            ensure(page.documents.len() <= limit, || {
                format!("a page of {limit} at most is {:?}", page.documents)
            })?;
            ids.extend(page.documents.into_iter().map(|document| document.id));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(ids);
            }
        }
        fail(format!("a scan by {limit} does not end; so far it met {ids:?}"))
    }

    /// One page of ids.
    pub(super) fn page(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.scan(collection, cursor, limit, Fields::NONE)
    }

    pub(super) fn described(&self, collection: &str) -> Answer<CollectionInfo> {
        Ok(self.store.collection(collection)?)
    }

    /// Whether the store's list has a collection of this name.
    pub(super) fn lists(&self, collection: &str) -> Answer<bool> {
        let all = self.store.collections()?;
        Ok(all.iter().any(|info| info.name == collection))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        for collection in self.made.borrow().iter() {
            // The check has its outcome already.
            let _ = self.fixture.drop_collection(collection);
        }
    }
}

/// Vector number `n`: of length one, and far from those of other numbers.
pub(super) fn vector(n: usize) -> Vec<f32> {
    let components: Vec<f32> = (0..u64::from(DIMENSION))
        .map(|k| {
            // The finaliser of splitmix64: the same on each machine, and without pattern.
            let mut x = (n as u64 * u64::from(DIMENSION) + k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x >> 40) as f32) / ((1 << 23) as f32) - 1.0
        })
        .collect();
    direction(&components)
}

pub(super) fn object(value: Value) -> JsonMap {
    match value {
        Value::Object(object) => object,
        other => JsonMap::from_iter([("value".to_owned(), other)]),
    }
}

/// The document number `n`: `d0`, `d1`, ...
pub(super) fn document(n: usize) -> Document {
    Document {
        id: format!("d{n}"),
        vector: vector(n),
        payload: Some(object(
            serde_json::json!({"n": n, "title": format!("document {n}")}),
        )),
    }
}

pub(super) fn documents(count: usize) -> Vec<Document> {
    (0..count).map(document).collect()
}

/// Ids as [`Store::get`] takes them.
pub(super) fn ids(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.id.as_str()).collect()
}

/// Whether these are the same, in any order, and each once.
pub(super) fn ensure_same_ids<'a>(
    what: &str,
    found: impl IntoIterator<Item = &'a str>,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Outcome {
    let (mut found, mut wanted): (Vec<_>, Vec<_>) =
        (found.into_iter().collect(), wanted.into_iter().collect());
    found.sort_unstable();
    wanted.sort_unstable();
    ensure(found == wanted, || format!("{what}: {found:?}, not {wanted:?}"))
}
