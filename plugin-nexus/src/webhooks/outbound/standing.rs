//! How receivers do: one that fails again and again is tried with one message at a time, after longer and longer rests.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::subscription::SubscriptionId;
use crate::backoff::Backoff;

/// Failures in a row after which a receiver is let alone.
const FEW: u32 = 5;
/// How long it is.
const REST: Backoff = Backoff {
    base: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
}

/// Of all receivers.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<HashMap<SubscriptionId, Standing>>);

impl Standings {
    /// Of how many messages one may be told now, of which `most` may be at work.
    pub(super) fn room(&self, id: SubscriptionId, at_work: usize, most: usize, now: Instant) -> usize {
        let standing = self.of(id);
        if standing.rests_until.is_some_and(|until| until > now) {
            return 0;
        }
        let most = if standing.failures < FEW { most } else { 1 };
        most.saturating_sub(at_work)
    }

    /// Until when it is let alone.
    pub(super) fn rests_until(&self, id: SubscriptionId) -> Option<Instant> {
        self.of(id).rests_until
    }

    pub(super) fn failures(&self, id: SubscriptionId) -> u32 {
        self.of(id).failures
    }

    pub(super) fn failed(&self, id: SubscriptionId, now: Instant, chance: f64) {
        let mut all = self.0.lock();
        let standing = all.entry(id).or_default();
        standing.failures = standing.failures.saturating_add(1);
        if let Some(rests) = standing.failures.checked_sub(FEW) {
            standing.rests_until = Some(now + REST.wait(rests + 1, chance));
        }
    }

    /// Answers whether it had been let alone: what waits for it need not wait any more.
    pub(super) fn succeeded(&self, id: SubscriptionId) -> bool {
        let before = self.0.lock().remove(&id);
        before.is_some_and(|standing| standing.failures >= FEW)
    }

    fn of(&self, id: SubscriptionId) -> Standing {
        self.0.lock().get(&id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_again_and_again_is_tried_now_and_then_until_it_answers() {
        let (standings, id, now) = (Standings::default(), SubscriptionId(1), Instant::now());
        assert_eq!(standings.room(id, 3, 8, now), 5);
        for _ in 0..4 {
            standings.failed(id, now, 1.0);
        }
        assert_eq!(standings.room(id, 0, 8, now), 8);
        standings.failed(id, now, 1.0);
        assert_eq!(standings.room(id, 0, 8, now), 0);
        let later = now + Duration::from_secs(1);
        assert_eq!(
            (standings.room(id, 0, 8, later), standings.room(id, 1, 8, later)),
            (1, 0)
        );
        for _ in 0..20 {
            standings.failed(id, later, 1.0);
        }
        assert_eq!(standings.rests_until(id), Some(later + Duration::from_secs(60)));
        assert_eq!(standings.room(SubscriptionId(2), 0, 8, now), 8, "the others do");
        assert!(standings.succeeded(id));
        assert_eq!(standings.room(id, 0, 8, now), 8);
        standings.failed(id, now, 1.0);
        assert!(!standings.succeeded(id));
    }
}
