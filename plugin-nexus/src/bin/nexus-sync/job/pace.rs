//! How fast a job goes on, and how long it will take: by what was seen in the last half minute.
//!
//! Invariant: an estimate is finite and not negative, whatever a host counts; a count that falls (the host was restarted, or another
//! phase began) begins the look anew.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(30);
/// The shortest span that says something.
const LEAST: Duration = Duration::from_millis(400);
/// An estimate beyond it is none.
const LONGEST_LEFT: f64 = 30.0 * 86_400.0;

/// What was seen at one moment.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Duration,
    documents: u64,
    share: f64,
}

/// The estimate.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<Seen>);

impl Pace {
    /// Takes note of what was seen at a moment, counted from some beginning.
    pub(super) fn observe(&mut self, at: Duration, documents: u64, share: f64) {
        if self
            .0
            .back()
            .is_some_and(|last| documents < last.documents || share < last.share || at < last.at)
        {
            self.0.clear();
        }
        self.0.push_back(Seen { at, documents, share });
        // One observation behind the window is kept, so that it is covered.
        while self.0.len() > 2 && self.0.get(1).is_some_and(|second| at - second.at >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Documents a second; none until that can be told.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last, seconds) = self.span()?;
        Some((last.documents - first.documents) as f64 / seconds)
    }

    /// How long it will take; none while nothing moves.
    pub(super) fn left(&self) -> Option<Duration> {
        let (first, last, seconds) = self.span()?;
        let moved = last.share - first.share;
        if moved <= 0.0 {
            return None;
        }
        let left = (1.0 - last.share).max(0.0) * seconds / moved;
        (left <= LONGEST_LEFT).then(|| Duration::from_secs_f64(left))
    }

    fn span(&self) -> Option<(Seen, Seen, f64)> {
        let (first, last) = (*self.0.front()?, *self.0.back()?);
        let span = last.at - first.at;
        (span >= LEAST).then_some((first, last, span.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(seen: &[(u64, u64, f64)]) -> Pace {
        let mut pace = Pace::default();
        for (seconds, documents, share) in seen {
            pace.observe(Duration::from_secs(*seconds), *documents, *share);
        }
        pace
    }

    #[test]
    fn a_steady_job_has_a_steady_rate_and_a_time_left() {
        let pace = pace(&[(0, 0, 0.0), (10, 500, 0.25), (20, 1_000, 0.5)]);
        assert_eq!(pace.rate(), Some(50.0));
        assert_eq!(pace.left(), Some(Duration::from_secs(20)));
    }

    #[test]
    fn only_the_last_half_minute_counts() {
        let pace = pace(&[(0, 0, 0.0), (100, 10, 0.1), (130, 310, 0.4)]);
        assert_eq!(pace.rate(), Some(10.0));
        assert_eq!(pace.left().unwrap().as_secs(), 60);
    }

    #[test]
    fn nothing_is_said_too_early_or_while_nothing_moves() {
        assert_eq!(pace(&[]).rate(), None);
        assert_eq!(pace(&[(0, 5, 0.1)]).rate(), None);
        let resting = pace(&[(0, 5, 0.1), (9, 5, 0.1)]);
        assert_eq!((resting.rate(), resting.left()), (Some(0.0), None));
    }

    #[test]
    fn a_count_that_falls_begins_the_look_anew() {
        let pace = pace(&[(0, 900, 0.5), (10, 0, 0.5), (20, 100, 0.6)]);
        assert_eq!(pace.rate(), Some(10.0));
    }

    proptest! {
        #[test]
        fn estimates_are_sane(seen in proptest::collection::vec((0..1_000_000_u64, any::<u64>(), 0.0..=1.0), 0..50)) {
            let pace = pace(&seen);
            if let Some(rate) = pace.rate() {
                prop_assert!(rate.is_finite() && rate >= 0.0);
            }
            let _ = pace.left();
        }
    }
}
