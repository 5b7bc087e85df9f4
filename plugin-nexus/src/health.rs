//! Whether all is well, check by check.
//!
//! A check that is `degraded` says that something is not done for now, and nothing is lost by it: changes wait in the journal. One
//! that is `unhealthy` asks for somebody to look: the journal cannot be written, or work waits and none is done although nothing
//! is known to be in its way.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::sync::{BreakerState, Context, LinkState};

/// For how long work may wait, and none be done, until that is a fault.
const STALLED: Duration = Duration::from_secs(120);

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

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at: `sync`, `journal`, `nexus`, `breaker`, `progress`, `webhooks` or `words`.
    pub name: &'static str,
    /// How it came out.
    pub status: Verdict,
    /// Why it is not healthy, or what was seen.
    pub reason: String,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Health {
    /// The worst of them.
    pub status: Verdict,
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
        let checks = match context.config().enabled {
            false => vec![check("sync", Verdict::Healthy, "switched off")],
            true => vec![
                sync(context),
                journal(context),
                nexus(context),
                breaker(context),
                progress(context),
                webhooks(context),
                words(context),
            ],
        };
        let status = checks
            .iter()
            .map(|check| check.status)
            .max()
            .unwrap_or(Verdict::Healthy);
        let worst = checks
            .iter()
            .filter(|check| check.status == status && status != Verdict::Healthy);
        let reasons: Vec<&str> = worst.map(|check| check.reason.as_str()).collect();
        Self {
            status,
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            at: Timestamp::now(),
            checks,
        }
    }

    /// Whether somebody has to look.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.status == Verdict::Unhealthy
    }
}

fn check(name: &'static str, status: Verdict, reason: impl Into<String>) -> Check {
    Check {
        name,
        status,
        reason: reason.into(),
    }
}

fn sync(context: &Context) -> Check {
    match context.settings.paused() {
        None => check("sync", Verdict::Healthy, "on"),
        Some(pause) => {
            let why = pause
                .reason
                .map_or_else(String::new, |reason| format!(": {reason}"));
            let reason = format!("paused by '{}' since {}{why}", pause.by, pause.since);
            check("sync", Verdict::Degraded, reason)
        }
    }
}

fn journal(context: &Context) -> Check {
    match context.journal.condition().failure {
        None => check("journal", Verdict::Healthy, "written"),
        Some(failure) => check(
            "journal",
            Verdict::Unhealthy,
            format!("the journal cannot be written: {failure}"),
        ),
    }
}

fn nexus(context: &Context) -> Check {
    let (status, reason) = match context.link.state() {
        LinkState::Ready(connection) => (
            Verdict::Healthy,
            format!("Nexus {}", connection.capabilities.version),
        ),
        LinkState::Degraded { reason } => (Verdict::Degraded, format!("Nexus is not written to: {reason}")),
        LinkState::Connecting => (Verdict::Degraded, "Nexus was not reached yet".to_owned()),
        LinkState::Down { reason } => (Verdict::Degraded, format!("Nexus is out of reach: {reason}")),
    };
    check("nexus", status, reason)
}

fn breaker(context: &Context) -> Check {
    let report = context.breaker.report();
    match report.state {
        BreakerState::Closed => check("breaker", Verdict::Healthy, "closed"),
        BreakerState::HalfOpen | BreakerState::Open => check(
            "breaker",
            Verdict::Degraded,
            format!(
                "Nexus does not do its work and is left alone for a while: {}",
                report.reason.unwrap_or_default()
            ),
        ),
    }
}

/// Work that waits for another attempt, or for Nexus, is waited for by right; any other has to go on.
fn progress(context: &Context) -> Check {
    let depth = context.journal.depth();
    let ready = depth.total().saturating_sub(depth.waiting);
    let may_work = context.link.is_ready()
        && context.breaker.state() == BreakerState::Closed
        && !context.gate.is_paused()
        && context.client.pace().report().paused_for.is_none();
    let idle = context.metrics.since_progress().min(depth.oldest);
    match may_work && ready > 0 && idle > STALLED {
        true => check(
            "progress",
            Verdict::Unhealthy,
            format!(
                "{ready} documents wait, and none was worked on for {} s",
                idle.as_secs()
            ),
        ),
        false => check("progress", Verdict::Healthy, format!("{ready} documents wait")),
    }
}

fn webhooks(context: &Context) -> Check {
    match context.outbound.fault() {
        None => check("webhooks", Verdict::Healthy, "usable"),
        Some(fault) => check(
            "webhooks",
            Verdict::Degraded,
            format!("no webhooks are sent, since their file cannot be used: {fault}"),
        ),
    }
}

fn words(context: &Context) -> Check {
    match context
        .lexical
        .as_ref()
        .and_then(|lexical| lexical.report().failure)
    {
        None => check("words", Verdict::Healthy, "usable, or switched off"),
        Some(failure) => check(
            "words",
            Verdict::Degraded,
            format!("the index of words cannot be used: {failure}"),
        ),
    }
}
