//! The first stage: bring the nodes of a batch in line with the store.
//!
//! A document that is gone loses its node, and with it all edges; those who had it among their nearest compare theirs
//! again. One that is there is written where its payload, the copy rules or the knowledge of its record changed. Where
//! the journal has no state of this epoch, the record's width is read from the graph first, since a record must never
//! shrink.

mod present;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use present::{Present, assess};
use vectorizer_plugin_api::model::{Document, Fields};
use write::write;

use super::connection::Connection;
use super::context::Context;
use super::document::Place;
use super::fault::StageFault;
use super::lane::{Done, Failed};
use crate::graph::literal::LiteralError;
use crate::graph::{Bucket, DocumentKey};
use crate::journal::{Batch, DocumentId, DocumentState, Event, Outcome, StateChange, Work};
use crate::kill_point::kill_point;

/// A document that is not.
struct Gone {
    id: Arc<str>,
    key: DocumentKey,
    state: Option<DocumentState>,
}

/// Runs the stage.
///
/// # Errors
/// [`StageFault`]; nothing of the batch counts as done then.
pub(super) async fn run(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
) -> Result<Done, StageFault> {
    let mut done = Done::default();
    let config = context.config();
    if !config.syncs(&batch.collection) && !config.removes(&batch.collection) {
        done.outcomes = batch.claims.iter().map(|claim| all_done(&claim.id)).collect();
        return Ok(done);
    }
    let (present, gone) = survey(context, batch, &mut done).await?;
    tell_of_access(context, batch, &present, &mut done)?;
    remove(context, connection, batch, gone, &mut done).await?;
    write(context, connection, batch, present, &mut done).await?;
    Ok(done)
}

fn all_done(id: &Arc<str>) -> Outcome {
    Outcome::new(Arc::clone(id), Work::NONE, StateChange::Keep)
}

/// Looks the batch up in the store and the journal.
async fn survey(
    context: &Arc<Context>,
    batch: &Batch,
    done: &mut Done,
) -> Result<(Vec<Present>, Vec<Gone>), StageFault> {
    let ids: Vec<Arc<str>> = batch.claims.iter().map(|claim| Arc::clone(&claim.id)).collect();
    let collection = Arc::clone(&batch.collection);
    let documents = context
        .blocking(move |context| context.documents(&collection, &ids, Fields::ALL))
        .await?;
    let mut documents: HashMap<String, Document> = documents
        .into_iter()
        .map(|document| (document.id.clone(), document))
        .collect();

    let (mut present, mut gone) = (Vec::new(), Vec::new());
    for claim in &batch.claims {
        let place = match place(&batch.collection, &claim.id) {
            Ok(place) => place,
            Err(error) => {
                done.failed.push(Failed {
                    id: Arc::clone(&claim.id),
                    error: error.to_string(),
                });
                continue;
            }
        };
        let state = context.journal.state(&batch.document(&claim.id))?;
        match documents.remove(claim.id.as_ref()) {
            Some(document) => present.push(assess(context, batch, claim, place, document, state)?),
            None => gone.push(Gone {
                id: Arc::clone(&claim.id),
                key: place.key,
                state,
            }),
        }
    }
    Ok((present, gone))
}

fn place(collection: &str, id: &str) -> Result<Place, LiteralError> {
    Ok(Place {
        key: DocumentKey::new(collection, id)?,
        bucket: Bucket::of(collection, id)?,
    })
}

/// Documents that are not seen by the same people any more are not named to the same documents.
fn tell_of_access(
    context: &Context,
    batch: &Batch,
    present: &[Present],
    done: &mut Done,
) -> Result<(), StageFault> {
    if !context.config().enrichment.enabled {
        return Ok(());
    }
    let moved = |document: &&Present| {
        let before = document.state.as_ref().map(|state| state.access);
        before.is_some_and(|access| access != document.access)
    };
    for document in present.iter().filter(moved) {
        mark_sources(context, &batch.document(&document.id), Work::ENRICHMENT, done)?;
    }
    Ok(())
}

/// Finds this work for the documents, also of other collections, that have an edge to one.
fn mark_sources(
    context: &Context,
    document: &DocumentId,
    work: Work,
    done: &mut Done,
) -> Result<(), StageFault> {
    let beside = context.journal.sources(document)?.into_iter();
    let beside = beside.map(|source| DocumentId::new(Arc::clone(&document.collection), source));
    let across = context.journal.sources_across(document)?;
    done.marks
        .extend(beside.chain(across).map(|source| (source, work)));
    Ok(())
}

async fn remove(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
    gone: Vec<Gone>,
    done: &mut Done,
) -> Result<(), StageFault> {
    if gone.is_empty() {
        return Ok(());
    }
    let keys: Vec<DocumentKey> = gone.iter().map(|document| document.key.clone()).collect();
    kill_point("delete");
    done.deleted += connection.graph.delete_nodes(&keys).await?;
    connection.mark_written();
    kill_point("deleted");
    let removed = context.config().removes(&batch.collection);
    for Gone { id, state, .. } in gone {
        let is_known = state.is_some();
        let lost = state
            .into_iter()
            .flat_map(|state| state.edges)
            .map(|edge| edge.target)
            .collect();
        // Its edges went with the node; what it was related to may be an orphan now, and the edge stage sees to that.
        let left = match context.journal.relations(&batch.document(&id))? {
            Some(_) => Work::RELATIONS,
            None => Work::NONE,
        };
        let mut outcome = Outcome::new(id, left, StateChange::Remove);
        // Who took it out of the graph only, did not delete it.
        outcome.event = (is_known && !removed).then_some(Event::Deleted);
        outcome.lost = lost;
        done.outcomes.push(outcome);
    }
    Ok(())
}
