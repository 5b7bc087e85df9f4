//! What lanes count: batches, documents, relationships, entities.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Result};

use super::catalogue::{Catalogue, decades};
use super::labels::Labels;
use super::totals::{Ledger, Totals};
use crate::graph::schema::EdgeType;
use crate::journal::{Batch, Stage, Work};
use crate::sync::{Done, Unsearchable};

/// Kinds of entities with a label of their own.
const MAX_ENTITY_TYPES: usize = 50;
const MICROS: f64 = 1e6;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SyncMetrics {
    collections: Arc<Labels>,
    entity_types: Labels,
    documents: IntCounterVec,
    errors: IntCounterVec,
    seconds: HistogramVec,
    batch_seconds: HistogramVec,
    batch_size: HistogramVec,
    lag_seconds: Histogram,
    created: IntCounterVec,
    retracted: IntCounterVec,
    swept: IntCounter,
    entities: IntCounterVec,
    entities_skipped: IntCounterVec,
    unsearchable: IntCounterVec,
    verified: IntCounterVec,
    mismatches: IntCounterVec,
    dead_lettered: IntCounterVec,
    ledger: Ledger,
    /// When a batch of each stage was last done.
    progressed: [Mutex<Instant>; 3],
}

impl SyncMetrics {
    pub(super) fn new(catalogue: &mut Catalogue, collections: Arc<Labels>) -> Result<Self> {
        Ok(Self {
            collections,
            entity_types: Labels::at_most(MAX_ENTITY_TYPES),
            documents: catalogue.counters(
                "sync_total",
                &["collection", "status"],
                "Documents brought in line with the store, by what was done to their node: written, unchanged, deleted, or failed at an \
                 attempt",
            )?,
            errors: catalogue.counters(
                "sync_errors_total",
                &["collection", "error_type"],
                "Batches that went back by what was to blame, and documents (error_type document) that Nexus refused",
            )?,
            seconds: catalogue.histograms(
                "sync_duration_seconds",
                &["collection"],
                decades(1e-3, 5),
                "Time for a batch of a collection, of whatever stage, from its claim to its commit",
            )?,
            batch_seconds: catalogue.histograms(
                "batch_duration_seconds",
                &["stage"],
                decades(1e-3, 5),
                "Time for a batch of a stage, from its claim to its commit",
            )?,
            batch_size: catalogue.histograms(
                "batch_size",
                &["stage"],
                vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3],
                "Documents in a batch",
            )?,
            lag_seconds: catalogue.histogram(
                "lag_seconds",
                decades(1e-3, 6),
                "From a change in the store to the node that shows it",
            )?,
            created: catalogue.counters(
                "relationships_created_total",
                &["type"],
                "Relationships written as holding",
            )?,
            retracted: catalogue.counters(
                "relationships_retracted_total",
                &["type"],
                "Relationships written as no longer holding",
            )?,
            swept: catalogue.counter(
                "relationships_swept_total",
                "Retracted relationships that were deleted, since this Nexus can",
            )?,
            entities: catalogue.counters(
                "entities_extracted_total",
                &["entity_type"],
                "Entities found in documents, counted once for each document and reading of it",
            )?,
            entities_skipped: catalogue.counters(
                "entities_skipped_total",
                &["collection"],
                "Entities that a document mentions beyond `entities.max_per_document`; the surest and most mentioned ones are kept",
            )?,
            unsearchable: catalogue.counters(
                "unsearchable_total",
                &["collection", "reason"],
                "Documents compared without a search, since their vector has no neighbours: it has another dimension, is not finite, \
                 is zero under the cosine, or is refused by the store",
            )?,
            verified: catalogue.counters(
                "verified_total",
                &["stage"],
                "Documents that were read back after a write",
            )?,
            mismatches: catalogue.counters(
                "verify_mismatch_total",
                &["stage"],
                "Documents that read back differently from what was written; they are written once more",
            )?,
            dead_lettered: catalogue.counters(
                "dead_lettered_total",
                &["collection"],
                "Documents that became dead letters",
            )?,
            ledger: Ledger::default(),
            progressed: Stage::ALL.map(|_| Mutex::new(Instant::now())),
        })
    }

    /// Counts a batch that took so long, whatever came of it.
    pub(crate) fn batch_ended(&self, stage: Stage, batch: &Batch, took: Duration) {
        let (stage, seconds) = (stage.name(), took.as_secs_f64());
        let collection = self.collections.of(&batch.collection);
        self.batch_size
            .with_label_values(&[stage])
            .observe(batch.claims.len() as f64);
        self.batch_seconds.with_label_values(&[stage]).observe(seconds);
        self.seconds
            .with_label_values(&[collection.as_str()])
            .observe(seconds);
    }

    /// Counts what a stage did.
    pub(crate) fn batch_done(&self, stage: Stage, batch: &Batch, done: &Done, now_micros: u64) {
        *self.progressed[stage.index()].lock() = Instant::now();
        // What it did is counted where payloads are.
        if stage == Stage::Enrichment {
            return;
        }
        let label = self.collections.of(&batch.collection);
        let (written, deleted) = (done.written.len() as u64, done.deleted as u64);
        for (status, count) in [
            ("written", written),
            ("unchanged", done.unchanged as u64),
            ("deleted", deleted),
        ] {
            self.documents
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
        self.ledger.add(label, written, deleted);
    }

    /// Counts a batch that went back.
    pub(crate) fn stage_failed(&self, collection: &str, error_type: &str) {
        self.errors
            .with_label_values(&[self.collections.of(collection).as_str(), error_type])
            .inc();
    }

    /// Counts a document that Nexus refuses.
    pub(crate) fn document_failed(&self, collection: &str, error: &str) {
        let label = self.collections.of(collection);
        for (counter, value) in [(&self.errors, "document"), (&self.documents, "failed")] {
            counter.with_label_values(&[label.as_str(), value]).inc();
        }
        self.ledger.failed(label, error);
    }

    /// Counts a document that became a dead letter.
    pub(crate) fn dead_lettered(&self, collection: &str) {
        self.dead_lettered
            .with_label_values(&[self.collections.of(collection).as_str()])
            .inc();
    }

    /// Counts the entities of a document by kind, and how many were left out.
    pub(crate) fn entities<'a>(
        &self,
        collection: &str,
        kinds: impl Iterator<Item = &'a str>,
        skipped: usize,
    ) {
        for kind in kinds {
            let label = self.entity_types.of(kind);
            self.entities.with_label_values(&[label.as_str()]).inc();
        }
        if skipped > 0 {
            self.entities_skipped
                .with_label_values(&[self.collections.of(collection).as_str()])
                .inc_by(skipped as u64);
        }
    }

    /// Counts a document whose vector has no neighbours.
    pub(crate) fn unsearchable(&self, collection: &str, reason: Unsearchable) {
        self.unsearchable
            .with_label_values(&[self.collections.of(collection).as_str(), reason.label()])
            .inc();
    }

    /// Counts documents that were read back.
    pub(crate) fn verified(&self, stage: Stage, read: usize, differing: usize) {
        let stage = stage.name();
        self.verified.with_label_values(&[stage]).inc_by(read as u64);
        if differing > 0 {
            self.mismatches
                .with_label_values(&[stage])
                .inc_by(differing as u64);
        }
    }

    /// Counts retracted edges that were deleted.
    pub(crate) fn swept(&self, edges: usize) {
        self.swept.inc_by(edges as u64);
    }

    /// How long ago a batch of a stage was last done, or the counting began.
    pub(crate) fn since_progress(&self, stage: Stage) -> Duration {
        self.progressed[stage.index()].lock().elapsed()
    }

    /// Edges of a type that were written as active and that were retracted since the start.
    pub(crate) fn edges_of(&self, kind: EdgeType) -> [u64; 2] {
        [&self.created, &self.retracted].map(|counter| counter.with_label_values(&[kind.name()]).get())
    }

    /// Totals by collection since the start.
    pub(crate) fn totals(&self) -> BTreeMap<String, Totals> {
        self.ledger.all()
    }
}
