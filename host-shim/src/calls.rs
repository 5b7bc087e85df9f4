//! The calls of one plugin: how many, how long, and what came of them.
//!
//! Invariants:
//! - Recording a call costs two atomic additions, whatever came of it.
//! - A count never falls: it is read from the durations of calls that ended so, and from nothing else.

use std::time::Duration;

use vectorizer_plugin_api::FaultCode;

use crate::histogram::{Histogram, Snapshot};

/// The calls that are counted, by their names in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Call {
    Start,
    Notify,
    CollectionEvent,
    Http,
    Metrics,
    Health,
    Reload,
    StopIntake,
    Drain,
}

impl Call {
    pub(crate) const ALL: [Self; 9] = [
        Self::Start,
        Self::Notify,
        Self::CollectionEvent,
        Self::Http,
        Self::Metrics,
        Self::Health,
        Self::Reload,
        Self::StopIntake,
        Self::Drain,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Notify => "notify",
            Self::CollectionEvent => "collection_event",
            Self::Http => "http",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Reload => "reload",
            Self::StopIntake => "stop_intake",
            Self::Drain => "drain",
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Outcome {
    /// It was done. A request counts as done when the plugin took it; its answer may come later, and say anything.
    Ok,
    /// The plugin does not do this, or not now.
    Refused,
    /// The plugin would have, but could not.
    Failed,
    /// The plugin panicked.
    Panicked,
}

impl Outcome {
    pub(crate) const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Failed, Self::Panicked];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
        }
    }

    pub(crate) const fn of(result: Result<(), FaultCode>) -> Self {
        match result {
            Ok(()) => Self::Ok,
            Err(FaultCode::Panicked) => Self::Panicked,
            Err(FaultCode::Unavailable | FaultCode::Internal) => Self::Failed,
            Err(
                FaultCode::Closed
                | FaultCode::Busy
                | FaultCode::Invalid
                | FaultCode::NotFound
                | FaultCode::Reentrant
                | FaultCode::Unsupported,
            ) => Self::Refused,
        }
    }
}

/// The durations of all calls, by what was called and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    durations: [[Histogram; Outcome::ALL.len()]; Call::ALL.len()],
}

impl Calls {
    pub(crate) fn record(&self, call: Call, outcome: Outcome, took: Duration) {
        self.durations[call as usize][outcome as usize].observe(took);
    }

    /// Calls that ended so.
    pub(crate) fn count(&self, call: Call, outcome: Outcome) -> u64 {
        self.durations[call as usize][outcome as usize].count()
    }

    /// The durations of a call, whatever came of it.
    pub(crate) fn durations(&self, call: Call) -> Snapshot {
        Snapshot::of(&self.durations[call as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_and_outcome_has_a_place_of_its_own() {
        let calls = Calls::default();
        for (n, call) in (0..).zip(Call::ALL) {
            for (m, outcome) in (1..).zip(Outcome::ALL) {
                for _ in 0..n * Outcome::ALL.len() + m {
                    calls.record(call, outcome, Duration::ZERO);
                }
            }
        }
        for (n, call) in (0..).zip(Call::ALL) {
            for (m, outcome) in (1..).zip(Outcome::ALL) {
                let wanted = (n * Outcome::ALL.len() + m) as u64;
                assert_eq!(calls.count(call, outcome), wanted, "{call:?} {outcome:?}");
            }
        }
    }

    #[test]
    fn an_outcome_follows_from_the_fault() {
        assert_eq!(Outcome::of(Ok(())), Outcome::Ok);
        assert_eq!(Outcome::of(Err(FaultCode::Busy)), Outcome::Refused);
        assert_eq!(Outcome::of(Err(FaultCode::Internal)), Outcome::Failed);
        assert_eq!(Outcome::of(Err(FaultCode::Panicked)), Outcome::Panicked);
    }
}
