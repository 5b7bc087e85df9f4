//! How long a process that must not be written to is let alone before it is looked at again.
//!
//! The wait doubles each time, up to a cap. It begins anew only after a connection has served for as long as the last wait, and
//! for a minute at least: a server that does well when it is looked at and badly soon after is not met again every second.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(60);
/// A connection has to serve so long at least.
const PROBATION: Duration = Duration::from_secs(60);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct CoolDown {
    next: Duration,
    /// Since when a connection serves.
    serving: Option<Instant>,
}

impl CoolDown {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            serving: None,
        }
    }

    /// Begins to serve.
    pub(super) fn serves(&mut self, now: Instant) {
        self.serving = Some(now);
    }

    /// Has to be left alone until the time that is answered.
    pub(super) fn refused(&mut self, now: Instant) -> Instant {
        let served = self
            .serving
            .take()
            .map(|since| now.saturating_duration_since(since));
        // `next` is twice the last wait, or the first.
        if served.is_some_and(|served| served >= self.next.max(PROBATION)) {
            self.next = FIRST;
        }
        let until = now + self.next;
        self.next = (self.next * 2).min(CAP);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(cool_down: &mut CoolDown, served: Duration, times: usize) -> Vec<u64> {
        let mut now = Instant::now();
        (0..times)
            .map(|_| {
                cool_down.serves(now);
                now += served;
                let until = cool_down.refused(now);
                let wait = until - now;
                now = until;
                wait.as_secs()
            })
            .collect()
    }

    #[test]
    fn a_server_that_does_badly_soon_after_each_look_is_looked_at_seldom() {
        let mut cool_down = CoolDown::new();
        let served = Duration::from_secs(59);
        assert_eq!(waits(&mut cool_down, served, 9), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn one_that_served_for_a_while_is_trusted_as_at_first() {
        let mut cool_down = CoolDown::new();
        waits(&mut cool_down, Duration::ZERO, 9);
        assert_eq!(waits(&mut cool_down, Duration::from_secs(60), 3), [1, 1, 1]);
    }

    #[test]
    fn refused_without_having_served_it_waits_longer_each_time() {
        let mut cool_down = CoolDown::new();
        let now = Instant::now();
        let waits: Vec<u64> = (0..3).map(|_| (cool_down.refused(now) - now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4]);
    }
}
