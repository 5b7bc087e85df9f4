//! Documents that fail by their own fault: attempts and waits.

use super::bench::{Bench, Hand, SECOND, SEEN};
use super::tests::state;
use super::*;

#[test]
fn a_refused_document_waits_longer_each_time_across_restarts_and_is_then_a_dead_letter() {
    let mut bench = Bench::new();
    bench.hint("a");
    for (attempt, wait) in [(0, 1), (1, 2)] {
        let batch = bench.claim().unwrap();
        assert_eq!(batch.claims[0].failures, attempt);
        assert_eq!(bench.journal.is_last_attempt(&batch.claims[0]), attempt == 2);
        assert_eq!(bench.refuse(&batch), Fate::Waits(wait * SECOND));
        bench = bench.crash();
        bench.check_disk();
        assert_eq!(bench.journal.depth().waiting, 1);
        bench.hand.pass(wait * SECOND - SECOND / 1_000);
        assert_eq!(bench.claim(), None, "not before it is due");
        bench.hand.pass(SECOND / 1_000);
    }
    let batch = bench.claim().unwrap();
    assert!(bench.journal.is_last_attempt(&batch.claims[0]));
    assert_eq!(bench.refuse(&batch), Fate::DeadLetter);
    for _ in 0..2 {
        assert_eq!(bench.journal.depth(), Depth::default());
        assert_eq!(
            bench.letter("a").unwrap(),
            DeadLetter {
                work: Work::NODE,
                attempts: 3,
                first_micros: 1_000_000_000,
                last_micros: 1_003_000_000,
                cause: "the server does not like it".to_owned(),
                seen: Some(SEEN),
            }
        );
        bench.check_disk();
        bench.journal.next_epoch().unwrap();
        bench = bench.crash();
    }
}

#[test]
fn a_change_starts_anew_and_other_hints_do_not() {
    let bench = Bench::new();
    bench.hint("a");
    assert_eq!(bench.refuse(&bench.claim().unwrap()), Fate::Waits(SECOND));
    // Its neighbours, and a comparison with the store.
    bench.hint("b");
    let other = bench.claim().unwrap();
    let done = vec![Outcome::new("b".into(), Work::NONE, StateChange::Keep)];
    let mark = [(DocumentId::new("c", "a"), Work::EDGES)];
    bench.journal.commit(&other, done, &[], &mark, 6).unwrap();
    bench
        .journal
        .add_compared("c", ["a"].into_iter(), Work::NODE, 6)
        .unwrap();
    assert_eq!(bench.claim(), None);
    bench.hand.pass(SECOND);
    let batch = bench.claim().unwrap();
    assert_eq!(
        (batch.claims[0].failures, batch.claims[0].work),
        (1, Work::NODE.and(Work::EDGES))
    );
    assert_eq!(bench.refuse(&batch), Fate::Waits(2 * SECOND));
    bench.hint("a");
    bench.check_disk();
    let batch = bench.claim().unwrap();
    assert_eq!(batch.claims[0].failures, 0);
    // The stale entry of the longer wait wakes nobody, nor does that of a shorter one.
    assert_eq!(bench.refuse(&batch), Fate::Waits(SECOND));
    bench.hand.pass(SECOND);
    assert_eq!(bench.refuse(&bench.claim().unwrap()), Fate::Waits(2 * SECOND));
    bench.hand.pass(SECOND);
    assert_eq!(bench.claim(), None);
}

#[test]
fn what_comes_during_an_attempt_counts_by_its_kind() {
    let bench = Bench::new();
    bench.hint("a");
    let batch = bench.claim().unwrap();
    assert_eq!(
        bench.refuse_with(&batch, &[(DocumentId::new("c", "a"), Work::EDGES)]),
        Fate::Waits(SECOND)
    );
    bench.hand.pass(SECOND);
    let batch = bench.claim().unwrap();
    bench.hint("a");
    assert_eq!(bench.refuse(&batch), Fate::Anew);
    let bench = bench.crash();
    let batch = bench.claim().unwrap();
    assert_eq!(
        (batch.claims[0].failures, batch.claims[0].work),
        (0, Work::NODE.and(Work::EDGES))
    );
}

#[test]
fn a_fault_that_is_not_its_own_charges_nothing_and_a_success_clears_the_account() {
    let bench = Bench::new();
    bench.hint("a");
    bench.refuse(&bench.claim().unwrap());
    bench.hand.pass(SECOND);
    for _ in 0..5 {
        let batch = bench.claim().unwrap();
        assert_eq!(batch.claims[0].failures, 1);
        bench.journal.release(&batch);
    }
    let bench = bench.crash();
    let batch = bench.claim().unwrap();
    assert_eq!(batch.claims[0].failures, 1);
    let done = vec![Outcome::new(
        "a".into(),
        Work::EDGES,
        StateChange::Put(state(1, &[])),
    )];
    bench.journal.commit(&batch, done, &[], &[], 6).unwrap();
    bench.check_disk();
    let bench = bench.crash();
    let edges = bench.journal.claim(Stage::Edges, 1).unwrap().batch().unwrap();
    assert_eq!(edges.claims[0].failures, 0);
}

#[test]
fn a_refused_document_is_not_relied_upon() {
    let bench = Bench::new();
    bench.hint("a");
    let done = vec![Outcome::new(
        "a".into(),
        Work::NONE,
        StateChange::Put(state(1, &[])),
    )];
    bench
        .journal
        .commit(&bench.claim().unwrap(), done, &[], &[], 6)
        .unwrap();
    bench.hint("a");
    bench.refuse(&bench.claim().unwrap());
    let bench = bench.crash();
    let kept = bench.journal.state(&DocumentId::new("c", "a")).unwrap().unwrap();
    assert_eq!((kept.epoch, kept.edges_epoch, kept.rev), (None, None, 1));
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_waiting_for_longer_than_the_longest_wait() {
    let moment = Hand::new().now();
    let due = moment.at(moment.unix_micros + 1_000_000_000_000, 4 * SECOND);
    assert_eq!(due, moment.instant + 4 * SECOND);
    assert_eq!(moment.at(0, SECOND), moment.instant);
}
