//! What documents are related to, entities, domains and sources, and the documents that are, their members.
//!
//! | key | value |
//! | --- | --- |
//! | `t` + thing | [`ThingState`], postcard |
//! | `m` + thing + rank (8 bytes, big-endian) + document | nothing: the document has an edge to the thing |
//!
//! A thing is the letter of its label, the length of its key (2 bytes, big-endian), the key. The rank of a chunk is its
//! position in its source, so that members of a source stand in reading order; all others have rank 0.
//!
//! Invariants:
//! - a document is a member of a thing before the thing's node is made for it, so that none is left behind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::keys::{key, parse_key};
use super::{DocumentId, Journal, JournalError};
use crate::graph::RecordShape;
use crate::graph::schema::NodeLabel;

const THING: u8 = b't';
const MEMBER: u8 = b'm';
/// Members that are read at a time.
const PAGE: usize = 32;

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

pub(super) fn member_key(thing: &Thing, member: &Member) -> Result<Vec<u8>, JournalError> {
    let mut bytes = thing_key(MEMBER, thing)?;
    bytes.extend(member.rank.to_be_bytes());
    // Without the letter of the kind, which is there for whole records only.
    bytes.extend(&key(MEMBER, &member.document)?[1..]);
    Ok(bytes)
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

impl Journal {
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
            from = member_key(thing, member)?;
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
        let mut to = member_key(thing, position)?;
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
}

#[cfg(test)]
mod tests {
    use super::super::relations::support::{change, part, related, source};
    use super::super::tests::settings;
    use super::*;

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
    fn a_thing_is_remembered_until_it_is_forgotten() {
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
        assert_eq!(journal.thing(&all[0]).unwrap(), Some(state.clone()));
        journal.forget_things(&all[..1]).unwrap();
        assert_eq!(journal.thing(&all[0]).unwrap(), None);
        assert_eq!(journal.thing(&all[2]).unwrap(), Some(state));
    }
}
