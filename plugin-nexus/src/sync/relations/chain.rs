//! The reading order of chunks: which one follows a chunk. Whose successor changes with a batch is told by
//! [`Members::preceding`].

use super::members::Members;
use crate::journal::{DocumentId, Journal, JournalError, Member, RelationEdge, RelationKind};

/// The NEXT edge that a document with these relations should have.
///
/// # Errors
/// [`JournalError`].
pub(super) fn next(
    journal: &Journal,
    members: &Members,
    document: &DocumentId,
    edges: &[RelationEdge],
) -> Result<Option<RelationEdge>, JournalError> {
    let Some(part) = edges.iter().find(|edge| edge.kind == RelationKind::PartOf) else {
        return Ok(None);
    };
    let Some(source) = part.thing() else {
        return Ok(None);
    };
    let position = Member {
        rank: part.count,
        document: document.clone(),
    };
    let stands = |document: &DocumentId| Ok(journal.head(document)?.is_some());
    let Some(following) = members.following(journal, &source, &position, stands)? else {
        return Ok(None);
    };
    let Some(state) = journal.head(&following.document)? else {
        return Ok(None);
    };
    Ok(Some(RelationEdge {
        kind: RelationKind::Next,
        target: following.document.id.to_string(),
        target_born: state.born,
        confidence: 0.0,
        count: 0,
    }))
}
