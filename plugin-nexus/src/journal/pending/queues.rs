//! The queues: documents of all collections, by stage and priority, taken out in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::DocumentId;
use super::super::work::Priority;

/// Documents of all collections, taken out in turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) queues: HashMap<Arc<str>, VecDeque<Arc<str>>>,
    /// Collections with a queue that is not empty, each once.
    pub(super) order: VecDeque<Arc<str>>,
}

impl Turns {
    pub(super) fn push(&mut self, document: &DocumentId) {
        let queue = self.queues.entry(Arc::clone(&document.collection)).or_default();
        if queue.is_empty() {
            self.order.push_back(Arc::clone(&document.collection));
        }
        queue.push_back(Arc::clone(&document.id));
    }

    pub(super) fn len_of(&self, collection: &str) -> usize {
        self.queues.get(collection).map_or(0, VecDeque::len)
    }
}

/// The queues of one stage.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) interactive: Turns,
    pub(super) bulk: Turns,
    /// Batches since the last of bulk work.
    pub(super) turn: u8,
}

impl Lines {
    pub(super) fn of(&mut self, priority: Priority) -> &mut Turns {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    pub(super) fn holds(&self, collection: &str) -> bool {
        self.interactive.queues.contains_key(collection) || self.bulk.queues.contains_key(collection)
    }
}
