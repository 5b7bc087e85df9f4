//! A lane: claims a batch, runs its stage, commits, and says who is to blame for a failure.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connection::Connection;
use super::context::{Context, now_micros};
use super::fault::StageFault;
use super::{edges, nodes};
use crate::journal::{Batch, Claim, Outcome, Stage, Work};

/// Documents in a batch of the edge stage. Nexus takes up to 3 ms for a new edge and lets nobody else write meanwhile
/// (`contracts/nexus-dialect.md` section 4), so edges go in small batches and nodes get their turn in between.
const EDGE_BATCH: usize = 16;
/// How long a lane sleeps at most where nothing wakes it; documents that wait for another attempt are looked for then.
const IDLE: Duration = Duration::from_millis(100);
/// First and longest wait of a document that Nexus refuses.
const REFUSED_BASE: Duration = Duration::from_secs(1);
const REFUSED_CAP: Duration = Duration::from_secs(300);
/// Wait after a fault of the host or the journal.
const PAUSE: Duration = Duration::from_millis(500);

/// What a stage did with a batch.
#[derive(Debug, Default)]
pub struct Done {
    /// What became of each document, but for the failed ones.
    pub outcomes: Vec<Outcome>,
    /// Documents that failed by their own fault.
    pub failed: Vec<Failed>,
    /// Work found for other documents of the collection.
    pub marks: Vec<(Arc<str>, Work)>,
    /// Documents whose nodes were written.
    pub written: Vec<Arc<str>>,
    /// Documents whose nodes were right already.
    pub unchanged: usize,
    /// Nodes deleted.
    pub deleted: usize,
    /// Edges written as active.
    pub asserted: usize,
    /// Edges retracted.
    pub retracted: usize,
}

/// A document that failed by its own fault.
#[derive(Debug)]
pub struct Failed {
    /// The claim on it.
    pub claim: Claim,
    /// Why. No payload text.
    pub error: String,
}

/// Works until `stop` says true.
pub(super) async fn run(context: Arc<Context>, stage: Stage, mut stop: watch::Receiver<bool>) {
    let most = match stage {
        Stage::Nodes => context.config.sync.batch_size,
        Stage::Edges => context.config.sync.batch_size.min(EDGE_BATCH),
    };
    while !*stop.borrow_and_update() {
        let connection = tokio::select! {
            biased;
            _ = stop.changed() => continue,
            connection = context.link.ready() => connection,
        };
        let something = context.journal.work(IDLE);
        if let Some(batch) = context.journal.claim(stage, most) {
            work(&context, &connection, stage, batch).await;
            continue;
        }
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = something => {}
        }
    }
}

async fn work(context: &Arc<Context>, connection: &Connection, stage: Stage, batch: Batch) {
    let timer = context.metrics.batch_started(stage, &batch);
    let result = attempt(context, connection, stage, &batch).await;
    drop(timer);
    let Err(fault) = result else { return };
    context.metrics.stage_failed(&batch.collection, fault.label());
    match fault {
        StageFault::Link(error) => {
            context.journal.release(&batch);
            context.link.lost(&error.to_string());
        }
        StageFault::Server(error) => {
            context.journal.release(&batch);
            context.link.trip(connection, &error.to_string());
        }
        StageFault::Repeat => context.journal.release(&batch),
        StageFault::Rejected(error) => apart(context, connection, stage, &batch, &error.to_string()).await,
        fault @ (StageFault::Host(_) | StageFault::Journal(_) | StageFault::Task(_)) => {
            context.journal.release(&batch);
            if !fault.is_closed() {
                tracing::warn!(collection = %batch.collection, %fault, "a batch went back to the queue");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Works on the documents of a refused batch one by one, so that only those at fault wait.
async fn apart(context: &Arc<Context>, connection: &Connection, stage: Stage, batch: &Batch, error: &str) {
    if let [claim] = batch.claims.as_slice() {
        refuse(context, &batch.collection, claim, error);
        return;
    }
    for (at, claim) in batch.claims.iter().enumerate() {
        let single = Batch {
            collection: Arc::clone(&batch.collection),
            claims: vec![claim.clone()],
        };
        match attempt(context, connection, stage, &single).await {
            Ok(()) => {}
            Err(StageFault::Rejected(error)) => refuse(context, &batch.collection, claim, &error.to_string()),
            Err(fault) => {
                let rest = batch.claims[at..].to_vec();
                context.journal.release(&Batch {
                    collection: Arc::clone(&batch.collection),
                    claims: rest,
                });
                match fault {
                    StageFault::Link(error) => context.link.lost(&error.to_string()),
                    StageFault::Server(error) => context.link.trip(connection, &error.to_string()),
                    _ => {}
                }
                return;
            }
        }
    }
}

fn refuse(context: &Context, collection: &Arc<str>, claim: &Claim, error: &str) {
    tracing::warn!(
        %collection,
        failures = claim.failures + 1,
        error,
        "a document cannot be brought into the graph; it is tried again later"
    );
    context.metrics.document_failed(collection, error);
    context
        .journal
        .postpone(collection, claim, REFUSED_BASE, REFUSED_CAP);
}

async fn attempt(
    context: &Arc<Context>,
    connection: &Connection,
    stage: Stage,
    batch: &Batch,
) -> Result<(), StageFault> {
    let result = match stage {
        Stage::Nodes => nodes::run(context, connection, batch).await,
        Stage::Edges => edges::run(context, connection, batch).await,
    };
    let done = match result {
        Ok(done) => done,
        Err(fault) => {
            // Part of it may have been applied, and the rest may still be.
            if matches!(
                fault,
                StageFault::Link(_) | StageFault::Server(_) | StageFault::Rejected(_)
            ) {
                context.journal.distrust(batch)?;
            }
            return Err(fault);
        }
    };
    let now = now_micros();
    context.metrics.batch_done(batch, &done, now);
    let Done {
        outcomes,
        failed,
        marks,
        ..
    } = done;
    let (refused, settled): (Vec<_>, Vec<_>) = batch
        .claims
        .iter()
        .cloned()
        .partition(|claim| failed.iter().any(|failed| failed.claim.id == claim.id));
    let settled = Batch {
        collection: Arc::clone(&batch.collection),
        claims: settled,
    };
    context.journal.commit(&settled, outcomes, &marks, now)?;
    // A refused row may have left something all the same.
    context.journal.distrust(&Batch {
        collection: Arc::clone(&batch.collection),
        claims: refused.clone(),
    })?;
    for claim in &refused {
        let error = failed
            .iter()
            .find(|failed| failed.claim.id == claim.id)
            .map_or("", |failed| &failed.error);
        refuse(context, &batch.collection, claim, error);
    }
    Ok(())
}
