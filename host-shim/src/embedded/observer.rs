//! What a store tells of its changes.

use vectorizer_plugin_api::model::{CollectionEvent, Op};

use crate::host::PluginHost;

/// Told of each change after it is committed, on the thread that made it.
///
/// Invariants for the store that tells:
/// - No lock of the store is held: every guard is dropped first.
/// - Only what was committed is told, as often as something is: a write in chunks tells of each chunk before the next begins,
///   and of none that failed.
/// - Collections go by their canonical names, never by an alias.
/// - A content that came another way than document by document (loaded, restored) is a
///   [`Reset`](CollectionEvent::Reset).
///
/// For the one who is told: it takes note and returns, since a writer waits. It is told hints, not states: two writers of one
/// document may be told of in either order.
pub trait MutationObserver: Send + Sync + 'static {
    /// Documents of a collection changed. An id may come twice.
    fn changed(&self, collection: &str, op: Op, ids: &[&str]);

    /// Something happened to a whole collection.
    fn collection(&self, event: CollectionEvent<'_>);
}

/// Tells the plugins; without plugins nobody, at the cost of one atomic load.
impl MutationObserver for PluginHost {
    fn changed(&self, collection: &str, op: Op, ids: &[&str]) {
        self.notify(collection, op, ids);
    }

    fn collection(&self, event: CollectionEvent<'_>) {
        self.collection_event(&event);
    }
}
