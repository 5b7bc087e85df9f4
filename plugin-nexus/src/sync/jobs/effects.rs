//! Which jobs hinted a document, and what came of it.
//!
//! Only in memory, for as long as the document is on its way: lanes ask here after each batch, so that every effect of a
//! job is counted for it and told with its correlation id.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::lane::Done;
use super::Jobs;
use super::record::Trigger;
use crate::journal::{Batch, DocumentId, Fate, Stage, StateChange, Verdict};

/// Documents on their way, with the jobs that hinted them.
#[derive(Debug, Default)]
pub(super) struct Owners {
    jobs: HashMap<DocumentId, Vec<u64>>,
    outstanding: HashMap<u64, usize>,
}

impl Owners {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Documents of a job that are on their way.
    pub(super) fn outstanding(&self, job: u64) -> usize {
        self.outstanding.get(&job).copied().unwrap_or_default()
    }

    /// Whether the document is on its way for this job only from now on.
    pub(super) fn track(&mut self, job: u64, document: &DocumentId) -> bool {
        let owners = self.jobs.entry(document.clone()).or_default();
        let new = !owners.contains(&job);
        if new {
            owners.push(job);
            *self.outstanding.entry(job).or_default() += 1;
        }
        new
    }

    /// Ends the way of a document; answers whose it was.
    fn end(&mut self, document: &DocumentId) -> Vec<u64> {
        let owners = self.jobs.remove(document).unwrap_or_default();
        for job in &owners {
            if let Some(count) = self.outstanding.get_mut(job) {
                *count -= 1;
                if *count == 0 {
                    self.outstanding.remove(job);
                }
            }
        }
        owners
    }
}

/// What a lane did with a document that a job hinted.
#[derive(Debug)]
pub struct Effect {
    document: DocumentId,
    what: What,
    /// Whether nothing is left to do.
    over: bool,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Written,
    Unchanged,
    Deleted,
    Edges,
    Enriched,
    Failed,
}

/// What came of one batch for one job.
#[derive(Debug, Default)]
struct Tally {
    written: u64,
    unchanged: u64,
    deleted: u64,
    edges: u64,
    enriched: u64,
    failed: u64,
    settled: u64,
}

impl Tally {
    fn add(&mut self, what: What) {
        *match what {
            What::Written => &mut self.written,
            What::Unchanged => &mut self.unchanged,
            What::Deleted => &mut self.deleted,
            What::Edges => &mut self.edges,
            What::Enriched => &mut self.enriched,
            What::Failed => &mut self.failed,
        } += 1;
    }
}

impl Jobs {
    /// Takes note that a job hints these documents.
    pub(super) fn track(&self, job: u64, collection: &Arc<str>, ids: &[Arc<str>]) {
        let mut desk = self.desk.lock();
        let mut queued = 0;
        for id in ids {
            let document = DocumentId::new(Arc::clone(collection), Arc::clone(id));
            queued += u64::from(desk.owners.track(job, &document));
        }
        if let Some(job) = desk.jobs.get_mut(&job) {
            job.effects.queued += queued;
        }
        self.tracked.store(desk.owners.len(), Ordering::Release);
    }

    /// What a stage did with those documents of a batch that jobs hinted.
    pub(in super::super) fn effects_of(&self, stage: Stage, batch: &Batch, done: &Done) -> Vec<Effect> {
        if self.tracked.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let desk = self.desk.lock();
        let outcomes = done.outcomes.iter().filter_map(|outcome| {
            let document = batch.document(&outcome.id);
            desk.owners.jobs.contains_key(&document).then(|| Effect {
                document,
                what: match (stage, &outcome.state) {
                    (Stage::Edges, _) => What::Edges,
                    (Stage::Enrichment, _) => What::Enriched,
                    (Stage::Nodes, StateChange::Put(_)) => What::Written,
                    (Stage::Nodes, StateChange::Keep) => What::Unchanged,
                    (Stage::Nodes, StateChange::Remove) => What::Deleted,
                },
                over: outcome.left.is_none(),
            })
        });
        outcomes.collect()
    }

    /// Counts and tells what was done, once it is committed. A document that waits for another attempt is still on its way.
    pub(in super::super) fn settle(
        &self,
        stage: Stage,
        batch: &Batch,
        effects: Vec<Effect>,
        verdicts: &[Verdict],
    ) {
        let given_up = verdicts
            .iter()
            .filter(|verdict| matches!(verdict.fate, Fate::DeadLetter | Fate::NoRoom(_)))
            .map(|verdict| Effect {
                document: batch.document(&verdict.id),
                what: What::Failed,
                over: true,
            });
        if self.tracked.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut tallies: BTreeMap<u64, Tally> = BTreeMap::new();
        let mut desk = self.desk.lock();
        for effect in effects.into_iter().chain(given_up) {
            let owners = if effect.over {
                desk.owners.end(&effect.document)
            } else {
                desk.owners
                    .jobs
                    .get(&effect.document)
                    .cloned()
                    .unwrap_or_default()
            };
            for job in owners {
                let tally = tallies.entry(job).or_default();
                tally.add(effect.what);
                tally.settled += u64::from(effect.over);
            }
        }
        self.tracked.store(desk.owners.len(), Ordering::Release);
        for (number, tally) in tallies {
            let drained = desk.owners.outstanding(number) == 0;
            let Some(job) = desk.jobs.get_mut(&number) else {
                continue;
            };
            job.effects.settled += tally.settled;
            job.effects.synced += tally.written;
            job.effects.unchanged += tally.unchanged;
            job.effects.deleted += tally.deleted;
            job.effects.failed += tally.failed;
            tell(
                number,
                &job.order.correlation_id,
                job.order.trigger,
                stage,
                batch,
                &tally,
            );
            desk.unsaved.insert(number);
            if drained {
                self.wake.notify_one();
            }
        }
    }

    /// The documents on their way.
    pub(super) fn on_their_way(&self) -> Vec<DocumentId> {
        self.desk.lock().owners.jobs.keys().cloned().collect()
    }

    /// Gives up waiting for documents whose hints were dropped, since the queue was full: their collection is compared
    /// again.
    pub(super) fn let_go(&self, documents: &[DocumentId]) {
        let mut desk = self.desk.lock();
        for document in documents {
            for number in desk.owners.end(document) {
                if let Some(job) = desk.jobs.get_mut(&number) {
                    job.effects.settled += 1;
                }
                desk.unsaved.insert(number);
            }
        }
        self.tracked.store(desk.owners.len(), Ordering::Release);
    }
}

/// One line a batch and job; those of jobs that nobody asked for are for the curious.
fn tell(number: u64, correlation_id: &str, trigger: Trigger, stage: Stage, batch: &Batch, tally: &Tally) {
    let stage = stage.name();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                correlation_id,
                job = number,
                collection = %batch.collection,
                stage,
                written = tally.written,
                unchanged = tally.unchanged,
                deleted = tally.deleted,
                edges = tally.edges,
                enriched = tally.enriched,
                failed = tally.failed,
                settled = tally.settled,
                "a batch of a job is done"
            )
        };
    }
    if trigger == Trigger::Request {
        line!(info);
    } else {
        line!(debug);
    }
}
