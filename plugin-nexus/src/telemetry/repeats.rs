//! How often one place in the code may log.
//!
//! Invariants: of each place the first lines of a minute are logged, and how many were not is told when the minute is over, with the next
//! line or without; lines below the level info are for who asked for them, and not counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;

const WINDOW: Duration = Duration::from_secs(60);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Lines of a window; 0: no limit.
    most: AtomicU32,
    places: Mutex<HashMap<Identifier, Place>>,
    suppressed: AtomicU64,
}

/// A place in the code.
#[derive(Debug)]
struct Place {
    since: Instant,
    lines: u32,
    suppressed: u64,
    /// Of the last line that was not logged.
    target: &'static str,
    message: String,
}

/// What was not logged of a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) target: &'static str,
    pub(super) count: u64,
    pub(super) message: String,
}

impl Repeats {
    /// So many lines of a minute are logged; 0: all.
    pub(super) fn limit(&self, most: u32) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Whether a line is logged, and how many like it were not in the minute before.
    pub(super) fn admit(
        &self,
        place: Identifier,
        target: &'static str,
        message: &str,
        now: Instant,
    ) -> Option<u64> {
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return Some(0);
        }
        let mut places = self.places.lock();
        let place = places.entry(place).or_insert_with(|| Place {
            since: now,
            lines: 0,
            suppressed: 0,
            target,
            message: String::new(),
        });
        let mut before = 0;
        if now.saturating_duration_since(place.since) >= WINDOW {
            before = std::mem::take(&mut place.suppressed);
            place.since = now;
            place.lines = 0;
        }
        if place.lines < most {
            place.lines += 1;
            return Some(before);
        }
        place.suppressed += 1;
        message.clone_into(&mut place.message);
        drop(places);
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// What was not logged in minutes that are over.
    pub(super) fn over(&self, now: Instant) -> Vec<Told> {
        self.take(|place| now.saturating_duration_since(place.since) >= WINDOW)
    }

    /// What was not logged until now.
    pub(super) fn all(&self) -> Vec<Told> {
        self.take(|_| true)
    }

    fn take(&self, wanted: impl Fn(&Place) -> bool) -> Vec<Told> {
        let mut places = self.places.lock();
        let left_out = places
            .values_mut()
            .filter(|place| place.suppressed > 0 && wanted(place));
        left_out
            .map(|place| Told {
                target: place.target,
                count: std::mem::take(&mut place.suppressed),
                message: place.message.clone(),
            })
            .collect()
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tracing::callsite::Callsite;
    use tracing::{Metadata, Subscriber};

    use super::*;

    struct Site(&'static Metadata<'static>);

    impl Callsite for Site {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            self.0
        }
    }

    /// The identifier of a place of its own.
    fn place() -> Identifier {
        static META: Metadata<'static> = Metadata::new(
            "test",
            "test",
            tracing::Level::INFO,
            None,
            None,
            None,
            tracing::field::FieldSet::new(&[], Identifier(&SITE)),
            tracing::metadata::Kind::EVENT,
        );
        static SITE: Site = Site(&META);
        let _: Option<&dyn Subscriber> = None;
        Identifier(&SITE)
    }

    fn ask(repeats: &Repeats, now: Instant) -> Option<u64> {
        repeats.admit(place(), "t", "m", now)
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_with_the_next_that_is_logged() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        repeats.limit(2);
        let answers: Vec<_> = (0..5).map(|_| ask(&repeats, start)).collect();
        assert_eq!(answers, [Some(0), Some(0), None, None, None]);
        assert_eq!(ask(&repeats, start + WINDOW), Some(3));
        assert_eq!(ask(&repeats, start + WINDOW * 2), Some(0));
        assert_eq!(repeats.suppressed(), 3);
    }

    #[test]
    fn what_was_not_logged_is_told_though_no_other_line_comes() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        repeats.limit(1);
        for _ in 0..3 {
            ask(&repeats, start);
        }
        assert_eq!(repeats.over(start + WINDOW / 2), []);
        let told = Told {
            target: "t",
            count: 2,
            message: "m".to_owned(),
        };
        assert_eq!(repeats.over(start + WINDOW), [told]);
        ask(&repeats, start);
        assert_eq!(repeats.all().len(), 1, "at the end all is told");
        assert_eq!(repeats.over(start + WINDOW), []);
    }

    #[test]
    fn without_a_limit_all_is_logged() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        assert!((0..1_000).all(|_| ask(&repeats, now) == Some(0)));
    }
}
