//! Documents that are at work when the process ends.

use std::collections::BTreeMap;

use super::bench::{Bench, SECOND};
use super::*;

#[test]
fn an_end_of_the_process_is_counted_and_charges_no_attempt() {
    let mut bench = Bench::new();
    bench.hint("a");
    let batch = bench.claim().unwrap();
    assert_eq!((batch.claims[0].failures, batch.claims[0].interrupted), (0, 0));
    bench = bench.crash();
    let batch = bench.claim().unwrap();
    assert_eq!((batch.claims[0].failures, batch.claims[0].interrupted), (0, 1));
    // A good end begins the count anew.
    let outcome = Outcome::new("a".into(), Work::EDGES, StateChange::Keep);
    bench.journal.commit(&batch, vec![outcome], &[], &[], 6).unwrap();
    bench.journal.end(&batch).unwrap();
    bench = bench.crash();
    let edges = bench.journal.claim(Stage::Edges, 9).unwrap().batch().unwrap();
    assert_eq!(edges.claims[0].interrupted, 0);
}

#[test]
fn what_was_released_or_ended_is_not_counted() {
    let mut bench = Bench::new();
    bench.hint("a");
    let batch = bench.claim().unwrap();
    bench.journal.release(&batch);
    bench.journal.end(&batch).unwrap();
    bench = bench.crash();
    let batch = bench.claim().unwrap();
    assert_eq!(batch.claims[0].interrupted, 0);
    // A clean end is nobody's fault either.
    bench.journal.close(false).unwrap();
    bench = bench.crash();
    assert_eq!(bench.claim().unwrap().claims[0].interrupted, 0);
}

#[test]
fn a_document_that_ends_the_process_again_and_again_holds_nobody_up_and_is_a_dead_letter_in_the_end() {
    let mut bench = Bench::new();
    for id in ["a", "b", "poison", "z"] {
        bench.hint(id);
    }
    for _ in 0..2 {
        let batch = bench.journal.claim(Stage::Nodes, 9).unwrap().batch().unwrap();
        assert_eq!(batch.claims.len(), 4, "nobody is suspected yet");
        bench = bench.crash();
    }
    // Now each is worked on alone; all but one get through.
    let mut poisoned = 0;
    for _ in 0..20 {
        bench.hand.pass(10 * SECOND);
        let Some(batch) = bench.journal.claim(Stage::Nodes, 9).unwrap().batch() else {
            break;
        };
        assert_eq!(batch.claims.len(), 1);
        if batch.claims[0].id.as_ref() == "poison" {
            poisoned += 1;
            bench = bench.crash();
            if bench.journal.dead_letter_count() == 0 {
                assert_eq!(bench.journal.depth().waiting, 1, "it lets others pass");
            }
            continue;
        }
        let outcome = Outcome::new(Arc::clone(&batch.claims[0].id), Work::NONE, StateChange::Keep);
        bench.journal.commit(&batch, vec![outcome], &[], &[], 6).unwrap();
        bench.journal.end(&batch).unwrap();
    }
    assert_eq!(poisoned, 1, "three ends of the process are the third attempt");
    let letter = bench.letter("poison").unwrap();
    assert_eq!(letter.attempts, 3);
    assert!(letter.cause.contains("the process ended"));
    assert_eq!(bench.journal.waiting(), 0);
    bench.check_disk();
}

#[test]
fn a_batch_is_full_or_first_or_has_waited() {
    let bench = Bench::new();
    let claim = |most| bench.journal.claim(Stage::Nodes, most).unwrap();
    bench.hint("a");
    let first = claim(3).batch().unwrap();
    assert_eq!(first.claims.len(), 1, "nobody is at work: at once");
    bench.hint("b");
    assert_eq!(claim(3), Claimable::Soon(Duration::from_millis(20)));
    bench.hand.pass(Duration::from_millis(15));
    assert_eq!(claim(3), Claimable::Soon(Duration::from_millis(5)));
    bench.hint("c");
    bench.hint("d");
    assert_eq!(claim(3).batch().unwrap().claims.len(), 3, "full");
    bench.hint("e");
    bench.hand.pass(Duration::from_millis(20));
    assert_eq!(claim(3).batch().unwrap().claims.len(), 1, "waited long enough");
}

#[test]
fn an_import_does_not_hold_up_a_change_and_is_not_held_up_for_ever() {
    let bench = Bench::new();
    let import: Vec<String> = (0..100).map(|n| format!("import{n:03}")).collect();
    let ids = import.iter().map(String::as_str);
    bench.journal.add_bulk("c", ids, Work::NODE, 5).unwrap();
    for n in 0..20 {
        bench.hint(&format!("user{n:02}"));
    }
    let claim = || {
        let batch = bench.journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
        batch.claims[0].id.to_string()
    };
    let order: Vec<String> = (0..12).map(|_| claim()).collect();
    let bulk = order.iter().filter(|id| id.starts_with("import")).count();
    assert!(order[0].starts_with("user") && bulk == 3, "{order:?}");
    // A user changes a document that the import brought.
    bench.hint("import099");
    let next: Vec<String> = (0..30).map(|_| claim()).collect();
    let at = next.iter().position(|id| id == "import099").unwrap();
    assert!(at < 20, "{next:?}");
}

#[test]
fn a_storm_of_single_changes_is_an_import_too() {
    let bench = Bench::new();
    for n in 0..1_100 {
        let id = n.to_string();
        bench
            .journal
            .add("storm", [id.as_str()].into_iter(), Work::NODE, 5)
            .unwrap();
    }
    let mut counts = BTreeMap::new();
    while let Some(batch) = bench.journal.claim(Stage::Nodes, 10).unwrap().batch() {
        *counts.entry(batch.priority).or_insert(0) += batch.claims.len();
    }
    assert_eq!(
        counts,
        BTreeMap::from([(Priority::Interactive, 1_000), (Priority::Bulk, 100)])
    );
}

#[test]
fn a_change_that_comes_while_its_document_is_at_work_is_as_old_as_itself() {
    let bench = Bench::new();
    let change = |at| bench.journal.add("c", ["a"].into_iter(), Work::NODE, at).unwrap();
    change(100);
    let batch = bench.claim().unwrap();
    change(700);
    change(900);
    let done = Outcome::new("a".into(), Work::NONE, StateChange::Keep);
    bench.journal.commit(&batch, vec![done], &[], &[], 6).unwrap();
    bench.journal.end(&batch).unwrap();
    assert_eq!(bench.claim().unwrap().claims[0].since_micros, 700);
}

#[test]
fn what_goes_back_is_as_old_as_its_first_change() {
    let bench = Bench::new();
    let change = |at| bench.journal.add("c", ["a"].into_iter(), Work::NODE, at).unwrap();
    change(100);
    let batch = bench.claim().unwrap();
    change(700);
    bench.journal.release(&batch);
    bench.journal.end(&batch).unwrap();
    assert_eq!(bench.claim().unwrap().claims[0].since_micros, 100);
}

#[test]
fn what_waits_is_counted_by_stage_and_urgency() {
    let bench = Bench::new();
    let journal = &bench.journal;
    journal.add("c", ["a", "b"].into_iter(), Work::NODE, 1).unwrap();
    journal
        .add_bulk("c", ["x", "y", "z"].into_iter(), Work::NODE, 1)
        .unwrap();
    journal
        .add_compared("c", ["e"].into_iter(), Work::EDGES, 1)
        .unwrap();
    let counts = || {
        let depth = journal.depth();
        Stage::ALL.map(|stage| Priority::ALL.map(|priority| depth.of(stage, priority)))
    };
    assert_eq!(counts(), [[2, 3], [0, 1], [0, 0]]);
    // A user's change makes bulk work urgent.
    journal.add("c", ["x"].into_iter(), Work::NODE, 2).unwrap();
    assert_eq!(counts(), [[3, 2], [0, 1], [0, 0]]);
    let batch = bench.claim().unwrap();
    let done = batch.claims.iter();
    let done = done.map(|claim| Outcome::new(Arc::clone(&claim.id), Work::EDGES, StateChange::Keep));
    journal.commit(&batch, done.collect(), &[], &[], 6).unwrap();
    assert_eq!(counts().iter().flatten().sum::<usize>(), 6);
    assert_eq!(journal.depth().total(), 6);
}
