//! Store against journal, a page at a time: first the documents of a collection in the store's order, then those that the
//! journal knows, in the order of their ids.
//!
//! A dead letter is compared with what its last attempt saw and not with the graph's state, which it never reached: it is
//! hinted once it differs from that. A document that waits for its node to be looked at is no difference; one that is at
//! work is, since the lane may have read the store before it changed.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::{CollectionInfo, Fields, Page as Documents};

use super::super::context::{Context, unless_gone};
use super::super::enrichment;
use super::super::fault::StageFault;
use super::super::likeness::is_alike;
use super::super::refusal::{compared_fields, seen};
use super::page::{Page, Turn};
use super::record::{Cursor, Finding, GraphScope, JobKind, Phase};
use crate::journal::{DeadLetter, DocumentId, Seen, StateHead, Work};

/// The collections of a job, as far as store and journal know them. Blocks.
///
/// # Errors
/// `StageFault::Host`, `StageFault::Journal`.
pub(super) fn collections(
    context: &Context,
    wanted: Option<&BTreeSet<String>>,
) -> Result<BTreeSet<String>, StageFault> {
    let mut names = match wanted {
        Some(wanted) => wanted.clone(),
        None => {
            let mut names = context.journal.collections()?;
            names.extend(context.journal.dead_letter_counts().into_keys());
            let store = context.host.collections()?;
            names.extend(store.into_iter().map(|collection| collection.name));
            names
        }
    };
    let config = context.config();
    names.retain(|name| config.syncs(name) || config.removes(name));
    Ok(names)
}

/// One page. Blocks.
///
/// # Errors
/// `StageFault::Host`, `StageFault::Journal`.
pub(super) fn step(context: &Context, turn: &Turn, names: &BTreeSet<String>) -> Result<Page, StageFault> {
    let cursor = &turn.job.cursor;
    let Some(name) = cursor.collection.as_deref() else {
        return Ok(next_collection(turn, turn.page(), names));
    };
    match cursor.phase {
        Phase::Journal => gone(context, turn, name, names),
        _ => compare(context, turn, name, names),
    }
}

/// Goes on with the collection behind the present one, or with the next phase.
fn next_collection(turn: &Turn, mut page: Page, names: &BTreeSet<String>) -> Page {
    let from = match turn.job.cursor.collection.as_deref() {
        Some(name) => Bound::Excluded(name),
        None => Bound::Unbounded,
    };
    page.cursor = match names.range::<str, _>((from, Bound::Unbounded)).next() {
        Some(name) => Cursor {
            collection: Some(name.clone()),
            ..Cursor::default()
        },
        None => {
            page.compared_all = turn.job.order.kind == JobKind::Reconcile;
            let graph = turn.job.order.graph != GraphScope::None;
            Cursor {
                phase: if graph { Phase::Census } else { Phase::Draining },
                ..Cursor::default()
            }
        }
    };
    page
}

fn compare(context: &Context, turn: &Turn, name: &str, names: &BTreeSet<String>) -> Result<Page, StageFault> {
    let mut page = turn.page();
    let Some(info) = context.collection(name)? else {
        // A backfill brings documents in; what is gone is the business of comparisons.
        if turn.job.order.kind == JobKind::Backfill {
            page.notes.push(format!("'{name}' is not there"));
            return Ok(next_collection(turn, page, names));
        }
        page.cursor.phase = Phase::Journal;
        page.cursor.after = None;
        return Ok(page);
    };
    let Some(documents) = scan(context, turn, &info, &mut page)? else {
        return Ok(page);
    };
    let collection: Arc<str> = name.into();
    let (mut missing, mut changed, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut plain = Vec::new();
    let dead_letters = context.journal.dead_letter_count() > 0;
    for document in &documents.documents {
        let id = DocumentId::new(Arc::clone(&collection), document.id.as_str());
        if turn.job.order.force {
            all.push(Arc::clone(&id.id));
        }
        let letter = if dead_letters {
            context.journal.dead_letter(&id)?
        } else {
            None
        };
        let now = seen(context, name, document)?;
        let head = context.journal.head(&id)?;
        let same = match &letter {
            Some(letter) => saw(letter, &now),
            None => head.as_ref().is_some_and(|head| shows(head, &now)),
        };
        let waits = turn.job.order.kind == JobKind::Reconcile
            && (is_queued(context, &id) || is_half_way(context, &id, head.as_ref(), &now));
        if same || waits {
            if same && enrichment::is_missing(context, document.payload.as_ref()) {
                plain.push(id.id);
            }
            continue;
        }
        match head {
            Some(_) => changed.push(id.id),
            None => missing.push(id.id),
        }
    }
    page.looked_at = documents.documents.len();
    page.findings.compared = documents.documents.len() as u64;
    page.note(Finding::Missing, name, &missing);
    page.note(Finding::Changed, name, &changed);
    if turn.job.order.force {
        if !turn.job.order.dry_run {
            context.journal.distrust_all(&collection, &all)?;
        }
        turn.hint(context, &collection, &all, Work::ALL.and(context.enrichment()))?;
    } else {
        missing.append(&mut changed);
        turn.hint(context, &collection, &missing, Work::NODE)?;
        turn.hint(context, &collection, &plain, Work::ENRICHMENT)?;
    }
    match documents.next {
        Some(next) => page.cursor.after = Some(next),
        None if turn.job.order.kind == JobKind::Reconcile => {
            page.cursor.phase = Phase::Journal;
            page.cursor.after = None;
        }
        None => return Ok(next_collection(turn, page, names)),
    }
    Ok(page)
}

/// Documents of the store; `None` where the collection is gone, or the page has to be begun anew.
fn scan(
    context: &Context,
    turn: &Turn,
    info: &CollectionInfo,
    page: &mut Page,
) -> Result<Option<Documents>, StageFault> {
    let after = turn.job.cursor.after.as_deref();
    let fields = compared_fields(info);
    match unless_gone(context.host.scan(&info.name, after, turn.most, fields)) {
        // It was dropped meanwhile: the next page sees that.
        Ok(documents) => Ok(documents),
        // It was dropped and made anew.
        Err(fault) if fault.code == FaultCode::Invalid && after.is_some() => {
            page.cursor.after = None;
            page.notes.push(format!(
                "the store could not go on in '{}': it was compared anew",
                info.name
            ));
            Ok(None)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Whether the document's node will be looked at anyway, in the store as it is then.
fn is_queued(context: &Context, document: &DocumentId) -> bool {
    let standby = context.journal.standby(document);
    standby.is_some_and(|standby| standby.work.has(Work::NODE) && !standby.in_flight)
}

/// Whether the node is right, and the edges, which its vector has not been compared with yet, are waiting for their turn.
fn is_half_way(context: &Context, document: &DocumentId, head: Option<&StateHead>, now: &Seen) -> bool {
    let is_node_right = head.is_some_and(|head| {
        head.fingerprint == now.fingerprint && head.copy_rules == now.copy_rules && head.vector.is_none()
    });
    let standby = context.journal.standby(document);
    is_node_right && standby.is_some_and(|standby| standby.work.has(Work::EDGES))
}

/// Whether the journal thinks that the graph shows this version.
fn shows(head: &StateHead, now: &Seen) -> bool {
    head.fingerprint == now.fingerprint
        && head.copy_rules == now.copy_rules
        && are_alike(head.vector, now.vector)
}

fn are_alike(before: Option<u64>, now: Option<u64>) -> bool {
    match (before, now) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(before), Some(now)) => is_alike(before, now),
    }
}

/// Whether the last attempt at a dead letter was at this version.
fn saw(letter: &DeadLetter, now: &Seen) -> bool {
    letter.seen.is_some_and(|seen| {
        seen.fingerprint == now.fingerprint
            && seen.copy_rules == now.copy_rules
            && are_alike(seen.vector, now.vector)
    })
}

/// The documents that the journal knows and the store has not; behind the last of them the dead letters.
fn gone(context: &Context, turn: &Turn, name: &str, names: &BTreeSet<String>) -> Result<Page, StageFault> {
    let mut page = turn.page();
    let ids: Vec<Arc<str>> = context
        .journal
        .ids_after(name, page.cursor.after.as_deref())?
        .take(turn.most)
        .collect::<Result<_, _>>()?;
    page.looked_at = ids.len();
    let last = ids.last().map(ToString::to_string);
    let is_last = ids.len() < turn.most;
    let living: Vec<Arc<str>> = ids
        .into_iter()
        .filter(|id| {
            !context
                .journal
                .is_dead_letter(&DocumentId::new(name, Arc::clone(id)))
        })
        .collect();
    hint_gone(context, turn, name, living, &mut page)?;
    if is_last {
        gone_dead_letters(context, turn, name, &mut page)?;
        return Ok(next_collection(turn, page, names));
    }
    page.cursor.after = last;
    Ok(page)
}

fn gone_dead_letters(context: &Context, turn: &Turn, name: &str, page: &mut Page) -> Result<(), StageFault> {
    let mut after = None;
    loop {
        let letters = context
            .journal
            .dead_letters(Some(name), after.as_ref(), turn.most)?;
        let ids = letters
            .letters
            .into_iter()
            // One that failed to be deleted is gone still.
            .filter(|(_, letter)| letter.seen.is_some() || letter.is_unreadable())
            .map(|(document, _)| document.id)
            .collect();
        hint_gone(context, turn, name, ids, page)?;
        after = letters.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Hints those of the documents that the store has not.
fn hint_gone(
    context: &Context,
    turn: &Turn,
    name: &str,
    mut ids: Vec<Arc<str>>,
    page: &mut Page,
) -> Result<(), StageFault> {
    if ids.is_empty() {
        return Ok(());
    }
    let there: HashSet<String> = context
        .documents(name, &ids, Fields::NONE)?
        .into_iter()
        .map(|document| document.id)
        .collect();
    ids.retain(|id| {
        !there.contains(id.as_ref()) && !is_queued(context, &DocumentId::new(name, Arc::clone(id)))
    });
    page.note(Finding::Gone, name, &ids);
    turn.hint(context, &name.into(), &ids, Work::NODE)
}
