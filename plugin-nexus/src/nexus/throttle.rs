//! A rate that is kept, and that falls when the server asks for less.
//!
//! A token bucket holds the rate in force: none, a ceiling that was configured, or what an overload left of it. At an overload
//! the rate falls to half of what was measured over the last seconds, not below a floor; once without overload it rises second
//! by second, in equal steps, to the ceiling, or to twice the highest rate that was measured before, from where on it is without
//! limit again (additive increase, multiplicative decrease).
//!
//! Invariants, for a ceiling of `r` a second: in no time `t` more than `r * t` and one burst are let through; no overload
//! lets more through than before; some time after the last overload the limit is the ceiling again. Time is handed in and
//! does not have to be steady.

use std::time::{Duration, Instant};

/// Over about so many seconds a rate is measured.
const MEMORY_SECONDS: f64 = 2.0;
/// Several answers to one burst are one overload.
const CUT_INTERVAL: Duration = Duration::from_secs(1);
/// How often the rate rises.
const STEP: Duration = Duration::from_secs(1);
/// In so many steps it rises by the highest rate that was measured.
const STEPS: f64 = 20.0;
/// A measured rate below so many floors counts as this many: nearly nothing is no measure of what the server can take.
const FLOORS: f64 = 10.0;
/// Rounding does not make anybody wait.
const EPSILON: f64 = 1e-6;

/// Why something has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The configured ceiling.
    Ceiling,
    /// What an overload left of it.
    Overload,
}

/// Not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooSoon {
    /// When to ask again.
    pub(super) wait: Duration,
    pub(super) bound: Bound,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Throttle {
    ceiling: Option<f64>,
    floor: f64,
    /// What may come at once, in seconds of the rate; at least one.
    burst_seconds: f64,
    cut: Option<Cut>,
    tokens: f64,
    filled: Instant,
    /// What came lately, the older the less it counts.
    level: f64,
    levelled: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    limit: f64,
    /// The highest rate measured since there was no cut.
    before: f64,
    at: Instant,
    stepped: Instant,
}

impl Throttle {
    pub(super) fn new(ceiling: Option<f64>, floor: f64, burst: Duration, now: Instant) -> Self {
        let mut throttle = Self {
            ceiling,
            floor: floor.min(ceiling.unwrap_or(floor)),
            burst_seconds: burst.as_secs_f64(),
            cut: None,
            tokens: 0.0,
            filled: now,
            level: 0.0,
            levelled: now,
        };
        throttle.tokens = throttle.burst().unwrap_or_default();
        throttle
    }

    /// Another ceiling holds from now on; what an overload left stays.
    pub(super) fn set_ceiling(&mut self, ceiling: Option<f64>, floor: f64, now: Instant) {
        self.advance(now);
        self.ceiling = ceiling;
        self.floor = floor.min(ceiling.unwrap_or(floor));
        self.tokens = self.tokens.min(self.burst().unwrap_or_default());
    }

    /// The rate in force, `None` where there is no limit.
    pub(super) fn limit(&mut self, now: Instant) -> Option<f64> {
        self.advance(now);
        self.rate()
    }

    /// What may come at once, `None` where there is no limit.
    pub(super) fn most(&mut self, now: Instant) -> Option<f64> {
        self.advance(now);
        self.burst()
    }

    /// Lets `count` through, or says when to ask again. More than a burst is let through with a whole one, and the rest is
    /// owed.
    pub(super) fn take(&mut self, count: f64, now: Instant) -> Result<(), TooSoon> {
        self.advance(now);
        if let (Some(rate), Some(burst)) = (self.rate(), self.burst()) {
            let missing = count.min(burst) - self.tokens;
            if missing > EPSILON {
                return Err(TooSoon {
                    wait: Duration::from_secs_f64(missing / rate),
                    bound: match self.cut {
                        Some(_) => Bound::Overload,
                        None => Bound::Ceiling,
                    },
                });
            }
            self.tokens -= count;
        }
        self.level = self.level(now) + count;
        self.levelled = self.levelled.max(now);
        Ok(())
    }

    /// The server asks for less, and for none before `resume`. Says whether the rate fell.
    pub(super) fn overloaded(&mut self, now: Instant, resume: Instant) -> bool {
        self.advance(now);
        let resume = resume.max(now);
        if let Some(cut) = &mut self.cut
            && now.saturating_duration_since(cut.at) < CUT_INTERVAL
        {
            cut.stepped = cut.stepped.max(resume);
            return false;
        }
        let measured = self.level(now) / MEMORY_SECONDS;
        let limited = self.rate();
        let basis = limited.map_or(measured, |rate| rate.min(measured));
        let before = self.cut.map_or(0.0, |cut| cut.before);
        self.cut = Some(Cut {
            limit: (basis / 2.0).max(self.floor),
            before: before.max(measured).max(FLOORS * self.floor),
            at: now,
            stepped: resume,
        });
        // Who had no limit has saved nothing.
        self.tokens = match (limited, self.burst()) {
            (Some(_), Some(burst)) => self.tokens.min(burst),
            _ => 0.0,
        };
        true
    }

    fn rate(&self) -> Option<f64> {
        let cut = self.cut.map(|cut| cut.limit);
        match (cut, self.ceiling) {
            (Some(limit), Some(ceiling)) => Some(limit.min(ceiling)),
            (limit, ceiling) => limit.or(ceiling),
        }
    }

    fn burst(&self) -> Option<f64> {
        self.rate().map(|rate| (rate * self.burst_seconds).max(1.0))
    }

    /// What is left of what came lately.
    fn level(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.levelled).as_secs_f64();
        self.level * (-age / MEMORY_SECONDS).exp()
    }

    /// Fills the bucket by the rate that held since, then raises the rate.
    fn advance(&mut self, now: Instant) {
        if let (Some(rate), Some(burst)) = (self.rate(), self.burst()) {
            let passed = now.saturating_duration_since(self.filled).as_secs_f64();
            self.tokens = (self.tokens + rate * passed).min(burst);
        }
        self.filled = self.filled.max(now);
        let Some(cut) = &mut self.cut else { return };
        let passed = now.saturating_duration_since(cut.stepped);
        let steps = u32::try_from(passed.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX);
        if steps == 0 {
            return;
        }
        cut.limit += f64::from(steps) * cut.before / STEPS;
        cut.stepped = cut.stepped.checked_add(STEP * steps).unwrap_or(now);
        let enough = (2.0 * cut.before).min(self.ceiling.unwrap_or(f64::INFINITY));
        if cut.limit >= enough {
            self.cut = None;
        }
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
