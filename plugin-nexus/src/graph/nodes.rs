//! Writing, reading, listing and counting nodes.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::key::{Bucket, DocumentKey, NodeKey};
use super::literal::SafeLiteral;
use super::record::{self, JsonMap, NodeRecord, RecordError, RecordShape};
use super::schema::NodeLabel;
use super::write::Refused;
use super::{Graph, GraphError, bad_answer, catalogue};

/// One node to be written. The record is built for exactly this key.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeWrite<K = DocumentKey> {
    key: K,
    record: NodeRecord,
}

impl<K: NodeKey> NodeWrite<K> {
    /// Prepares the write that turns what the server holds (`before`, `None` for nothing) into
    /// `desired`.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when no record can be built.
    pub fn build(key: K, desired: &JsonMap, before: Option<&RecordShape>) -> Result<Self, RecordError> {
        let record = NodeRecord::build(key.as_str(), desired, before)?;
        Ok(Self { key, record })
    }

    /// The node.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The record that will be sent.
    pub fn record(&self) -> &NodeRecord {
        &self.record
    }

    /// What the server will hold afterwards; to be remembered with the node.
    pub fn shape(&self) -> &RecordShape {
        self.record.shape()
    }
}

/// Which write of a node the server shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeVersion {
    /// Its `rev`, `None` when absent or no count.
    pub rev: Option<u64>,
    /// Its `fingerprint`, `None` when absent or no text.
    pub fingerprint: Option<String>,
}

/// One document of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketEntry {
    /// The document.
    pub key: DocumentKey,
    /// Which write of it the server shows.
    pub version: NodeVersion,
}

/// Buckets, listed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketListing {
    /// The documents, in the order of their keys.
    pub entries: Vec<BucketEntry>,
    /// Nodes in the buckets without a key of ours.
    pub unreadable: usize,
}

impl Graph {
    /// Creates or updates nodes, in order. Of two writes for one key the last wins. Answers those that the server
    /// refuses; all others are written.
    ///
    /// # Errors
    ///
    /// [`GraphError`] when no node is to blame. A part of the nodes may have been written all the same.
    pub async fn upsert_nodes<K: NodeKey>(
        &self,
        writes: &[NodeWrite<K>],
    ) -> Result<Vec<Refused>, GraphError> {
        let rows = writes.iter().map(|write| (write.key.literal(), &write.record));
        self.write(catalogue::nodes::upsert_nodes(K::LABEL, rows)?).await
    }

    /// Reads whole nodes. An absent one is absent from the result.
    ///
    /// What the server adds to a node is removed, so the map is the stored record and
    /// [`RecordShape::of_stored`] measures it. When the server holds two nodes with one key, the
    /// one with the wider record is returned.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with nodes that were not asked for.
    pub async fn read_nodes<K: NodeKey>(&self, keys: &[K]) -> Result<HashMap<K, JsonMap>, GraphError> {
        let wanted = by_text(keys);
        let mut found = HashMap::new();
        for statement in catalogue::nodes::read_nodes(self.forms.lookup, K::LABEL, &literals(keys)) {
            for row in self.read(&statement, &["k", "d"]).await? {
                let Ok([Value::String(key), Value::Object(node)]) = <[Value; 2]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row is not a key and a node"));
                };
                let Some(&key) = wanted.get(key.as_str()) else {
                    return Err(bad_answer(&statement, "a node that was not asked for"));
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

    /// The `most` next nodes of a label behind the key `after`, in the order of their keys, whoever made them; the first ones
    /// behind an empty text. Scans the label.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with others.
    pub async fn page(
        &self,
        label: NodeLabel,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, JsonMap)>, GraphError> {
        let statement = catalogue::nodes::page_nodes(label, after, most);
        let mut page: Vec<(String, JsonMap)> = Vec::new();
        for row in self.read(&statement, &["k", "d"]).await? {
            let Ok([Value::String(key), Value::Object(node)]) = <[Value; 2]>::try_from(row) else {
                return Err(bad_answer(&statement, "a row is not a key and a node"));
            };
            let last = page.last().map_or(after, |(key, _)| key);
            if *key < *last || *key == *after {
                return Err(bad_answer(&statement, "a key that is not behind the last one"));
            }
            page.push((key, record::without_decorations(node)));
        }
        if page.len() > most {
            return Err(bad_answer(&statement, "more nodes than were asked for"));
        }
        Ok(page)
    }

    /// Looks nodes up. An absent one is absent from the result.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with nodes that were not asked for.
    pub async fn look_up<K: NodeKey>(&self, keys: &[K]) -> Result<HashMap<K, NodeVersion>, GraphError> {
        Ok(self.look_up_all(keys).await?.into_iter().collect())
    }

    /// As [`Graph::look_up`], with every node of a key that the server has several of.
    pub(super) async fn look_up_all<K: NodeKey>(
        &self,
        keys: &[K],
    ) -> Result<Vec<(K, NodeVersion)>, GraphError> {
        let wanted = by_text(keys);
        let mut found = Vec::with_capacity(keys.len());
        for statement in catalogue::nodes::look_up_nodes(self.forms.lookup, K::LABEL, &literals(keys)) {
            for row in self.read(&statement, &["k", "rev", "fingerprint"]).await? {
                let (key, version) =
                    entry(row).ok_or_else(|| bad_answer(&statement, "a row has not three values"))?;
                let key = key.as_str().and_then(|text| wanted.get(text));
                let key = *key.ok_or_else(|| bad_answer(&statement, "a node that was not asked for"))?;
                found.push((key.clone(), version));
            }
        }
        Ok(found)
    }

    /// Lists buckets of documents.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn list_buckets(&self, buckets: &[Bucket]) -> Result<BucketListing, GraphError> {
        let mut listing = BucketListing::default();
        for statement in catalogue::nodes::list_buckets(NodeLabel::Document, buckets) {
            for row in self.read(&statement, &["k", "rev", "fingerprint"]).await? {
                let (key, version) =
                    entry(row).ok_or_else(|| bad_answer(&statement, "a row has not three values"))?;
                match key.as_str().and_then(|text| DocumentKey::parse(text).ok()) {
                    Some(key) => listing.entries.push(BucketEntry { key, version }),
                    None => listing.unreadable += 1,
                }
            }
        }
        listing.entries.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(listing)
    }

    /// Reads the documents of buckets whole. Nodes whose record is lost are left out.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn read_buckets(&self, buckets: &[Bucket]) -> Result<Vec<(DocumentKey, JsonMap)>, GraphError> {
        let mut found = Vec::new();
        for statement in catalogue::nodes::read_buckets(NodeLabel::Document, buckets) {
            for row in self.read(&statement, &["k", "d"]).await? {
                let Ok([key, node]) = <[Value; 2]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row has not two values"));
                };
                let key = key.as_str().and_then(|text| DocumentKey::parse(text).ok());
                if let (Some(key), Value::Object(node)) = (key, node) {
                    found.push((key, record::without_decorations(node)));
                }
            }
        }
        Ok(found)
    }

    /// Counts the nodes of a label.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn count_nodes(&self, label: NodeLabel) -> Result<u64, GraphError> {
        self.count(&catalogue::nodes::count_nodes(label)).await
    }

    /// Counts the nodes of a label by the collection that they name; those that name none are left out. Scans the label.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn census(&self, label: NodeLabel) -> Result<BTreeMap<String, u64>, GraphError> {
        let statement = catalogue::nodes::census(label);
        let mut counts = BTreeMap::new();
        for row in self.read(&statement, &["c", "n"]).await? {
            let Ok([collection, count]) = <[Value; 2]>::try_from(row) else {
                return Err(bad_answer(&statement, "a row has not two values"));
            };
            let count = count
                .as_u64()
                .ok_or_else(|| bad_answer(&statement, "a count is no number"))?;
            if let Value::String(collection) = collection {
                *counts.entry(collection).or_default() += count;
            }
        }
        Ok(counts)
    }

    /// Counts the nodes of a label that have no key: those whose record is lost, and strangers. Scans the label.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn count_unreadable(&self, label: NodeLabel) -> Result<u64, GraphError> {
        self.count(&catalogue::nodes::count_unreadable(label)).await
    }
}

pub(super) fn literals<K: NodeKey>(keys: &[K]) -> Vec<&SafeLiteral> {
    keys.iter().map(NodeKey::literal).collect()
}

fn by_text<K: NodeKey>(keys: &[K]) -> HashMap<&str, &K> {
    keys.iter().map(|key| (key.as_str(), key)).collect()
}

/// A row of key, rev and fingerprint.
fn entry(row: Vec<Value>) -> Option<(Value, NodeVersion)> {
    let [key, rev, fingerprint] = <[Value; 3]>::try_from(row).ok()?;
    let version = NodeVersion {
        rev: rev.as_u64(),
        fingerprint: fingerprint.as_str().map(str::to_owned),
    };
    Some((key, version))
}
