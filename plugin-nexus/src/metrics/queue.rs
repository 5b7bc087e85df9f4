//! What waits: hooks, the intake, the journal, dead letters.

use std::cell::Cell;
use std::time::Instant;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge, IntGaugeVec, Result};

use super::catalogue::{Catalogue, decades, grow, whole};
use crate::journal::{JournalError, Priority, Stage};
use crate::sync::Engine;

/// Of so many calls of hooks on one thread, one is timed: two readings of the clock are a fifth of what a hook takes.
const TIMED_ONE_IN: u32 = 8;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct QueueMetrics {
    hook_seconds: Histogram,
    depth: IntGaugeVec,
    oldest: Gauge,
    waiting: IntGauge,
    overflowed: IntCounter,
    dead_letters: IntGauge,
    bytes: IntGauge,
    free_bytes: Gauge,
    up: IntGauge,
    rebuilds: IntGauge,
    unjournaled: IntCounter,
}

impl QueueMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Result<Self> {
        Ok(Self {
            hook_seconds: catalogue.histogram(
                "hook_duration_seconds",
                decades(1e-7, 7),
                "What a change costs its writer inside the plugin; one call in eight on each thread is timed",
            )?,
            depth: catalogue.gauges(
                "queue_depth",
                &["stage", "priority"],
                "Documents that wait or are at work",
            )?,
            oldest: catalogue.measure(
                "queue_oldest_seconds",
                "How long the document at the head of the queue has been waiting",
            )?,
            waiting: catalogue.gauge(
                "queue_waiting",
                "Documents that failed and wait for another attempt; counted by queue_depth, too",
            )?,
            overflowed: catalogue.counter(
                "intake_overflow_total",
                "Batches of hints that found the intake full; their collections are compared instead",
            )?,
            dead_letters: catalogue.gauge(
                "dead_letters",
                "Documents that Nexus refused so often that they are not tried again by themselves",
            )?,
            bytes: catalogue.gauge("journal_bytes", "What the journal takes up on disk")?,
            free_bytes: catalogue.measure(
                "journal_free_bytes",
                "Free space on the journal's volume; NaN where nobody knows",
            )?,
            up: catalogue.gauge(
                "journal_up",
                "1 while the journal's storage can be read and written; else changes wait in memory",
            )?,
            rebuilds: catalogue.gauge(
                "journal_rebuilds",
                "How often since the start the journal could not be read, was put aside and begun anew",
            )?,
            unjournaled: catalogue.counter(
                "unjournaled_total",
                "Batches of hints that could not be written to the journal and wait in memory",
            )?,
        })
    }

    /// The time at which a call of a hook began, where it is one that is timed.
    pub(crate) fn hook_began(&self) -> Option<Instant> {
        let calls = CALLS.get();
        CALLS.set(calls.wrapping_add(1));
        calls.is_multiple_of(TIMED_ONE_IN).then(Instant::now)
    }

    /// Such a call ended.
    pub(crate) fn hook_ended(&self, began: Option<Instant>) {
        if let Some(began) = began {
            self.hook_seconds.observe(began.elapsed().as_secs_f64());
        }
    }

    /// Counts a batch of hints that could not be journaled. The first is logged: where it is the storage, the journal tells
    /// of it itself.
    pub(crate) fn unjournaled(&self, error: &JournalError) {
        if self.unjournaled.get() == 0 {
            tracing::error!(%error, "hints could not be written to the journal; they wait in memory");
        }
        self.unjournaled.inc();
    }

    pub(super) fn look(&self, engine: &Engine) {
        let journal = &engine.context().journal;
        let depth = journal.depth();
        for stage in Stage::ALL {
            for priority in Priority::ALL {
                self.depth
                    .with_label_values(&[stage.name(), priority.name()])
                    .set(whole(depth.of(stage, priority)));
            }
        }
        self.oldest.set(depth.oldest.as_secs_f64());
        self.waiting.set(whole(depth.waiting));
        grow(&self.overflowed, engine.overflowed());
        self.dead_letters.set(whole(journal.dead_letter_count()));
        let condition = journal.condition();
        self.bytes.set(whole(condition.bytes));
        self.free_bytes
            .set(journal.free_bytes().map_or(f64::NAN, |free| free as f64));
        self.up.set(i64::from(condition.failure.is_none()));
        self.rebuilds.set(condition.rebuilt.into());
    }
}
