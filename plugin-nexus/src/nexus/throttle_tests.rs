//! What holds of a throttle, on a clock of the test's own.

use proptest::prelude::*;

use super::*;

const BURST: Duration = Duration::from_millis(250);

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Takes one after the other from `from` on for `time`; answers when each was let through.
fn flood(throttle: &mut Throttle, from: Instant, time: Duration, pause: Duration) -> Vec<Instant> {
    let mut now = from;
    let mut let_through = Vec::new();
    while now < from + time {
        match throttle.take(1.0, now) {
            Ok(()) => {
                let_through.push(now);
                now += pause;
            }
            Err(TooSoon { wait, .. }) => now += wait + Duration::from_nanos(1),
        }
    }
    let_through
}

#[test]
fn without_a_ceiling_nothing_waits() {
    let start = Instant::now();
    let mut throttle = Throttle::new(None, 1.0, BURST, start);
    for _ in 0..10_000 {
        throttle.take(500.0, start).unwrap();
    }
    assert_eq!((throttle.limit(start), throttle.most(start)), (None, None));
}

#[test]
fn a_ceiling_is_used_to_the_full_and_kept() {
    let start = Instant::now();
    let mut throttle = Throttle::new(Some(20.0), 1.0, BURST, start);
    let seen = flood(&mut throttle, start, millis(10_000), Duration::ZERO);
    // Twenty a second, and a burst of five at first; the last is a matter of rounding.
    assert!((204..=205).contains(&seen.len()), "{}", seen.len());
    let _ = throttle.take(1.0, start + millis(10_000));
    let wait = throttle.take(1.0, start + millis(10_000)).unwrap_err();
    assert_eq!(wait.bound, Bound::Ceiling);
}

#[test]
fn more_than_a_burst_is_owed() {
    let start = Instant::now();
    let mut throttle = Throttle::new(Some(100.0), 1.0, Duration::from_secs(1), start);
    throttle.take(300.0, start).unwrap();
    let wait = throttle.take(100.0, start).unwrap_err().wait;
    assert_eq!(wait, Duration::from_secs(3));
    throttle.take(100.0, start + wait).unwrap();
}

#[test]
fn an_overload_halves_what_was_measured_and_recovery_ends_without_a_limit() {
    let start = Instant::now();
    let mut throttle = Throttle::new(None, 1.0, BURST, start);
    // A hundred a second.
    flood(&mut throttle, start, millis(20_000), millis(10));
    let now = start + millis(20_000);
    assert!(throttle.overloaded(now, now));
    let halved = throttle.limit(now).unwrap();
    assert!((halved - 50.0).abs() < 2.0, "{halved}");
    assert_eq!(throttle.take(1.0, now).unwrap_err().bound, Bound::Overload);

    // Answers to what was under way count as the same overload.
    assert!(!throttle.overloaded(now + millis(500), now + millis(500)));
    let seconds = |n: u64| now + millis(500 + 1_000 * n);
    let mut limits = (0..31).map_while(|n| throttle.limit(seconds(n)));
    let mut before = 0.0;
    let mut count = 0;
    for limit in limits.by_ref() {
        assert!(limit >= before && limit - before < 60.0, "{before} to {limit}");
        before = limit;
        count += 1;
    }
    assert!((25..=31).contains(&count) && before > 180.0, "{count} {before}");
    assert_eq!(throttle.limit(seconds(31)), None);
}

#[test]
fn the_rate_does_not_rise_while_the_server_is_left_alone() {
    let start = Instant::now();
    let mut throttle = Throttle::new(None, 1.0, BURST, start);
    flood(&mut throttle, start, millis(5_000), millis(10));
    let now = start + millis(5_000);
    let resume = now + Duration::from_secs(120);
    throttle.overloaded(now, resume);
    let halved = throttle.limit(now);
    assert_eq!(throttle.limit(resume), halved);
    assert!(throttle.limit(resume + STEP) > halved);
}

#[test]
fn it_does_not_fall_below_the_floor_or_below_a_lower_ceiling() {
    let start = Instant::now();
    for (ceiling, least) in [(None, 4.0), (Some(2.0), 2.0)] {
        let mut throttle = Throttle::new(ceiling, 4.0, BURST, start);
        for n in 0..20 {
            let now = start + CUT_INTERVAL * n;
            throttle.overloaded(now, now);
        }
        let now = start + CUT_INTERVAL * 19;
        assert_eq!(throttle.limit(now), Some(least));
    }
}

#[test]
fn a_clock_that_steps_back_gives_nothing_away() {
    let start = Instant::now() + Duration::from_secs(100);
    let mut throttle = Throttle::new(Some(10.0), 1.0, Duration::from_millis(100), start);
    throttle.take(1.0, start + Duration::from_secs(1)).unwrap();
    for _ in 0..10 {
        assert!(throttle.take(1.0, start).is_err());
        assert!(throttle.take(1.0, start + Duration::from_secs(1)).is_err());
    }
}

/// What happens to a throttle.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Take(u32),
    Overload(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0_u64..3_000).prop_map(Event::Pass),
        6 => (1_u32..40).prop_map(Event::Take),
        1 => (0_u64..20_000).prop_map(Event::Overload),
    ];
    proptest::collection::vec(event, 1..200)
}

proptest! {
    #[test]
    fn no_window_sees_more_than_its_share_and_a_burst(
        rate in 1_u32..200,
        burst in 10_u64..2_000,
        events in events(),
    ) {
        let start = Instant::now();
        let rate = f64::from(rate);
        let mut throttle = Throttle::new(Some(rate), 1.0, millis(burst), start);
        let burst = throttle.most(start).unwrap();
        let mut now = start;
        let mut taken: Vec<(Instant, f64)> = Vec::new();
        for event in events {
            match event {
                Event::Pass(ms) => now += millis(ms),
                Event::Take(count) => {
                    // No more than may come at once.
                    let most = throttle.most(now).unwrap();
                    prop_assert!(most <= burst);
                    let count = f64::from(count).min(most);
                    if throttle.take(count, now).is_ok() {
                        taken.push((now, count));
                    }
                }
                Event::Overload(ms) => {
                    throttle.overloaded(now, now + millis(ms));
                    prop_assert!(throttle.limit(now).unwrap() <= rate);
                }
            }
        }
        for (first, (from, _)) in taken.iter().enumerate() {
            let mut sum = 0.0;
            for (until, count) in &taken[first..] {
                sum += count;
                let window = until.duration_since(*from).as_secs_f64();
                let most = rate * window + burst + 1e-3;
                prop_assert!(sum <= most, "{sum} in {window} s, at most {most}");
            }
        }
    }

    #[test]
    fn who_waits_as_told_is_let_through(rate in 1_u32..10_000, counts in proptest::collection::vec(1_u32..500, 1..30)) {
        let mut now = Instant::now();
        let mut throttle = Throttle::new(Some(f64::from(rate)), 1.0, BURST, now);
        for count in counts {
            if let Err(TooSoon { wait, .. }) = throttle.take(f64::from(count), now) {
                now += wait + Duration::from_nanos(1);
                prop_assert_eq!(throttle.take(f64::from(count), now), Ok(()));
            }
        }
    }

    #[test]
    fn whatever_happened_the_ceiling_is_reached_again(
        ceiling in proptest::option::of(1_u32..500),
        events in events(),
    ) {
        let start = Instant::now();
        let ceiling = ceiling.map(f64::from);
        let mut throttle = Throttle::new(ceiling, 1.0, BURST, start);
        let mut now = start;
        for event in events {
            match event {
                Event::Pass(ms) => now += millis(ms),
                Event::Take(count) => drop(throttle.take(f64::from(count), now)),
                Event::Overload(ms) => {
                    let before = throttle.limit(now).unwrap_or(f64::INFINITY);
                    let cut = throttle.overloaded(now, now + millis(ms));
                    let after = throttle.limit(now).unwrap();
                    prop_assert!(after <= before.max(1.0) && (!cut || after >= 1.0));
                }
            }
        }
        let mut steps = 0;
        now += millis(20_000);
        while throttle.limit(now) != ceiling {
            now += STEP;
            steps += 1;
            prop_assert!(steps <= 41, "{:?} after {steps} steps", throttle.limit(now));
        }
    }
}
