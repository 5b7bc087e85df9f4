//! What jobs count; part of [`crate::metrics`].

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::sync::jobs::{Finding, JobState, Jobs, Trigger};

/// Counters of comparisons and jobs.
#[derive(Debug)]
pub(crate) struct JobMetrics {
    runs: IntCounterVec,
    documents: IntCounterVec,
    seconds: Histogram,
    jobs: IntGaugeVec,
}

impl JobMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name or label that Prometheus does not allow: a programming error.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let opts = |short: &str, help: &str| Opts::new(format!("vectorizer_nexus_{short}"), help);
        let metrics = Self {
            runs: IntCounterVec::new(
                opts(
                    "reconcile_runs_total",
                    "Comparisons of store and graph that ended",
                ),
                &["trigger", "result"],
            )?,
            documents: IntCounterVec::new(
                opts(
                    "reconcile_documents_total",
                    "Documents that were compared, and of these the differences by kind",
                ),
                &["finding"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "vectorizer_nexus_reconcile_seconds",
                    "From the beginning of a comparison until all that it found is done",
                )
                .buckets(vec![
                    0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
                ]),
            )?,
            jobs: IntGaugeVec::new(opts("jobs", "Comparisons and backfills by state"), &["state"])?,
        };
        registry.register(Box::new(metrics.runs.clone()))?;
        registry.register(Box::new(metrics.documents.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.jobs.clone()))?;
        Ok(metrics)
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
    }

    /// Takes a look at the jobs.
    pub(crate) fn look_at(&self, jobs: &Jobs) {
        for (state, count) in jobs.counts() {
            self.jobs
                .with_label_values(&[state.name()])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
