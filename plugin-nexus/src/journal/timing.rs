//! Time and chance, as the journal sees them: both can be replaced, so that waits are tested without waiting.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// One moment on both clocks: waits are measured on the one that is never set, times are stored from the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) unix_micros: u64,
}

impl Moment {
    /// When a time that was stored comes, `longest` from now at the latest: a clock that was set back, or a record from a
    /// machine whose clock is wrong, keeps nobody waiting for ever.
    pub(super) fn at(&self, unix_micros: u64, longest: Duration) -> Instant {
        let wait = Duration::from_micros(unix_micros.saturating_sub(self.unix_micros));
        self.instant + wait.min(longest)
    }
}

/// Where the journal takes time and chance from.
pub(super) trait Timing: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Moment;

    /// A number from `0.0..1.0`, uniform.
    fn chance(&self) -> f64;
}

/// The system's clocks and random numbers.
#[derive(Debug)]
pub(super) struct System;

impl Timing for System {
    fn now(&self) -> Moment {
        Moment {
            instant: Instant::now(),
            unix_micros: unix_micros(),
        }
    }

    fn chance(&self) -> f64 {
        rand::random()
    }
}

/// Microseconds since the Unix epoch.
pub(crate) fn unix_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Such microseconds as a time, which people read as RFC 3339 in UTC; `None` for 0 and for what no calendar has.
pub(crate) fn moment_of(unix_micros: u64) -> Option<Timestamp> {
    let micros = i64::try_from(unix_micros).ok().filter(|micros| *micros > 0)?;
    Timestamp::from_microsecond(micros).ok()
}
