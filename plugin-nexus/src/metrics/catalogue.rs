//! How metrics are made: each is registered under the plugin's prefix, and described for people.
//!
//! Invariant: what is described is what is served: there is no other way into the registry.

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, Result,
};

/// What all names begin with.
pub const PREFIX: &str = "vectorizer_nexus_";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts values by their size.
    Histogram,
}

impl Kind {
    /// Its name in the Prometheus text format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its whole name.
    pub name: String,
    /// How it behaves.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it says.
    pub help: &'static str,
}

/// Makes metrics.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    registry: Registry,
    described: Vec<Described>,
}

impl Catalogue {
    /// The registry with all that was made, and what that is, by name.
    pub(super) fn finish(mut self) -> (Registry, Vec<Described>) {
        self.described.sort_by(|one, other| one.name.cmp(&other.name));
        (self.registry, self.described)
    }

    pub(super) fn counter(&mut self, name: &str, help: &'static str) -> Result<IntCounter> {
        let metric = IntCounter::with_opts(opts(name, help))?;
        self.add(name, Kind::Counter, &[], help, metric)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Result<IntCounterVec> {
        let metric = IntCounterVec::new(opts(name, help), labels)?;
        self.add(name, Kind::Counter, labels, help, metric)
    }

    /// Counters of seconds.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Result<CounterVec> {
        let metric = CounterVec::new(opts(name, help), labels)?;
        self.add(name, Kind::Counter, labels, help, metric)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &'static str) -> Result<IntGauge> {
        let metric = IntGauge::with_opts(opts(name, help))?;
        self.add(name, Kind::Gauge, &[], help, metric)
    }

    pub(super) fn gauges(
        &mut self,
        name: &str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Result<IntGaugeVec> {
        let metric = IntGaugeVec::new(opts(name, help), labels)?;
        self.add(name, Kind::Gauge, labels, help, metric)
    }

    /// A gauge of something that is no whole number.
    pub(super) fn measure(&mut self, name: &str, help: &'static str) -> Result<Gauge> {
        let metric = Gauge::with_opts(opts(name, help))?;
        self.add(name, Kind::Gauge, &[], help, metric)
    }

    pub(super) fn measures(
        &mut self,
        name: &str,
        labels: &[&'static str],
        help: &'static str,
    ) -> Result<GaugeVec> {
        let metric = GaugeVec::new(opts(name, help), labels)?;
        self.add(name, Kind::Gauge, labels, help, metric)
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        buckets: Vec<f64>,
        help: &'static str,
    ) -> Result<Histogram> {
        let metric = Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(buckets))?;
        self.add(name, Kind::Histogram, &[], help, metric)
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        labels: &[&'static str],
        buckets: Vec<f64>,
        help: &'static str,
    ) -> Result<HistogramVec> {
        let metric = HistogramVec::new(HistogramOpts::from(opts(name, help)).buckets(buckets), labels)?;
        self.add(name, Kind::Histogram, labels, help, metric)
    }

    fn add<M: Collector + Clone + 'static>(
        &mut self,
        name: &str,
        kind: Kind,
        labels: &[&'static str],
        help: &'static str,
        metric: M,
    ) -> Result<M> {
        self.registry.register(Box::new(metric.clone()))?;
        self.described.push(Described {
            name: format!("{PREFIX}{name}"),
            kind,
            labels: labels.to_vec(),
            help,
        });
        Ok(metric)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

/// Bounds 1, 2, 5 in each of `count` decades from `least` on.
pub(super) fn decades(least: f64, count: i32) -> Vec<f64> {
    (0..count)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| least * step * 10_f64.powi(decade)))
        .collect()
}

/// A total that somebody else keeps.
pub(super) fn grow(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// Likewise, in seconds.
pub(super) fn grow_seconds(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}

/// A count as a gauge shows it.
pub(super) fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
