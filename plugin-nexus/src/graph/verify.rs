//! Reading back what was written, by another way than it was written.
//!
//! Nodes are written by a MERGE with parameters. They are read back as part of their buckets, over another index than the one
//! they were written by, or by seeks of their keys, which costs less; a second node with the same key shows both ways. Edges are written by a MERGE between two ends and read back as the neighbourhood
//! of their source.

use std::collections::{BTreeSet, HashMap};

use super::key::{Bucket, DocumentKey};
use super::nodes::NodeVersion;
use super::{Graph, GraphError};

/// Scores are written with six decimals.
const SCORE_STEP: f64 = 1e-6;

/// Something that reads back differently from how it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {what} was written as {wrote} and reads back as {read}")]
pub struct Mismatch {
    /// The document's key.
    pub key: DocumentKey,
    /// What differs.
    pub what: &'static str,
    /// As it was written.
    pub wrote: String,
    /// As it reads back.
    pub read: String,
}

/// A document's node as it should be now.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenNode {
    /// The document.
    pub key: DocumentKey,
    /// Its bucket.
    pub bucket: Bucket,
    /// Which write of it.
    pub version: NodeVersion,
}

/// A document's SIMILAR_TO edges as they should be now. Others that it has are not ours.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenEdges {
    /// The document.
    pub source: DocumentKey,
    /// Its neighbours with their scores.
    pub active: Vec<(DocumentKey, f64)>,
    /// Those that are its neighbours no longer.
    pub retracted: Vec<DocumentKey>,
}

/// Whether an edge holds, and its score, as far as its record says.
type ReadEdge = (Option<bool>, Option<f64>);

/// How nodes are read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// By their buckets, which are read whole.
    ByBucket,
    /// By their keys.
    ByKey,
}

impl Graph {
    /// The nodes among these that read back differently.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`] when they cannot be read.
    pub async fn verify_nodes(
        &self,
        written: &[WrittenNode],
        how: ReadBack,
    ) -> Result<Vec<Mismatch>, GraphError> {
        let read: Vec<(DocumentKey, NodeVersion)> = match how {
            ReadBack::ByBucket => {
                let buckets: BTreeSet<Bucket> = written.iter().map(|node| node.bucket.clone()).collect();
                let buckets: Vec<Bucket> = buckets.into_iter().collect();
                let listed = self.list_buckets(&buckets).await?.entries;
                listed
                    .into_iter()
                    .map(|entry| (entry.key, entry.version))
                    .collect()
            }
            ReadBack::ByKey => {
                let keys: Vec<DocumentKey> = written.iter().map(|node| node.key.clone()).collect();
                self.look_up_all(&keys).await?
            }
        };
        let mut found: HashMap<DocumentKey, Vec<NodeVersion>> = HashMap::new();
        for (key, version) in read {
            found.entry(key).or_default().push(version);
        }
        let differing = written.iter().filter_map(|node| {
            let found = found.remove(&node.key).unwrap_or_default();
            (found.as_slice() != std::slice::from_ref(&node.version)).then(|| Mismatch {
                key: node.key.clone(),
                what: "the node's version",
                wrote: described(std::slice::from_ref(&node.version)),
                read: described(&found),
            })
        });
        Ok(differing.collect())
    }

    /// The documents among these whose edges read back differently, each with its first differing edge.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`] when they cannot be read.
    pub async fn verify_edges(&self, written: &[WrittenEdges]) -> Result<Vec<Mismatch>, GraphError> {
        let sources: Vec<DocumentKey> = written.iter().map(|edges| edges.source.clone()).collect();
        let mut found: HashMap<(DocumentKey, DocumentKey), Vec<ReadEdge>> = HashMap::new();
        for edge in self.outgoing_similar(&sources).await? {
            found
                .entry((edge.source, edge.target))
                .or_default()
                .push((edge.active, edge.score));
        }
        let differing = written.iter().filter_map(|edges| {
            let mut of = |target: &DocumentKey| {
                let ends = (edges.source.clone(), target.clone());
                found.remove(&ends).unwrap_or_default()
            };
            let active = edges.active.iter().find_map(|(target, score)| {
                let read = of(target);
                let same = matches!(read.as_slice(), [(Some(true), Some(found))] if (found - score).abs() <= SCORE_STEP);
                (!same)
                    .then(|| (format!("{target} with {score}"), format!("{read:?}")))
            });
            let (wrote, read) = active.or_else(|| {
                edges.retracted.iter().find_map(|target| {
                    let read = of(target);
                    let holds = read.iter().any(|(active, _)| *active != Some(false));
                    holds.then(|| (format!("{target}, retracted"), format!("{read:?}")))
                })
            })?;
            Some(Mismatch {
                key: edges.source.clone(),
                what: "a SIMILAR_TO edge",
                wrote,
                read,
            })
        });
        Ok(differing.collect())
    }
}

fn described(versions: &[NodeVersion]) -> String {
    match versions {
        [] => "nothing".to_owned(),
        [version] => format!(
            "rev {} fingerprint {}",
            version
                .rev
                .map_or_else(|| "none".to_owned(), |rev| rev.to_string()),
            version.fingerprint.as_deref().unwrap_or("none")
        ),
        several => format!("{} nodes", several.len()),
    }
}
