//! The journal over real files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::backoff::Backoff;
use crate::graph::RecordShape;

pub(super) fn settings(max_pending: usize) -> Settings {
    Settings {
        durability: Durability::Interval,
        flush_interval: Duration::from_millis(5),
        max_pending,
        attempts: Attempts {
            backoff: Backoff {
                base: Duration::from_secs(1),
                longest: Duration::from_secs(4),
            },
            most: 8,
            max_dead_letters: 10,
        },
    }
}

fn open(folder: &Path) -> Journal {
    Journal::open(folder, settings(1_000_000)).unwrap()
}

pub(crate) fn state(rev: u64, edges: &[&str]) -> DocumentState {
    DocumentState {
        access: 0,
        content: 0,
        epoch: Some(1),
        edges_epoch: Some(1),
        rev,
        born: 7,
        fingerprint: 1 << 100,
        copy_rules: 3,
        vector: Some(9),
        shape: RecordShape {
            width: 256,
            names: BTreeSet::from(["title".to_owned()]),
        },
        edges: edges
            .iter()
            .map(|id| EdgeState {
                target: (*id).into(),
                target_born: 7,
                score: 0.5,
            })
            .collect(),
    }
}

fn add(journal: &Journal, collection: &str, ids: &[&str]) {
    journal
        .add(collection, ids.iter().copied(), Work::NODE, 5)
        .unwrap();
}

/// Claims what is there, waiting for batches that are not full.
fn claim_in_time(journal: &Journal, stage: Stage, most: usize) -> Option<Batch> {
    loop {
        match journal.claim(stage, most).unwrap() {
            Claimable::Batch(batch) => return Some(batch),
            Claimable::Soon(wait) => std::thread::sleep(wait),
            Claimable::Nothing => return None,
        }
    }
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.claims.iter().map(|claim| claim.id.as_ref()).collect()
}

fn settle(journal: &Journal, batch: &Batch, left: Work) {
    let outcomes = batch
        .claims
        .iter()
        .map(|claim| Outcome::new(claim.id.clone(), left, StateChange::Keep))
        .collect();
    journal.commit(batch, outcomes, &[], &[], 6).unwrap();
    journal.end(batch).unwrap();
}

#[test]
fn hints_and_states_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    {
        let journal = open(folder.path());
        add(&journal, "c", &["a", "b"]);
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        let mut outcome = Outcome::new("a".into(), Work::EDGES, StateChange::Put(state(3, &["z"])));
        outcome.gained = vec!["z".into()];
        journal
            .commit(
                &batch,
                vec![outcome],
                &[],
                &[(DocumentId::new("c", "m"), Work::EDGES)],
                6,
            )
            .unwrap();
        journal.close(true).unwrap();
    }
    let journal = open(folder.path());
    assert_eq!(
        journal.state(&DocumentId::new("c", "a")).unwrap(),
        Some(state(3, &["z"]))
    );
    assert_eq!(journal.sources(&DocumentId::new("c", "z")).unwrap(), ["a"]);
    assert_eq!(
        ids(&journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap()),
        ["b"]
    );
    let edges = journal.claim(Stage::Edges, 9).unwrap().batch().unwrap();
    assert_eq!(
        ids(&edges).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(["a", "m"])
    );
}

/// Two documents that are gone and noted as each other's sources would otherwise be told of each other for ever.
#[test]
fn a_document_that_is_gone_forgets_the_sources_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    add(&journal, "c", &["a", "b"]);
    let batch = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
    let outcome = |id: &str, target: &str| {
        let state = StateChange::Put(state(1, &[target]));
        let mut outcome = Outcome::new(id.into(), Work::NONE, state);
        outcome.gained = vec![target.into()];
        outcome
    };
    let outcomes = vec![outcome("a", "b"), outcome("b", "a")];
    journal.commit(&batch, outcomes, &[], &[], 6).unwrap();
    journal.end(&batch).unwrap();
    let sources = |id: &str| journal.sources(&DocumentId::new("c", id)).unwrap();
    assert_eq!(
        (sources("a"), sources("b")),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );

    add(&journal, "c", &["a"]);
    let batch = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
    let gone = Outcome::new("a".into(), Work::NONE, StateChange::Remove);
    journal.commit(&batch, vec![gone], &[], &[], 7).unwrap();
    assert!(sources("a").is_empty());
    assert_eq!(sources("b"), ["a"], "that one is told by its own end");
    let told = claim_in_time(&journal, Stage::Edges, 9).unwrap();
    assert_eq!(ids(&told), ["b"]);
}

/// A node goes while an edge to it is written; whichever is journaled first, the edge is compared once more.
#[test]
fn an_edge_to_a_node_that_goes_meanwhile_is_compared_again() {
    for edge_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        add(&journal, "c", &["a", "b"]);
        let batch = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
        let node = |id: &str, left| Outcome::new(id.into(), left, StateChange::Put(state(1, &[])));
        let outcomes = vec![node("a", Work::EDGES), node("b", Work::NONE)];
        journal.commit(&batch, outcomes, &[], &[], 6).unwrap();

        let edges = claim_in_time(&journal, Stage::Edges, 9).unwrap();
        assert_eq!(ids(&edges), ["a"]);
        add(&journal, "c", &["b"]);
        let nodes = claim_in_time(&journal, Stage::Nodes, 9).unwrap();
        let write_edge = || {
            let mut linked = Outcome::new("a".into(), Work::NONE, StateChange::Put(state(1, &["b"])));
            linked.gained = vec!["b".into()];
            journal.commit(&edges, vec![linked], &[], &[], 7).unwrap();
        };
        if edge_first {
            write_edge();
        }
        let gone = Outcome::new("b".into(), Work::NONE, StateChange::Remove);
        journal.commit(&nodes, vec![gone], &[], &[], 7).unwrap();
        if !edge_first {
            write_edge();
            let known = journal.state(&DocumentId::new("c", "a")).unwrap().unwrap();
            assert_eq!(known.edges_epoch, None, "the graph has to be asked");
        }
        let again = claim_in_time(&journal, Stage::Edges, 9).unwrap();
        assert_eq!((ids(&again), again.claims[0].work), (vec!["a"], Work::EDGES));
    }
}

#[test]
fn a_crash_begins_a_new_epoch_and_a_clean_end_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).epoch();
    let after_crash = open(folder.path());
    assert_eq!(after_crash.epoch(), first + 1);
    after_crash.close(true).unwrap();
    drop(after_crash);
    assert_eq!(open(folder.path()).epoch(), first + 1);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    let refused = Journal::open(folder.path(), settings(10)).unwrap_err();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
}

#[test]
fn a_later_format_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let generation = folder.path().join("generation-1");
    sled::open(&generation).unwrap().insert("mformat", &[9]).unwrap();
    assert!(matches!(
        Journal::open(folder.path(), settings(10)),
        Err(JournalError::Format { known: 1, .. })
    ));
    // The refused journal gives its lock back from a thread of its own.
    let reopened = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(20));
        sled::open(&generation)
    })
    .take(100)
    .find_map(Result::ok)
    .unwrap();
    assert_eq!(reopened.get("mformat").unwrap().unwrap().as_ref(), [9]);
}

#[test]
fn a_document_at_work_has_one_owner_and_one_more_pass() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    add(&journal, "c", &["a"]);
    let batch = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
    for _ in 0..5 {
        add(&journal, "c", &["a"]);
    }
    assert_eq!(journal.claim(Stage::Nodes, 9).unwrap().batch(), None);
    settle(&journal, &batch, Work::NONE);
    let again = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
    settle(&journal, &again, Work::NONE);
    assert_eq!(journal.claim(Stage::Nodes, 9).unwrap().batch(), None);
    assert_eq!(journal.depth(), Depth::default());
}

#[test]
fn collections_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    add(
        &journal,
        "large",
        &many.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    add(&journal, "small", &["x"]);
    let turns: Vec<_> = (0..4)
        .map(|_| {
            journal
                .claim(Stage::Nodes, 1)
                .unwrap()
                .batch()
                .unwrap()
                .collection
        })
        .collect();
    let names: Vec<&str> = turns.iter().map(AsRef::as_ref).collect();
    assert_eq!(names, ["large", "small", "large", "large"]);
}

#[test]
fn edges_wait_for_the_nodes_of_their_collection() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.add("c", ["e"].into_iter(), Work::EDGES, 1).unwrap();
    add(&journal, "c", &["n"]);
    assert_eq!(journal.claim(Stage::Edges, 9).unwrap().batch(), None);
    let nodes = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
    settle(&journal, &nodes, Work::EDGES);
    assert_eq!(
        ids(&journal.claim(Stage::Edges, 9).unwrap().batch().unwrap()),
        ["e", "n"]
    );
}

#[test]
fn where_the_queue_is_full_the_collection_becomes_dirty() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), settings(2)).unwrap();
    add(&journal, "c", &["a", "b"]);
    add(&journal, "c", &["a"]);
    assert!(journal.take_dirty().is_empty());
    add(&journal, "c", &["x"]);
    assert_eq!(journal.take_dirty(), BTreeSet::from(["c".to_owned()]));
    assert_eq!(journal.depth().nodes, 2);
}

#[test]
fn collections_and_ids_are_listed_apart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    for (collection, id) in [
        ("a", "1"),
        ("a", "2"),
        ("a\u{10ffff}", "3"),
        ("ab", "4"),
        ("b", "5"),
    ] {
        journal.add(collection, [id].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
        let outcome = Outcome::new(id.into(), Work::NONE, StateChange::Put(state(1, &[])));
        journal.commit(&batch, vec![outcome], &[], &[], 2).unwrap();
    }
    let names: Vec<_> = journal.collections().unwrap().into_iter().collect();
    assert_eq!(names, ["a", "ab", "a\u{10ffff}", "b"]);
    assert_eq!(
        journal.ids("a").collect::<Result<Vec<_>, _>>().unwrap(),
        ["1", "2"]
    );
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8, Work),
    Claim(Stage, usize),
    Settle(Work),
    Release,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let work = prop_oneof![Just(Work::NODE), Just(Work::EDGES), Just(Work::SPREAD)];
    let stage = prop_oneof![Just(Stage::Nodes), Just(Stage::Edges)];
    let left = prop_oneof![Just(Work::NONE), Just(Work::EDGES)];
    let step = prop_oneof![
        4 => (0_u8..6, work).prop_map(|(id, work)| Step::Add(id, work)),
        3 => (stage, 1_usize..4).prop_map(|(stage, most)| Step::Claim(stage, most)),
        3 => left.prop_map(Step::Settle),
        1 => Just(Step::Release),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against the simplest thing that could be right: a map from document to its outstanding work.
    #[test]
    fn no_work_is_lost_or_invented(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path());
        let mut reference: BTreeMap<String, Work> = BTreeMap::new();
        let mut claimed: Vec<(Batch, BTreeMap<String, Work>)> = Vec::new();
        for step in steps {
            match step {
                Step::Add(id, work) => {
                    let id = id.to_string();
                    journal.add("c", [id.as_str()].into_iter(), work, 1).unwrap();
                    let all = reference.get(&id).copied().unwrap_or(Work::NONE).and(work);
                    reference.insert(id.clone(), all);
                    for (_, meanwhile) in claimed.iter_mut().filter(|(b, _)| b.claims.iter().any(|c| *c.id == *id)) {
                        let all = meanwhile.get(&id).copied().unwrap_or(Work::NONE).and(work);
                        meanwhile.insert(id.clone(), all);
                    }
                }
                Step::Claim(stage, most) => {
                    if let Some(batch) = claim_in_time(&journal, stage, most) {
                        prop_assert!(batch.claims.len() <= most);
                        for claim in &batch.claims {
                            prop_assert_eq!(reference.get(claim.id.as_ref()), Some(&claim.work));
                            let owned = claimed.iter().any(|(b, _)| b.claims.iter().any(|c| c.id == claim.id));
                            prop_assert!(!owned, "two owners");
                        }
                        claimed.push((batch, BTreeMap::new()));
                    }
                }
                Step::Settle(left) => if let Some((batch, meanwhile)) = claimed.pop() {
                    settle(&journal, &batch, left);
                    for claim in &batch.claims {
                        let rest = left.and(meanwhile.get(claim.id.as_ref()).copied().unwrap_or(Work::NONE));
                        if rest.is_none() {
                            reference.remove(claim.id.as_ref());
                        } else {
                            reference.insert(claim.id.to_string(), rest);
                        }
                    }
                },
                Step::Release => if let Some((batch, _)) = claimed.pop() {
                    journal.release(&batch);
                },
                Step::Reopen => {
                    claimed.clear();
                    journal.close(true).unwrap();
                    drop(journal);
                    journal = open(folder.path());
                }
            }
        }
        for (batch, _) in claimed {
            journal.release(&batch);
        }
        let mut found = BTreeMap::new();
        for stage in [Stage::Nodes, Stage::Edges] {
            while let Some(batch) = claim_in_time(&journal, stage, 3) {
                found.extend(batch.claims.iter().map(|claim| (claim.id.to_string(), claim.work)));
            }
        }
        prop_assert_eq!(found, reference);
    }
}
