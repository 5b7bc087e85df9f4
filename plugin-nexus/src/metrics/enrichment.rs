//! The way back: webhooks, polling, and what is merged into payloads.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{CounterVec, Histogram, IntCounter, IntCounterVec, IntGauge, Result};

use super::catalogue::{Catalogue, decades, grow, whole};
use super::labels::Labels;
use crate::sync::Context;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct EnrichmentMetrics {
    collections: Arc<Labels>,
    payloads: IntCounterVec,
    lag_seconds: Histogram,
    conflicts: IntCounterVec,
    polls: IntCounterVec,
    poll_seconds: CounterVec,
    poll_found: IntCounterVec,
    webhooks: IntCounterVec,
    webhook_latency: Histogram,
    webhooks_waiting: IntGauge,
    audit_unwritten: IntCounter,
}

impl EnrichmentMetrics {
    pub(super) fn new(catalogue: &mut Catalogue, collections: Arc<Labels>) -> Result<Self> {
        Ok(Self {
            collections,
            payloads: catalogue.counters(
                "enrichment_total",
                &["collection", "result"],
                "Payloads that were looked at for what the graph says: merged, unchanged since they say it already, or gone from the store or the graph",
            )?,
            lag_seconds: catalogue.histogram(
                "enrichment_lag_seconds",
                decades(1e-3, 6),
                "From a change to the payload that shows what the graph says of it",
            )?,
            conflicts: catalogue.counters(
                "enrichment_conflicts_total",
                &["kept"],
                "Mapped properties that were changed in the graph and in the payload, by the side that was kept",
            )?,
            polls: catalogue.counters(
                "polls_total",
                &["what"],
                "How often the graph was polled, by what for",
            )?,
            poll_seconds: catalogue.seconds(
                "poll_seconds_total",
                &["what"],
                "Time for which the graph was polled, by what for",
            )?,
            poll_found: catalogue.counters(
                "poll_found_total",
                &["what"],
                "Documents about which somebody else changed something, as polling found",
            )?,
            webhooks: catalogue.counters(
                "webhook_total",
                &["direction", "result"],
                "Deliveries of webhooks that came in, and attempts to deliver those that go out, by what became of them",
            )?,
            webhook_latency: catalogue.histogram(
                "webhook_latency_seconds",
                decades(1e-3, 8),
                "From a change to the delivery of the webhook that tells of it",
            )?,
            webhooks_waiting: catalogue.gauge(
                "webhooks_waiting",
                "Messages to subscribers that wait or are being sent",
            )?,
            audit_unwritten: catalogue.counter(
                "audit_unwritten_total",
                "Records that could not be written to the audit log",
            )?,
        })
    }

    /// Counts a payload that was looked at.
    pub(crate) fn payload(&self, collection: &str, result: &str) {
        self.payloads
            .with_label_values(&[self.collections.of(collection).as_str(), result])
            .inc();
    }

    /// A payload shows what the graph says, so long after the change that made it say so.
    pub(crate) fn shown_after(&self, lag: Duration) {
        self.lag_seconds.observe(lag.as_secs_f64());
    }

    /// Counts a property that was changed on both sides.
    pub(crate) fn conflict(&self, kept: &str) {
        self.conflicts.with_label_values(&[kept]).inc();
    }

    /// Counts a look at the graph for what others changed.
    pub(crate) fn polled(&self, what: &str, took: Duration, found: usize) {
        self.polls.with_label_values(&[what]).inc();
        self.poll_seconds
            .with_label_values(&[what])
            .inc_by(took.as_secs_f64());
        self.poll_found.with_label_values(&[what]).inc_by(found as u64);
    }

    /// Counts a delivery of a webhook that came in.
    pub(crate) fn webhook_received(&self, result: &str) {
        self.webhooks.with_label_values(&["in", result]).inc();
    }

    /// Counts an attempt to deliver one; where it was delivered, with the time since the change that it tells of.
    pub(crate) fn webhook_sent(&self, result: &str, age: Option<Duration>) {
        self.webhooks.with_label_values(&["out", result]).inc();
        if let Some(age) = age {
            self.webhook_latency.observe(age.as_secs_f64());
        }
    }

    pub(super) fn look(&self, context: &Context) {
        self.webhooks_waiting
            .set(whole(context.journal.messages_waiting()));
        grow(&self.audit_unwritten, context.audit_log.unwritten());
    }
}
