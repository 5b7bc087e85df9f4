//! Dead letters: how they come, stay and go, and a model of it all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bench::{Bench, SECOND};
use super::tests::settings;
use super::*;

#[test]
fn where_there_is_no_room_documents_keep_waiting_until_there_is() {
    let bench = Bench::new();
    bench.bury("a");
    bench.bury("b");
    bench.hint("x");
    for fate in [
        Fate::Waits(SECOND),
        Fate::Waits(2 * SECOND),
        Fate::NoRoom(4 * SECOND),
        Fate::NoRoom(4 * SECOND),
    ] {
        assert_eq!(bench.refuse(&bench.claim().unwrap()), fate);
        bench.hand.pass(4 * SECOND);
    }
    assert_eq!(bench.dead(), ["a", "b"]);
    let bench = bench.crash();
    assert_eq!(
        bench
            .journal
            .purge(Chosen::Ids("c", &["a".into(), "q".into()]))
            .unwrap(),
        1
    );
    assert_eq!(bench.refuse(&bench.claim().unwrap()), Fate::DeadLetter);
    assert_eq!(bench.dead(), ["b", "x"]);
}

#[test]
fn a_dead_letter_leaves_by_a_change_a_comparison_or_a_replay_and_keeps_its_work() {
    for way in ["change", "comparison", "replay", "replay of the collection"] {
        let bench = Bench::new();
        bench.bury("a");
        bench.bury("b");
        // Work that another document has for it waits with it.
        bench.hint("n");
        let other = bench.claim().unwrap();
        let done = vec![Outcome::new("n".into(), Work::NONE, StateChange::Keep)];
        let mark = [(DocumentId::new("c", "a"), Work::EDGES)];
        bench.journal.commit(&other, done, &[], &mark, 6).unwrap();
        assert_eq!(bench.claim(), None, "{way}");
        let bench = bench.crash();
        match way {
            "change" => bench.hint("a"),
            "comparison" => bench
                .journal
                .add_compared("c", ["a"].into_iter(), Work::NODE, 6)
                .unwrap(),
            "replay" => {
                let ids = ["a".to_owned(), "unknown".to_owned()];
                assert_eq!(bench.journal.replay(Chosen::Ids("other", &ids)).unwrap(), 0);
                assert_eq!(bench.journal.replay(Chosen::Ids("c", &ids)).unwrap(), 1);
            }
            _ => {
                assert_eq!(bench.journal.replay(Chosen::Collection("other")).unwrap(), 0);
                assert_eq!(bench.journal.replay(Chosen::Collection("c")).unwrap(), 2);
            }
        }
        let bench = bench.crash();
        bench.check_disk();
        assert_eq!(bench.letter("a"), None, "{way}");
        let batch = bench.claim().unwrap();
        assert_eq!(
            (
                batch.claims[0].id.as_ref(),
                batch.claims[0].failures,
                batch.claims[0].work
            ),
            ("a", 0, Work::NODE.and(Work::EDGES)),
            "{way}"
        );
    }
}

#[test]
fn a_purged_dead_letter_is_forgotten() {
    let bench = Bench::new();
    bench.bury("a");
    bench.bury("b");
    assert_eq!(bench.journal.purge(Chosen::All).unwrap(), 2);
    let bench = bench.crash();
    assert!(bench.dead().is_empty() && bench.journal.dead_letter_counts().is_empty());
    assert_eq!(bench.journal.depth(), Depth::default());
}

#[test]
fn dead_letters_are_paged_by_collection_and_id() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(1_000);
    let attempts = Attempts {
        most: 1,
        max_dead_letters: 100,
        ..settings.attempts
    };
    let journal = Journal::open(folder.path(), Settings { attempts, ..settings }).unwrap();
    // On disk a shorter name comes first; here it does not.
    let all = [("aa", "1"), ("aa", "2"), ("aa", "3"), ("b", "1"), ("b", "2")];
    for (collection, id) in all {
        journal.add(collection, [id].into_iter(), Work::NODE, 1).unwrap();
        let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        let refusals = [Refusal {
            id: id.into(),
            cause: String::new(),
            seen: None,
        }];
        journal.commit(&batch, Vec::new(), &refusals, &[], 1).unwrap();
    }
    let pages = |collection: Option<&str>, limit: usize| {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = journal.dead_letters(collection, after.as_ref(), limit).unwrap();
            let ids = page.letters.iter().map(|(document, _)| document.clone());
            pages.push((ids.collect::<Vec<_>>(), page.total));
            after = page.next;
            if after.is_none() {
                return pages;
            }
        }
    };
    let documents = |range: std::ops::Range<usize>| -> Vec<DocumentId> {
        all[range]
            .iter()
            .map(|(collection, id)| DocumentId::new(*collection, *id))
            .collect()
    };
    assert_eq!(
        pages(None, 2),
        [(documents(0..2), 5), (documents(2..4), 5), (documents(4..5), 5)]
    );
    assert_eq!(pages(Some("aa"), 2), [(documents(0..2), 3), (documents(2..3), 3)]);
    assert_eq!(pages(Some("b"), 2), [(documents(3..5), 2)]);
    assert_eq!(pages(Some("c"), 2), [(Vec::new(), 0)]);
    let counts = BTreeMap::from([("aa".to_owned(), 3), ("b".to_owned(), 2)]);
    assert_eq!(journal.dead_letter_counts(), counts);
}

#[test]
fn unreadable_records_cost_the_count_and_no_more() {
    let bench = Bench::new();
    bench.bury("a");
    bench.hint("b");
    bench.refuse(&bench.claim().unwrap());
    let Bench {
        folder,
        hand,
        journal,
    } = bench;
    journal.close(true).unwrap();
    drop(journal);
    let db = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(20));
        sled::open(folder.path().join("generation-1"))
    })
    .take(100)
    .find_map(Result::ok)
    .unwrap();
    for key in [&b"d\0\x01ca"[..], b"f\0\x01cb"] {
        assert!(db.insert(key, &[0xff]).unwrap().is_some());
    }
    db.flush().unwrap();
    drop(db);
    let journal = Bench::open(folder.path(), &hand);
    let bench = Bench {
        folder,
        hand,
        journal,
    };
    assert!(bench.letter("a").unwrap().is_unreadable());
    assert_eq!(bench.claim().unwrap().claims[0].failures, 0);
    bench.hint("a");
    assert_eq!(bench.claim().unwrap().claims[0].work, Work::ALL);
}

#[derive(Debug, Clone)]
enum Step {
    Hint(u8),
    Compared(u8),
    Refuse,
    Succeed,
    Release,
    Pass(u64),
    Replay(u8),
    Purge(u8),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0_u8..4;
    let step = prop_oneof![
        3 => id.clone().prop_map(Step::Hint),
        1 => id.clone().prop_map(Step::Compared),
        8 => Just(Step::Refuse),
        1 => Just(Step::Succeed),
        1 => Just(Step::Release),
        4 => (0_u64..5_000).prop_map(Step::Pass),
        1 => id.clone().prop_map(Step::Replay),
        1 => id.prop_map(Step::Purge),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What a document is, in the simplest terms that could be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    /// Attempts that failed, and when it is due in milliseconds.
    Pending(u32, u64),
    Dead,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn attempts_and_dead_letters_are_as_in_the_model(steps in steps()) {
        let mut bench = Bench::new();
        let mut model: BTreeMap<String, Model> = BTreeMap::new();
        let mut now = 0_u64;
        for step in steps {
            match step {
                Step::Hint(id) => {
                    bench.hint(&id.to_string());
                    model.insert(id.to_string(), Model::Pending(0, now));
                }
                Step::Compared(id) => {
                    let id = id.to_string();
                    bench.journal.add_compared("c", [id.as_str()].into_iter(), Work::NODE, 5).unwrap();
                    let known = model.get(&id).copied();
                    if !matches!(known, Some(Model::Pending(..))) {
                        model.insert(id, Model::Pending(0, now));
                    }
                }
                Step::Refuse | Step::Succeed | Step::Release => if let Some(batch) = bench.claim() {
                    let id = batch.claims[0].id.to_string();
                    let Some(Model::Pending(failures, due)) = model.get(&id).copied() else {
                        return Err(TestCaseError::fail(format!("{id} is not pending")));
                    };
                    prop_assert!(due <= now, "{id} is due at {due}, it is {now}");
                    prop_assert_eq!(batch.claims[0].failures, failures);
                    match step {
                        Step::Release => {
                            bench.journal.release(&batch);
                            bench.journal.end(&batch).unwrap();
                        }
                        Step::Succeed => {
                            let done = vec![Outcome::new(id.as_str().into(), Work::NONE, StateChange::Keep)];
                            bench.journal.commit(&batch, done, &[], &[], 6).unwrap();
                            bench.journal.end(&batch).unwrap();
                            model.remove(&id);
                        }
                        _ => {
                            let dead = model.values().filter(|model| **model == Model::Dead).count();
                            let fate = bench.refuse(&batch);
                            let failures = failures + 1;
                            let (wanted, next) = if failures < 3 {
                                let wait = 1_000 << (failures - 1);
                                (Fate::Waits(Duration::from_millis(wait)), Model::Pending(failures, now + wait))
                            } else if dead < 2 {
                                (Fate::DeadLetter, Model::Dead)
                            } else {
                                (Fate::NoRoom(4 * SECOND), Model::Pending(failures, now + 4_000))
                            };
                            prop_assert_eq!(fate, wanted);
                            model.insert(id, next);
                        }
                    }
                } else {
                    let due = model.values().any(|model| matches!(model, Model::Pending(_, due) if *due <= now));
                    prop_assert!(!due, "nothing to claim at {now} of {model:?}");
                },
                Step::Pass(millis) => {
                    bench.hand.pass(Duration::from_millis(millis));
                    now += millis;
                }
                Step::Replay(id) | Step::Purge(id) => {
                    let id = id.to_string();
                    let dead = model.get(&id) == Some(&Model::Dead);
                    let chosen = [id.clone()];
                    let chosen = Chosen::Ids("c", &chosen);
                    let count = if matches!(step, Step::Purge(_)) {
                        bench.journal.purge(chosen).unwrap()
                    } else {
                        bench.journal.replay(chosen).unwrap()
                    };
                    prop_assert_eq!(count, usize::from(dead));
                    if dead {
                        model.remove(&id);
                        if matches!(step, Step::Replay(_)) {
                            model.insert(id, Model::Pending(0, now));
                        }
                    }
                }
                Step::Crash => bench = bench.crash(),
            }
            let dead: Vec<String> = model
                .iter()
                .filter(|(_, model)| **model == Model::Dead)
                .map(|(id, _)| id.clone())
                .collect();
            prop_assert_eq!(bench.dead(), dead);
            let pending = model.len() - bench.journal.dead_letter_count();
            prop_assert_eq!(bench.journal.waiting(), pending);
            bench.check_disk();
        }
    }
}
