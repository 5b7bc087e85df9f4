//! One vector of one document, as the parts of an index share it.

use std::sync::atomic::{AtomicBool, Ordering};

/// A vector's identity. It dies when the document is removed or gets another vector, and never comes back.
///
/// Both flags change only under the write lock of the index; searches read them without.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    dead: AtomicBool,
    in_graph: AtomicBool,
}

impl Entry {
    pub(super) fn new(seq: u64) -> Self {
        Self {
            seq,
            dead: AtomicBool::new(false),
            in_graph: AtomicBool::new(false),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    pub(super) fn is_in_graph(&self) -> bool {
        self.in_graph.load(Ordering::Acquire)
    }

    pub(super) fn set_in_graph(&self, in_graph: bool) {
        self.in_graph.store(in_graph, Ordering::Release);
    }
}
