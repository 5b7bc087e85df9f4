//! How often a caller may steer the plugin: a rate for each, so that one who runs wild does not keep others out.
//!
//! Invariant: memory is bounded; callers beyond [`MOST`] share what is left of one bucket.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vectorizer_plugin_api::{Caller, Role};

/// What may come at once, in seconds of the rate.
const BURST: f64 = 2.0;
/// Callers that are told apart.
const MOST: usize = 1_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bucket {
    reads: bool,
    role: Role,
    name: String,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    tokens: f64,
    filled: Instant,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Admission(Mutex<HashMap<Bucket, Level>>);

impl Admission {
    /// Lets a request through, or says when to come again. A rate of 0 is none.
    pub(super) fn admit(&self, reads: bool, caller: &Caller, rate: u32) -> Result<(), Duration> {
        self.admit_at(reads, caller, rate, Instant::now())
    }

    fn admit_at(&self, reads: bool, caller: &Caller, rate: u32, now: Instant) -> Result<(), Duration> {
        if rate == 0 {
            return Ok(());
        }
        let rate = f64::from(rate);
        let burst = rate * BURST;
        let level_at = |level: Level| {
            let passed = now.saturating_duration_since(level.filled).as_secs_f64();
            (level.tokens + passed * rate).min(burst)
        };
        let mut levels = self.0.lock();
        let mut bucket = Bucket {
            reads,
            role: caller.role,
            name: caller.name.clone(),
        };
        if levels.len() >= MOST && !levels.contains_key(&bucket) {
            // Who did nothing lately is as good as new.
            levels.retain(|_, level| level_at(*level) < burst);
            if levels.len() >= MOST {
                bucket.name.clear();
            }
        }
        let level = levels.entry(bucket).or_insert(Level {
            tokens: burst,
            filled: now,
        });
        let tokens = level_at(*level);
        let left = tokens - 1.0;
        *level = Level {
            tokens: if left >= 0.0 { left } else { tokens },
            filled: now,
        };
        match left >= 0.0 {
            true => Ok(()),
            false => Err(Duration::from_secs_f64(-left / rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Caller {
        Caller {
            role: Role::Admin,
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_others_are_not_kept_out() {
        let (admission, start) = (Admission::default(), Instant::now());
        let admit = |name: &str, millis: u64| {
            let now = start + Duration::from_millis(millis);
            admission.admit_at(false, &caller(name), 5, now)
        };
        assert_eq!((0..20).filter(|_| admit("one", 0).is_ok()).count(), 10);
        let wait = admit("one", 0).unwrap_err();
        assert!((190..=200).contains(&wait.as_millis()), "{wait:?}");
        assert!(admit("other", 0).is_ok());
        assert!(admission.admit_at(true, &caller("one"), 5, start).is_ok());
        assert_eq!((0..20).filter(|_| admit("one", 1_000).is_ok()).count(), 5);
        assert!(admission.admit_at(false, &caller("one"), 0, start).is_ok());
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let (admission, now) = (Admission::default(), Instant::now());
        for number in 0..MOST * 2 {
            let _ = admission.admit_at(false, &caller(&number.to_string()), 1, now);
        }
        assert!(admission.0.lock().len() <= MOST + 1);
    }
}
