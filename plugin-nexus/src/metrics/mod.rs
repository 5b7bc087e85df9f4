//! What the plugin counts, in a registry of its own.
//!
//! Label sets are closed: collections beyond the first hundred share the label `_other`. What is read off other parts when somebody
//! asks is in `scrape`.

mod scrape;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramTimer, HistogramVec, IntCounter,
    IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use scrape::gauge;
pub(crate) use scrape::grow;

use crate::graph::schema::EdgeType;
use crate::job_metrics::JobMetrics;
use crate::journal::{Batch, JournalError, Stage, Work};
use crate::search_metrics::SearchMetrics;
use crate::sync::{AuditReport, Done, Unsearchable};

/// Collections with a label of their own.
const MAX_COLLECTIONS: usize = 100;
const OTHER: &str = "_other";
const MICROS: f64 = 1e6;

/// Totals of one collection, for the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nodes written.
    pub synced: u64,
    /// Nodes deleted.
    pub deleted: u64,
    /// Failures.
    pub errors: u64,
    /// When a node was last written or deleted.
    pub last_sync: Option<Timestamp>,
    /// The last failure. No payload text.
    pub last_error: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Metrics {
    /// What comparisons and backfills count.
    pub(crate) jobs: JobMetrics,
    /// What searches count.
    pub(crate) search: SearchMetrics,
    registry: Registry,
    sync: IntCounterVec,
    sync_errors: IntCounterVec,
    sync_seconds: HistogramVec,
    batch_size: HistogramVec,
    lag_seconds: Histogram,
    created: IntCounterVec,
    retracted: IntCounterVec,
    unsearchable: IntCounterVec,
    entities_skipped: IntCounterVec,
    queue_depth: IntGaugeVec,
    queue_oldest: Gauge,
    up: IntGauge,
    degraded: IntGauge,
    capability: IntGaugeVec,
    verified: IntCounterVec,
    checks: IntCounterVec,
    lost: IntGauge,
    swept: IntCounter,
    journal_bytes: IntGauge,
    journal_up: IntGauge,
    journal_rebuilds: IntGauge,
    unjournaled: IntCounter,
    webhooks: IntCounterVec,
    webhook_latency: Histogram,
    webhooks_waiting: IntGauge,
    audit_unwritten: IntCounter,
    enrichments: IntCounterVec,
    conflicts: IntCounterVec,
    polls: IntCounterVec,
    poll_seconds: CounterVec,
    poll_found: IntCounterVec,
    dead_letters: IntGauge,
    dead_lettered: IntCounterVec,
    breaker_state: IntGauge,
    breaker_opened: IntCounter,
    throttled: IntCounterVec,
    rate_limit: GaugeVec,
    totals: Mutex<BTreeMap<String, Totals>>,
    labels: Mutex<BTreeSet<String>>,
    reconciled: Mutex<Option<Timestamp>>,
    started: Timestamp,
    /// When a batch was last done.
    progressed: Mutex<Instant>,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// A name or label that Prometheus does not allow: a programming error.
    pub fn new() -> prometheus::Result<Self> {
        let name = |name: &str| format!("vectorizer_nexus_{name}");
        let opts = |short: &str, help: &str| Opts::new(name(short), help);
        let registry = Registry::new();
        let metrics = Self {
            jobs: JobMetrics::new(&registry)?,
            search: SearchMetrics::new(&registry)?,
            registry,
            sync: IntCounterVec::new(
                opts(
                    "sync_total",
                    "Documents brought in line with the store, by what was done to their node",
                ),
                &["collection", "status"],
            )?,
            sync_errors: IntCounterVec::new(
                opts(
                    "sync_errors_total",
                    "Batches and documents that failed, by who is to blame",
                ),
                &["collection", "error_type"],
            )?,
            sync_seconds: HistogramVec::new(
                HistogramOpts::new(
                    name("sync_duration_seconds"),
                    "Time for a batch, from its claim to its commit",
                )
                .buckets(decades(1e-3, 5)),
                &["stage"],
            )?,
            batch_size: HistogramVec::new(
                HistogramOpts::new(name("batch_size"), "Documents in a batch").buckets(vec![
                    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0,
                ]),
                &["stage"],
            )?,
            lag_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    name("lag_seconds"),
                    "From a change in the store to the node that shows it",
                )
                .buckets(decades(1e-3, 6)),
            )?,
            created: IntCounterVec::new(
                opts("relationships_created_total", "Relationships written as holding"),
                &["type"],
            )?,
            retracted: IntCounterVec::new(
                opts(
                    "relationships_retracted_total",
                    "Relationships written as no longer holding",
                ),
                &["type"],
            )?,
            unsearchable: IntCounterVec::new(
                opts(
                    "unsearchable_total",
                    "Documents compared without a search, since their vector has no neighbours: it has another dimension, is not finite, \
                     is zero under the cosine, or is refused by the store",
                ),
                &["collection", "reason"],
            )?,
            entities_skipped: IntCounterVec::new(
                opts(
                    "entities_skipped_total",
                    "Entities that a document mentions beyond `entities.max_per_document`; the surest and most mentioned ones are kept",
                ),
                &["collection"],
            )?,
            queue_depth: IntGaugeVec::new(
                opts("queue_depth", "Documents that wait or are at work"),
                &["stage"],
            )?,
            queue_oldest: Gauge::with_opts(opts(
                "queue_oldest_seconds",
                "How long the document at the head of the queue has been waiting",
            ))?,
            up: IntGauge::with_opts(opts("up", "1 while Nexus is in reach and may be written to"))?,
            degraded: IntGauge::with_opts(opts(
                "degraded",
                "1 while Nexus answers and is not written to: no right form, damage, or answers that are not so",
            ))?,
            capability: IntGaugeVec::new(
                opts(
                    "capability",
                    "1 for the form of each operation that is in use on this Nexus, none where there is no right one",
                ),
                &["operation", "form"],
            )?,
            verified: IntCounterVec::new(
                opts(
                    "verified_total",
                    "Documents that were read back after a write, by whether they read as written",
                ),
                &["stage", "result"],
            )?,
            checks: IntCounterVec::new(
                opts(
                    "checks_total",
                    "Checks of what Nexus holds, after it was another process",
                ),
                &["result"],
            )?,
            lost: IntGauge::with_opts(opts(
                "missing_documents",
                "Documents that the last check did not find in Nexus",
            ))?,
            swept: IntCounter::with_opts(opts(
                "relationships_swept_total",
                "Retracted relationships that were deleted, since this Nexus can",
            ))?,
            journal_bytes: IntGauge::with_opts(opts("journal_bytes", "What the journal takes up on disk"))?,
            journal_up: IntGauge::with_opts(opts(
                "journal_up",
                "1 while the journal's storage can be read and written; else changes wait in memory",
            ))?,
            journal_rebuilds: IntGauge::with_opts(opts(
                "journal_rebuilds",
                "How often since the start the journal could not be read, was put aside and begun anew",
            ))?,
            unjournaled: IntCounter::with_opts(opts(
                "unjournaled_total",
                "Batches of hints that could not be written to the journal and wait in memory",
            ))?,
            webhooks: IntCounterVec::new(
                opts(
                    "webhook_total",
                    "Deliveries of webhooks that came in, and attempts to deliver those that go out, by what became of them",
                ),
                &["direction", "result"],
            )?,
            webhooks_waiting: IntGauge::with_opts(opts(
                "webhooks_waiting",
                "Messages to subscribers that wait or are being sent",
            ))?,
            audit_unwritten: IntCounter::with_opts(opts(
                "audit_unwritten_total",
                "Records that could not be written to the audit log",
            ))?,
            webhook_latency: Histogram::with_opts(
                HistogramOpts::new(
                    name("webhook_latency_seconds"),
                    "From a change to the delivery of the webhook that tells of it",
                )
                .buckets(decades(1e-3, 8)),
            )?,
            conflicts: IntCounterVec::new(
                opts(
                    "property_conflicts_total",
                    "Mapped properties that were changed in the graph and in the payload, by the side that was kept",
                ),
                &["kept"],
            )?,
            polls: IntCounterVec::new(
                opts("polls_total", "How often the graph was polled, by what for"),
                &["what"],
            )?,
            poll_seconds: CounterVec::new(
                opts(
                    "poll_seconds_total",
                    "Time for which the graph was polled, by what for",
                ),
                &["what"],
            )?,
            poll_found: IntCounterVec::new(
                opts(
                    "poll_found_total",
                    "Documents about which somebody else changed something, as polling found",
                ),
                &["what"],
            )?,
            enrichments: IntCounterVec::new(
                opts(
                    "enrichments_total",
                    "Payloads that were given what the graph says",
                ),
                &["collection"],
            )?,
            dead_letters: IntGauge::with_opts(opts(
                "dead_letters",
                "Documents that Nexus refused so often that they are not tried again by themselves",
            ))?,
            dead_lettered: IntCounterVec::new(
                opts("dead_lettered_total", "Documents that became dead letters"),
                &["collection"],
            )?,
            breaker_state: IntGauge::with_opts(opts(
                "breaker_state",
                "Whether Nexus does its work: 0 closed (all is sent), 1 half-open (one batch is), 2 open (nothing is)",
            ))?,
            breaker_opened: IntCounter::with_opts(opts(
                "breaker_opened_total",
                "How often Nexus was left alone for a while, since it did not do its work",
            ))?,
            throttled: IntCounterVec::new(
                opts(
                    "throttled_total",
                    "Statements and batches that had to wait: for a configured ceiling, after an overload, or since Nexus said when to come back",
                ),
                &["reason"],
            )?,
            rate_limit: GaugeVec::new(
                opts(
                    "rate_limit",
                    "Statements and documents a second that are sent at most; absent where there is no limit",
                ),
                &["unit"],
            )?,
            totals: Mutex::default(),
            labels: Mutex::default(),
            reconciled: Mutex::default(),
            started: Timestamp::now(),
            progressed: Mutex::new(Instant::now()),
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.sync.clone()))?;
        registry.register(Box::new(metrics.sync_errors.clone()))?;
        registry.register(Box::new(metrics.sync_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_size.clone()))?;
        registry.register(Box::new(metrics.lag_seconds.clone()))?;
        registry.register(Box::new(metrics.created.clone()))?;
        registry.register(Box::new(metrics.retracted.clone()))?;
        registry.register(Box::new(metrics.unsearchable.clone()))?;
        registry.register(Box::new(metrics.entities_skipped.clone()))?;
        registry.register(Box::new(metrics.queue_depth.clone()))?;
        registry.register(Box::new(metrics.queue_oldest.clone()))?;
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.degraded.clone()))?;
        registry.register(Box::new(metrics.capability.clone()))?;
        registry.register(Box::new(metrics.verified.clone()))?;
        registry.register(Box::new(metrics.checks.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        registry.register(Box::new(metrics.swept.clone()))?;
        registry.register(Box::new(metrics.journal_bytes.clone()))?;
        registry.register(Box::new(metrics.journal_up.clone()))?;
        registry.register(Box::new(metrics.journal_rebuilds.clone()))?;
        registry.register(Box::new(metrics.unjournaled.clone()))?;
        registry.register(Box::new(metrics.webhooks.clone()))?;
        registry.register(Box::new(metrics.webhook_latency.clone()))?;
        registry.register(Box::new(metrics.webhooks_waiting.clone()))?;
        registry.register(Box::new(metrics.audit_unwritten.clone()))?;
        registry.register(Box::new(metrics.enrichments.clone()))?;
        registry.register(Box::new(metrics.conflicts.clone()))?;
        registry.register(Box::new(metrics.polls.clone()))?;
        registry.register(Box::new(metrics.poll_seconds.clone()))?;
        registry.register(Box::new(metrics.poll_found.clone()))?;
        registry.register(Box::new(metrics.dead_letters.clone()))?;
        registry.register(Box::new(metrics.dead_lettered.clone()))?;
        registry.register(Box::new(metrics.breaker_state.clone()))?;
        registry.register(Box::new(metrics.breaker_opened.clone()))?;
        registry.register(Box::new(metrics.throttled.clone()))?;
        registry.register(Box::new(metrics.rate_limit.clone()))?;
        Ok(metrics)
    }

    /// Times a batch until the guard is dropped.
    pub fn batch_started(&self, stage: Stage, batch: &Batch) -> HistogramTimer {
        let stage = stage.name();
        self.batch_size
            .with_label_values(&[stage])
            .observe(batch.claims.len() as f64);
        self.sync_seconds.with_label_values(&[stage]).start_timer()
    }

    /// Counts what a stage did.
    pub fn batch_done(&self, stage: Stage, batch: &Batch, done: &Done, now_micros: u64) {
        *self.progressed.lock() = Instant::now();
        let label = self.label(&batch.collection);
        if stage == Stage::Enrichment {
            let enriched = self.enrichments.with_label_values(&[label.as_str()]);
            enriched.inc_by(done.enriched as u64);
            return;
        }
        let written = done.written.len() as u64;
        let deleted = done.deleted as u64;
        for (status, count) in [
            ("written", written),
            ("unchanged", done.unchanged as u64),
            ("deleted", deleted),
        ] {
            self.sync
                .with_label_values(&[label.as_str(), status])
                .inc_by(count);
        }
        for (counter, edges) in [
            (&self.created, &done.asserted),
            (&self.retracted, &done.retracted),
        ] {
            for (kind, count) in edges {
                counter.with_label_values(&[kind.name()]).inc_by(*count as u64);
            }
        }
        for claim in batch.claims.iter().filter(|claim| claim.work.has(Work::NODE)) {
            if done.written.contains(&claim.id) {
                self.lag_seconds
                    .observe(now_micros.saturating_sub(claim.since_micros) as f64 / MICROS);
            }
        }
        if written + deleted > 0 {
            let mut totals = self.totals.lock();
            let totals = totals.entry(label).or_default();
            totals.synced += written;
            totals.deleted += deleted;
            totals.last_sync = Some(Timestamp::now());
        }
    }

    /// Counts a property that was changed on both sides.
    pub fn conflict(&self, kept: &str) {
        self.conflicts.with_label_values(&[kept]).inc();
    }

    /// Counts a delivery of a webhook that came in.
    pub fn webhook_received(&self, result: &str) {
        self.webhooks.with_label_values(&["in", result]).inc();
    }

    /// Counts an attempt to deliver one; where it was delivered, with the time since the change that it tells of.
    pub fn webhook_sent(&self, result: &str, age: Option<Duration>) {
        self.webhooks.with_label_values(&["out", result]).inc();
        if let Some(age) = age {
            self.webhook_latency.observe(age.as_secs_f64());
        }
    }

    /// Counts a look at the graph for what others changed.
    pub fn polled(&self, what: &str, took: Duration, found: usize) {
        self.polls.with_label_values(&[what]).inc();
        self.poll_seconds
            .with_label_values(&[what])
            .inc_by(took.as_secs_f64());
        self.poll_found.with_label_values(&[what]).inc_by(found as u64);
    }

    /// Counts a batch that went back.
    pub fn stage_failed(&self, collection: &str, error_type: &str) {
        self.sync_errors
            .with_label_values(&[self.label(collection).as_str(), error_type])
            .inc();
    }

    /// Counts entities that a document mentions beyond those that are kept.
    pub fn entities_skipped(&self, collection: &str, skipped: usize) {
        if skipped > 0 {
            self.entities_skipped
                .with_label_values(&[self.label(collection).as_str()])
                .inc_by(skipped as u64);
        }
    }

    /// Counts a document whose vector has no neighbours.
    pub fn unsearchable(&self, collection: &str, reason: Unsearchable) {
        self.unsearchable
            .with_label_values(&[self.label(collection).as_str(), reason.label()])
            .inc();
    }

    /// Counts a document that Nexus refuses.
    pub fn document_failed(&self, collection: &str, error: &str) {
        let label = self.label(collection);
        self.sync_errors
            .with_label_values(&[label.as_str(), "document"])
            .inc();
        let mut totals = self.totals.lock();
        let totals = totals.entry(label).or_default();
        totals.errors += 1;
        totals.last_error = Some(error.to_owned());
    }

    /// Counts documents that were read back.
    pub fn verified(&self, stage: Stage, read: usize, differing: usize) {
        let stage = stage.name();
        let same = read.saturating_sub(differing) as u64;
        for (result, count) in [("same", same), ("different", differing as u64)] {
            self.verified.with_label_values(&[stage, result]).inc_by(count);
        }
    }

    /// Counts a check of what Nexus holds.
    pub fn audited(&self, report: &AuditReport) {
        let result = if report.damage.is_some() {
            "damaged"
        } else {
            "sound"
        };
        self.checks.with_label_values(&[result]).inc();
        self.lost.set(gauge(report.missing));
    }

    /// Counts retracted edges that were deleted.
    pub fn swept(&self, edges: usize) {
        self.swept.inc_by(edges as u64);
    }

    /// Counts a document that became a dead letter.
    pub fn dead_lettered(&self, collection: &str) {
        self.dead_lettered
            .with_label_values(&[self.label(collection).as_str()])
            .inc();
    }

    /// Counts a batch of hints that could not be journaled. The first is logged: where it is the storage, the journal tells
    /// of it itself.
    pub fn unjournaled(&self, error: &JournalError) {
        if self.unjournaled.get() == 0 {
            tracing::error!(%error, "hints could not be written to the journal; they wait in memory");
        }
        self.unjournaled.inc();
    }

    /// A comparison with the store ended.
    pub fn reconciled(&self) {
        *self.reconciled.lock() = Some(Timestamp::now());
    }

    /// When a comparison with the store last ended.
    pub fn last_reconcile(&self) -> Option<Timestamp> {
        *self.reconciled.lock()
    }

    /// When the counting began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// How long ago a batch was last done, or the counting began.
    pub fn since_progress(&self) -> Duration {
        self.progressed.lock().elapsed()
    }

    /// Edges of a type that were written as active and that were retracted since the start.
    pub fn edges_of(&self, kind: EdgeType) -> [u64; 2] {
        [&self.created, &self.retracted].map(|counter| counter.with_label_values(&[kind.name()]).get())
    }

    /// Totals by collection since the start.
    pub fn totals(&self) -> BTreeMap<String, Totals> {
        self.totals.lock().clone()
    }

    fn label(&self, collection: &str) -> String {
        let mut labels = self.labels.lock();
        if labels.contains(collection) || labels.len() < MAX_COLLECTIONS {
            labels.insert(collection.to_owned());
            collection.to_owned()
        } else {
            OTHER.to_owned()
        }
    }
}

/// Buckets 1, 2, 5 in each decade from `least` on.
fn decades(least: f64, count: i32) -> Vec<f64> {
    (0..count)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| least * step * 10_f64.powi(decade)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_beyond_the_limit_share_a_label() {
        let metrics = Metrics::new().unwrap();
        for n in 0..MAX_COLLECTIONS {
            assert_eq!(metrics.label(&format!("c{n}")), format!("c{n}"));
        }
        assert_eq!(metrics.label("one more"), OTHER);
        assert_eq!(metrics.label("c7"), "c7");
    }
}
