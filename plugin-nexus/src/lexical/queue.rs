//! What the index has yet to take in: documents that changed, and collections that it may have missed something of.
//!
//! Invariants: memory is bounded, where there is no room for a document its collection is compared instead; a document is there once,
//! however often it changes. Nothing of this is on disk: whatever a crash takes with it, the comparison at the next start finds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// These documents of a collection changed.
    Changed {
        /// Their collection.
        collection: Arc<str>,
        /// Each once.
        ids: BTreeSet<Box<str>>,
    },
    /// A collection is to be compared with the index, behind this point.
    Compare(Comparison),
}

impl Task {
    /// Documents that it is about; a comparison is about one at least.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Changed { ids, .. } => ids.len(),
            Self::Compare(_) => 1,
        }
    }
}

/// How far a collection is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) collection: Arc<str>,
    pub(super) stage: Stage,
}

/// The two halves of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The store's documents, behind its cursor: is each in the index as it is?
    Store(Option<String>),
    /// The index's, behind an id: is each in the store?
    Index(Option<String>),
}

#[derive(Debug, Default)]
struct Waiting {
    changed: BTreeMap<Arc<str>, BTreeSet<Box<str>>>,
    count: usize,
    compare: VecDeque<Comparison>,
    /// Whether all collections are to be compared, whichever there are.
    all: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    room: usize,
    arrived: Notify,
}

impl Queue {
    /// With room for so many documents, and everything to be compared.
    pub(super) fn new(room: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                all: true,
                ..Waiting::default()
            }),
            room,
            arrived: Notify::new(),
        }
    }

    /// These documents changed.
    pub(super) fn changed<'a>(&self, collection: &str, ids: impl Iterator<Item = &'a str>) {
        let mut waiting = self.waiting.lock();
        let Waiting { changed, count, .. } = &mut *waiting;
        let mut left_out = false;
        for id in ids {
            let present = changed.get_mut(collection);
            if present.as_ref().is_some_and(|ids| ids.contains(id)) {
                continue;
            }
            if *count >= self.room {
                left_out = true;
                break;
            }
            *count += 1;
            match present {
                Some(ids) => ids.insert(id.into()),
                None => changed.entry(collection.into()).or_default().insert(id.into()),
            };
        }
        if left_out {
            begin(&mut waiting.compare, collection);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// A collection is to be compared from its beginning.
    pub(super) fn compare(&self, collection: &str) {
        begin(&mut self.waiting.lock().compare, collection);
        self.arrived.notify_one();
    }

    /// All collections are.
    pub(super) fn compare_all(&self) {
        self.waiting.lock().all = true;
        self.arrived.notify_one();
    }

    /// Whether all collections are to be compared; asked once.
    pub(super) fn takes_all(&self) -> bool {
        std::mem::take(&mut self.waiting.lock().all)
    }

    /// A comparison goes on here, unless it was to be begun anew meanwhile.
    pub(super) fn go_on(&self, comparison: Comparison) {
        let mut waiting = self.waiting.lock();
        if !waiting
            .compare
            .iter()
            .any(|other| other.collection == comparison.collection)
        {
            waiting.compare.push_back(comparison);
        }
    }

    /// Up to `most` changed documents of a collection, else a comparison.
    pub(super) fn take(&self, most: usize) -> Option<Task> {
        let mut waiting = self.waiting.lock();
        let Waiting {
            changed,
            count,
            compare,
            ..
        } = &mut *waiting;
        if let Some(mut first) = changed.first_entry() {
            let collection = Arc::clone(first.key());
            let ids = first.get_mut();
            let ids = if ids.len() <= most {
                first.remove()
            } else {
                let mut taken = BTreeSet::new();
                while taken.len() < most
                    && let Some(id) = ids.pop_first()
                {
                    taken.insert(id);
                }
                taken
            };
            *count -= ids.len();
            return Some(Task::Changed { collection, ids });
        }
        compare.pop_front().map(Task::Compare)
    }

    /// Ends when something came. One waiter only.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Documents that wait, and whether collections do.
    pub(super) fn depth(&self) -> (usize, bool) {
        let waiting = self.waiting.lock();
        (waiting.count, waiting.all || !waiting.compare.is_empty())
    }
}

fn begin(compare: &mut VecDeque<Comparison>, collection: &str) {
    compare.retain(|other| *other.collection != *collection);
    compare.push_back(Comparison {
        collection: collection.into(),
        stage: Stage::Store(None),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &Queue, most: usize) -> Vec<String> {
        match queue.take(most) {
            Some(Task::Changed { collection, ids }) => {
                ids.iter().map(|id| format!("{collection}/{id}")).collect()
            }
            Some(Task::Compare(comparison)) => vec![format!("{}?", comparison.collection)],
            None => Vec::new(),
        }
    }

    #[test]
    fn a_document_waits_once_and_changes_come_before_comparisons() {
        let queue = Queue::new(10);
        assert!(queue.takes_all() && !queue.takes_all());
        queue.compare("c");
        queue.changed("c", ["2", "1", "2"].into_iter());
        queue.changed("c", ["1", "3"].into_iter());
        assert_eq!(queue.depth(), (3, true));
        assert_eq!(taken(&queue, 2), ["c/1", "c/2"]);
        assert_eq!(taken(&queue, 2), ["c/3"]);
        assert_eq!(taken(&queue, 2), ["c?"]);
        assert_eq!((taken(&queue, 2), queue.depth()), (vec![], (0, false)));
    }

    #[test]
    fn where_there_is_no_room_the_collection_is_compared() {
        let queue = Queue::new(2);
        queue.changed("c", ["1", "2"].into_iter());
        queue.changed("c", ["1"].into_iter());
        assert_eq!(queue.depth(), (2, true), "everything is, at the start");
        queue.takes_all();
        assert_eq!(queue.depth(), (2, false), "nothing was left out");
        queue.changed("d", ["3"].into_iter());
        assert_eq!(queue.depth(), (2, true));
        assert_eq!(taken(&queue, 9), ["c/1", "c/2"]);
        assert_eq!(taken(&queue, 9), ["d?"]);
    }

    #[test]
    fn a_comparison_that_is_asked_for_while_one_is_under_way_begins_anew() {
        let queue = Queue::new(2);
        queue.compare("c");
        let Some(Task::Compare(under_way)) = queue.take(1) else {
            panic!("nothing to compare");
        };
        queue.compare("c");
        queue.go_on(Comparison {
            stage: Stage::Store(Some("7".to_owned())),
            ..under_way
        });
        assert_eq!(
            queue.take(1),
            Some(Task::Compare(Comparison {
                collection: "c".into(),
                stage: Stage::Store(None)
            }))
        );
        assert_eq!(queue.take(1), None);
    }
}
