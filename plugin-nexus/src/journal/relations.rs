//! What the graph holds of a document's relations, and who is related to a thing: an entity, a domain, a source.
//!
//! | key | value |
//! | --- | --- |
//! | `e` + document | [`Relations`], postcard |
//! | `t` + thing | [`ThingState`], postcard |
//! | `m` + thing + rank (8 bytes, big-endian) + document | nothing: the document has an edge to the thing |
//!
//! A thing is the letter of its label, the length of its key (2 bytes, big-endian), the key. The rank of a chunk is its
//! position in its source, so that members of a source stand in reading order; all others have rank 0.
//!
//! Invariants:
//! - a document's record and its memberships change in one atomic write;
//! - a document is a member of a thing before the thing's node is made for it, so that none is left behind;
//! - domains have no members here: they stay in the graph while they are configured.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::keys::{key, parse_key};
use super::storage::end_of;
use super::{DocumentId, Journal, JournalError};
use crate::graph::RecordShape;
use crate::graph::schema::NodeLabel;

pub(super) const RELATIONS: u8 = b'e';
const THING: u8 = b't';
const MEMBER: u8 = b'm';
/// Members that are read at a time.
const PAGE: usize = 32;

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

    /// The thing that keeps members, and the rank there.
    fn membership(&self) -> Option<(Thing, u64)> {
        match self.kind {
            RelationKind::Mentions => Some((self.thing()?, 0)),
            RelationKind::PartOf => Some((self.thing()?, self.count)),
            RelationKind::BelongsTo | RelationKind::Next => None,
        }
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

/// Something that documents are related to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// Its label: Entity, Domain or Source.
    pub label: NodeLabel,
    /// Its key's text.
    pub key: String,
}

/// What the graph holds of a thing's node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThingState {
    /// The journal's epoch when it was written.
    pub epoch: u32,
    /// Names this life of the node.
    pub born: u64,
    /// Digest of its properties.
    pub digest: u64,
    /// The stored record's width and property names.
    pub shape: RecordShape,
}

/// How a document's relations changed.
#[derive(Debug)]
pub struct RelationsChange {
    /// Edges that it had, as far as anybody knows.
    pub before: Vec<RelationEdge>,
    /// What it has now; `None`: there is no such document in the graph any more.
    pub after: Option<Relations>,
}

/// A member of a thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Its position among the others.
    pub rank: u64,
    /// The document.
    pub document: DocumentId,
}

fn thing_key(kind: u8, thing: &Thing) -> Result<Vec<u8>, JournalError> {
    let letter = match thing.label {
        NodeLabel::Entity => b'E',
        NodeLabel::Domain => b'D',
        NodeLabel::Source => b'S',
        NodeLabel::Document | NodeLabel::Scratch => return Err(JournalError::Damaged { what: "thing" }),
    };
    let length = u16::try_from(thing.key.len()).map_err(|_| JournalError::NameTooLong(thing.key.len()))?;
    let mut key = vec![kind, letter];
    key.extend(length.to_be_bytes());
    key.extend(thing.key.as_bytes());
    Ok(key)
}

fn member_key(thing: &Thing, rank: u64, document: &DocumentId) -> Result<Vec<u8>, JournalError> {
    let mut member = thing_key(MEMBER, thing)?;
    member.extend(rank.to_be_bytes());
    // Without the letter of the kind, which is there for whole records only.
    member.extend(&key(MEMBER, document)?[1..]);
    Ok(member)
}

/// What follows the thing in a member's key.
fn parse_member(rest: &[u8]) -> Result<Member, JournalError> {
    let damaged = JournalError::Damaged { what: "membership" };
    let Some((rank, document)) = rest.split_first_chunk::<8>() else {
        return Err(damaged);
    };
    Ok(Member {
        rank: u64::from_be_bytes(*rank),
        document: parse_key(&[&[MEMBER], document].concat())?,
    })
}

impl Changes {
    pub(super) fn change_relations(
        &mut self,
        document: &DocumentId,
        change: &RelationsChange,
    ) -> Result<(), JournalError> {
        for (thing, rank) in change.before.iter().filter_map(RelationEdge::membership) {
            self.remove(member_key(&thing, rank, document)?);
        }
        let Some(after) = &change.after else {
            self.remove(key(RELATIONS, document)?);
            return Ok(());
        };
        for (thing, rank) in after.edges.iter().filter_map(RelationEdge::membership) {
            self.put(member_key(&thing, rank, document)?, []);
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

    /// What the graph holds of a thing; a record that cannot be read counts as none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn thing(&self, thing: &Thing) -> Result<Option<ThingState>, JournalError> {
        let found = self.disk.get(&thing_key(THING, thing)?)?;
        Ok(found.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// Remembers things that were written.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn put_things<'a>(
        &self,
        things: impl IntoIterator<Item = (&'a Thing, &'a ThingState)>,
    ) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for (thing, state) in things {
            let bytes = postcard::to_stdvec(state).map_err(|_| JournalError::Damaged { what: "thing" })?;
            changes.put(thing_key(THING, thing)?, bytes);
        }
        self.disk.apply(&changes)
    }

    /// Forgets things that are not in the graph.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn forget_things<'a>(&self, things: impl IntoIterator<Item = &'a Thing>) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for thing in things {
            changes.remove(thing_key(THING, thing)?);
        }
        self.disk.apply(&changes)
    }

    /// The members of a thing in their order, from the first behind `after`.
    ///
    /// # Errors
    /// [`JournalError`], also from the iterator.
    pub fn members(
        &self,
        thing: &Thing,
        after: Option<&Member>,
    ) -> Result<impl Iterator<Item = Result<Member, JournalError>> + use<'_>, JournalError> {
        let prefix = thing_key(MEMBER, thing)?;
        let mut from = prefix.clone();
        if let Some(member) = after {
            from = member_key(thing, member.rank, &member.document)?;
            // The least key above.
            from.push(0);
        }
        let length = prefix.len();
        let scan = self.disk.scan_in(&prefix, from, PAGE);
        Ok(scan.map(move |entry| parse_member(entry?.0.get(length..).unwrap_or_default())))
    }

    /// The last member of a thing before this position that is not among `without`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn member_before(
        &self,
        thing: &Thing,
        position: &Member,
        without: &BTreeSet<Member>,
    ) -> Result<Option<Member>, JournalError> {
        let prefix = thing_key(MEMBER, thing)?;
        let mut to = member_key(thing, position.rank, &position.document)?;
        while let Some((key, _)) = self.disk.vault.last(&prefix, &to)? {
            let member = parse_member(key.get(prefix.len()..).unwrap_or_default())?;
            if !without.contains(&member) {
                return Ok(Some(member));
            }
            to = key;
        }
        Ok(None)
    }

    /// Whether documents other than these have an edge to the thing.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn has_members(&self, thing: &Thing, without: &BTreeSet<DocumentId>) -> Result<bool, JournalError> {
        for member in self.members(thing, None)? {
            if !without.contains(&member?.document) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The keys of all things of a label that are thought to be in the graph, behind `after`, at most `most` of them.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn things(
        &self,
        label: NodeLabel,
        after: Option<&Thing>,
        most: usize,
    ) -> Result<Vec<Thing>, JournalError> {
        let nothing = Thing {
            label,
            key: String::new(),
        };
        let prefix = thing_key(THING, &nothing)?[..2].to_vec();
        let from = match after {
            Some(thing) => [thing_key(THING, thing)?.as_slice(), &[0]].concat(),
            None => prefix.clone(),
        };
        let page = self.disk.vault.page(&from, end_of(&prefix).as_deref(), most)?;
        Ok(page
            .into_iter()
            .filter_map(|(key, _)| String::from_utf8(key.get(4..)?.to_vec()).ok())
            .map(|key| Thing { label, key })
            .collect())
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

    fn source(key: &str) -> Thing {
        Thing {
            label: NodeLabel::Source,
            key: key.into(),
        }
    }

    fn members(journal: &Journal, thing: &Thing, after: Option<&Member>) -> Vec<(u64, String)> {
        let members = journal.members(thing, after).unwrap();
        members
            .map(|member| member.unwrap())
            .map(|member| (member.rank, member.document.id.to_string()))
            .collect()
    }

    fn member(rank: u64, id: &str) -> Member {
        Member {
            rank,
            document: DocumentId::new("c", id),
        }
    }

    #[test]
    fn members_of_a_source_stand_in_reading_order() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        for (id, index) in [("b", 300), ("z", 2), ("a", 2), ("c", 0)] {
            change(&journal, id, vec![], related(vec![part("s", index)]));
        }
        change(&journal, "x", vec![], related(vec![part("s2", 1), part("r", 1)]));
        let all = [(0, "c"), (2, "a"), (2, "z"), (300, "b")].map(|(rank, id)| (rank, id.to_owned()));
        assert_eq!(members(&journal, &source("s"), None), all);
        assert_eq!(members(&journal, &source("s"), Some(&member(2, "a"))), all[2..]);
        let before = |position: Member, without: &[Member]| {
            let without = without.iter().cloned().collect();
            let found = journal.member_before(&source("s"), &position, &without).unwrap();
            found.map(|member| member.document.id.to_string())
        };
        assert_eq!(before(member(300, "b"), &[]).as_deref(), Some("z"));
        assert_eq!(
            before(member(300, "b"), &[member(2, "z"), member(2, "a")]).as_deref(),
            Some("c")
        );
        assert_eq!(before(member(0, "c"), &[]), None);
        assert_eq!(before(member(1, "new"), &[]).as_deref(), Some("c"));
    }

    #[test]
    fn a_document_leaves_what_it_was_related_to() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        change(&journal, "a", vec![], related(vec![part("s", 1)]));
        change(&journal, "b", vec![], related(vec![part("s", 2)]));
        let without = |id: &str| [DocumentId::new("c", id)].into();
        assert!(journal.has_members(&source("s"), &without("a")).unwrap());
        change(&journal, "b", vec![part("s", 2)], related(vec![part("t", 2)]));
        assert!(!journal.has_members(&source("s"), &without("a")).unwrap());
        assert_eq!(members(&journal, &source("t"), None), [(2, "b".to_owned())]);
        change(&journal, "a", vec![part("s", 1)], None);
        assert!(members(&journal, &source("s"), None).is_empty());
        assert_eq!(journal.relations(&DocumentId::new("c", "a")).unwrap(), None);
    }

    #[test]
    fn relations_that_are_not_relied_upon_keep_their_edges() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1_000)).unwrap();
        change(&journal, "a", vec![], related(vec![part("s", 1)]));
        journal.distrust_all(&"c".into(), &["a".into()]).unwrap();
        let relations = journal.relations(&DocumentId::new("c", "a")).unwrap().unwrap();
        assert_eq!((relations.epoch, relations.edges), (None, vec![part("s", 1)]));
    }

    #[test]
    fn things_are_listed_by_label_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        let state = ThingState {
            epoch: 1,
            born: 2,
            digest: 3,
            shape: RecordShape {
                width: 256,
                names: ["name".to_owned()].into(),
            },
        };
        let all = ["a", "b", "bb"].map(source);
        journal
            .put_things(all.iter().map(|thing| (thing, &state)))
            .unwrap();
        let first = journal.things(NodeLabel::Source, None, 2).unwrap();
        assert_eq!(first, all[..2]);
        let rest = journal.things(NodeLabel::Source, first.last(), 2).unwrap();
        assert_eq!(rest, all[2..]);
        assert!(journal.things(NodeLabel::Entity, None, 2).unwrap().is_empty());
        assert_eq!(journal.thing(&all[0]).unwrap(), Some(state));
        journal.forget_things(&all).unwrap();
        assert_eq!(journal.thing(&all[0]).unwrap(), None);
    }
}
