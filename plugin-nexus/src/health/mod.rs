//! Whether all is well, check by check.
//!
//! A check that is `degraded` says that something is not done for now, and nothing is lost by it: changes wait in the journal. One
//! that is `unhealthy` asks for somebody to look: the journal cannot be written, a task has died, or work waits and none is done for
//! too long, whatever is in its way but an administrator.
//!
//! - *live*: all tasks run. Where they do not, only a restart of the host helps;
//! - *ready*: a change that comes now is in the graph soon: nothing that it needs is out of order, paused or switched off.

mod checks;
mod history;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

pub use history::History;

use crate::sync::Context;
use crate::telemetry;

/// How often all is looked at by itself, so that ages of checks are right.
const TICK: Duration = Duration::from_secs(1);
/// What has to be well for a change to be in the graph soon.
const NEEDED: [&str; 5] = ["sync", "lanes", "journal", "nexus", "breaker"];

/// How one check came out, or all of them together: the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Healthy,
    /// Something is not done for now.
    Degraded,
    /// Somebody has to look.
    Unhealthy,
}

impl Verdict {
    /// Its number in metrics: the worse, the higher.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::Unhealthy => 2,
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at: `sync`, `lanes`, `journal`, `nexus`, `breaker`, `progress`, `webhooks` or `words`.
    pub name: &'static str,
    /// How it came out.
    pub status: Verdict,
    /// Why it is not healthy, or what was seen.
    pub reason: String,
    /// Since when it comes out like that.
    pub since: Timestamp,
    /// For how long, in seconds.
    pub age_seconds: f64,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Health {
    /// The worst of them.
    pub status: Verdict,
    /// Whether all tasks run; if not, only a restart of the host helps.
    pub live: bool,
    /// Whether a change that comes now is in the graph soon.
    pub ready: bool,
    /// Why it is not healthy: the reasons of the worst checks.
    pub reason: Option<String>,
    /// When they were made.
    pub at: Timestamp,
    /// One by one.
    pub checks: Vec<Check>,
}

impl Health {
    /// Looks now.
    pub fn of(context: &Context) -> Self {
        let found = checks::all(context);
        let at = Timestamp::now();
        let checks = found.into_iter().map(|finding| context.health.date(finding, at));
        Self::made_of(checks.collect(), at)
    }

    fn made_of(checks: Vec<Check>, at: Timestamp) -> Self {
        let status = checks
            .iter()
            .map(|check| check.status)
            .max()
            .unwrap_or(Verdict::Healthy);
        let worst = checks
            .iter()
            .filter(|check| check.status == status && status != Verdict::Healthy);
        let reasons: Vec<&str> = worst.map(|check| check.reason.as_str()).collect();
        let is_well = |name: &str| {
            checks
                .iter()
                .all(|check| check.name != name || check.status == Verdict::Healthy)
        };
        // What is switched off is not looked at.
        let is_there = |name: &str| checks.iter().any(|check| check.name == name);
        Self {
            status,
            live: is_well("lanes"),
            ready: NEEDED.into_iter().all(|name| is_there(name) && is_well(name)),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            at,
            checks,
        }
    }

    /// Whether somebody has to look.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.status == Verdict::Unhealthy
    }
}

/// Looks now and then until `stop` says true.
pub(crate) async fn watch(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        Health::of(&context);
        telemetry::tell_suppressed(context.host);
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(found: &[(&'static str, Verdict)]) -> Health {
        let at = Timestamp::UNIX_EPOCH;
        let checks = found.iter().map(|(name, status)| Check {
            name,
            status: *status,
            reason: format!("of {name}"),
            since: at,
            age_seconds: 0.0,
        });
        Health::made_of(checks.collect(), at)
    }

    #[test]
    fn the_worst_check_counts_and_gives_the_reason() {
        let health = health(&[
            ("sync", Verdict::Healthy),
            ("nexus", Verdict::Degraded),
            ("journal", Verdict::Unhealthy),
        ]);
        assert_eq!(health.status, Verdict::Unhealthy);
        assert_eq!(health.reason.as_deref(), Some("of journal"));
        assert!(health.is_broken() && health.live && !health.ready);
    }

    #[test]
    fn a_dead_task_is_neither_live_nor_ready_and_webhooks_and_words_are_no_matter_of_either() {
        let but = |name: &'static str, status| {
            let rest = NEEDED.into_iter().filter(|needed| *needed != name);
            let all: Vec<_> = rest
                .map(|needed| (needed, Verdict::Healthy))
                .chain([(name, status)])
                .collect();
            health(&all)
        };
        let dead = but("lanes", Verdict::Unhealthy);
        assert!(!dead.live && !dead.ready);
        for beside in ["webhooks", "words"] {
            let degraded = but(beside, Verdict::Degraded);
            assert!(degraded.live && degraded.ready && degraded.status == Verdict::Degraded);
        }
        let slow = but("progress", Verdict::Unhealthy);
        assert!(slow.live && slow.ready && slow.is_broken());
        let off = health(&[("sync", Verdict::Healthy)]);
        assert!(
            off.live && !off.ready,
            "switched off, nothing comes into the graph"
        );
    }
}
