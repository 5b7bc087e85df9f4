//! What the plugin counts, in a registry of its own.
//!
//! Invariants: label sets are closed, and what comes from outside is bounded (`labels`): collections beyond the first hundred
//! share the label `_other`; every metric is described ([`Described`]), and `docs/metrics.md`, the dashboard and the alert rules are
//! compared with that. One file holds what one part counts; what is read off other parts when somebody asks is in its `look`.

mod catalogue;
mod enrichment;
mod jobs;
mod labels;
mod lanes;
mod nexus;
mod queue;
mod search;
mod sync;
mod totals;

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntGaugeVec, Registry, TextEncoder};

pub use catalogue::{Described, Kind, PREFIX};
pub use totals::Totals;

use catalogue::{Catalogue, grow};
use enrichment::EnrichmentMetrics;
use jobs::JobMetrics;
use labels::Labels;
use lanes::LaneMetrics;
use nexus::NexusMetrics;
use queue::QueueMetrics;
use search::SearchMetrics;
use sync::SyncMetrics;

use crate::health::Health;
use crate::sync::Engine;
use crate::telemetry;

/// Collections with a label of their own.
const MAX_COLLECTIONS: usize = 100;

/// See the [module](self).
#[derive(Debug)]
pub struct Metrics {
    pub(crate) sync: SyncMetrics,
    pub(crate) lanes: LaneMetrics,
    pub(crate) queue: QueueMetrics,
    pub(crate) nexus: NexusMetrics,
    pub(crate) enrichment: EnrichmentMetrics,
    pub(crate) jobs: JobMetrics,
    pub(crate) search: SearchMetrics,
    health: IntGaugeVec,
    suppressed: IntCounter,
    registry: Registry,
    described: Vec<Described>,
    started: Timestamp,
    /// What is looked at is set anew, so one looks at a time.
    looking: Mutex<()>,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// A name or label that Prometheus does not allow: a programming error.
    pub fn new() -> prometheus::Result<Self> {
        let mut catalogue = Catalogue::default();
        let collections = Arc::new(Labels::at_most(MAX_COLLECTIONS));
        let build = catalogue.gauges(
            "build_info",
            &["version"],
            "Always 1; which version of the plugin this is",
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            sync: SyncMetrics::new(&mut catalogue, Arc::clone(&collections))?,
            lanes: LaneMetrics::new(&mut catalogue)?,
            queue: QueueMetrics::new(&mut catalogue)?,
            nexus: NexusMetrics::new(&mut catalogue)?,
            enrichment: EnrichmentMetrics::new(&mut catalogue, collections)?,
            jobs: JobMetrics::new(&mut catalogue)?,
            search: SearchMetrics::new(&mut catalogue)?,
            health: catalogue.gauges(
                "health",
                &["check"],
                "How each check of the plugin's health came out: 0 healthy, 1 degraded, 2 unhealthy",
            )?,
            suppressed: catalogue.counter(
                "log_lines_suppressed_total",
                "Lines that were not logged, since many like them were",
            )?,
            started: Timestamp::now(),
            looking: Mutex::default(),
            described: Vec::new(),
            registry: Registry::new(),
        }
        .finished(catalogue))
    }

    fn finished(self, catalogue: Catalogue) -> Self {
        let (registry, described) = catalogue.finish();
        Self {
            registry,
            described,
            ..self
        }
    }

    /// Every metric, by name.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// When the counting began.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// An inconsistent family: a programming error.
    pub fn text(&self, engine: &Engine) -> prometheus::Result<String> {
        let context = engine.context();
        let _looking = self.looking.lock();
        self.lanes.look();
        self.queue.look(engine);
        self.nexus.look(context);
        self.enrichment.look(context);
        self.jobs.look(&context.jobs);
        self.search.look(context.lexical.as_deref());
        self.health.reset();
        for check in Health::of(context).checks {
            self.health
                .with_label_values(&[check.name])
                .set(check.status.number());
        }
        grow(&self.suppressed, telemetry::suppressed());
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
