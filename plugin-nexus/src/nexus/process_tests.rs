//! Sightings of simulated processes at simulated instants.

use proptest::prelude::*;

use super::*;

/// A clock that a test sets: milliseconds after some moment on both clocks.
#[derive(Clone, Copy)]
struct Clock {
    instant: Instant,
    timestamp: Timestamp,
}

impl Clock {
    fn new() -> Self {
        Self {
            // Far from what the platform's clock can hold.
            instant: Instant::now() + Duration::from_secs(100_000_000),
            timestamp: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn instant(&self, ms: u64) -> Instant {
        self.instant + Duration::from_millis(ms)
    }

    fn timestamp(&self, ms: u64) -> Timestamp {
        self.timestamp + SignedDuration::from_millis(i64::try_from(ms).unwrap())
    }

    /// What a process that started at `started` says to a request; its clock is fast by `ppm`.
    fn look(&self, started: u64, ppm: i64, look: Look) -> Process {
        let answered = look.sent + look.there;
        let lived = i64::try_from(answered - started).unwrap();
        let uptime = u64::try_from(lived + lived * ppm / 1_000_000).unwrap() / 1_000;
        let received = answered + look.back;
        Process::sighted(
            "2.5.0".to_owned(),
            uptime,
            self.instant(look.sent),
            self.instant(received),
            self.timestamp(received),
        )
        .unwrap()
    }
}

/// A request: when it was sent, how long it went there and back, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Look {
    sent: u64,
    there: u64,
    back: u64,
}

fn quick(sent: u64) -> Look {
    Look {
        sent,
        there: 2,
        back: 2,
    }
}

const BOOT: u64 = 1_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sightings_of_one_process_are_the_same_once_it_is_settled(
        age in 0_u64..2_000_000,
        there in 0_u64..30_000, back in 0_u64..30_000,
        gaps in prop::collection::vec((0_u64..40_000, 0_u64..250, 0_u64..250), 1..20),
        ppm in -400_i64..400,
    ) {
        let clock = Clock::new();
        let mut known = clock.look(BOOT, ppm, Look { sent: BOOT + age, there, back });
        prop_assume!(known.is_settled());
        let mut now = BOOT + age + there + back;
        for (gap, there, back) in gaps {
            let seen = clock.look(BOOT, ppm, Look { sent: now + gap, there, back });
            now += gap + there + back;
            prop_assert!(known.is_same(&seen), "{:?} {:?}", known, seen);
            known = known.narrowed(&seen);
            prop_assert!(known.earliest <= clock.instant(BOOT) + SLACK && clock.instant(BOOT) <= known.latest + SLACK);
            prop_assert!(known.is_settled());
        }
    }

    #[test]
    fn a_successor_is_never_taken_for_its_predecessor(
        age in prop_oneof![0_u64..5_000, 0_u64..10_000_000],
        first in (0_u64..30_000, 0_u64..30_000),
        dies_after in prop_oneof![Just(0_u64), 0_u64..5_000, 0_u64..10_000_000],
        lives in prop_oneof![0_u64..5_000, 0_u64..10_000_000],
        second in (0_u64..30_000, 0_u64..30_000),
        ppm in (-400_i64..400, -400_i64..400),
    ) {
        let clock = Clock::new();
        let sent = BOOT + age;
        let known = clock.look(BOOT, ppm.0, Look { sent, there: first.0, back: first.1 });
        // It may start at the very moment of the answer, before that arrived.
        let successor = sent + first.0 + dies_after;
        let sent = (successor + lives).saturating_sub(second.0).max(sent + first.0 + first.1);
        let seen = clock.look(successor, ppm.1, Look { sent, there: second.0.max(successor.saturating_sub(sent)), back: second.1 });
        prop_assert!(!known.is_same(&seen), "{:?} {:?}", known, seen);
    }

    #[test]
    fn a_successor_of_a_process_that_was_seen_often_is_never_taken_for_it(
        looks in prop::collection::vec((0_u64..5_000, 0_u64..3_000, 0_u64..3_000), 1..20),
        lives in 0_u64..100_000,
        second in (0_u64..30_000, 0_u64..30_000),
    ) {
        let clock = Clock::new();
        let (mut now, mut answered) = (BOOT, BOOT);
        let mut known: Option<Process> = None;
        for (gap, there, back) in looks {
            let seen = clock.look(BOOT, 0, Look { sent: now + gap, there, back });
            answered = now + gap + there;
            now = answered + back;
            known = Some(match known {
                Some(known) if known.is_same(&seen) => known.narrowed(&seen),
                _ => seen,
            });
        }
        let sent = now.max((answered + lives).saturating_sub(second.0));
        let seen = clock.look(answered, 0, Look { sent, there: second.0, back: second.1 });
        prop_assert!(!known.unwrap().is_same(&seen));
    }
}

#[test]
fn a_process_is_settled_from_two_seconds_on() {
    let clock = Clock::new();
    for (age, settled) in [
        (0, false),
        (1_000, false),
        (1_990, false),
        (2_000, true),
        (900_000, true),
    ] {
        assert_eq!(
            clock.look(BOOT, 0, quick(BOOT + age)).is_settled(),
            settled,
            "{age} ms"
        );
    }
    // Slow answers prove less.
    let slow = Look {
        sent: BOOT + 2_000,
        there: 300,
        back: 300,
    };
    assert!(!clock.look(BOOT, 0, slow).is_settled());
}

#[test]
fn an_uptime_of_zero_proves_nothing() {
    let clock = Clock::new();
    let first = clock.look(BOOT, 0, quick(BOOT + 100));
    assert!(!first.is_same(&clock.look(BOOT, 0, quick(BOOT + 200))));
    assert!(!first.is_same(&clock.look(BOOT + 150, 0, quick(BOOT + 200))));
}

#[test]
fn another_version_is_another_process() {
    let clock = Clock::new();
    let known = clock.look(BOOT, 0, quick(BOOT + 60_000));
    let mut seen = clock.look(BOOT, 0, quick(BOOT + 61_000));
    assert!(known.is_same(&seen));
    seen.version = "2.5.1".to_owned();
    assert!(!known.is_same(&seen));
}

#[test]
fn certainty_grows_with_every_sighting() {
    let clock = Clock::new();
    let mut known = clock.look(BOOT, 0, quick(BOOT + 60_000));
    let width = |process: &Process| process.latest.saturating_duration_since(process.earliest);
    assert!(width(&known) > RESOLUTION);
    for n in 1..=30 {
        let seen = clock.look(BOOT, 0, quick(BOOT + 60_000 + n * 1_033));
        assert!(known.is_same(&seen));
        known = known.narrowed(&seen);
    }
    assert!(width(&known) < Duration::from_millis(250), "{:?}", width(&known));
    let error = known
        .started_at()
        .duration_since(clock.timestamp(BOOT))
        .unsigned_abs();
    assert!(error < Duration::from_millis(250), "{error:?}");
}

#[test]
fn an_order_of_answers_that_is_not_that_of_the_requests_does_no_harm() {
    let clock = Clock::new();
    let known = clock.look(BOOT, 0, quick(BOOT + 60_000));
    let slow = Look {
        sent: BOOT + 61_000,
        there: 1_000,
        back: 4_000,
    };
    let (slow, fast) = (
        clock.look(BOOT, 0, slow),
        clock.look(BOOT, 0, quick(BOOT + 62_000)),
    );
    let after = known.narrowed(&fast);
    assert!(after.is_same(&slow));
    assert_eq!(after.narrowed(&slow), known.narrowed(&slow).narrowed(&fast));
}

#[test]
fn a_machine_that_slept_counts_as_a_restart() {
    let clock = Clock::new();
    let known = clock.look(BOOT, 0, quick(BOOT + 60_000));
    let mut seen = clock.look(BOOT, 0, quick(BOOT + 61_000));
    assert!(known.is_same(&seen));
    for jump in [-3_600, 3_600] {
        seen.received_at = clock.timestamp(BOOT + 61_000) + SignedDuration::from_secs(jump);
        assert!(!known.is_same(&seen), "{jump}");
    }
}

#[test]
fn a_start_is_recognised_by_the_wall_clock_after_our_own_restart() {
    let clock = Clock::new();
    let remembered = clock.look(BOOT, 0, quick(BOOT + 60_400)).started_at();
    let tolerance = Duration::from_secs(2);
    let same = clock.look(BOOT, 0, quick(BOOT + 7_200_900));
    assert!(same.matches_wall_clock(remembered, tolerance));
    let successor = clock.look(BOOT + 60_500, 0, quick(BOOT + 7_200_900));
    assert!(!successor.matches_wall_clock(remembered, tolerance));
}

#[test]
fn an_uptime_that_no_clock_holds_is_no_process() {
    let now = Instant::now();
    assert!(Process::sighted("2.5.0".to_owned(), u64::MAX, now, now, Timestamp::now()).is_none());
}
