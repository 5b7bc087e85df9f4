//! Who is told of changes.

use vectorizer_plugin_api::model::{CollectionEvent, Op};

/// Told after a write is durable and no lock of the store is held, on the thread that wrote.
///
/// What it is told are hints: two writers of one document may be reported in either order.
pub trait ChangeObserver: Send + Sync {
    /// Documents of a collection (by its canonical name) changed.
    fn changed(&self, collection: &str, op: Op, ids: &[&str]);

    /// Something happened to a whole collection.
    fn collection(&self, event: CollectionEvent<'_>);
}

/// An observer for a store that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl ChangeObserver for Unobserved {
    fn changed(&self, _collection: &str, _op: Op, _ids: &[&str]) {}

    fn collection(&self, _event: CollectionEvent<'_>) {}
}
