//! What searches and the text index count.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

use crate::lexical::Report;
use crate::metrics::grow;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SearchMetrics {
    searches: IntCounterVec,
    seconds: HistogramVec,
    graph_seconds: Histogram,
    documents: IntGauge,
    waiting: IntGauge,
    up: IntGauge,
    changes: IntCounterVec,
}

impl SearchMetrics {
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let name = |name: &str| format!("vectorizer_nexus_{name}");
        let opts = |short: &str, help: &str| Opts::new(name(short), help);
        let metrics = Self {
            searches: IntCounterVec::new(
                opts(
                    "search_total",
                    "Searches, by what was asked for and how they ended",
                ),
                &["kind", "result"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    name("search_duration_seconds"),
                    "From a request to its answer, by what was asked for",
                ),
                &["kind"],
            )?,
            graph_seconds: Histogram::with_opts(HistogramOpts::new(
                name("search_graph_seconds"),
                "Time in which a search followed the graph",
            ))?,
            documents: IntGauge::new(name("lexical_documents"), "Documents in the text index")?,
            waiting: IntGauge::new(
                name("lexical_waiting"),
                "Documents that changed and are not in the text index yet as they are now",
            )?,
            up: IntGauge::new(
                name("lexical_up"),
                "Whether the text index can be used; 0 where it is switched off",
            )?,
            changes: IntCounterVec::new(
                opts(
                    "lexical_changes_total",
                    "Changes of the text index, by what was done",
                ),
                &["what"],
            )?,
        };
        registry.register(Box::new(metrics.searches.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.graph_seconds.clone()))?;
        registry.register(Box::new(metrics.documents.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.changes.clone()))?;
        Ok(metrics)
    }

    /// A search has ended: `ok`, `degraded`, `refused` or `failed`.
    pub(crate) fn ended(&self, kind: &str, result: &str, took: Duration) {
        self.searches.with_label_values(&[kind, result]).inc();
        self.seconds
            .with_label_values(&[kind])
            .observe(took.as_secs_f64());
    }

    /// A search has followed the graph, or given up.
    pub(crate) fn followed(&self, took: Duration) {
        self.graph_seconds.observe(took.as_secs_f64());
    }

    /// How the text index does; `None`: it is switched off.
    pub(crate) fn lexical(&self, report: Option<&Report>) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.up
            .set(i64::from(report.is_some_and(|report| report.failure.is_none())));
        let Some(report) = report else { return };
        self.documents.set(gauge(report.documents));
        self.waiting.set(gauge(report.waiting as u64));
        grow(&self.changes.with_label_values(&["indexed"]), report.indexed);
        grow(&self.changes.with_label_values(&["deleted"]), report.deleted);
    }
}
