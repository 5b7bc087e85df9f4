//! Compares the store with what the journal knows and turns each difference into a hint.
//!
//! Runs once at the start for everything (hints of the last milliseconds before a crash are lost, and the store may have
//! changed while the plugin was not loaded), then for each collection that becomes dirty. It only adds hints: a
//! document that changes meanwhile is hinted twice, which does no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::Fields;

use super::context::{Context, now_micros, unless_gone};
use super::fault::StageFault;
use super::fingerprint::{fingerprint, vector_digest};
use crate::journal::{DocumentId, Work};

/// Documents a page.
const PAGE: usize = 500;
/// Wait before a failed comparison is repeated.
const AGAIN: Duration = Duration::from_secs(1);

/// What a comparison found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    compared: usize,
    differing: usize,
    gone: usize,
}

/// Compares until `stop` says true.
pub(super) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut everything = true;
    loop {
        let comparison = async {
            if everything {
                everything_of(&context).await
            } else {
                each(&context, context.journal.take_dirty()).await
            }
        };
        let result = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            result = comparison => result,
        };
        match result {
            Ok(()) => {
                everything = false;
                context.metrics.reconciled();
            }
            Err(StageFault::Host(fault)) if fault.code == FaultCode::Closed => return,
            Err(fault) => {
                tracing::warn!(%fault, "the comparison with the store failed; it is repeated");
                tokio::time::sleep(AGAIN).await;
            }
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = context.journal.dirt(), if !everything => {}
            () = std::future::ready(()), if everything => {}
        }
    }
}

async fn everything_of(context: &Arc<Context>) -> Result<(), StageFault> {
    let collections = context
        .blocking(|context| {
            let mut names = context.journal.collections()?;
            names.extend(
                context
                    .host
                    .collections()?
                    .into_iter()
                    .map(|collection| collection.name),
            );
            Ok(names)
        })
        .await?;
    each(context, collections).await
}

async fn each(context: &Arc<Context>, collections: BTreeSet<String>) -> Result<(), StageFault> {
    let mut rest = collections.into_iter();
    while let Some(name) = rest.next() {
        // Hints that do not fit would only make the collection dirty again.
        while context.journal.waiting() > context.config.sync.max_queue_size / 2 {
            tokio::time::sleep(AGAIN).await;
        }
        let compared = {
            let name = name.clone();
            context.blocking(move |context| compare(context, &name)).await
        };
        match compared {
            Ok(found) if found.differing + found.gone > 0 => tracing::info!(
                collection = name,
                found.compared,
                found.differing,
                found.gone,
                "compared with the store"
            ),
            Ok(_) => {}
            Err(fault) => {
                // What was not compared stays dirty.
                context.journal.mark_dirty(&name);
                rest.for_each(|name| context.journal.mark_dirty(&name));
                return Err(fault);
            }
        }
    }
    Ok(())
}

/// Compares one collection. Blocks.
fn compare(context: &Context, name: &str) -> Result<Found, StageFault> {
    let mut found = Found::default();
    if !context.config.syncs(name) {
        return Ok(found);
    }
    let collection = context.collection(name)?;
    if let Some(collection) = &collection {
        let fields = Fields {
            vector: collection.exact_vectors,
            payload: true,
        };
        let mut cursor = None;
        while let Some(page) = unless_gone(context.host.scan(name, cursor.as_deref(), PAGE, fields))? {
            let mut differing = Vec::new();
            for document in &page.documents {
                let state = context
                    .journal
                    .state(&DocumentId::new(name, document.id.as_str()))?;
                let same = state.is_some_and(|state| {
                    state.fingerprint == fingerprint(document.payload.as_ref())
                        && state.copy_rules == context.copy_rules.digest()
                        && (!fields.vector || state.vector == Some(vector_digest(&document.vector)))
                });
                if !same {
                    differing.push(document.id.as_str());
                }
            }
            found.compared += page.documents.len();
            found.differing += differing.len();
            context
                .journal
                .add(name, differing.into_iter(), Work::NODE, now_micros())?;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    found.gone = gone(context, name)?;
    Ok(found)
}

/// Hints the documents that the journal knows and the store has not.
fn gone(context: &Context, name: &str) -> Result<usize, StageFault> {
    let mut count = 0;
    let mut ids: Vec<Arc<str>> = Vec::with_capacity(PAGE);
    let mut check = |ids: &mut Vec<Arc<str>>| -> Result<(), StageFault> {
        let there: BTreeSet<String> = context
            .documents(name, ids, Fields::NONE)?
            .into_iter()
            .map(|document| document.id)
            .collect();
        ids.retain(|id| !there.contains(id.as_ref()));
        count += ids.len();
        context
            .journal
            .add(name, ids.iter().map(AsRef::as_ref), Work::NODE, now_micros())?;
        ids.clear();
        Ok(())
    };
    for id in context.journal.ids(name) {
        ids.push(id?.into());
        if ids.len() == PAGE {
            check(&mut ids)?;
        }
    }
    check(&mut ids)?;
    Ok(count)
}
