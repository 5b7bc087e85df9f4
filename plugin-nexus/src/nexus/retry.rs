//! When a failed attempt is repeated, and after how long.
//!
//! Every statement of the catalogue is idempotent, so what a server answers with a transient fault may
//! be repeated, even when the failed attempt was applied. The wait doubles with every attempt, is
//! bounded, and is jittered so that many lanes do not come back at once. A server that asks for
//! patience gets it; when it asks for more than the bound, the fault is handed up at once together
//! with the request.
//!
//! A server that could not be reached, or whose answer got lost, is another matter: it may be a new
//! process by the next attempt, and to a new process nothing is written unseen
//! (`contracts/nexus-dialect.md` section 2). The fence would end the session. Such a fault is handed up; the link looks
//! at the server first, and the work is done again.

use std::future::Future;
use std::time::Duration;

use super::error::NexusError;
use super::fault::FaultClass;
use crate::backoff::Backoff;

/// How often and how patiently to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all; 1 means never to retry. 0 counts as 1.
    pub max_attempts: u32,
    /// Upper bound of the wait after the first attempt.
    pub base_delay: Duration,
    /// Upper bound of any wait, including one that the server asks for.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_delay: Duration::from_millis(100),
            cap: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// The wait after failed attempt number `attempt` (from 1), or `None` to give up.
    ///
    /// `asked` is the server's Retry-After; `chance` is uniform in `0.0..1.0`. The wait is between
    /// half of the exponential bound and the whole of it, and never below `asked`.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if attempt >= self.max_attempts || asked.is_some_and(|asked| asked > self.cap) {
            return None;
        }
        let backoff = Backoff {
            base: self.base_delay,
            longest: self.cap,
        };
        let jittered = backoff.wait(attempt, chance);
        Some(jittered.max(asked.unwrap_or_default()))
    }
}

/// Runs `attempt` until it succeeds, fails for good, or the policy gives up.
///
/// Time passes on the tokio clock; `chance` supplies the jitter, uniform in `0.0..1.0`.
///
/// # Errors
///
/// The error of the last attempt.
pub(super) async fn retrying<T, F>(
    policy: &RetryPolicy,
    mut chance: impl FnMut() -> f64,
    mut attempt: impl FnMut() -> F,
) -> Result<T, NexusError>
where
    F: Future<Output = Result<T, NexusError>>,
{
    let mut number = 0;
    loop {
        number += 1;
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let class = error.class();
        let asked = match class {
            FaultClass::Overloaded { retry_after } => retry_after,
            _ => None,
        };
        let wait = match class {
            FaultClass::Overloaded { .. } | FaultClass::ServerFault => policy.wait(number, asked, chance()),
            FaultClass::Unreachable
            | FaultClass::Unanswered
            | FaultClass::Unauthorised
            | FaultClass::NotUnderstood
            | FaultClass::StatementRejected
            | FaultClass::MissingEndpoint
            | FaultClass::BadAnswer
            | FaultClass::TooLarge => None,
        };
        let Some(wait) = wait else { return Err(error) };
        tracing::debug!(attempt = number, wait_ms = wait.as_millis() as u64, %error, "retrying");
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 5,
        base_delay: Duration::from_millis(100),
        cap: Duration::from_millis(500),
    };

    fn unreachable() -> NexusError {
        NexusError::Unreachable {
            detail: "test".to_owned(),
        }
    }

    fn busy() -> NexusError {
        NexusError::Overloaded {
            status: 503,
            retry_after: None,
        }
    }

    fn overloaded(seconds: u64) -> NexusError {
        NexusError::Overloaded {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    /// Runs a scripted operation under the paused clock; gives the result, the attempts, the time.
    async fn run(
        policy: &RetryPolicy,
        script: impl Fn(u32) -> Result<u32, NexusError>,
    ) -> (Result<u32, NexusError>, u32, Duration) {
        let calls = Cell::new(0);
        let start = Instant::now();
        let result = retrying(
            policy,
            || 1.0,
            || {
                calls.set(calls.get() + 1);
                std::future::ready(script(calls.get()))
            },
        )
        .await;
        (result, calls.get(), start.elapsed())
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_is_jittered_down_to_its_half() {
        let whole: Vec<_> = (1..=5).map(|n| POLICY.wait(n, None, 1.0)).collect();
        let half: Vec<_> = (1..=5).map(|n| POLICY.wait(n, None, 0.0)).collect();
        let millis = |list: [u64; 4]| {
            list.map(|ms| Some(Duration::from_millis(ms)))
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()
        };
        assert_eq!(whole, millis([100, 200, 400, 500]));
        assert_eq!(half, millis([50, 100, 200, 250]));
    }

    #[test]
    fn a_huge_attempt_number_does_not_overflow() {
        let policy = RetryPolicy {
            max_attempts: u32::MAX,
            ..POLICY
        };
        assert_eq!(policy.wait(4_000_000_000, None, 1.0), Some(POLICY.cap));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_fault_is_retried_until_it_passes() {
        let (result, calls, elapsed) =
            run(&POLICY, |call| if call < 3 { Err(busy()) } else { Ok(call) }).await;
        assert_eq!((result.unwrap(), calls), (3, 3));
        assert_eq!(elapsed.as_millis(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_statement_is_not_repeated() {
        let rejected = |_| {
            Err(NexusError::Rejected {
                statement: "s",
                message: "Parse error".to_owned(),
            })
        };
        let (result, calls, elapsed) = run(&POLICY, rejected).await;
        assert!(matches!(result, Err(NexusError::Rejected { .. })));
        assert_eq!((calls, elapsed), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_out_of_reach_is_looked_at_by_the_caller_first() {
        let (result, calls, elapsed) = run(&POLICY, |_| Err(unreachable())).await;
        assert_eq!(result.unwrap_err().class(), FaultClass::Unreachable);
        assert_eq!((calls, elapsed), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded() {
        let (result, calls, _) = run(&POLICY, |_| Err(busy())).await;
        assert!(result.is_err());
        assert_eq!(calls, 5);
        let never = RetryPolicy {
            max_attempts: 0,
            ..POLICY
        };
        assert_eq!(run(&never, |_| Err(busy())).await.1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_honoured_within_the_cap() {
        let policy = RetryPolicy {
            cap: Duration::from_secs(10),
            ..POLICY
        };
        let (result, calls, elapsed) = run(
            &policy,
            |call| if call < 2 { Err(overloaded(7)) } else { Ok(call) },
        )
        .await;
        assert_eq!((result.unwrap(), calls, elapsed.as_secs()), (2, 2, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_beyond_the_cap_is_handed_up_at_once() {
        let (result, calls, elapsed) = run(&POLICY, |_| Err(overloaded(60))).await;
        let class = result.unwrap_err().class();
        assert_eq!(
            class,
            FaultClass::Overloaded {
                retry_after: Some(Duration::from_secs(60))
            }
        );
        assert_eq!((calls, elapsed), (1, Duration::ZERO));
    }
}
