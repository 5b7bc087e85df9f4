//! Writing, reading and counting SIMILAR_TO edges.
//!
//! An edge belongs to its source, there is one for each pair, and it is never deleted: retracting
//! it means writing it with `active` false.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::key::DocumentKey;
use super::record::{EdgeRecord, RecordError};
use super::{Graph, GraphError, bad_answer, catalogue};

/// One edge to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarEdge {
    /// The document that owns the edge. It must exist.
    pub source: DocumentKey,
    /// Its neighbour. It must exist.
    pub target: DocumentKey,
    /// Similarity, on the scale of the metric.
    pub score: f64,
    /// How the score was found, e.g. `cosine`.
    pub method: String,
    /// When, as RFC 3339 in UTC.
    pub updated_at: String,
    /// Whether the edge holds; false retracts it.
    pub active: bool,
}

/// One edge as the server holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingSimilar {
    /// The document that owns the edge.
    pub source: DocumentKey,
    /// Its neighbour.
    pub target: DocumentKey,
    /// Similarity; `None` when the stored record has none, so the edge has to be written again.
    pub score: Option<f64>,
    /// Whether the edge holds. An edge without the property holds not.
    pub active: bool,
}

impl Graph {
    /// Creates or updates edges, sorted by source. Of two edges for one pair the last wins.
    ///
    /// The endpoints are looked up first, because servers differ in what they do about a missing
    /// one: Nexus fails in the middle of the batch, others leave the edge out without a word.
    ///
    /// # Errors
    ///
    /// [`GraphError::SelfEdge`], [`GraphError::Record`] and [`GraphError::MissingEndpoints`] before
    /// anything is written; otherwise [`GraphError::Nexus`], of class `MissingEndpoint` when a
    /// document went in between. A part of the edges may have been written then.
    pub async fn upsert_similar(&self, edges: &[SimilarEdge]) -> Result<(), GraphError> {
        if let Some(edge) = edges.iter().find(|edge| edge.source == edge.target) {
            return Err(GraphError::SelfEdge {
                key: edge.source.clone(),
            });
        }
        let mut sorted: Vec<&SimilarEdge> = edges.iter().collect();
        sorted.sort_by(|one, other| one.source.cmp(&other.source));
        let rows = sorted
            .into_iter()
            .map(|edge| {
                let record = EdgeRecord::similar(edge.score, &edge.method, &edge.updated_at, edge.active)?;
                Ok((&edge.source, &edge.target, record))
            })
            .collect::<Result<Vec<_>, RecordError>>()?;
        let statements = catalogue::upsert_similar(rows)?;
        self.require_endpoints(edges).await?;
        self.write(&statements).await
    }

    async fn require_endpoints(&self, edges: &[SimilarEdge]) -> Result<(), GraphError> {
        let endpoints: BTreeSet<&DocumentKey> = edges
            .iter()
            .flat_map(|edge| [&edge.source, &edge.target])
            .collect();
        let mut missing: Vec<DocumentKey> = endpoints.into_iter().cloned().collect();
        let existing = self.existing_documents(&missing).await?;
        missing.retain(|key| !existing.contains(key));
        if missing.is_empty() {
            Ok(())
        } else {
            Err(GraphError::MissingEndpoints { keys: missing })
        }
    }

    /// Reads the outgoing edges of documents, inactive ones included.
    ///
    /// Edges to nodes that are gone, or that are no documents of ours, are left out.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with sources that were not asked for.
    pub async fn outgoing_similar(
        &self,
        sources: &[DocumentKey],
    ) -> Result<Vec<OutgoingSimilar>, GraphError> {
        let wanted: HashSet<&str> = sources.iter().map(DocumentKey::as_str).collect();
        let mut edges = Vec::new();
        for statement in catalogue::outgoing_similar(sources) {
            for row in self.read(&statement, &["a", "b", "s", "act"]).await? {
                let Ok([source, target, score, active]) = <[Value; 4]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row has not four values"));
                };
                let Some(target) = target.as_str().and_then(|text| DocumentKey::parse(text).ok()) else {
                    continue;
                };
                let source = source.as_str().filter(|text| wanted.contains(text));
                let Some(source) = source.and_then(|text| DocumentKey::parse(text).ok()) else {
                    return Err(bad_answer(
                        &statement,
                        "an edge of a document that was not asked for",
                    ));
                };
                let active = active == 1 || active == true;
                edges.push(OutgoingSimilar {
                    source,
                    target,
                    score: score.as_f64(),
                    active,
                });
            }
        }
        Ok(edges)
    }

    /// Counts the edges, including inactive ones and those whose target is gone. Slow: it scans.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn count_similar(&self) -> Result<u64, GraphError> {
        self.count(&catalogue::count_similar()).await
    }
}
