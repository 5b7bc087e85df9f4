//! A connection: one process of Nexus that was checked, what it can do, and how far it is still to be verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::graph::verify::ReadBack;
use crate::graph::{Capabilities, Graph};
use crate::journal::Stage;

/// A checked process, its graph and what it can do.
#[derive(Debug)]
pub struct Connection {
    /// The graph of this process, in the forms that are right on it.
    pub graph: Graph,
    /// What the probe found.
    pub capabilities: Arc<Capabilities>,
    /// Batches of nodes and of edges that are still verified whole.
    whole: [AtomicU32; 2],
    /// Whether something was written since the canary was moved.
    written: AtomicBool,
}

impl Connection {
    pub(super) fn new(graph: Graph, capabilities: Arc<Capabilities>, first_batches: u32) -> Self {
        let whole = || AtomicU32::new(first_batches);
        Self {
            graph,
            capabilities,
            whole: [whole(), whole()],
            written: AtomicBool::new(false),
        }
    }

    /// Which of the `written` documents of a batch are to be read back, in order, and how: all of the first batches, by their
    /// buckets; then this share, by their keys. At least one, unless it is 0.
    pub(super) fn sample(&self, stage: Stage, written: usize, share: f64) -> (Vec<usize>, ReadBack) {
        if written == 0 {
            return (Vec::new(), ReadBack::ByKey);
        }
        self.written.store(true, Ordering::Release);
        let whole = match stage {
            Stage::Nodes => &self.whole[0],
            Stage::Edges | Stage::Enrichment => &self.whole[1],
        };
        let one_less = |left: u32| left.checked_sub(1);
        if whole
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less)
            .is_ok()
        {
            return ((0..written).collect(), ReadBack::ByBucket);
        }
        if share <= 0.0 {
            return (Vec::new(), ReadBack::ByKey);
        }
        let size = ((written as f64 * share).ceil() as usize).clamp(1, written);
        let mut chosen = rand::seq::index::sample(&mut rand::rng(), written, size).into_vec();
        chosen.sort_unstable();
        (chosen, ReadBack::ByKey)
    }

    /// Whether something was written since the last call.
    pub(super) fn take_written(&self) -> bool {
        self.written.swap(false, Ordering::AcqRel)
    }

    /// Something was written, or may have been.
    pub(super) fn mark_written(&self) {
        self.written.store(true, Ordering::Release);
    }
}
