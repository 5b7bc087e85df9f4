//! Deletes edges that were retracted softly, once a server can delete edges.
//!
//! On servers without a right form of deletion, retracted edges stay with `active` 0. When Nexus is replaced by one that
//! has it, the edges that documents own are read, and those that are retracted are deleted on the condition that they still
//! are: a lane that asserts an edge meanwhile does not lose it. The journal remembers that there may be such edges until a
//! sweep came to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connection::Connection;
use super::context::Context;
use super::fault::StageFault;
use crate::graph::{DocumentKey, GraphError};

/// Documents whose edges are read at a time.
const PAGE: usize = 100;
/// Wait before it is begun again, where Nexus did not do its work.
const AGAIN: Duration = Duration::from_secs(1);

/// Sweeps once a connection, until `stop` says true.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    loop {
        let work = async {
            context.gate.open().await;
            let connection = context.link.ready().await;
            // It may take long, and has time: it does not take the place of a lane's probe.
            context.breaker.closed().await;
            let Some(mut permit) = context.breaker.try_permit() else {
                return;
            };
            let result = sweep(&context, &connection).await;
            match &result {
                Ok(_) => permit.succeeded(),
                Err(fault) => permit.met(fault),
            }
            drop(permit);
            match result {
                Ok(0) => {}
                Ok(deleted) => {
                    context.metrics.sync.swept(deleted);
                    tracing::info!(deleted, "edges that were retracted are deleted");
                }
                Err(fault @ StageFault::Link(_)) => {
                    if fault.is_of_the_way() {
                        context.link.lost(&fault.to_string());
                    }
                    tokio::time::sleep(AGAIN).await;
                    return;
                }
                Err(StageFault::Server(error)) => context.link.trip(&connection, &error.to_string()),
                Err(fault) => {
                    tracing::warn!(%fault, "retracted edges could not be deleted; they are tried at the next connect")
                }
            }
            context.link.left().await;
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = work => {}
        }
    }
}

/// Deletes the retracted edges of all documents that the journal knows; answers how many it asked to delete.
async fn sweep(context: &Arc<Context>, connection: &Connection) -> Result<usize, StageFault> {
    if !connection.graph.forms().sweep || !context.journal.has_retracted()? {
        return Ok(0);
    }
    let mut deleted = 0;
    for collection in context.journal.collections()? {
        let mut ids = context.journal.ids(&collection);
        loop {
            let page = ids.by_ref().take(PAGE).collect::<Result<Vec<_>, _>>()?;
            if page.is_empty() {
                break;
            }
            let keys = page
                .iter()
                .map(|id| DocumentKey::new(&collection, id))
                .collect::<Result<Vec<_>, _>>()
                .map_err(GraphError::from)?;
            let retracted: Vec<_> = connection
                .graph
                .outgoing_similar(&keys)
                .await?
                .into_iter()
                .filter(|edge| edge.active == Some(false))
                .map(|edge| (edge.source, edge.target))
                .collect();
            connection.graph.sweep_similar(&retracted).await?;
            deleted += retracted.len();
        }
    }
    context.journal.set_retracted(false)?;
    Ok(deleted)
}
