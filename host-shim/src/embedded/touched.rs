//! The documents that a loop under a lock has changed.
//!
//! Invariant: what was added is told once, when the value is dropped, whatever way the loop ended.

use vectorizer_plugin_api::model::Op;

use super::MutationObserver;

/// Ids to tell of after a lock is released.
///
/// Made **before** the lock is taken: values are dropped in the opposite order, so the guard goes first, at an early return or
/// a `?` as well, and the observer is told of what was committed until then.
///
/// ```
/// # use vectorizer_host_shim::PluginHost;
/// # use vectorizer_host_shim::api::model::Op;
/// # use vectorizer_host_shim::embedded::{MutationObserver, Touched};
/// # use std::{collections::HashMap, sync::Mutex};
/// fn upsert(
///     points: Vec<(String, f32)>,
///     collection: &Mutex<HashMap<String, f32>>,
///     observer: &dyn MutationObserver,
/// ) -> Result<(), &'static str> {
///     let mut touched = Touched::new(observer, "c", Op::Upsert);
///     let mut collection = collection.lock().map_err(|_| "poisoned")?;
///     for (id, x) in points {
///         if !x.is_finite() {
///             return Err("not a vector"); // those before are there, and told of
///         }
///         touched.add(&id);
///         collection.insert(id, x);
///     }
///     Ok(())
/// }
/// # let store = Mutex::default();
/// # assert!(upsert(vec![("a".into(), 1.0), ("b".into(), f32::NAN)], &store, &PluginHost::none()).is_err());
/// ```
#[must_use = "it tells when it is dropped: bind it before the lock is taken"]
pub struct Touched<'o> {
    observer: &'o dyn MutationObserver,
    collection: String,
    op: Op,
    ids: Vec<String>,
}

impl std::fmt::Debug for Touched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Touched")
            .field("collection", &self.collection)
            .field("op", &self.op)
            .field("ids", &self.ids.len())
            .finish()
    }
}

impl<'o> Touched<'o> {
    /// Nothing yet of `collection`, by its canonical name.
    pub fn new(observer: &'o dyn MutationObserver, collection: impl Into<String>, op: Op) -> Self {
        Self {
            observer,
            collection: collection.into(),
            op,
            ids: Vec::new(),
        }
    }

    /// One more that changed.
    pub fn add(&mut self, id: &str) {
        self.ids.push(id.to_owned());
    }
}

impl Drop for Touched<'_> {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
            self.observer.changed(&self.collection, self.op, &ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use vectorizer_plugin_api::model::CollectionEvent;

    use super::*;

    /// Notes what it is told, and whether the lock was free then.
    struct Watch {
        lock: Arc<Mutex<()>>,
        told: Mutex<Vec<(Vec<String>, bool)>>,
    }

    impl MutationObserver for Watch {
        fn changed(&self, _: &str, _: Op, ids: &[&str]) {
            let free = self.lock.try_lock().is_some();
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            self.told.lock().push((ids, free));
        }

        fn collection(&self, _: CollectionEvent<'_>) {}
    }

    fn write(watch: &Watch, ids: &[&str], stop_at: &str) -> Result<(), ()> {
        let mut touched = Touched::new(watch, "c", Op::Upsert);
        let _guard = watch.lock.lock();
        for id in ids {
            if *id == stop_at {
                return Err(());
            }
            touched.add(id);
        }
        Ok(())
    }

    #[test]
    fn what_was_written_is_told_after_the_lock_is_released_also_where_the_loop_broke_off() {
        let watch = Watch {
            lock: Arc::default(),
            told: Mutex::default(),
        };
        write(&watch, &["a", "b"], "-").unwrap();
        write(&watch, &["c", "d", "e"], "e").unwrap_err();
        write(&watch, &["f"], "f").unwrap_err();
        let told = watch.told.into_inner();
        let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told,
            [(names(&["a", "b"]), true), (names(&["c", "d"]), true)],
            "nothing is told of where nothing was written"
        );
    }
}
