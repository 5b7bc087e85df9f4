//! Generations of collections: each hint begins a new one. Who remembers something of a collection remembers the generation, and
//! asks before it is used.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Generations(Mutex<HashMap<Arc<str>, u64>>);

impl Generations {
    /// The present one of a collection.
    pub(super) fn of(&self, collection: &str) -> u64 {
        self.0.lock().get(collection).copied().unwrap_or_default()
    }

    /// Begins a new one.
    pub(super) fn next(&self, collection: &str) {
        let mut generations = self.0.lock();
        match generations.get_mut(collection) {
            Some(generation) => *generation += 1,
            None => {
                generations.insert(collection.into(), 1);
            }
        }
    }
}
