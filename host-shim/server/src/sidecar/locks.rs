//! Which documents are being written by clients, and which by this server: the payload of a document is read, merged and written
//! back by this server in two calls, between which no client may write it (Vectorizer has no version to compare).
//!
//! Invariants:
//! - Clients never wait for each other, only for the merge of a document that they name, and for that a bounded time.
//! - A merge begins only when no client's request is under way that names the document, or that does not say what it names.
//! - Writes that do not come through this server, and commands of GraphQL, MCP and UMICP, know nothing of these locks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct DocumentLocks {
    table: Mutex<Table>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    writing: HashMap<String, Writing>,
    /// Requests that do not even say in which collection.
    anywhere: usize,
    merging: HashSet<(String, String)>,
}

/// What clients write in a collection.
#[derive(Debug, Default)]
struct Writing {
    /// Requests that do not say which documents.
    unnamed: usize,
    documents: HashMap<String, usize>,
}

/// What a client's request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// It does not say where.
    Anywhere,
    /// In one collection.
    Within {
        collection: String,
        /// `None` where it does not say.
        ids: Option<Vec<String>>,
    },
}

impl DocumentLocks {
    /// A client's request, if it need not wait.
    pub(super) fn try_write(self: &Arc<Self>, named: Vec<Named>) -> Result<WriteLock, Vec<Named>> {
        let mut table = self.table.lock();
        if !table.is_free_of_merges(&named) {
            return Err(named);
        }
        Ok(self.write_now(&mut table, named))
    }

    /// A client's request, after the merges of what it names, or after `patience`.
    pub(super) fn write(self: &Arc<Self>, named: Vec<Named>, patience: Duration) -> WriteLock {
        let until = Instant::now() + patience;
        let mut table = self.table.lock();
        while !table.is_free_of_merges(&named) {
            if self.freed.wait_until(&mut table, until).timed_out() {
                tracing::warn!("a client's write did not wait any longer for the merge of a payload");
                break;
            }
        }
        self.write_now(&mut table, named)
    }

    fn write_now(self: &Arc<Self>, table: &mut Table, named: Vec<Named>) -> WriteLock {
        for named in &named {
            let Named::Within { collection, ids } = named else {
                table.anywhere += 1;
                continue;
            };
            let writing = table.writing.entry(collection.clone()).or_default();
            match ids {
                None => writing.unnamed += 1,
                Some(ids) => {
                    for id in ids {
                        *writing.documents.entry(id.clone()).or_default() += 1;
                    }
                }
            }
        }
        WriteLock {
            locks: Arc::clone(self),
            named,
        }
    }

    /// A merge into the payload of a document; `None` where clients are at it for longer than `patience`.
    pub(super) fn merge(&self, collection: &str, id: &str, patience: Duration) -> Option<MergeLock<'_>> {
        let until = Instant::now() + patience;
        let document = (collection.to_owned(), id.to_owned());
        let mut table = self.table.lock();
        while table.is_written(&document) || table.merging.contains(&document) {
            if self.freed.wait_until(&mut table, until).timed_out() {
                return None;
            }
        }
        table.merging.insert(document.clone());
        Some(MergeLock {
            locks: self,
            document,
        })
    }
}

impl Table {
    fn is_free_of_merges(&self, named: &[Named]) -> bool {
        // Mostly nothing is merged, and no id need be looked at.
        self.merging.is_empty()
            || !self.merging.iter().any(|(collection, id)| {
                named.iter().any(|named| match named {
                    Named::Anywhere => true,
                    Named::Within { collection: of, ids } => {
                        of == collection && ids.as_ref().is_none_or(|ids| ids.contains(id))
                    }
                })
            })
    }

    fn is_written(&self, (collection, id): &(String, String)) -> bool {
        let writing = self.writing.get(collection);
        self.anywhere > 0
            || writing.is_some_and(|writing| writing.unnamed > 0 || writing.documents.contains_key(id))
    }
}

/// A client's request under way.
#[derive(Debug)]
pub(super) struct WriteLock {
    locks: Arc<DocumentLocks>,
    named: Vec<Named>,
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        let mut table = self.locks.table.lock();
        for named in &self.named {
            let Named::Within { collection, ids } = named else {
                table.anywhere -= 1;
                continue;
            };
            let Some(writing) = table.writing.get_mut(collection) else {
                continue;
            };
            match ids {
                None => writing.unnamed -= 1,
                Some(ids) => {
                    for id in ids {
                        if let Some(writers) = writing.documents.get_mut(id) {
                            *writers -= 1;
                            if *writers == 0 {
                                writing.documents.remove(id);
                            }
                        }
                    }
                }
            }
            if writing.unnamed == 0 && writing.documents.is_empty() {
                table.writing.remove(collection);
            }
        }
        self.locks.freed.notify_all();
    }
}

/// A merge under way.
#[derive(Debug)]
pub(super) struct MergeLock<'a> {
    locks: &'a DocumentLocks,
    document: (String, String),
}

impl Drop for MergeLock<'_> {
    fn drop(&mut self) {
        self.locks.table.lock().merging.remove(&self.document);
        self.locks.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(30);

    fn named(collection: &str, ids: Option<&[&str]>) -> Vec<Named> {
        vec![Named::Within {
            collection: collection.to_owned(),
            ids: ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        }]
    }

    #[test]
    fn clients_do_not_wait_for_each_other() {
        let locks = Arc::new(DocumentLocks::default());
        let first = locks.try_write(named("c", Some(&["a", "a"]))).unwrap();
        let second = locks.try_write(named("c", Some(&["a"]))).unwrap();
        let third = locks.try_write(named("c", None)).unwrap();
        drop((first, second, third));
        assert!(locks.table.lock().writing.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_merge_waits_for_whoever_may_write_the_document() {
        let locks = Arc::new(DocumentLocks::default());
        for written in [named("c", Some(&["a"])), named("c", None), vec![Named::Anywhere]] {
            let write = locks.try_write(written).unwrap();
            assert!(locks.merge("c", "a", SHORT).is_none());
            drop(write);
            assert!(locks.merge("c", "a", SHORT).is_some());
        }
        let _other = locks.try_write(named("c", Some(&["b"]))).unwrap();
        let _elsewhere = locks.try_write(named("d", None)).unwrap();
        assert!(locks.merge("c", "a", SHORT).is_some());
    }

    #[test]
    fn a_client_waits_for_the_merge_of_what_it_names_and_of_nothing_else() {
        let locks = Arc::new(DocumentLocks::default());
        let merge = locks.merge("c", "a", SHORT).unwrap();
        assert!(locks.try_write(named("c", Some(&["b"]))).is_ok());
        assert!(locks.try_write(named("d", None)).is_ok());
        assert!(locks.try_write(named("c", None)).is_err());
        assert!(locks.try_write(vec![Named::Anywhere]).is_err());
        let waiting = {
            let locks = Arc::clone(&locks);
            thread::spawn(move || drop(locks.write(named("c", Some(&["a"])), LONG)))
        };
        thread::sleep(SHORT);
        assert!(!waiting.is_finished());
        drop(merge);
        waiting.join().unwrap();
    }

    #[test]
    fn a_client_does_not_wait_for_ever() {
        let locks = Arc::new(DocumentLocks::default());
        let _merge = locks.merge("c", "a", SHORT).unwrap();
        drop(locks.write(named("c", Some(&["a"])), SHORT));
    }

    #[test]
    fn merges_of_one_document_come_one_after_the_other() {
        let locks = DocumentLocks::default();
        let first = locks.merge("c", "a", SHORT).unwrap();
        assert!(locks.merge("c", "a", SHORT).is_none());
        assert!(locks.merge("c", "b", SHORT).is_some());
        drop(first);
        assert!(locks.merge("c", "a", SHORT).is_some());
    }
}
