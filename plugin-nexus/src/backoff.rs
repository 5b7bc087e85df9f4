//! How long to wait for the next attempt: of a request, or at a document that Nexus refuses.
//!
//! The bound doubles with each attempt that failed, up to the longest wait. The wait is drawn between half of the bound and
//! the whole of it, so that what failed together does not come back together.

use std::time::Duration;

/// The waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Bound of the wait after the first attempt.
    pub base: Duration,
    /// Bound of any wait.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many attempts that failed. `chance` is uniform in `0.0..1.0`.
    #[must_use]
    pub fn wait(&self, attempts: u32, chance: f64) -> Duration {
        let factor = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        jittered(self.base.saturating_mul(factor).min(self.longest), chance)
    }

    /// The wait of what has used up its attempts.
    #[must_use]
    pub fn last_wait(&self, chance: f64) -> Duration {
        jittered(self.longest, chance)
    }
}

fn jittered(bound: Duration, chance: f64) -> Duration {
    bound.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_longest_wait() {
        let backoff = Backoff {
            base: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        };
        let bounds: Vec<u64> = (1..=5)
            .map(|attempts| backoff.wait(attempts, 1.0).as_secs())
            .collect();
        assert_eq!(bounds, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.wait(2, 0.0), Duration::from_secs(1));
        assert_eq!(backoff.last_wait(1.0), Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_half_of_its_bound_and_the_whole(
            base in 1_u64..60_000,
            more in 0_u64..86_400_000,
            attempts in any::<u32>(),
            chance in 0.0_f64..1.0,
        ) {
            let backoff = Backoff {
                base: Duration::from_millis(base),
                longest: Duration::from_millis(base + more),
            };
            let bound = u64::try_from(
                u128::from(base)
                    .saturating_mul(1_u128 << attempts.saturating_sub(1).min(64))
                    .min(u128::from(base + more)),
            );
            let bound = Duration::from_millis(bound.unwrap());
            for (wait, bound) in [
                (backoff.wait(attempts, chance), bound),
                (backoff.last_wait(chance), backoff.longest),
            ] {
                prop_assert!(wait >= bound / 2 && wait <= bound, "{wait:?} of {bound:?}");
            }
        }

        #[test]
        fn with_equal_luck_no_attempt_waits_shorter_than_the_one_before(
            attempts in 1_u32..1_000,
            chance in 0.0_f64..1.0,
        ) {
            let backoff = Backoff {
                base: Duration::from_millis(7),
                longest: Duration::from_secs(300),
            };
            prop_assert!(backoff.wait(attempts + 1, chance) >= backoff.wait(attempts, chance));
        }
    }
}
