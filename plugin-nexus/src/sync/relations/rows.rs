//! Relations as edges to be sent: each in both directions where its type has a reverse.

use super::super::fault::StageFault;
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, DomainKey, Edge, EntityKey, GraphError, SourceKey};
use crate::journal::{RelationEdge, RelationKind};

/// The edge types that documents own, but for similarity.
pub(super) const TYPES: [EdgeType; 4] = [
    EdgeType::Mentions,
    EdgeType::BelongsTo,
    EdgeType::PartOf,
    EdgeType::Next,
];

/// The edge type of a relation.
pub(in crate::sync) fn edge_type(kind: RelationKind) -> EdgeType {
    match kind {
        RelationKind::Mentions => EdgeType::Mentions,
        RelationKind::BelongsTo => EdgeType::BelongsTo,
        RelationKind::PartOf => EdgeType::PartOf,
        RelationKind::Next => EdgeType::Next,
    }
}

/// The relation of an edge type that documents own, but for similarity.
pub(super) fn relation_kind(kind: EdgeType) -> Option<RelationKind> {
    match kind {
        EdgeType::Mentions => Some(RelationKind::Mentions),
        EdgeType::BelongsTo => Some(RelationKind::BelongsTo),
        EdgeType::PartOf => Some(RelationKind::PartOf),
        EdgeType::Next => Some(RelationKind::Next),
        EdgeType::SimilarTo
        | EdgeType::MentionedIn
        | EdgeType::SubdomainOf
        | EdgeType::HasPart
        | EdgeType::Scratch
        | EdgeType::Canary => None,
    }
}

/// Three decimals: a record has room for them, and a confidence has no more.
pub(in crate::sync) fn written_confidence(confidence: f32) -> f64 {
    (f64::from(confidence) * 1e3).round() / 1e3
}

/// The edges that state, or retract, one relation of a document.
///
/// # Errors
/// [`StageFault::Rejected`] where a name makes no key or a value no record.
pub(super) fn edges(
    collection: &str,
    source: &DocumentKey,
    relation: &RelationEdge,
    active: bool,
) -> Result<Vec<Edge>, StageFault> {
    let target = relation.target.as_str();
    let confidence = written_confidence(relation.confidence);
    let edge = match relation.kind {
        RelationKind::Mentions => {
            let target = EntityKey::parse(target).map_err(GraphError::from)?;
            Edge::mentions(source, &target, confidence, relation.count, active)
        }
        RelationKind::BelongsTo => {
            let target = DomainKey::parse(target).map_err(GraphError::from)?;
            Edge::belongs_to(source, &target, confidence, active)
        }
        RelationKind::PartOf => {
            let target = SourceKey::parse(target).map_err(GraphError::from)?;
            Edge::part_of(source, &target, relation.count, active)
        }
        RelationKind::Next => {
            let target = DocumentKey::new(collection, target).map_err(GraphError::from)?;
            Edge::next(source, &target, active)
        }
    };
    let edge = edge.map_err(GraphError::from)?;
    let reversed = edge.reversed();
    Ok([Some(edge), reversed].into_iter().flatten().collect())
}
