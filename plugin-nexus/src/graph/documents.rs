//! Writing, reading, listing and counting documents.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::key::{Bucket, DocumentKey};
use super::record::{self, JsonMap, NodeRecord, RecordError, RecordShape};
use super::{Graph, GraphError, bad_answer, catalogue};

/// One document to be written. The record is built for exactly this key.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeWrite {
    key: DocumentKey,
    record: NodeRecord,
}

impl NodeWrite {
    /// Prepares the write that turns what the server holds (`before`, `None` for nothing) into
    /// `desired`.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when no record can be built.
    pub fn build(
        key: DocumentKey,
        desired: &JsonMap,
        before: Option<&RecordShape>,
    ) -> Result<Self, RecordError> {
        let record = NodeRecord::build(key.as_str(), desired, before)?;
        Ok(Self { key, record })
    }

    /// The document.
    pub fn key(&self) -> &DocumentKey {
        &self.key
    }

    /// The record that will be sent.
    pub fn record(&self) -> &NodeRecord {
        &self.record
    }

    /// What the server will hold afterwards; to be remembered with the document.
    pub fn shape(&self) -> &RecordShape {
        self.record.shape()
    }
}

/// What a bucket tells about one document.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketEntry {
    /// The document.
    pub key: DocumentKey,
    /// Its `rev`, `None` when absent.
    pub rev: Option<Value>,
    /// Its `fingerprint`, `None` when absent or no text.
    pub fingerprint: Option<String>,
}

/// One bucket, listed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketListing {
    /// The documents, in the order of their keys.
    pub entries: Vec<BucketEntry>,
    /// Nodes in the bucket without a key of ours. The server loses properties when a record was
    /// shrunk, so anything but 0 calls for a reconciliation before the next write.
    pub unreadable: usize,
}

impl Graph {
    /// Creates or updates documents, in order. Of two writes for one key the last wins.
    ///
    /// # Errors
    ///
    /// [`GraphError`]. A part of the documents may have been written all the same.
    pub async fn upsert_documents(&self, writes: &[NodeWrite]) -> Result<(), GraphError> {
        let rows = writes.iter().map(|write| (&write.key, &write.record));
        self.write(&catalogue::upsert_documents(rows)?).await
    }

    /// Reads whole documents. An absent one is absent from the result.
    ///
    /// What the server adds to a node is removed, so the map is the stored record and
    /// [`RecordShape::of_stored`] measures it. When the server holds two nodes with one key, the
    /// one with the wider record is returned.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with documents that were not asked for.
    pub async fn read_documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<HashMap<DocumentKey, JsonMap>, GraphError> {
        let wanted: HashMap<&str, &DocumentKey> = keys.iter().map(|key| (key.as_str(), key)).collect();
        let mut found = HashMap::new();
        for statement in catalogue::read_documents(keys) {
            for row in self.read(&statement, &["k", "d"]).await? {
                let Ok([Value::String(key), Value::Object(node)]) = <[Value; 2]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row is not a key and a node"));
                };
                let Some(&key) = wanted.get(key.as_str()) else {
                    return Err(bad_answer(&statement, "a document that was not asked for"));
                };
                let node = record::without_decorations(node);
                let kept = found.entry(key.clone()).or_insert_with(JsonMap::new);
                if record::width_of(&node) > record::width_of(kept) {
                    *kept = node;
                }
            }
        }
        Ok(found)
    }

    /// Finds out which of the documents exist.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with documents that were not asked for.
    pub async fn existing_documents(&self, keys: &[DocumentKey]) -> Result<HashSet<DocumentKey>, GraphError> {
        let wanted: HashMap<&str, &DocumentKey> = keys.iter().map(|key| (key.as_str(), key)).collect();
        let mut found = HashSet::new();
        for statement in catalogue::existing_documents(keys) {
            for row in self.read(&statement, &["k"]).await? {
                let key = row
                    .first()
                    .and_then(Value::as_str)
                    .and_then(|key| wanted.get(key).copied());
                let key = key.ok_or_else(|| bad_answer(&statement, "a document that was not asked for"))?;
                found.insert(key.clone());
            }
        }
        Ok(found)
    }

    /// Lists one bucket.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn list_bucket(&self, bucket: &Bucket) -> Result<BucketListing, GraphError> {
        let statement = catalogue::list_bucket(bucket);
        let mut listing = BucketListing::default();
        for row in self.read(&statement, &["k", "rev", "fingerprint"]).await? {
            let Ok([key, rev, fingerprint]) = <[Value; 3]>::try_from(row) else {
                return Err(bad_answer(&statement, "a row has not three values"));
            };
            let Some(key) = key.as_str().and_then(|text| DocumentKey::parse(text).ok()) else {
                listing.unreadable += 1;
                continue;
            };
            let rev = Some(rev).filter(|rev| !rev.is_null());
            let fingerprint = fingerprint.as_str().map(str::to_owned);
            listing.entries.push(BucketEntry {
                key,
                rev,
                fingerprint,
            });
        }
        Ok(listing)
    }

    /// Counts the documents.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn count_documents(&self) -> Result<u64, GraphError> {
        self.count(&catalogue::count_documents()).await
    }
}
