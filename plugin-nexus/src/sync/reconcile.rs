//! Compares the store with what the journal knows and turns each difference into a hint.
//!
//! Runs once at the start for everything (hints of the last milliseconds before a crash are lost, and the store may have
//! changed while the plugin was not loaded), then for each collection that becomes dirty. It only adds hints: a
//! document that changes meanwhile is hinted twice, which does no harm. A dead letter is compared with what its last attempt
//! saw and not with the graph's state, which it never reached: it is hinted once it differs from that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::Fields;

use super::context::{Context, now_micros, unless_gone};
use super::fault::StageFault;
use super::refusal::{compared_fields, seen};
use crate::journal::{DeadLetter, DocumentId, DocumentState, Seen, Work};

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
            names.extend(context.journal.dead_letter_counts().into_keys());
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
        let fields = compared_fields(collection);
        let mut cursor = None;
        while let Some(page) = unless_gone(context.host.scan(name, cursor.as_deref(), PAGE, fields))? {
            let mut differing = Vec::new();
            for document in &page.documents {
                let id = DocumentId::new(name, document.id.as_str());
                let now = seen(context, document, fields);
                let same = match context.journal.dead_letter(&id)? {
                    Some(letter) => saw(&letter, &now),
                    None => context
                        .journal
                        .state(&id)?
                        .is_some_and(|state| shows(&state, &now)),
                };
                if !same {
                    differing.push(document.id.as_str());
                }
            }
            found.compared += page.documents.len();
            found.differing += differing.len();
            context
                .journal
                .add_compared(name, differing.into_iter(), Work::NODE, now_micros())?;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    found.gone = gone(context, name)?;
    Ok(found)
}

/// Whether the journal thinks that the graph shows this version.
fn shows(state: &DocumentState, now: &Seen) -> bool {
    state.fingerprint == now.fingerprint
        && state.copy_rules == now.copy_rules
        && (now.vector.is_none() || state.vector == now.vector)
}

/// Whether the last attempt at a dead letter was at this version.
fn saw(letter: &DeadLetter, now: &Seen) -> bool {
    letter.seen.is_some_and(|seen| {
        seen.fingerprint == now.fingerprint
            && seen.copy_rules == now.copy_rules
            && (now.vector.is_none() || seen.vector == now.vector)
    })
}

/// Hints the documents that the journal knows and the store has not.
fn gone(context: &Context, name: &str) -> Result<usize, StageFault> {
    let mut count = 0;
    let mut ids: Vec<Arc<str>> = Vec::with_capacity(PAGE);
    for id in context.journal.ids(name) {
        let id: Arc<str> = id?.into();
        // These follow below.
        if !context
            .journal
            .is_dead_letter(&DocumentId::new(name, Arc::clone(&id)))
        {
            ids.push(id);
        }
        if ids.len() == PAGE {
            count += hint_gone(context, name, &mut ids)?;
        }
    }
    count += hint_gone(context, name, &mut ids)?;
    let mut after = None;
    loop {
        let page = context.journal.dead_letters(Some(name), after.as_ref(), PAGE)?;
        // One that failed to be deleted is gone still.
        ids.extend(page.letters.into_iter().filter_map(|(document, letter)| {
            let was_there = letter.seen.is_some() || letter.is_unreadable();
            was_there.then_some(document.id)
        }));
        count += hint_gone(context, name, &mut ids)?;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Hints those of the documents that the store has not, and empties the list.
fn hint_gone(context: &Context, name: &str, ids: &mut Vec<Arc<str>>) -> Result<usize, StageFault> {
    if ids.is_empty() {
        return Ok(0);
    }
    let there: BTreeSet<String> = context
        .documents(name, ids, Fields::NONE)?
        .into_iter()
        .map(|document| document.id)
        .collect();
    ids.retain(|id| !there.contains(id.as_ref()));
    let count = ids.len();
    context
        .journal
        .add_compared(name, ids.iter().map(AsRef::as_ref), Work::NODE, now_micros())?;
    ids.clear();
    Ok(count)
}
