//! How busy lanes are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{CounterVec, GaugeVec, Result};

use super::catalogue::{Catalogue, grow_seconds};
use crate::journal::Stage;

/// The ratio is of the last whole time of this length at least, so that two who scrape do not disturb each other.
const WINDOW: Duration = Duration::from_secs(10);

/// How busy lanes are, by stage.
#[derive(Debug)]
pub(crate) struct LaneMetrics {
    seconds: CounterVec,
    ratio: GaugeVec,
    meters: [Arc<Mutex<Meter>>; 3],
}

/// What lanes of one stage did until now.
#[derive(Debug)]
struct Meter {
    lanes: usize,
    at_work: u32,
    since: Instant,
    busy: Duration,
    /// When the last window ended, how busy they had been until then, and how busy they were in it.
    last: (Instant, Duration, f64),
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self {
            lanes: 1,
            at_work: 0,
            since: now,
            busy: Duration::ZERO,
            last: (now, Duration::ZERO, 0.0),
        }
    }

    fn count(&mut self, now: Instant) {
        self.busy += now.saturating_duration_since(self.since) * self.at_work;
        self.since = now;
    }

    fn ratio(&mut self, now: Instant) -> f64 {
        self.count(now);
        let (then, busy, ratio) = self.last;
        let window = now.saturating_duration_since(then);
        if window < WINDOW {
            return ratio;
        }
        let all = window.as_secs_f64() * self.lanes as f64;
        let ratio = (self.busy.saturating_sub(busy).as_secs_f64() / all).min(1.0);
        self.last = (now, self.busy, ratio);
        ratio
    }
}

/// A lane is at work while it lives.
#[derive(Debug)]
pub(crate) struct AtWork(Arc<Mutex<Meter>>);

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut meter = self.0.lock();
        meter.count(Instant::now());
        meter.at_work = meter.at_work.saturating_sub(1);
    }
}

impl LaneMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            seconds: catalogue.seconds(
                "lane_busy_seconds_total",
                &["stage"],
                "Time in which lanes worked on batches, all of a stage added up",
            )?,
            ratio: catalogue.measures(
                "lane_busy_ratio",
                &["stage"],
                "Share of the last ten seconds or more in which the lanes of a stage worked on batches, from 0 to 1",
            )?,
            meters: Stage::ALL.map(|_| Arc::new(Mutex::new(Meter::new(now)))),
        })
    }

    /// There are so many lanes of a stage.
    pub(crate) fn run(&self, stage: Stage, lanes: usize) {
        self.meter(stage).lock().lanes = lanes.max(1);
    }

    /// A lane begins a batch.
    pub(crate) fn at_work(&self, stage: Stage) -> AtWork {
        let meter = self.meter(stage);
        let mut held = meter.lock();
        held.count(Instant::now());
        held.at_work += 1;
        drop(held);
        AtWork(Arc::clone(meter))
    }

    pub(super) fn look(&self) {
        for stage in Stage::ALL {
            let mut meter = self.meter(stage).lock();
            let ratio = meter.ratio(Instant::now());
            self.ratio.with_label_values(&[stage.name()]).set(ratio);
            grow_seconds(
                &self.seconds.with_label_values(&[stage.name()]),
                meter.busy.as_secs_f64(),
            );
        }
    }

    fn meter(&self, stage: Stage) -> &Arc<Mutex<Meter>> {
        let [nodes, edges, enrichment] = &self.meters;
        match stage {
            Stage::Nodes => nodes,
            Stage::Edges => edges,
            Stage::Enrichment => enrichment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_all_lanes_and_of_a_whole_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut meter = Meter::new(start);
        meter.lanes = 2;
        meter.at_work = 1;
        assert_eq!(meter.ratio(at(9)), 0.0);
        assert_eq!(meter.ratio(at(10)), 0.5);
        meter.at_work = 0;
        assert_eq!(meter.ratio(at(15)), 0.5);
        assert_eq!(meter.ratio(at(30)), 0.0);
        assert_eq!(meter.busy, Duration::from_secs(10));
    }

    #[test]
    fn a_lane_is_at_work_until_its_batch_is_done() {
        let lanes = LaneMetrics::new(&mut Catalogue::default()).unwrap();
        let held = lanes.at_work(Stage::Edges);
        assert_eq!(lanes.meter(Stage::Edges).lock().at_work, 1);
        drop(held);
        assert_eq!(lanes.meter(Stage::Edges).lock().at_work, 0);
        assert_eq!(lanes.meter(Stage::Nodes).lock().busy, Duration::ZERO);
    }
}
