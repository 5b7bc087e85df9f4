//! What the graph holds of a document's relations: under `e` and the document [`Relations`], postcard.
//!
//! Invariant: a document's record and its memberships ([`super::things`]) change in one atomic write.

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::keys::key;
use super::things::{Member, Thing, member_key};
use super::{DocumentId, Journal, JournalError};
use crate::graph::schema::NodeLabel;

const RELATIONS: u8 = b'e';

/// The kinds of relations that are remembered here; similarity is part of the document's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RelationKind {
    /// The document mentions an entity.
    Mentions,
    /// It belongs to a domain.
    BelongsTo,
    /// It is a chunk of a source.
    PartOf,
    /// Another chunk follows it.
    Next,
}

/// One active edge from a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelationEdge {
    /// The kind.
    pub kind: RelationKind,
    /// The key of the thing; for [`RelationKind::Next`] the other chunk's id in the same collection.
    pub target: String,
    /// The life of the target's node when the edge was written: the edge went with that node.
    pub target_born: u64,
    /// The confidence, from 0 to 1, where the kind has one.
    pub confidence: f32,
    /// How often the entity is mentioned, or the chunk's position.
    pub count: u64,
}

impl RelationEdge {
    /// The thing it leads to, `None` for another chunk.
    #[must_use]
    pub fn thing(&self) -> Option<Thing> {
        let label = match self.kind {
            RelationKind::Mentions => NodeLabel::Entity,
            RelationKind::BelongsTo => NodeLabel::Domain,
            RelationKind::PartOf => NodeLabel::Source,
            RelationKind::Next => return None,
        };
        Some(Thing {
            label,
            key: self.target.clone(),
        })
    }

    /// The thing and `document`, whose edge it is, as one of them.
    #[must_use]
    pub fn membership(&self, document: &DocumentId) -> Option<(Thing, Member)> {
        let rank = match self.kind {
            RelationKind::Mentions | RelationKind::BelongsTo => 0,
            RelationKind::PartOf => self.count,
            RelationKind::Next => return None,
        };
        let member = Member {
            rank,
            document: document.clone(),
        };
        Some((self.thing()?, member))
    }
}

/// The relations of one document that the graph holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Relations {
    /// The journal's epoch when they were written; `None` where the outcome of a write is not known.
    pub epoch: Option<u32>,
    /// The life of the document's node that owns them.
    pub born: u64,
    /// Digest of the payload and the settings that they were derived from.
    pub derived_from: u128,
    /// The active edges.
    pub edges: Vec<RelationEdge>,
}

/// How a document's relations changed.
#[derive(Debug)]
pub struct RelationsChange {
    /// Edges that it had, as far as anybody knows.
    pub before: Vec<RelationEdge>,
    /// What it has now; `None`: there is no such document in the graph any more.
    pub after: Option<Relations>,
}

impl Changes {
    pub(super) fn change_relations(
        &mut self,
        document: &DocumentId,
        change: &RelationsChange,
    ) -> Result<(), JournalError> {
        let memberships = |edges: &[RelationEdge]| -> Vec<(Thing, Member)> {
            edges
                .iter()
                .filter_map(|edge| edge.membership(document))
                .collect()
        };
        for (thing, member) in memberships(&change.before) {
            self.remove(member_key(&thing, &member)?);
        }
        let Some(after) = &change.after else {
            self.remove(key(RELATIONS, document)?);
            return Ok(());
        };
        for (thing, member) in memberships(&after.edges) {
            self.put(member_key(&thing, &member)?, []);
        }
        self.put_relations(document, after)
    }

    fn put_relations(&mut self, document: &DocumentId, relations: &Relations) -> Result<(), JournalError> {
        let bytes =
            postcard::to_stdvec(relations).map_err(|_| JournalError::Damaged { what: "relations" })?;
        self.put(key(RELATIONS, document)?, bytes);
        Ok(())
    }
}

impl Journal {
    /// The relations of a document; a record that cannot be read counts as one of which nothing is known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn relations(&self, document: &DocumentId) -> Result<Option<Relations>, JournalError> {
        let found = self.disk.get(&key(RELATIONS, document)?)?;
        Ok(found.map(|bytes| {
            postcard::from_bytes(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "the journal holds unreadable relations"))
                .unwrap_or_default()
        }))
    }

    /// Notes, before anything is written for them, what documents are about to be related to: should that not come to its end,
    /// whoever looks at them next finds the things that may have been made for them. Nothing of it is relied upon.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn intend(&self, intents: &[(DocumentId, Relations)]) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for (document, relations) in intents {
            let change = RelationsChange {
                before: Vec::new(),
                after: Some(Relations {
                    epoch: None,
                    ..relations.clone()
                }),
            };
            changes.change_relations(document, &change)?;
        }
        self.disk.apply(&changes)
    }

    /// Relies no longer on what is remembered of a document's relations.
    pub(super) fn distrust_relations(
        &self,
        document: &DocumentId,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        match self.relations(document)? {
            Some(relations) if relations.epoch.is_some() => {
                let relations = Relations {
                    epoch: None,
                    ..relations
                };
                changes.put_relations(document, &relations)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod support {
    //! A journal with relations, for tests here and in [`crate::sync`].

    use super::super::tests::{settings, state};
    use super::*;
    use crate::journal::{Outcome, Stage, StateChange, Work};

    /// Commits a change as the lane does.
    pub(crate) fn change(journal: &Journal, id: &str, before: Vec<RelationEdge>, after: Option<Relations>) {
        journal.add("c", [id].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        let mut outcome = Outcome::new(id.into(), Work::NONE, StateChange::Put(state(1, &[])));
        outcome.relations = Some(RelationsChange { before, after });
        journal.commit(&batch, vec![outcome], &[], &[], 1).unwrap();
        journal.end(&batch).unwrap();
    }

    pub(crate) fn source(key: &str) -> Thing {
        Thing {
            label: NodeLabel::Source,
            key: key.into(),
        }
    }

    pub(crate) fn part(source: &str, index: u64) -> RelationEdge {
        RelationEdge {
            kind: RelationKind::PartOf,
            target: source.into(),
            target_born: 1,
            confidence: 0.0,
            count: index,
        }
    }

    pub(crate) fn related(edges: Vec<RelationEdge>) -> Option<Relations> {
        Some(Relations {
            epoch: Some(1),
            born: 1,
            derived_from: 9,
            edges,
        })
    }

    /// A journal in which these documents of the collection `c` are chunks of a source.
    pub(crate) fn journal_with_parts(source: &str, chunks: &[(&str, u64)]) -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        for (id, index) in chunks {
            change(&journal, id, vec![], related(vec![part(source, *index)]));
        }
        (folder, journal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::support::{change, part, related};
    use super::*;

    #[test]
    fn relations_that_are_not_relied_upon_keep_their_edges() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        change(&journal, "a", vec![], related(vec![part("s", 1)]));
        journal.distrust_all(&"c".into(), &["a".into()]).unwrap();
        let relations = journal.relations(&DocumentId::new("c", "a")).unwrap().unwrap();
        assert_eq!((relations.epoch, relations.edges), (None, vec![part("s", 1)]));
    }
}
