//! What may happen very often, as a forged delivery: the first of each kind is written at once, those that follow are counted and written
//! together, a minute at a time.
//!
//! Invariant: kinds come from a closed set of the plugin's own, so memory is bounded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often one kind is written at most.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Kind {
    written: Instant,
    /// What happened since.
    held_back: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<(&'static str, &'static str), Kind>);

impl Repeats {
    /// Takes note of one more. Answers how many are to be written together with it; `None`: it is held back.
    pub(super) fn note(&mut self, action: &'static str, reason: &'static str, now: Instant) -> Option<u64> {
        let held_back = match self.0.get_mut(&(action, reason)) {
            Some(kind) if now.saturating_duration_since(kind.written) < INTERVAL => {
                kind.held_back += 1;
                return None;
            }
            Some(kind) => kind.held_back,
            None => 0,
        };
        let written = Kind {
            written: now,
            held_back: 0,
        };
        self.0.insert((action, reason), written);
        Some(held_back + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_written_and_the_rest_are_counted_a_minute_at_a_time() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut at = |reason, seconds| repeats.note("refused", reason, start + Duration::from_secs(seconds));
        assert_eq!(at("a", 0), Some(1));
        assert_eq!((at("a", 1), at("a", 59)), (None, None));
        assert_eq!(at("b", 59), Some(1));
        assert_eq!(at("a", 61), Some(3));
        assert_eq!((at("a", 62), at("a", 200)), (None, Some(2)));
    }
}
