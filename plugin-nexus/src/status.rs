//! `GET /api/v1/sync/nexus/status`: how the sync does, for people and scripts.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::graph::Capabilities;
use crate::journal::Condition;
use crate::lexical::{self, Lexical};
use crate::settings::Pause;
use crate::sync::jobs::JobState;
use crate::sync::{AuditReport, BreakerState, Context, Engine, LinkState, is_polled};

/// The answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// Whether documents are synced.
    pub enabled: bool,
    /// Since when nothing is written to Nexus, by whom and why; null: work goes on.
    pub paused: Option<Pause>,
    /// The way to Nexus.
    pub nexus: Nexus,
    /// Nodes written since the start.
    pub total_synced: u64,
    /// Nodes deleted since the start.
    pub total_deleted: u64,
    /// Documents that could not be brought into the graph since the start, counted at each attempt.
    pub total_errors: u64,
    /// When a node was last written or deleted.
    pub last_sync: Option<Timestamp>,
    /// When the store was last compared with the journal.
    pub last_reconcile: Option<Timestamp>,
    /// Documents at work.
    pub in_progress: usize,
    /// Lanes that write nodes.
    pub worker_threads: usize,
    /// Documents that wait or are at work, for whatever stage.
    pub queue_depth: usize,
    /// Of these, the ones whose node is right and whose edges are to be compared.
    pub queue_depth_edges: usize,
    /// Of these, the ones that are right in the graph, and whose payloads wait for what it says of them.
    pub queue_depth_enrichment: usize,
    /// Of these, the ones that failed and wait for another attempt.
    pub waiting_for_retry: usize,
    /// Age of the oldest of them.
    pub queue_oldest_seconds: f64,
    /// How the text index does; null: it is switched off.
    pub lexical: Option<lexical::Report>,
    /// Whether the graph is polled for what others change.
    pub polled: bool,
    /// Whether nodes are yet to be looked for that no document is related to.
    pub orphan_sweep: bool,
    /// Documents that failed so often that they wait for nothing but a change or a replay; not counted above.
    pub dead_letters: usize,
    /// How the journal does.
    pub journal: Condition,
    /// Hints that found the intake full, in batches; their collections were compared instead.
    pub intake_overflows: u64,
    /// Comparisons and backfills that have not ended.
    pub jobs: Jobs,
    /// By collection.
    pub collections: Vec<Collection>,
}

/// Comparisons and backfills that have not ended.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "JobsByState")]
pub struct Jobs {
    /// They go on, or wait for what they hinted.
    pub running: usize,
    /// They have not begun, or give way to others.
    pub queued: usize,
    /// They wait to be resumed.
    pub paused: usize,
}

impl Jobs {
    fn of(context: &Context) -> Self {
        let counts = context.jobs.counts();
        let count = |state| counts.get(&state).copied().unwrap_or_default();
        Self {
            running: count(JobState::Running),
            queued: count(JobState::Queued),
            paused: count(JobState::Paused),
        }
    }
}

/// The way to Nexus.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "NexusState")]
pub struct Nexus {
    /// Its address.
    pub url: String,
    /// `connecting`, `ready`, `degraded` (it answers, and nothing is written) or `down`.
    pub state: &'static str,
    /// Its version, where it is in reach.
    pub version: Option<String>,
    /// Why nothing is written.
    pub reason: Option<String>,
    /// What the last check after a restart of Nexus found.
    pub last_check: Option<Arc<AuditReport>>,
    /// Whether it does its work.
    pub breaker: Breaker,
    /// How fast it is worked with.
    pub pace: Pace,
}

/// Whether Nexus does its work.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Breaker {
    /// `closed` (all is sent), `open` (nothing is) or `half_open` (one batch is, to see whether it succeeds).
    pub state: BreakerState,
    /// Batches in a row that Nexus did not take, while it is closed.
    pub failures: u32,
    /// How often it opened since it was closed last.
    pub openings: u32,
    /// When the next batch is tried, while it is open.
    pub tried_again_at: Option<Timestamp>,
    /// The last failure.
    pub reason: Option<String>,
}

impl Breaker {
    fn of(context: &Context) -> Self {
        let report = context.breaker.report();
        Self {
            state: report.state,
            failures: report.failures,
            openings: report.openings,
            tried_again_at: report.left.and_then(from_now),
            reason: report.reason,
        }
    }
}

/// How fast Nexus is worked with.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Pace {
    /// Statements a second at most, by the configuration or after an overload; null: without limit.
    pub statements_per_second: Option<f64>,
    /// Documents a second at most; null: without limit.
    pub documents_per_second: Option<f64>,
    /// Until when nothing is sent, since Nexus asked for that.
    pub paused_until: Option<Timestamp>,
}

impl Pace {
    fn of(context: &Context) -> Self {
        let report = context.client.pace().report();
        let tenths = |rate: f64| (rate * 10.0).round() / 10.0;
        Self {
            statements_per_second: report.statements_per_second.map(tenths),
            documents_per_second: report.documents_per_second.map(tenths),
            paused_until: report.paused_for.and_then(from_now),
        }
    }
}

fn from_now(wait: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_add(wait).ok()
}

impl Nexus {
    /// The way to Nexus now.
    pub fn of(context: &Context) -> Self {
        let state = context.link.state();
        Self {
            url: context.config().nexus_url.to_string(),
            version: match &state {
                LinkState::Ready(connection) => Some(connection.capabilities.version.clone()),
                _ => None,
            },
            state: state.name(),
            reason: state.reason().map(str::to_owned),
            last_check: context.link.audit(),
            breaker: Breaker::of(context),
            pace: Pace::of(context),
        }
    }
}

/// `GET /api/v1/sync/nexus/capabilities`: what this Nexus can do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CapabilityReport {
    /// The way to Nexus.
    pub nexus: Nexus,
    /// What the last probe found; null before the first.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub capabilities: Option<Arc<Capabilities>>,
}

impl CapabilityReport {
    /// The report now.
    pub fn of(context: &Context) -> Self {
        Self {
            nexus: Nexus::of(context),
            capabilities: context.link.capabilities(),
        }
    }
}

/// One collection.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "CollectionState")]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Whether it is synced.
    pub enabled: bool,
    /// The domain that its settings name.
    pub domain: Option<String>,
    /// Nodes written since the start.
    pub synced: u64,
    /// Nodes deleted since the start.
    pub deleted: u64,
    /// Failures since the start.
    pub errors: u64,
    /// The last failure.
    pub last_error: Option<String>,
    /// When a node was last written or deleted.
    pub last_sync: Option<Timestamp>,
    /// Documents that wait or are at work.
    pub queue_depth: usize,
    /// Documents that are dead letters.
    pub dead_letters: usize,
}

impl Status {
    /// The status now.
    pub fn of(engine: &Engine) -> Self {
        let context = engine.context();
        let (config, depth) = (context.config(), context.journal.depth());
        let mut waiting = context.journal.depth_by_collection();
        let mut dead = context.journal.dead_letter_counts();
        let mut totals = context.metrics.sync.totals();
        let configured = config.collections.iter().map(|entry| &entry.name);
        let configured = configured.filter(|name| !name.contains('*'));
        for name in waiting.keys().chain(dead.keys()).chain(configured) {
            totals.entry(name.clone()).or_default();
        }
        Self {
            enabled: config.enabled,
            paused: context.settings.paused(),
            nexus: Nexus::of(context),
            total_synced: totals.values().map(|totals| totals.synced).sum(),
            total_deleted: totals.values().map(|totals| totals.deleted).sum(),
            total_errors: totals.values().map(|totals| totals.errors).sum(),
            last_sync: totals.values().filter_map(|totals| totals.last_sync).max(),
            last_reconcile: context.metrics.jobs.store_compared_at(),
            in_progress: depth.in_flight,
            worker_threads: config.sync.worker_threads,
            queue_depth: depth.total(),
            queue_depth_edges: depth.edges,
            queue_depth_enrichment: depth.enrichment,
            waiting_for_retry: depth.waiting,
            queue_oldest_seconds: depth.oldest.as_secs_f64(),
            lexical: context.lexical.as_deref().map(Lexical::report),
            polled: is_polled(context),
            orphan_sweep: context.orphans.is_pending(),
            dead_letters: dead.values().sum(),
            journal: context.journal.condition(),
            intake_overflows: engine.overflowed(),
            jobs: Jobs::of(context),
            collections: totals
                .into_iter()
                .map(|(name, totals)| Collection {
                    queue_depth: waiting.remove(&name).unwrap_or_default(),
                    dead_letters: dead.remove(&name).unwrap_or_default(),
                    enabled: config.syncs(&name),
                    domain: config.entry(&name).and_then(|entry| entry.domain.clone()),
                    name,
                    synced: totals.synced,
                    deleted: totals.deleted,
                    errors: totals.errors,
                    last_error: totals.last_error,
                    last_sync: totals.last_sync,
                })
                .collect(),
        }
    }
}
