//! What comparisons and backfills count.

use std::time::SystemTime;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::{Gauge, Histogram, IntCounterVec, IntGaugeVec, Result};

use super::catalogue::{Catalogue, whole};
use crate::sync::jobs::{Finding, JobState, Jobs, Trigger};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct JobMetrics {
    runs: IntCounterVec,
    documents: IntCounterVec,
    seconds: Histogram,
    last_success: Gauge,
    jobs: IntGaugeVec,
    /// When a comparison with the store last ended.
    compared_at: Mutex<Option<Timestamp>>,
}

impl JobMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Result<Self> {
        Ok(Self {
            runs: catalogue.counters(
                "reconcile_runs_total",
                &["trigger", "result"],
                "Comparisons of store and graph that ended",
            )?,
            documents: catalogue.counters(
                "reconcile_documents_total",
                &["finding"],
                "Documents that were compared, and of these the differences by kind",
            )?,
            seconds: catalogue.histogram(
                "reconcile_duration_seconds",
                vec![0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0],
                "From the beginning of a comparison until all that it found is done",
            )?,
            last_success: catalogue.measure(
                "reconcile_last_success_timestamp_seconds",
                "When a comparison last ended with all done, in Unix time; 0: not since the start",
            )?,
            jobs: catalogue.gauges("jobs", &["state"], "Comparisons and backfills by state")?,
            compared_at: Mutex::default(),
        })
    }

    /// Counts documents that were looked at.
    pub(crate) fn compared(&self, documents: u64) {
        self.documents.with_label_values(&["compared"]).inc_by(documents);
    }

    /// Counts differences.
    pub(crate) fn found(&self, finding: Finding, documents: u64) {
        self.documents
            .with_label_values(&[finding.name()])
            .inc_by(documents);
    }

    /// Counts a comparison that ended.
    pub(crate) fn ended(&self, trigger: Trigger, state: JobState, seconds: f64) {
        self.runs.with_label_values(&[trigger.name(), state.name()]).inc();
        self.seconds.observe(seconds);
        if state == JobState::Done {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            self.last_success.set(now.as_secs_f64());
        }
    }

    /// A comparison with the store ended.
    pub(crate) fn store_compared(&self) {
        *self.compared_at.lock() = Some(Timestamp::now());
    }

    /// When a comparison with the store last ended.
    pub(crate) fn store_compared_at(&self) -> Option<Timestamp> {
        *self.compared_at.lock()
    }

    pub(super) fn look(&self, jobs: &Jobs) {
        for (state, count) in jobs.counts() {
            self.jobs.with_label_values(&[state.name()]).set(whole(count));
        }
    }
}
