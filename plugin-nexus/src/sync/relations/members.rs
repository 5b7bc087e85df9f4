//! Who the members of things will be when a batch is done: what the journal holds, and what the batch changes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::graph::schema::NodeLabel;
use crate::journal::{DocumentId, Journal, JournalError, Member, RelationEdge, Thing};

/// Members that come to a thing and go from it.
#[derive(Debug, Default)]
struct Moves {
    gained: BTreeSet<Member>,
    lost: BTreeSet<Member>,
}

/// What a batch changes of things' members.
#[derive(Debug, Default)]
pub(super) struct Members {
    moves: BTreeMap<Thing, Moves>,
}

impl Members {
    /// A document has edges `before` and will have `after`. What stays as it is is no change, unless the edges are written
    /// `anew`: then those that lead to the document have to be looked at, too.
    pub(super) fn change(
        &mut self,
        document: &DocumentId,
        before: &[RelationEdge],
        after: &[RelationEdge],
        anew: bool,
    ) {
        let of = |edges: &[RelationEdge]| -> BTreeSet<(Thing, Member)> {
            edges
                .iter()
                .filter_map(|edge| edge.membership(document))
                .collect()
        };
        let (before, after) = (of(before), of(after));
        for (thing, member) in before.difference(&after).cloned() {
            self.moves.entry(thing).or_default().lost.insert(member);
        }
        for (thing, member) in after {
            if anew || !before.contains(&(thing.clone(), member.clone())) {
                self.moves.entry(thing).or_default().gained.insert(member);
            }
        }
    }

    /// Things that will have no member.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn orphans(&self, journal: &Journal) -> Result<Vec<Thing>, JournalError> {
        let mut orphans = Vec::new();
        for (thing, moves) in &self.moves {
            if !moves.gained.is_empty() {
                continue;
            }
            let lost = moves.lost.iter().map(|member| member.document.clone()).collect();
            if !journal.has_members(thing, &lost)? {
                orphans.push(thing.clone());
            }
        }
        Ok(orphans)
    }

    /// The member that will follow this position, of those that `stands` says are in the graph.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn following(
        &self,
        journal: &Journal,
        thing: &Thing,
        position: &Member,
        stands: impl Fn(&DocumentId) -> Result<bool, JournalError>,
    ) -> Result<Option<Member>, JournalError> {
        let nothing = Moves::default();
        let moves = self.moves.get(thing).unwrap_or(&nothing);
        let new = moves.gained.range(position..).find(|member| *member != position);
        for member in journal.members(thing, Some(position))? {
            let member = member?;
            if new.is_some_and(|new| *new <= member) {
                break;
            }
            if !moves.lost.contains(&member) && stands(&member.document)? {
                return Ok(Some(member));
            }
        }
        Ok(new.cloned())
    }

    /// Members outside the batch that a member comes behind, or goes from behind: another one follows them now.
    ///
    /// # Errors
    /// [`JournalError`].
    pub(super) fn preceding(&self, journal: &Journal) -> Result<BTreeSet<Arc<str>>, JournalError> {
        let mut found = BTreeSet::new();
        let sources = self
            .moves
            .iter()
            .filter(|(thing, _)| thing.label == NodeLabel::Source);
        for (thing, moves) in sources {
            let own: BTreeSet<Member> = moves.gained.union(&moves.lost).cloned().collect();
            for position in &own {
                if let Some(before) = journal.member_before(thing, position, &own)? {
                    found.insert(before.document.id);
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::support::{journal_with_parts, part, source};

    fn document(id: &str) -> DocumentId {
        DocumentId::new("c", id)
    }

    fn after(members: &Members, journal: &Journal, rank: u64, id: &str) -> Option<String> {
        let position = Member {
            rank,
            document: document(id),
        };
        let found = members
            .following(journal, &source("s"), &position, |_| Ok(true))
            .unwrap();
        found.map(|member| member.document.id.to_string())
    }

    #[test]
    fn a_batch_is_seen_over_what_the_journal_holds() {
        let (_folder, journal) = journal_with_parts("s", &[("a", 0), ("b", 10), ("d", 30)]);
        let mut members = Members::default();
        members.change(&document("c"), &[], &[part("s", 20)], false);
        members.change(&document("b"), &[part("s", 10)], &[part("s", 40)], false);
        members.change(&document("d"), &[part("s", 30)], &[part("s", 30)], false);
        for (rank, id, next) in [
            (0, "a", Some("c")),
            (20, "c", Some("d")),
            (30, "d", Some("b")),
            (40, "b", None),
        ] {
            assert_eq!(after(&members, &journal, rank, id).as_deref(), next, "{id}");
        }
        let before: Vec<_> = members.preceding(&journal).unwrap().into_iter().collect();
        assert_eq!(
            before.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["a", "d"]
        );
        assert!(members.orphans(&journal).unwrap().is_empty());
    }

    #[test]
    fn what_stays_as_it_is_concerns_nobody_unless_its_node_is_new() {
        let (_folder, journal) = journal_with_parts("s", &[("a", 0), ("b", 10)]);
        let mut members = Members::default();
        members.change(&document("b"), &[part("s", 10)], &[part("s", 10)], false);
        assert!(members.preceding(&journal).unwrap().is_empty());
        members.change(&document("b"), &[part("s", 10)], &[part("s", 10)], true);
        assert_eq!(members.preceding(&journal).unwrap().len(), 1);
    }

    #[test]
    fn a_thing_is_an_orphan_when_its_last_member_goes() {
        let (_folder, journal) = journal_with_parts("s", &[("a", 0), ("b", 10)]);
        let mut members = Members::default();
        members.change(&document("a"), &[part("s", 0)], &[], false);
        assert!(members.orphans(&journal).unwrap().is_empty());
        members.change(&document("b"), &[part("s", 10)], &[part("t", 0)], false);
        assert_eq!(members.orphans(&journal).unwrap(), [source("s")]);
        members.change(&document("c"), &[], &[part("s", 1)], false);
        assert!(members.orphans(&journal).unwrap().is_empty());
    }
}
