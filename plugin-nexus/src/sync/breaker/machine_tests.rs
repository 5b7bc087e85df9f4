//! The breaker's states, on a clock of the test's own.

use proptest::prelude::*;

use super::*;

const SETTINGS: BreakerSettings = BreakerSettings {
    threshold: 3,
    open: Backoff {
        base: Duration::from_secs(1),
        longest: Duration::from_secs(8),
    },
};

/// The longest wait of each bound.
const WORST: f64 = 1.0;

fn ticket(machine: &mut Machine, now: Instant) -> Ticket {
    match machine.admit(now) {
        Admission::Granted(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// A machine that has just opened, and when.
fn opened() -> (Machine, Instant) {
    let (mut machine, now) = (Machine::new(SETTINGS), Instant::now());
    for n in 1..=3 {
        let ticket = ticket(&mut machine, now);
        let change = machine.failed(ticket, now, None, WORST);
        assert_eq!(matches!(change, Change::Opened(_)), n == 3);
    }
    (machine, now)
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_them_does_not_count() {
    let (mut machine, now) = (Machine::new(SETTINGS), Instant::now());
    for round in 0..10 {
        let mut ticket = ticket(&mut machine, now);
        let change = if round % 3 == 2 {
            machine.succeeded(&mut ticket)
        } else {
            machine.failed(ticket, now, None, WORST)
        };
        assert_eq!(change, Change::None);
    }
    let (machine, now) = opened();
    assert_eq!(machine.state(now), BreakerState::Open);
    assert_eq!(machine.left(now), Some(Duration::from_secs(1)));
}

#[test]
fn one_probe_closes_it_or_keeps_it_open_for_twice_as_long() {
    let (mut machine, mut now) = opened();
    for seconds in [1, 2, 4, 8, 8] {
        assert_eq!(machine.left(now), Some(Duration::from_secs(seconds)));
        let almost = now + Duration::from_secs(seconds) - Duration::from_nanos(1);
        assert!(matches!(machine.admit(almost), Admission::After(_)));
        now += Duration::from_secs(seconds);
        assert_eq!(machine.state(now), BreakerState::HalfOpen);
        let probe = ticket(&mut machine, now);
        assert_eq!(machine.admit(now), Admission::Probing);
        let change = machine.failed(probe, now, None, WORST);
        assert!(matches!(change, Change::Opened(_)));
    }
    now += Duration::from_secs(8);
    let mut probe = ticket(&mut machine, now);
    assert_eq!(machine.succeeded(&mut probe), Change::Closed);
    assert_eq!((machine.openings(), machine.opened()), (0, 6));
    // The one who probed counts from now on as all others do.
    for n in 1..=3 {
        let change = machine.failed(probe, now, None, WORST);
        assert_eq!(
            change,
            if n == 3 {
                Change::Opened(Duration::from_secs(1))
            } else {
                Change::None
            }
        );
    }
}

#[test]
fn a_server_that_says_when_to_come_back_is_taken_at_its_word() {
    for (asked, kept) in [(7, 7), (0, 1), (100_000, LONGEST_PAUSE.as_secs())] {
        let (mut machine, now) = (Machine::new(SETTINGS), Instant::now());
        let ticket = ticket(&mut machine, now);
        let change = machine.failed(ticket, now, Some(Duration::from_secs(asked)), WORST);
        assert_eq!(change, Change::Opened(Duration::from_secs(kept)));
    }
    // Also by one who was under way when it opened.
    let (mut machine, now) = (Machine::new(SETTINGS), Instant::now());
    let late = ticket(&mut machine, now);
    for _ in 0..3 {
        let ticket = late;
        machine.failed(ticket, now, None, WORST);
    }
    assert_eq!(
        machine.failed(late, now, Some(Duration::from_secs(20)), WORST),
        Change::None
    );
    assert_eq!(machine.left(now), Some(Duration::from_secs(20)));
    assert_eq!(machine.opened(), 1);
}

#[test]
fn a_probe_that_learns_nothing_leaves_its_place_to_another() {
    let (mut machine, now) = opened();
    let now = now + Duration::from_secs(1);
    let probe = ticket(&mut machine, now);
    assert_eq!(machine.abandoned(probe, now), Change::Freed);
    assert_eq!(machine.abandoned(probe, now), Change::None);
    let mut next = ticket(&mut machine, now);
    assert_eq!(machine.succeeded(&mut next), Change::Closed);
}

#[test]
fn who_was_let_through_earlier_neither_opens_nor_closes_it() {
    let (mut machine, now) = (Machine::new(SETTINGS), Instant::now());
    let mut early = ticket(&mut machine, now);
    for _ in 0..3 {
        let ticket = ticket(&mut machine, now);
        machine.failed(ticket, now, None, WORST);
    }
    assert_eq!(machine.succeeded(&mut early), Change::None);
    assert_eq!(machine.state(now), BreakerState::Open);
    let now = now + Duration::from_secs(1);
    let mut probe = ticket(&mut machine, now);
    assert_eq!(machine.succeeded(&mut early), Change::None);
    assert_eq!(machine.failed(early, now, None, WORST), Change::None);
    assert_eq!(machine.abandoned(early, now), Change::None);
    assert_eq!(machine.admit(now), Admission::Probing);
    assert_eq!(machine.succeeded(&mut probe), Change::Closed);
    assert_eq!(machine.failed(early, now, None, WORST), Change::None);
    assert_eq!(machine.failures(), 0);
}

#[test]
fn of_another_server_nothing_is_known() {
    let (mut machine, now) = opened();
    assert_eq!(machine.reset(), Change::Closed);
    assert_eq!(machine.reset(), Change::None);
    let ticket = ticket(&mut machine, now);
    assert!(!ticket.probe);
}

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Event {
    Ask,
    Succeed(usize),
    Fail(usize, Option<u64>),
    Abandon(usize),
    Pass(u64),
    Reset,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Ask),
        2 => any::<usize>().prop_map(Event::Succeed),
        4 => (any::<usize>(), proptest::option::weighted(0.1, 0_u64..1_000)).prop_map(|(who, asked)| Event::Fail(who, asked)),
        2 => any::<usize>().prop_map(Event::Abandon),
        4 => (0_u64..4_000).prop_map(Event::Pass),
        1 => Just(Event::Reset),
    ]
}

proptest! {
    #[test]
    fn nothing_passes_while_it_is_open_one_at_a_time_while_it_is_half_open_and_no_leave_is_lost(
        events in proptest::collection::vec(event(), 1..300),
        chance in 0.0_f64..1.0,
    ) {
        let mut now = Instant::now();
        let mut machine = Machine::new(SETTINGS);
        let mut held: Vec<Ticket> = Vec::new();
        // By the test's own account.
        let mut probes: Vec<Ticket> = Vec::new();
        for event in events {
            let before = machine.state(now);
            match event {
                Event::Ask => match machine.admit(now) {
                    Admission::Granted(ticket) => {
                        prop_assert_eq!(ticket.probe, before == BreakerState::HalfOpen);
                        if ticket.probe {
                            prop_assert!(probes.is_empty(), "two probes at once");
                            probes.push(ticket);
                        }
                        held.push(ticket);
                    }
                    Admission::After(until) => {
                        prop_assert_eq!(before, BreakerState::Open);
                        prop_assert!(until > now && until <= now + LONGEST_PAUSE);
                    }
                    Admission::Probing => prop_assert_eq!(probes.len(), 1),
                },
                Event::Succeed(who) if !held.is_empty() => {
                    let mut ticket = held.swap_remove(who % held.len());
                    let was = ticket;
                    machine.succeeded(&mut ticket);
                    machine.abandoned(ticket, now);
                    probes.retain(|probe| *probe != was);
                }
                Event::Fail(who, asked) if !held.is_empty() => {
                    let ticket = held.swap_remove(who % held.len());
                    machine.failed(ticket, now, asked.map(Duration::from_secs), chance);
                    machine.abandoned(ticket, now);
                    probes.retain(|probe| *probe != ticket);
                }
                Event::Abandon(who) if !held.is_empty() => {
                    let ticket = held.swap_remove(who % held.len());
                    machine.abandoned(ticket, now);
                    probes.retain(|probe| *probe != ticket);
                }
                Event::Pass(ms) => now += Duration::from_millis(ms),
                Event::Reset => {
                    machine.reset();
                    probes.clear();
                }
                Event::Succeed(_) | Event::Fail(..) | Event::Abandon(_) => {}
            }
        }
        // Once everybody has come to an end, somebody is let through sooner or later, and a success closes it.
        for ticket in held {
            machine.abandoned(ticket, now);
        }
        let mut last = ticket(&mut machine, now + LONGEST_PAUSE);
        machine.succeeded(&mut last);
        prop_assert_eq!(machine.state(now), BreakerState::Closed);
    }
}
