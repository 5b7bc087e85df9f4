//! The background thread: it fills the indexes when the store opens, and afterwards takes new documents from
//! the lists that searches compare one by one into the graphs.
//!
//! It works in small steps, one collection after the other, so that a large one does not starve the rest, and
//! holds the writer's lock for one page of documents at most.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::DbError;
use super::database::Inner;
use super::document::decode_vector;
use super::tables::Names;
use crate::index::Index;

/// Documents read in one step of loading.
const LOAD_PAGE: usize = 512;

/// Wakes the thread, and ends it.
#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<SignalState>,
    woken: Condvar,
}

#[derive(Default)]
struct SignalState {
    work: bool,
    stopping: bool,
}

impl Signal {
    /// There may be work.
    pub(super) fn wake(&self) {
        self.state.lock().work = true;
        self.woken.notify_one();
    }

    /// The thread shall end.
    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
        self.woken.notify_one();
    }

    fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Sleeps until there is work. False: the thread shall end.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.work && !state.stopping {
            self.woken.wait(&mut state);
        }
        state.work = false;
        !state.stopping
    }
}

/// The thread's life.
pub(super) fn run(inner: &Inner) {
    loop {
        while work_once(inner) {
            if inner.signal.is_stopping() {
                return;
            }
        }
        if !inner.signal.wait() {
            return;
        }
    }
}

/// One step for each collection. Whether there is more to do.
fn work_once(inner: &Inner) -> bool {
    let indexes: Vec<(u64, Arc<Index>)> = inner
        .indexes
        .read()
        .iter()
        .map(|(uid, index)| (*uid, Arc::clone(index)))
        .collect();
    let mut more = false;
    for (uid, index) in indexes {
        if inner.signal.is_stopping() {
            return true;
        }
        // The graph library asserts its invariants. A collection whose graph broke one is searched by
        // comparing from then on; the server lives on.
        let step = catch_unwind(AssertUnwindSafe(|| step(inner, uid, &index)));
        match step {
            Ok(Ok(again)) => more |= again,
            Ok(Err(error)) => {
                tracing::error!(%error, uid, "cannot fill the index: this collection is searched without it");
                index.abandon();
            }
            Err(_panic) => {
                tracing::error!(uid, "the index failed: this collection is searched without it");
                index.abandon();
            }
        }
    }
    more
}

fn step(inner: &Inner, uid: u64, index: &Index) -> Result<bool, DbError> {
    match index.load_cursor() {
        Some(after) => {
            load_page(inner, uid, index, after)?;
            Ok(true)
        }
        None => Ok(index.advance()),
    }
}

/// Takes the documents after `after` into the index. The writer's lock makes the page the current state, so
/// the index never learns of a document after its removal.
fn load_page(inner: &Inner, uid: u64, index: &Index, after: Option<u64>) -> Result<(), DbError> {
    let _writer = inner.writer.lock();
    if inner.index(uid).is_none() {
        // Dropped meanwhile: its tables are gone.
        index.abandon();
        return Ok(());
    }
    let vectors = inner.snapshot()?.open_table(Names::of(uid).vectors())?;
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut buffer = Vec::new();
    let mut last = None;
    for row in vectors.range::<u64>((from, Bound::Unbounded))?.take(LOAD_PAGE) {
        let (seq, vector) = row?;
        decode_vector(vector.value(), index.dimension(), &mut buffer)?;
        index.load(seq.value(), &buffer);
        last = Some(seq.value());
    }
    index.loaded_up_to(last);
    Ok(())
}
