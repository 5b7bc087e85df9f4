//! What searches and the text index count.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge, Result};

use super::catalogue::{Catalogue, decades, grow, whole};
use crate::lexical::Lexical;

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
    pub(super) fn new(catalogue: &mut Catalogue) -> Result<Self> {
        Ok(Self {
            searches: catalogue.counters(
                "search_total",
                &["kind", "result"],
                "Searches, by what was asked for and how they ended",
            )?,
            seconds: catalogue.histograms(
                "search_duration_seconds",
                &["kind"],
                decades(1e-3, 4),
                "From a request to its answer, by what was asked for",
            )?,
            graph_seconds: catalogue.histogram(
                "search_graph_duration_seconds",
                decades(1e-3, 4),
                "Time in which a search followed the graph",
            )?,
            documents: catalogue.gauge("lexical_documents", "Documents in the text index")?,
            waiting: catalogue.gauge(
                "lexical_waiting",
                "Documents that changed and are not in the text index yet as they are now",
            )?,
            up: catalogue.gauge(
                "lexical_up",
                "Whether the text index can be used; 0 where it is switched off",
            )?,
            changes: catalogue.counters(
                "lexical_changes_total",
                &["what"],
                "Changes of the text index, by what was done",
            )?,
        })
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

    /// `None`: the text index is switched off.
    pub(super) fn look(&self, index: Option<&Lexical>) {
        let report = index.map(Lexical::report);
        let usable = report.as_ref().is_some_and(|report| report.failure.is_none());
        self.up.set(i64::from(usable));
        let Some(report) = report else { return };
        self.documents.set(whole(report.documents));
        self.waiting.set(whole(report.waiting));
        grow(&self.changes.with_label_values(&["indexed"]), report.indexed);
        grow(&self.changes.with_label_values(&["deleted"]), report.deleted);
    }
}
