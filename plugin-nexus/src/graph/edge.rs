//! An edge to be written: its type fixes the labels of its ends and the properties of its record.

use serde_json::Value;

use super::key::{DocumentKey, DomainKey, EntityKey, NodeKey, SourceKey};
use super::literal::SafeLiteral;
use super::record::{EdgeRecord, JsonMap, RecordError};
use super::schema::{EdgeType, NodeLabel};

/// One edge to be written or retracted. Its ends must exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    pub(super) kind: EdgeType,
    pub(super) source: SafeLiteral,
    pub(super) target: SafeLiteral,
    pub(super) active: bool,
    pub(super) record: EdgeRecord,
}

impl Edge {
    /// A SIMILAR_TO edge: `score` on the scale of the metric, `method` that found it, `updated_at` as RFC 3339 in UTC.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for a score that is no number, or values that do not fit.
    pub fn similar(
        source: &DocumentKey,
        target: &DocumentKey,
        score: f64,
        method: &str,
        updated_at: &str,
        active: bool,
    ) -> Result<Self, RecordError> {
        let record = EdgeRecord::similar(score, method, updated_at, active)?;
        Ok(Self::with_record(
            EdgeType::SimilarTo,
            source,
            target,
            active,
            record,
        ))
    }

    /// A MENTIONS edge: `confidence` from 0 to 1, `count` of the mentions.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for values that do not fit.
    pub fn mentions(
        source: &DocumentKey,
        target: &EntityKey,
        confidence: f64,
        count: u64,
        active: bool,
    ) -> Result<Self, RecordError> {
        let values = [
            ("confidence", Value::from(confidence)),
            ("count", Value::from(count)),
        ];
        Self::build(EdgeType::Mentions, source, target, values, active)
    }

    /// A BELONGS_TO edge: `confidence` from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for values that do not fit.
    pub fn belongs_to(
        source: &DocumentKey,
        target: &DomainKey,
        confidence: f64,
        active: bool,
    ) -> Result<Self, RecordError> {
        let values = [("confidence", Value::from(confidence))];
        Self::build(EdgeType::BelongsTo, source, target, values, active)
    }

    /// A SUBDOMAIN_OF edge.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; not in practice.
    pub fn subdomain_of(source: &DomainKey, target: &DomainKey, active: bool) -> Result<Self, RecordError> {
        Self::build(EdgeType::SubdomainOf, source, target, [], active)
    }

    /// A PART_OF edge: `chunk_index` counts from 0 in reading order.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; not in practice.
    pub fn part_of(
        source: &DocumentKey,
        target: &SourceKey,
        chunk_index: u64,
        active: bool,
    ) -> Result<Self, RecordError> {
        let values = [("chunk_index", Value::from(chunk_index))];
        Self::build(EdgeType::PartOf, source, target, values, active)
    }

    /// A NEXT edge, from a chunk to the following one.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; not in practice.
    pub fn next(source: &DocumentKey, target: &DocumentKey, active: bool) -> Result<Self, RecordError> {
        Self::build(EdgeType::Next, source, target, [], active)
    }

    /// The same relation as an edge of the reverse type, for the types that have one.
    #[must_use]
    pub fn reversed(&self) -> Option<Self> {
        Some(Self {
            kind: self.kind.reverse()?,
            source: self.target.clone(),
            target: self.source.clone(),
            ..self.clone()
        })
    }

    /// The type.
    pub fn kind(&self) -> EdgeType {
        self.kind
    }

    fn build<const N: usize>(
        kind: EdgeType,
        source: &impl NodeKey,
        target: &impl NodeKey,
        values: [(&str, Value); N],
        active: bool,
    ) -> Result<Self, RecordError> {
        let values: JsonMap = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let record = EdgeRecord::build(kind, &values, active)?;
        Ok(Self::with_record(kind, source, target, active, record))
    }

    pub(super) fn with_record(
        kind: EdgeType,
        source: &impl NodeKey,
        target: &impl NodeKey,
        active: bool,
        record: EdgeRecord,
    ) -> Self {
        Self {
            kind,
            source: source.literal().clone(),
            target: target.literal().clone(),
            active,
            record,
        }
    }

    /// Both ends, with their labels.
    pub(super) fn ends(&self) -> [(NodeLabel, &SafeLiteral); 2] {
        [
            (self.kind.source(), &self.source),
            (self.kind.target(), &self.target),
        ]
    }
}
