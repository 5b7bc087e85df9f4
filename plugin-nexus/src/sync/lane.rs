//! A lane: claims a batch, runs its stage, commits, and says who is to blame for a failure.
//!
//! While a batch of edges is being written, the next is claimed and looked up in the store ([`super::ahead`]). It goes back where
//! the one at work is not done, Nexus is waited for, or the lane ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::Instrument as _;

use super::account::{Account, span_of};
use super::ahead::Ahead;
use super::batch_size::BatchSize;
use super::breaker::Permit;
use super::connection::Connection;
use super::context::{Context, now_micros};
use super::fault::StageFault;
use super::refusal::{self, Looks};
use super::{ahead, edges, enrichment, nodes};
use crate::graph::schema::EdgeType;
use crate::journal::{Batch, Claimable, DocumentId, Outcome, Refusal, Stage, Work};
use crate::kill_point::kill_point;

/// Documents in a batch of the edge stage at least, where there are so many.
const EDGE_BATCH: usize = 16;
/// How long a lane sleeps at most where nothing wakes it; documents that wait for another attempt are looked for then.
const IDLE: Duration = Duration::from_millis(100);
/// Wait after a fault of Nexus that passes, where nothing else makes the lane wait.
const BREATH: Duration = Duration::from_millis(100);
/// Wait after a fault of the host or the journal.
const PAUSE: Duration = Duration::from_millis(500);

/// What a stage did with a batch.
#[derive(Debug, Default)]
pub struct Done {
    /// What became of each document, but for the failed ones.
    pub outcomes: Vec<Outcome>,
    /// Documents that failed by their own fault.
    pub failed: Vec<Failed>,
    /// Work found for other documents.
    pub marks: Vec<(DocumentId, Work)>,
    /// Documents whose nodes were written.
    pub written: Vec<Arc<str>>,
    /// Documents whose nodes were right already.
    pub unchanged: usize,
    /// Documents whose payloads were enriched.
    pub enriched: usize,
    /// Nodes deleted.
    pub deleted: usize,
    /// Edges written as active, by type; reverse ones are not counted.
    pub asserted: BTreeMap<EdgeType, usize>,
    /// Edges retracted, likewise.
    pub retracted: BTreeMap<EdgeType, usize>,
}

/// A document that failed by its own fault.
#[derive(Debug)]
pub struct Failed {
    /// Its id in the batch's collection.
    pub id: Arc<str>,
    /// Why. No payload text.
    pub error: String,
}

/// A batch of the edge stage, claimed and looked up while the one before was at work.
#[derive(Debug)]
struct Next {
    batch: Batch,
    ahead: Ahead,
    /// What was looked up is of use while the settings are those of then.
    turn: u64,
}

/// Works until `stop` says true.
pub(super) async fn run(context: Arc<Context>, stage: Stage, mut stop: watch::Receiver<bool>) {
    let most = context.config().sync.batch_size;
    let mut size = match stage {
        Stage::Nodes | Stage::Enrichment => BatchSize::fixed(most),
        Stage::Edges => BatchSize::between(EDGE_BATCH, most),
    };
    let mut next = None;
    while !*stop.borrow_and_update() {
        // Nothing is held while Nexus is waited for.
        if !context.link.is_ready() {
            put_back(&context, next.take());
        }
        if context.gate.is_paused() {
            put_back(&context, next.take());
            tokio::select! {
                biased;
                _ = stop.changed() => continue,
                () = context.gate.open() => {}
            }
        }
        let connection = tokio::select! {
            biased;
            _ = stop.changed() => continue,
            connection = context.link.ready() => connection,
        };
        let mut permit = tokio::select! {
            biased;
            _ = stop.changed() => continue,
            permit = context.breaker.permit() => permit,
        };
        let working = context.gate.work().await;
        if next.as_ref().is_some_and(|next| next.turn != context.gate.turn()) {
            put_back(&context, next.take());
        }
        // It may have waited for long.
        if context.gate.is_paused() || !context.link.is_ready() || connection.graph.session().is_ended() {
            continue;
        }
        // More work may fill the batch that is to be had soon.
        let something = context.journal.work(IDLE);
        let pace = context.client.pace();
        let claimed = match next.take() {
            Some(Next { batch, ahead, .. }) => Ok((Claimable::Batch(batch), Some(ahead))),
            None => context
                .journal
                .claim(stage, pace.most_documents(size.documents()))
                .map(|claimed| (claimed, None)),
        };
        let soon = match claimed {
            Ok((Claimable::Batch(batch), ahead)) => {
                pace.documents(batch.claims.len()).await;
                let may_look = stage == Stage::Edges && !is_suspect(&batch);
                let (documents, begun) = (batch.claims.len(), Instant::now());
                let ((done, time), found) = tokio::join!(
                    async {
                        let span = span_of(&context, stage, &batch);
                        let done = work(&context, &connection, stage, batch, ahead, &mut permit)
                            .instrument(span)
                            .await;
                        (done, begun.elapsed())
                    },
                    async {
                        match may_look {
                            true => look_ahead(&context, pace.most_documents(size.documents())).await,
                            false => None,
                        }
                    }
                );
                size.took(documents, time);
                match done {
                    true => next = found,
                    false => put_back(&context, found),
                }
                continue;
            }
            Ok((Claimable::Nothing, _))
                if stage == Stage::Edges
                    && context.orphans.is_pending()
                    && context.journal.waiting() == 0 =>
            {
                match context.orphans.page(&context, &connection.graph).await {
                    Ok(()) => permit.succeeded(),
                    Err(fault) => {
                        permit.met(&fault);
                        meet(&context, &connection, &fault).await;
                    }
                }
                continue;
            }
            Ok((Claimable::Soon(wait), _)) => wait,
            Ok((Claimable::Nothing, _)) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "no batch could be claimed");
                PAUSE
            }
        };
        drop((permit, working));
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = tokio::time::sleep(soon) => {}
            () = something => {}
        }
    }
    put_back(&context, next);
}

/// Claims the next batch of the edge stage, if there is one, and looks the store up for it.
async fn look_ahead(context: &Arc<Context>, most: usize) -> Option<Next> {
    // Where none can be claimed, the lane finds that out itself when it is its turn.
    let batch = context.journal.claim(Stage::Edges, most).ok()?.batch()?;
    let ahead = match is_suspect(&batch) {
        true => Err(()),
        false => ahead::look(context, &batch).await.map_err(drop),
    };
    match ahead {
        Ok(ahead) => Some(Next {
            batch,
            ahead,
            turn: context.gate.turn(),
        }),
        // The lane meets the fault again by itself, and says so.
        Err(()) => {
            end_untouched(context, &batch);
            None
        }
    }
}

/// Whether a document of it was at work when the process ended. Such a one is worked on while nothing else is, so that no
/// other is blamed.
fn is_suspect(batch: &Batch) -> bool {
    batch.claims.iter().any(|claim| claim.interrupted > 0)
}

fn put_back(context: &Context, next: Option<Next>) {
    if let Some(Next { batch, .. }) = next {
        end_untouched(context, &batch);
    }
}

/// Gives a batch back on which no work was begun.
fn end_untouched(context: &Context, batch: &Batch) {
    context.journal.release(batch);
    end(context, batch);
}

fn end(context: &Context, batch: &Batch) {
    if let Err(error) = context.journal.end(batch) {
        tracing::warn!(%error, "the end of a batch could not be journaled");
    }
}

/// Works on a batch. Answers whether it was done, be it that some documents were refused.
async fn work(
    context: &Arc<Context>,
    connection: &Connection,
    stage: Stage,
    batch: Batch,
    ahead: Option<Ahead>,
    permit: &mut Permit<'_>,
) -> bool {
    tracing::debug!("a batch was claimed");
    kill_point("claimed");
    let (begun, at_work) = (Instant::now(), context.metrics.lanes.at_work(stage));
    let result = match Looks::before(context, &batch).await {
        Ok(looks) => attempt(context, connection, stage, &batch, ahead, &looks)
            .await
            .map_err(|fault| (fault, looks)),
        Err(fault) => Err((fault, Looks::default())),
    };
    let done = result.is_ok();
    let mut unmet = None;
    match result {
        Ok(()) => permit.succeeded(),
        Err((fault, looks)) => {
            permit.met(&fault);
            context
                .metrics
                .sync
                .stage_failed(&batch.collection, fault.label());
            match fault {
                StageFault::Rejected(error) => {
                    let error = error.to_string();
                    apart(context, connection, stage, &batch, &looks, &error, permit).await;
                }
                fault => unmet = Some(fault),
            }
        }
    }
    context.metrics.sync.batch_ended(stage, &batch, begun.elapsed());
    // To wait is no work.
    drop(at_work);
    if let Some(fault) = unmet {
        give_back(context, connection, &batch, &fault).await;
    }
    kill_point("end");
    end(context, &batch);
    done
}

/// Gives a batch back: nobody in it is at fault.
async fn give_back(context: &Context, connection: &Connection, batch: &Batch, fault: &StageFault) {
    context.journal.release(batch);
    meet(context, connection, fault).await;
}

/// Does what a fault asks for that is no document's.
async fn meet(context: &Context, connection: &Connection, fault: &StageFault) {
    match fault {
        StageFault::Link(error) => {
            if fault.is_of_the_way() {
                context.link.lost(&error.to_string());
            }
            tokio::time::sleep(BREATH).await;
        }
        StageFault::Server(error) => context.link.trip(connection, &error.to_string()),
        StageFault::Repeat | StageFault::Rejected(_) => {}
        StageFault::Host(_) | StageFault::Journal(_) | StageFault::Task(_) => {
            if !fault.is_closed() {
                tracing::warn!(%fault, "a batch went back to the queue");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Works on the documents of a refused batch one by one, so that only those at fault wait.
async fn apart(
    context: &Arc<Context>,
    connection: &Connection,
    stage: Stage,
    batch: &Batch,
    looks: &Looks,
    error: &str,
    permit: &mut Permit<'_>,
) {
    let whole = batch.claims.len() == 1;
    for (at, claim) in batch.claims.iter().enumerate() {
        let single = batch.part(std::slice::from_ref(claim));
        let result = if whole {
            refuse(context, stage, &single, looks, error)
        } else {
            match attempt(context, connection, stage, &single, None, looks).await {
                Err(StageFault::Rejected(error)) => {
                    refuse(context, stage, &single, looks, &error.to_string())
                }
                result => result,
            }
        };
        if let Err(fault) = result {
            permit.met(&fault);
            give_back(context, connection, &batch.part(&batch.claims[at..]), &fault).await;
            return;
        }
    }
}

/// Charges the only document of a batch with a failed attempt.
fn refuse(
    context: &Context,
    stage: Stage,
    single: &Batch,
    looks: &Looks,
    error: &str,
) -> Result<(), StageFault> {
    let refusals: Vec<Refusal> = single
        .claims
        .iter()
        .map(|claim| looks.refusal(&claim.id, error))
        .collect();
    let verdicts = context
        .journal
        .commit(single, Vec::new(), &refusals, &[], now_micros())?;
    refusal::report(context, &single.collection, &refusals, &verdicts);
    context.jobs.settle(stage, single, Vec::new(), &verdicts);
    Ok(())
}

async fn attempt(
    context: &Arc<Context>,
    connection: &Connection,
    stage: Stage,
    batch: &Batch,
    ahead: Option<Ahead>,
    looks: &Looks,
) -> Result<(), StageFault> {
    let result = match (stage, ahead) {
        (Stage::Nodes, _) => nodes::run(context, connection, batch).await,
        (Stage::Edges, Some(ahead)) => edges::run(context, connection, batch, ahead).await,
        (Stage::Edges, None) => match ahead::look(context, batch).await {
            Ok(ahead) => edges::run(context, connection, batch, ahead).await,
            Err(fault) => Err(fault),
        },
        (Stage::Enrichment, _) => enrichment::run(context, connection, batch).await,
    };
    let done = match result {
        Ok(done) => done,
        Err(fault) => {
            // Part of it may have been applied, and the rest may still be.
            if stage.writes_graph()
                && matches!(
                    fault,
                    StageFault::Link(_) | StageFault::Server(_) | StageFault::Rejected(_)
                )
            {
                context.journal.distrust(batch)?;
            }
            return Err(fault);
        }
    };
    let now = now_micros();
    context.metrics.sync.batch_done(stage, batch, &done, now);
    let account = Account::of(context, stage, batch, &done);
    let effects = context.jobs.effects_of(stage, batch, &done);
    let Done {
        outcomes,
        failed,
        marks,
        ..
    } = done;
    let refusals: Vec<Refusal> = failed
        .iter()
        .map(|failed| looks.refusal(&failed.id, &failed.error))
        .collect();
    kill_point("retire");
    if !refusals.is_empty() {
        kill_point("refuse");
    }
    let verdicts = context.journal.commit(batch, outcomes, &refusals, &marks, now)?;
    kill_point("retired");
    if !verdicts.is_empty() {
        kill_point("refused");
    }
    refusal::report(context, &batch.collection, &refusals, &verdicts);
    context.jobs.settle(stage, batch, effects, &verdicts);
    account.tell(context);
    Ok(())
}
