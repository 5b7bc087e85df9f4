//! The checks, one by one.

use std::time::{Duration, Instant};

use super::Verdict;
use super::history::Finding;
use crate::journal::Stage;
use crate::sync::{BreakerState, Context, LinkState};

/// What each check finds now.
pub(super) fn all(context: &Context) -> Vec<Finding> {
    if !context.config().enabled {
        return vec![Finding("sync", Verdict::Healthy, "switched off".to_owned())];
    }
    vec![
        sync(context),
        lanes(context),
        journal(context),
        nexus(context),
        breaker(context),
        progress(context),
        webhooks(context),
        words(context),
    ]
}

fn sync(context: &Context) -> Finding {
    match context.settings.paused() {
        None => Finding("sync", Verdict::Healthy, "on".to_owned()),
        Some(pause) => {
            let why = pause
                .reason
                .map_or_else(String::new, |reason| format!(": {reason}"));
            let reason = format!("paused by '{}' since {}{why}", pause.by, pause.since);
            Finding("sync", Verdict::Degraded, reason)
        }
    }
}

fn lanes(context: &Context) -> Finding {
    let dead = context.health.dead();
    match dead.is_empty() {
        true => Finding("lanes", Verdict::Healthy, "all tasks run".to_owned()),
        false => Finding(
            "lanes",
            Verdict::Unhealthy,
            format!("died, and come back only with the host: {}", dead.join(", ")),
        ),
    }
}

fn journal(context: &Context) -> Finding {
    match context.journal.condition().failure {
        None => Finding("journal", Verdict::Healthy, "written".to_owned()),
        Some(failure) => Finding(
            "journal",
            Verdict::Unhealthy,
            format!("the journal cannot be written: {failure}"),
        ),
    }
}

fn nexus(context: &Context) -> Finding {
    let (status, reason) = match context.link.state() {
        LinkState::Ready(connection) => (
            Verdict::Healthy,
            format!("Nexus {}", connection.capabilities.version),
        ),
        LinkState::Degraded { reason } => (Verdict::Degraded, format!("Nexus is not written to: {reason}")),
        LinkState::Connecting => (Verdict::Degraded, "Nexus was not reached yet".to_owned()),
        LinkState::Down { reason } => (Verdict::Degraded, format!("Nexus is out of reach: {reason}")),
    };
    Finding("nexus", status, reason)
}

fn breaker(context: &Context) -> Finding {
    let report = context.breaker.report();
    match report.state {
        BreakerState::Closed => Finding("breaker", Verdict::Healthy, "closed".to_owned()),
        BreakerState::HalfOpen | BreakerState::Open => Finding(
            "breaker",
            Verdict::Degraded,
            format!(
                "Nexus does not do its work and is left alone for a while: {}",
                report.reason.unwrap_or_default()
            ),
        ),
    }
}

/// Documents that wait for another attempt do so by right; any other has to get on, stage by stage, whatever is in its way, unless an
/// administrator is.
fn progress(context: &Context) -> Finding {
    let (depth, now) = (context.journal.depth(), Instant::now());
    let stalled = Duration::from_secs(context.config().telemetry.stalled_after_seconds);
    let mut worst: Option<(Duration, Stage)> = None;
    for stage in Stage::ALL {
        let is_busy = depth.ready(stage) > 0 && !context.gate.is_paused();
        let idle = context
            .health
            .busy_for(stage, is_busy, now)
            .min(context.metrics.sync.since_progress(stage));
        if idle > stalled && worst.is_none_or(|(longest, _)| idle > longest) {
            worst = Some((idle, stage));
        }
    }
    let Some((idle, stage)) = worst else {
        let ready: usize = Stage::ALL.map(|stage| depth.ready(stage)).iter().sum();
        return Finding("progress", Verdict::Healthy, format!("{ready} documents wait"));
    };
    let ready = depth.ready(stage);
    let obstacles = [nexus(context), breaker(context), journal(context)];
    let because: Vec<String> = obstacles
        .into_iter()
        .filter(|Finding(_, status, _)| *status != Verdict::Healthy)
        .map(|Finding(_, _, reason)| reason)
        .collect();
    let because = match because.is_empty() {
        true => "nothing is known to be in the way".to_owned(),
        false => because.join("; "),
    };
    Finding(
        "progress",
        Verdict::Unhealthy,
        format!(
            "{ready} documents wait for their {}, and none was worked on for {} s: {because}",
            stage.name(),
            idle.as_secs()
        ),
    )
}

fn webhooks(context: &Context) -> Finding {
    match context.outbound.fault() {
        None => Finding("webhooks", Verdict::Healthy, "usable".to_owned()),
        Some(fault) => Finding(
            "webhooks",
            Verdict::Degraded,
            format!("no webhooks are sent, since their file cannot be used: {fault}"),
        ),
    }
}

fn words(context: &Context) -> Finding {
    match context
        .lexical
        .as_ref()
        .and_then(|lexical| lexical.report().failure)
    {
        None => Finding("words", Verdict::Healthy, "usable, or switched off".to_owned()),
        Some(failure) => Finding(
            "words",
            Verdict::Degraded,
            format!("the index of words cannot be used: {failure}"),
        ),
    }
}
