//! What was found before, so that ages can be told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{Check, Verdict};
use crate::journal::Stage;

/// How a check comes out now.
pub(super) struct Finding(pub(super) &'static str, pub(super) Verdict, pub(super) String);

/// What was found before.
#[derive(Debug, Default)]
pub struct History(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    since: BTreeMap<&'static str, (Verdict, Timestamp)>,
    /// Since when each stage has had work.
    busy: [Option<Instant>; 3],
    /// Tasks that ended though nobody asked for it.
    dead: BTreeSet<&'static str>,
}

impl History {
    /// A task ended though nobody asked for it.
    pub(crate) fn died(&self, task: &'static str) {
        self.0.lock().dead.insert(task);
    }

    pub(super) fn dead(&self) -> Vec<&'static str> {
        self.0.lock().dead.iter().copied().collect()
    }

    /// For how long a stage has had work.
    pub(super) fn busy_for(&self, stage: Stage, is_busy: bool, now: Instant) -> Duration {
        let busy = &mut self.0.lock().busy[stage.index()];
        *busy = is_busy.then(|| busy.unwrap_or(now));
        busy.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    pub(super) fn date(&self, Finding(name, status, reason): Finding, now: Timestamp) -> Check {
        let mut past = self.0.lock();
        let known = past.since.entry(name).or_insert((status, now));
        if known.0 != status {
            *known = (status, now);
        }
        let since = known.1;
        Check {
            name,
            status,
            reason,
            since,
            age_seconds: now.duration_since(since).as_secs_f64().max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_as_old_as_its_outcome() {
        let history = History::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let date = |status, second| history.date(Finding("nexus", status, String::new()), at(second));
        assert_eq!(date(Verdict::Healthy, 100).age_seconds, 0.0);
        assert_eq!(date(Verdict::Healthy, 130).age_seconds, 30.0);
        assert_eq!(date(Verdict::Degraded, 140).age_seconds, 0.0);
        assert_eq!(date(Verdict::Degraded, 141).since, at(140));
    }

    #[test]
    fn an_hour_without_work_is_no_hour_without_progress() {
        let (history, start) = (History::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            history.busy_for(Stage::Edges, false, after(3_600)),
            Duration::ZERO
        );
        assert_eq!(history.busy_for(Stage::Edges, true, after(3_601)), Duration::ZERO);
        assert_eq!(
            history.busy_for(Stage::Edges, true, after(3_611)),
            Duration::from_secs(10)
        );
        assert_eq!(
            history.busy_for(Stage::Edges, false, after(3_612)),
            Duration::ZERO
        );
    }
}
