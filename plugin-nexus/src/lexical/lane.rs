//! Keeps the index true to the store: takes in what changed, and compares.
//!
//! Invariants: documents are read from the store as they are when their turn comes, so that the order of hints makes no difference; what
//! was taken in can be found at the latest [`LATEST`] later; after a failure the index is opened again, and everything compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::{Document, Fields};

use super::entry::Entry;
use super::index::{Index, Writer};
use super::queue::{Comparison, Stage, Task};
use super::{Lexical, LexicalError};
use crate::backoff::Backoff;
use crate::sync::{Context, StageFault};

/// Documents that are read from the store at a time.
const PAGE: usize = 500;
/// Changes that are made durable together at most, and how long after the first of them at the latest.
const MOST_CHANGES: usize = 5_000;
const LATEST: Duration = Duration::from_secs(1);
/// Between two commits, of which each is a few writes to disk: what comes meanwhile goes with the next.
const GAP: Duration = Duration::from_millis(100);
/// Wait after a fault of the store.
const PAUSE: Duration = Duration::from_millis(500);
/// Waits between attempts to get a failed index back.
const REOPEN: Backoff = Backoff {
    base: Duration::from_millis(500),
    longest: Duration::from_secs(15),
};

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Index(#[from] LexicalError),
    #[error(transparent)]
    Store(#[from] StageFault),
}

/// What is not durable yet.
#[derive(Debug, Default)]
struct Uncommitted {
    changes: usize,
    since: Option<Instant>,
}

/// Works until `stop` says true.
pub(crate) async fn run(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let Some(lexical) = &context.lexical else {
        return;
    };
    let mut uncommitted = Uncommitted::default();
    let mut last = Instant::now();
    let mut failures = 0;
    while !*stop.borrow_and_update() {
        let rest = match turn(&context, lexical, &mut uncommitted, &mut last).await {
            Ok(None) => {
                // Everything was compared and is there.
                failures = 0;
                lexical.incomplete.store(false, Ordering::Release);
                None
            }
            Ok(rest) => rest,
            Err(Trouble::Store(fault)) if fault.is_closed() => break,
            Err(Trouble::Store(fault)) => {
                tracing::warn!(%fault, "the text index could not read the store");
                Some(PAUSE)
            }
            Err(Trouble::Index(error)) => {
                failures += 1;
                // Where opening it again was of no use.
                lexical.damaged.store(failures > 1, Ordering::Release);
                let wait = REOPEN.wait(failures, rand::random());
                tracing::warn!(%error, wait_ms = wait.as_millis() as u64, "the text index failed; it is opened again");
                uncommitted = Uncommitted::default();
                lexical.underway.store(0, Ordering::Release);
                lexical.fail(&error);
                lexical.queue.compare_all();
                Some(wait)
            }
        };
        let woken = async {
            match rest {
                Some(rest) => tokio::time::sleep(rest).await,
                None => lexical.queue.arrived().await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = woken => {}
        }
    }
    let end = on_writer(&context, lexical, |_, lexical| {
        close(lexical);
        Ok(())
    });
    if let Err(error) = end.await {
        tracing::warn!(%error, "the text index could not be closed");
    }
}

fn close(lexical: &Lexical) {
    let writer = lexical.writer.lock().take();
    if let (Some(mut writer), Ok(index)) = (writer, lexical.present())
        && let Err(error) = writer.commit(&index)
    {
        tracing::warn!(%error, "the last changes of the text index were lost; the next start finds them");
    }
}

/// One task, or a commit. Answers how long to rest; `None`: until something comes.
async fn turn(
    context: &Arc<Context>,
    lexical: &Arc<Lexical>,
    uncommitted: &mut Uncommitted,
    last: &mut Instant,
) -> Result<Option<Duration>, Trouble> {
    if lexical.present().is_err() {
        on_writer(context, lexical, |_, lexical| Ok(lexical.reopen()?)).await?;
        lexical.queue.compare_all();
    }
    if lexical.queue.takes_all() {
        on_writer(context, lexical, begin)
            .await
            .inspect_err(|_| lexical.queue.compare_all())?;
    }
    let full = uncommitted.changes >= MOST_CHANGES
        || uncommitted.since.is_some_and(|since| since.elapsed() >= LATEST);
    let task = if full { None } else { lexical.queue.take(PAGE) };
    let Some(task) = task else {
        if uncommitted.changes == 0 {
            return Ok(None);
        }
        let gap = GAP.saturating_sub(last.elapsed());
        if !full && !gap.is_zero() {
            return Ok(Some(gap));
        }
        on_writer(context, lexical, |_, lexical| {
            with_writer(lexical, |writer, index| writer.commit(index))
        })
        .await?;
        *uncommitted = Uncommitted::default();
        lexical.underway.store(0, Ordering::Release);
        *last = Instant::now();
        return Ok(Some(Duration::ZERO));
    };
    let underway = uncommitted.changes + task.len();
    lexical.underway.store(underway, Ordering::Release);
    let done = on_writer(context, lexical, move |context, lexical| {
        done_or_back(context, lexical, task)
    })
    .await;
    let changes = *done.as_ref().unwrap_or(&0);
    uncommitted.changes += changes;
    lexical.underway.store(uncommitted.changes, Ordering::Release);
    done?;
    if changes > 0 {
        uncommitted.since.get_or_insert_with(Instant::now);
    }
    Ok(Some(Duration::ZERO))
}

/// Does something on a thread where it may block.
async fn on_writer<T: Send + 'static>(
    context: &Arc<Context>,
    lexical: &Arc<Lexical>,
    call: impl FnOnce(&Context, &Lexical) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let lexical = Arc::clone(lexical);
    context
        .blocking(move |context| Ok(call(context, &lexical)))
        .await?
}

fn with_writer<T>(
    lexical: &Lexical,
    call: impl FnOnce(&mut Writer, &Index) -> Result<T, LexicalError>,
) -> Result<T, Trouble> {
    let index = lexical.present()?;
    let mut writer = lexical.writer.lock();
    let writer = writer
        .as_mut()
        .ok_or_else(|| LexicalError::Closed("it is not open for writing".to_owned()))?;
    Ok(call(writer, &index)?)
}

/// Lets all collections be compared: those of the store, and those that are in the index.
fn begin(context: &Context, lexical: &Lexical) -> Result<(), Trouble> {
    let mut names = lexical.present()?.collections()?;
    let store = context.host.collections().map_err(StageFault::from)?;
    names.extend(store.into_iter().map(|collection| collection.name));
    for name in names {
        lexical.queue.compare(&name);
    }
    Ok(())
}

/// Does a task, or puts it back. Answers how many changes it made.
fn done_or_back(context: &Context, lexical: &Lexical, task: Task) -> Result<usize, Trouble> {
    match task {
        Task::Changed { collection, ids } => update(context, lexical, &collection, &ids).inspect_err(|_| {
            lexical.queue.changed(&collection, ids.iter().map(AsRef::as_ref));
        }),
        Task::Compare(comparison) => {
            compare(context, lexical, &comparison).inspect_err(|_| lexical.queue.go_on(comparison))
        }
    }
}

fn update(
    context: &Context,
    lexical: &Lexical,
    collection: &Arc<str>,
    ids: &BTreeSet<Box<str>>,
) -> Result<usize, Trouble> {
    let wanted: Vec<Arc<str>> = ids.iter().map(|id| id.as_ref().into()).collect();
    let found = match context.config().syncs(collection) {
        true => context.documents(collection, &wanted, Fields::PAYLOAD)?,
        false => Vec::new(),
    };
    let there: BTreeSet<&str> = found.iter().map(|document| document.id.as_str()).collect();
    let gone: Vec<&str> = ids
        .iter()
        .map(AsRef::as_ref)
        .filter(|id| !there.contains(id))
        .collect();
    with_writer(lexical, |writer, index| {
        let changed = bring_in(context, lexical, (&mut *writer, index), collection, &found)?;
        let gone = take_out(lexical, (writer, index), collection, gone.into_iter())?;
        Ok(changed + gone)
    })
}

/// Indexes those of the documents that are not there as they are.
fn bring_in(
    context: &Context,
    lexical: &Lexical,
    (writer, index): (&mut Writer, &Index),
    collection: &str,
    documents: &[Document],
) -> Result<usize, LexicalError> {
    let digests = index.digests(collection, documents.iter().map(|document| document.id.as_str()))?;
    let mut changes = 0;
    for (document, digest) in documents.iter().zip(digests) {
        let touched = writer.has_touched(collection, &document.id);
        match Entry::of(&context.config().permissions, collection, document) {
            Some(entry) if touched || digest != Some(entry.digest) => {
                writer.put(collection, &document.id, &entry)?;
                lexical.indexed.fetch_add(1, Ordering::Relaxed);
            }
            None if touched || digest.is_some() => {
                writer.delete(collection, &document.id);
                lexical.deleted.fetch_add(1, Ordering::Relaxed);
            }
            _ => continue,
        }
        changes += 1;
    }
    Ok(changes)
}

/// Takes those of the documents out that are there.
fn take_out<'a>(
    lexical: &Lexical,
    (writer, index): (&mut Writer, &Index),
    collection: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Result<usize, LexicalError> {
    let digests = index.digests(collection, ids.clone())?;
    let mut changes = 0;
    for (id, digest) in ids.zip(digests) {
        if digest.is_some() || writer.has_touched(collection, id) {
            writer.delete(collection, id);
            changes += 1;
        }
    }
    lexical.deleted.fetch_add(changes as u64, Ordering::Relaxed);
    Ok(changes)
}

/// One page of a comparison.
fn compare(context: &Context, lexical: &Lexical, comparison: &Comparison) -> Result<usize, Trouble> {
    let collection = &comparison.collection;
    let go_on = |stage| {
        lexical.queue.go_on(Comparison {
            collection: Arc::clone(collection),
            stage,
        });
    };
    let is_ours = context.config().syncs(collection) && context.collection(collection)?.is_some();
    if !is_ours {
        return with_writer(lexical, |writer, _| {
            writer.delete_collection(collection);
            Ok(1)
        });
    }
    match &comparison.stage {
        Stage::Store(cursor) => {
            let page = match context
                .host
                .scan(collection, cursor.as_deref(), PAGE, Fields::PAYLOAD)
            {
                Ok(page) => page,
                // It was dropped meanwhile, and perhaps made anew.
                Err(fault)
                    if fault.code == FaultCode::NotFound
                        || fault.code == FaultCode::Invalid && cursor.is_some() =>
                {
                    go_on(Stage::Store(None));
                    return Ok(0);
                }
                Err(fault) => return Err(StageFault::from(fault).into()),
            };
            let changes = with_writer(lexical, |writer, index| {
                bring_in(context, lexical, (writer, index), collection, &page.documents)
            })?;
            go_on(match page.next {
                Some(next) => Stage::Store(Some(next)),
                None => Stage::Index(None),
            });
            Ok(changes)
        }
        Stage::Index(after) => {
            let ids = lexical.present()?.ids(collection, after.as_deref(), PAGE)?;
            let wanted: Vec<Arc<str>> = ids.iter().map(|id| id.as_str().into()).collect();
            let found = context.documents(collection, &wanted, Fields::NONE)?;
            let there: BTreeSet<&str> = found.iter().map(|document| document.id.as_str()).collect();
            let gone = ids.iter().map(String::as_str).filter(|id| !there.contains(id));
            let changes = with_writer(lexical, |writer, index| {
                take_out(lexical, (writer, index), collection, gone)
            })?;
            if ids.len() == PAGE {
                go_on(Stage::Index(ids.last().cloned()));
            }
            Ok(changes)
        }
    }
}
