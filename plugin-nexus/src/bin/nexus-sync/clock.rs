//! How far another machine's clock is from this one's, by the header `Date` of its answers.
//!
//! `Date` has whole seconds and was written somewhere between sending and receiving, so a skew is known to a second at best, and to
//! half of what the answer took.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Seconds from which on a skew is worth a warning.
pub(crate) const NOTABLE: f64 = 5.0;

/// How far a clock is ahead, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Skew(pub(crate) f64);

impl Skew {
    /// Of the clock that wrote `date` while this one went from `sent` to `received`. None where that is no date.
    pub(crate) fn measured(date: &str, sent: Timestamp, received: Timestamp) -> Option<Self> {
        let date = DateTimeParser::new().parse_timestamp(date).ok()?;
        let middle = f64::midpoint(seconds(sent), seconds(received));
        // Cut down to the second: half of one is lost on average.
        let apart = seconds(date) + 0.5 - middle;
        let doubt = 0.5 + (seconds(received) - seconds(sent)).max(0.0) / 2.0;
        Some(Self(apart.signum() * (apart.abs() - doubt).max(0.0)))
    }

    /// Whether it is worth a warning.
    pub(crate) fn is_notable(self) -> bool {
        self.0.abs() >= NOTABLE
    }
}

fn seconds(moment: Timestamp) -> f64 {
    moment.as_millisecond() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn skew(offset_millis: i64, took_millis: i64) -> f64 {
        let date: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        let at = |millis| Timestamp::from_millisecond(date.as_millisecond() + millis).unwrap();
        let sent = at(-offset_millis);
        let received = at(took_millis - offset_millis);
        Skew::measured(DATE, sent, received).unwrap().0
    }

    #[test]
    fn a_clock_that_goes_right_has_no_skew_within_what_can_be_told() {
        for offset in [0, -300, -999] {
            assert!(skew(offset, 0).abs() < 1e-9, "{offset}");
        }
        // It may have been written at any time of a long wait.
        assert!(skew(8_000, 10_000).abs() < 1e-9);
    }

    #[test]
    fn a_clock_that_is_ahead_or_behind_is_told_by_at_least_so_many_seconds() {
        assert!((skew(60_000, 0) - 60.0).abs() < 1.01);
        assert!((skew(-60_000, 0) + 59.0).abs() < 1.01);
        assert!(Skew(5.0).is_notable() && Skew(-5.1).is_notable() && !Skew(4.9).is_notable());
    }

    #[test]
    fn what_is_no_date_tells_nothing() {
        let now = Timestamp::UNIX_EPOCH;
        for text in ["", "now", "1994-11-06", "Sun, 99 Nov 1994 08:49:37 GMT", "\u{0}"] {
            assert_eq!(Skew::measured(text, now, now), None, "{text}");
        }
    }
}
