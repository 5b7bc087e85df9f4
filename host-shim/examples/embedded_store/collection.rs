//! One collection: its documents in the order of their first insertion, behind a lock of its own.
//!
//! Invariants:
//! - A place in the order is never given twice, so that a cursor stays good whatever goes meanwhile.
//! - A batch is inserted whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vectorizer_host_shim::api::merge_patch;
use vectorizer_host_shim::api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Metric, Page};
use vectorizer_host_shim::store::StoreError;

pub(crate) struct Collection {
    shape: Shape,
    rows: RwLock<Rows>,
}

/// What does not change.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Shape {
    /// Another one for each collection, also of the same name: cursors belong to one.
    uid: u64,
    dimension: usize,
    metric: Metric,
}

#[derive(Default, Serialize, Deserialize)]
struct Rows {
    next_place: u64,
    places: HashMap<String, u64>,
    rows: BTreeMap<u64, Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    vector: Vec<f32>,
    payload: Option<JsonMap>,
}

impl Row {
    fn document(&self, fields: Fields) -> Document {
        Document {
            id: self.id.clone(),
            vector: if fields.vector {
                self.vector.clone()
            } else {
                Vec::new()
            },
            payload: self.payload.clone().filter(|_| fields.payload),
        }
    }
}

impl Collection {
    pub(crate) fn new(uid: u64, dimension: usize, metric: Metric) -> Self {
        Self {
            shape: Shape {
                uid,
                dimension,
                metric,
            },
            rows: RwLock::default(),
        }
    }

    /// As it lies on disk.
    pub(crate) fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value((self.shape, &*self.rows.read()))
    }

    pub(crate) fn from_json(value: Value) -> serde_json::Result<Self> {
        let (shape, rows) = serde_json::from_value(value)?;
        Ok(Self {
            shape,
            rows: RwLock::new(rows),
        })
    }

    pub(crate) fn info(&self, name: &str) -> CollectionInfo {
        CollectionInfo {
            name: name.to_owned(),
            dimension: u32::try_from(self.shape.dimension).unwrap_or(u32::MAX),
            metric: self.shape.metric,
            count: self.rows.read().rows.len() as u64,
            exact_vectors: true,
        }
    }

    /// Inserts or replaces a batch.
    pub(crate) fn insert_batch(&mut self, batch: &[Document]) -> Result<(), StoreError> {
        batch
            .iter()
            .try_for_each(|document| self.check(&document.vector))?;
        let rows = self.rows.get_mut();
        for document in batch {
            let place = *rows.places.entry(document.id.clone()).or_insert_with(|| {
                rows.next_place += 1;
                rows.next_place
            });
            let row = Row {
                id: document.id.clone(),
                vector: document.vector.clone(),
                payload: document.payload.clone(),
            };
            rows.rows.insert(place, row);
        }
        Ok(())
    }

    /// Whether it was there.
    pub(crate) fn delete(&self, id: &str) -> bool {
        let mut rows = self.rows.write();
        let place = rows.places.remove(id);
        place.and_then(|place| rows.rows.remove(&place)).is_some()
    }

    /// Touches neither the vector nor an index, and reads and writes under one lock: an update of the whole document could do
    /// neither.
    pub(crate) fn merge_payload(&self, id: &str, expected: &JsonMap, patch: &JsonMap) -> Merge {
        let mut rows = self.rows.write();
        let place = rows.places.get(id).copied();
        let Some(row) = place.and_then(|place| rows.rows.get_mut(&place)) else {
            return Merge::Gone;
        };
        let field = |name| row.payload.as_ref().and_then(|payload| payload.get(name));
        if expected
            .iter()
            .any(|(name, value)| field(name).unwrap_or(&Value::Null) != value)
        {
            return Merge::Differs;
        }
        merge_patch(row.payload.get_or_insert_default(), patch);
        Merge::Merged
    }

    pub(crate) fn get(&self, ids: &[&str], fields: Fields) -> Vec<Document> {
        let rows = self.rows.read();
        let row = |id: &&str| rows.rows.get(rows.places.get(*id)?);
        ids.iter()
            .filter_map(row)
            .map(|row| row.document(fields))
            .collect()
    }

    /// Compares with every document, which will do for an example.
    pub(crate) fn search(
        &self,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        self.check(vector)?;
        let rows = self.rows.read();
        let mut scored: Vec<(f32, &Row)> = rows
            .rows
            .values()
            .map(|row| (score(self.shape.metric, vector, &row.vector), row))
            .collect();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let hits = scored.into_iter().take(limit).map(|(score, row)| Hit {
            document: row.document(fields),
            score,
        });
        Ok(hits.collect())
    }

    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        let after = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(self.place_of(cursor)?),
        };
        let rows = self.rows.read();
        let mut following = rows.rows.range((after, Bound::Unbounded));
        let page: Vec<_> = following.by_ref().take(limit).collect();
        let last = page.last().map(|(place, _)| **place);
        Ok(Page {
            documents: page.into_iter().map(|(_, row)| row.document(fields)).collect(),
            next: last
                .filter(|_| following.next().is_some())
                .map(|place| format!("{:x}-{place:x}", self.shape.uid)),
        })
    }

    fn place_of(&self, cursor: &str) -> Result<u64, StoreError> {
        let number = |text| u64::from_str_radix(text, 16).ok();
        cursor
            .split_once('-')
            .filter(|(uid, _)| number(uid) == Some(self.shape.uid))
            .and_then(|(_, place)| number(place))
            .ok_or_else(|| StoreError::Invalid("not a cursor of this collection".to_owned()))
    }

    fn check(&self, vector: &[f32]) -> Result<(), StoreError> {
        if vector.len() != self.shape.dimension {
            let (given, wanted) = (vector.len(), self.shape.dimension);
            return Err(StoreError::Invalid(format!(
                "a vector of {given} components in {wanted} dimensions"
            )));
        }
        match vector.iter().all(|x| x.is_finite()) {
            true => Ok(()),
            false => Err(StoreError::Invalid("a component is not finite".to_owned())),
        }
    }
}

fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let sum = |term: fn(f32, f32) -> f32, a: &[f32], b: &[f32]| -> f32 {
        a.iter().zip(b).map(|(x, y)| term(*x, *y)).sum()
    };
    let dot = |a, b| sum(|x, y| x * y, a, b);
    match metric {
        Metric::Cosine => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE),
        Metric::Euclidean => 1.0 / (1.0 + sum(|x, y| (x - y) * (x - y), a, b).sqrt()),
        Metric::Dot => 1.0 / (1.0 + (-dot(a, b)).exp()),
    }
}
