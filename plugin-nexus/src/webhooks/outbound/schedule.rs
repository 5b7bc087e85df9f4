//! When a message that could not be delivered is sent again.

use std::time::Duration;

/// By how much of itself a wait is longer at most, so that what failed together does not come back together.
const JITTER: f64 = 0.2;

/// The waits of [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
/// after the first attempt, the second, and so on, in seconds: ten attempts in three days.
pub(crate) const STANDARD: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How long to wait after so many attempts that failed; `None`: no more are made. `chance` is uniform in `0.0..1.0`.
pub(super) fn wait(schedule: &[u64], failed: u32, chance: f64) -> Option<Duration> {
    let at = usize::try_from(failed).ok()?.checked_sub(1)?;
    let seconds = schedule.get(at)?;
    Some(Duration::from_secs(*seconds).mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0)))
}

/// The age at which a message is not tried any more, however few attempts were made: its subscription was let alone.
pub(super) fn lifetime(schedule: &[u64]) -> Duration {
    Duration::from_secs(schedule.iter().sum::<u64>().saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_attempts_are_made_in_some_three_days_each_a_little_later_than_planned() {
        let mut age = Duration::ZERO;
        for failed in 1..=9 {
            let [least, most] = [0.0, 1.0].map(|chance| wait(&STANDARD, failed, chance).unwrap());
            assert_eq!(least.as_secs(), STANDARD[failed as usize - 1]);
            assert_eq!(most, least.mul_f64(1.2));
            age += most;
        }
        assert_eq!(wait(&STANDARD, 10, 0.5), None);
        assert_eq!(wait(&STANDARD, 0, 0.5), None);
        assert!(age > Duration::from_secs(3 * 86_400) && age < lifetime(&STANDARD));
    }
}
