//! Messages between the change that they tell of and the receiver.

use std::sync::Arc;

use super::super::bench::{Bench, SECOND};
use super::super::storage::memory::{Fault, Memory};
use super::super::tests::settings;
use super::super::{Outcome, Stage, StateChange, Upkeep, Work, timing};
use super::*;

const BOUNDS: OutboxBounds = OutboxBounds {
    waiting: 5,
    undeliverable: 2,
};

fn subscriber(subscription: u64, collections: Option<&[&str]>) -> Subscriber {
    Subscriber {
        subscription,
        events: EventKind::ALL.into(),
        collections: collections.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

fn subscribe(journal: &Journal, subscriptions: &[u64]) {
    let subscribers = subscriptions.iter().map(|number| subscriber(*number, None));
    let known = subscriptions.iter().copied().collect();
    journal
        .set_subscribers(subscribers.collect(), &known, BOUNDS)
        .unwrap();
}

/// A lane finds that this happened to a document of collection `c`.
fn happen(journal: &Journal, id: &str, event: Event) {
    journal.add("c", [id].into_iter(), Work::NODE, 5).unwrap();
    let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
    let mut outcome = Outcome::new(id.into(), Work::NONE, StateChange::Keep);
    outcome.event = Some(event);
    journal.commit(&batch, vec![outcome], &[], &[], 6).unwrap();
    journal.end(&batch).unwrap();
}

fn take(journal: &Journal) -> Vec<Message> {
    journal.take_messages(|_, at_work| 10 - at_work)
}

fn told(messages: &[Message]) -> Vec<(u64, &str, &Event)> {
    messages
        .iter()
        .map(|message| (message.subscription, message.document.id.as_ref(), &message.event))
        .collect()
}

fn attempt(status: Option<u16>, error: Option<&str>) -> Attempt {
    Attempt {
        at_micros: 7,
        millis: 3,
        status,
        error: error.map(str::to_owned),
    }
}

fn fail(journal: &Journal, message: &Message, retry: Retry) {
    journal
        .message_failed(message, &attempt(Some(500), Some("broken")), retry)
        .unwrap();
}

fn sent(journal: &Journal, message: &Message) {
    journal.message_sent(message, &attempt(Some(204), None)).unwrap();
}

#[test]
fn whoever_wants_to_be_told_is_and_nobody_else() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let picky = Subscriber {
        events: BTreeSet::from([EventKind::Deleted]),
        ..subscriber(2, None)
    };
    let elsewhere = subscriber(3, Some(&["d"]));
    let here = subscriber(4, Some(&["c", "d"]));
    let known = BTreeSet::from([1, 2, 3, 4]);
    let subscribers = vec![subscriber(1, None), picky, elsewhere, here];
    journal.set_subscribers(subscribers, &known, BOUNDS).unwrap();
    happen(journal, "a", Event::Inserted);
    happen(journal, "b", Event::Deleted);
    let messages = take(journal);
    assert_eq!(
        told(&messages),
        [
            (1, "a", &Event::Inserted),
            (1, "b", &Event::Deleted),
            (2, "b", &Event::Deleted),
            (4, "a", &Event::Inserted),
            (4, "b", &Event::Deleted),
        ]
    );
    let names: BTreeSet<u128> = messages.iter().map(|message| message.id).collect();
    assert_eq!(names.len(), 5);
}

#[test]
fn a_message_outlives_the_process_with_its_name_its_attempts_and_its_turn() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    happen(&bench.journal, "a", Event::Inserted);
    happen(&bench.journal, "a", Event::Updated);
    happen(&bench.journal, "b", Event::Inserted);
    let first = take(&bench.journal);
    assert_eq!(told(&first).len(), 2, "of a document one at a time: {first:?}");
    fail(&bench.journal, &first[0], Retry::After(60 * SECOND));
    sent(&bench.journal, &first[1]);

    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    assert_eq!(bench.journal.mail_of(1).waiting, 2);
    bench.hand.pass(59 * SECOND);
    assert_eq!(take(&bench.journal), []);
    bench.hand.pass(SECOND);
    let again = take(&bench.journal);
    assert_eq!(told(&again), [(1, "a", &Event::Inserted)]);
    assert_eq!((again[0].id, again[0].attempts), (first[0].id, 1));

    // At work when the process ends: it is sent again, since nobody knows whether it came.
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    let again = take(&bench.journal);
    assert_eq!(again[0].id, first[0].id);
    sent(&bench.journal, &again[0]);
    assert_eq!(told(&take(&bench.journal)), [(1, "a", &Event::Updated)]);
}

#[test]
fn a_dead_letter_of_the_sync_is_told_with_its_cause() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    bench.bury("a");
    let cause = "the server does not like it".to_owned();
    let event = Event::SyncFailed { cause, attempts: 3 };
    assert_eq!(told(&take(&bench.journal)), [(1, "a", &event)]);
}

#[test]
fn those_that_wait_are_bounded_and_the_missed_are_counted_over_a_restart() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    for n in 0..8 {
        happen(&bench.journal, &n.to_string(), Event::Inserted);
    }
    let expected = Mail {
        waiting: 5,
        undeliverable: 0,
        missed: 3,
    };
    assert_eq!(bench.journal.mail_of(1), expected);
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    assert_eq!(bench.journal.mail_of(1), expected);
}

#[test]
fn what_cannot_be_delivered_is_kept_shown_sent_again_and_thrown_away() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    for id in ["a", "b", "c"] {
        happen(&bench.journal, id, Event::Updated);
    }
    for message in take(&bench.journal) {
        fail(&bench.journal, &message, Retry::Never);
    }
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    let mail = bench.journal.mail_of(1);
    assert_eq!(
        (mail.waiting, mail.undeliverable, mail.missed),
        (0, 2, 1),
        "two fit, the oldest went"
    );
    let page = bench.journal.undeliverable(1, None, 1).unwrap();
    assert_eq!((page.total, page.letters.len()), (2, 1));
    let letter = &page.letters[0];
    assert_eq!(
        (
            &*letter.message.document.id,
            letter.message.attempts,
            &letter.last
        ),
        ("b", 1, &attempt(Some(500), Some("broken")))
    );
    let rest = bench.journal.undeliverable(1, page.next, 9).unwrap();
    assert_eq!((rest.letters.len(), rest.next), (1, None));

    happen(&bench.journal, "b", Event::Deleted);
    let number = letter.message.number;
    assert_eq!(
        bench
            .journal
            .resend_undeliverable(1, Some(&[number, 99]))
            .unwrap(),
        1
    );
    let messages = take(&bench.journal);
    assert_eq!(
        told(&messages),
        [(1, "b", &Event::Updated)],
        "before what happened later to the same document"
    );
    sent(&bench.journal, &messages[0]);
    assert_eq!(told(&take(&bench.journal)), [(1, "b", &Event::Deleted)]);
    assert_eq!(bench.journal.purge_undeliverable(1, None).unwrap(), 1);
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    assert_eq!(bench.journal.undeliverable(1, None, 9).unwrap().total, 0);
}

#[test]
fn of_a_subscription_that_is_gone_nothing_is_left() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1, 2]);
    for id in ["a", "b", "c"] {
        happen(&bench.journal, id, Event::Updated);
    }
    let messages = take(&bench.journal);
    fail(&bench.journal, &messages[0], Retry::Never);
    subscribe(&bench.journal, &[2]);
    // What was on its way comes back to nobody.
    sent(&bench.journal, &messages[1]);
    fail(&bench.journal, &messages[2], Retry::After(SECOND));
    assert_eq!(bench.journal.mail_of(1), Mail::default());
    let disk = &bench.journal.disk;
    assert_eq!(disk.scan(vec![MESSAGE]).count(), 3, "the other's");
    for kind in [b'u', b'g', MISSED] {
        assert_eq!(disk.scan(vec![kind]).count(), 0, "{}", char::from(kind));
    }
}

#[test]
fn one_that_takes_nothing_for_now_keeps_what_waits_and_gets_nothing_new() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    happen(&bench.journal, "a", Event::Inserted);
    bench
        .journal
        .set_subscribers(Vec::new(), &BTreeSet::from([1]), BOUNDS)
        .unwrap();
    happen(&bench.journal, "b", Event::Inserted);
    assert_eq!(told(&take(&bench.journal)), [(1, "a", &Event::Inserted)]);
}

#[test]
fn the_log_holds_the_last_attempts_the_newest_first() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    happen(&bench.journal, "a", Event::Inserted);
    for round in 0..210_u64 {
        let message = take(&bench.journal).remove(0);
        let mut attempt = attempt(None, Some("out of reach"));
        attempt.at_micros = round;
        bench
            .journal
            .message_failed(&message, &attempt, Retry::After(Duration::ZERO))
            .unwrap();
    }
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    sent(&bench.journal, &take(&bench.journal)[0]);
    let log = bench.journal.message_log(1).unwrap();
    assert_eq!(log.len(), 200);
    assert_eq!(log[0].attempt, attempt(Some(204), None));
    let rounds: Vec<u64> = log[1..].iter().map(|entry| entry.attempt.at_micros).collect();
    assert_eq!(rounds, (11..210).rev().collect::<Vec<_>>());
    assert_eq!(bench.journal.disk.scan(vec![b'g']).count(), 200);
}

#[test]
fn a_storage_that_is_lost_loses_no_message() {
    let disk = Memory::default();
    let open = || Journal::open_on(Box::new(disk.clone()), settings(100), Arc::new(timing::System)).unwrap();
    let journal = open();
    subscribe(&journal, &[1]);
    happen(&journal, "a", Event::Inserted);
    disk.fail([Fault::Apply]);
    disk.delete();
    while journal.upkeep() != Upkeep::Reopened {}
    journal.flush().unwrap();
    drop(journal);
    let journal = open();
    subscribe(&journal, &[1]);
    assert_eq!(told(&take(&journal)), [(1, "a", &Event::Inserted)]);
}

#[test]
fn a_change_that_cannot_be_written_down_is_not_told_of() {
    let disk = Memory::default();
    let journal = Journal::open_on(Box::new(disk.clone()), settings(100), Arc::new(timing::System)).unwrap();
    subscribe(&journal, &[1]);
    journal.add("c", ["a"].into_iter(), Work::NODE, 5).unwrap();
    let batch = journal.claim(Stage::Nodes, 1).unwrap().batch().unwrap();
    let mut outcome = Outcome::new("a".into(), Work::NONE, StateChange::Keep);
    outcome.event = Some(Event::Inserted);
    disk.fail([Fault::Apply]);
    journal.commit(&batch, vec![outcome], &[], &[], 6).unwrap_err();
    assert_eq!(take(&journal), []);
}

#[test]
fn messages_that_cannot_be_read_cost_themselves_only() {
    let bench = Bench::new();
    subscribe(&bench.journal, &[1]);
    happen(&bench.journal, "a", Event::Inserted);
    let disk = &bench.journal.disk;
    for (key, value) in [
        (vec![MESSAGE, 1], vec![1]),
        (message_key(70), vec![0xFF; 3]),
        (vec![b'u'], vec![]),
        (vec![b'g', 1, 2], vec![]),
        (missed_key(1), vec![1, 2]),
    ] {
        disk.put(&key, value).unwrap();
    }
    let bench = bench.crash();
    subscribe(&bench.journal, &[1]);
    assert_eq!(told(&take(&bench.journal)), [(1, "a", &Event::Inserted)]);
    assert_eq!(bench.journal.mail_of(1).missed, 0);
}
