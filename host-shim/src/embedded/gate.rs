//! Who is inside which collection, and whether anybody may be.
//!
//! Invariants:
//! - Nobody is let in before the gate is opened, nor after it was shut; shutting it waits for those inside.
//! - Nobody is inside a collection from which calls are excluded ([`Gate::exclude`]).
//! - No lock of the gate is held while a store is called.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::store::StoreError;

/// What calls of plugins pass on their way to the store. The store has it from the start, to take collections away by.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    /// A call left, or an exclusion ended.
    movement: Condvar,
}

#[derive(Debug, Default)]
struct State {
    passage: Passage,
    /// Calls under way.
    inside: usize,
    /// Collections with calls inside, or with calls excluded.
    collections: HashMap<String, Occupancy>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Passage {
    #[default]
    NotYet,
    Open,
    Shut,
}

#[derive(Debug, Default)]
struct Occupancy {
    inside: usize,
    /// Exclusions in force, or waiting for those inside.
    excluding: usize,
}

impl Gate {
    /// Waits for the calls inside a collection, and keeps others out of it until the answer is dropped. To be had around
    /// taking the collection out of memory, be it deleted, renamed, or taken out to be put back.
    ///
    /// No lock that a call into the store takes may be held, since those inside may be waiting for it. They are few, and none
    /// outlasts one call.
    pub fn exclude(self: &Arc<Self>, collection: &str) -> Excluded {
        let mut state = self.state.lock();
        state.occupancy(collection).excluding += 1;
        while state.occupancy(collection).inside > 0 {
            self.movement.wait(&mut state);
        }
        Excluded {
            gate: Arc::clone(self),
            collection: collection.to_owned(),
        }
    }

    /// Lets calls in. Has no effect once it was shut.
    pub(super) fn open(&self) {
        let mut state = self.state.lock();
        if state.passage == Passage::NotYet {
            state.passage = Passage::Open;
        }
    }

    /// Lets nobody in any more, and waits for those inside.
    pub(super) fn shut(&self) {
        let mut state = self.state.lock();
        state.passage = Passage::Shut;
        while state.inside > 0 {
            self.movement.wait(&mut state);
        }
    }

    /// Lets one call in.
    pub(super) fn enter(&self) -> Result<Inside<'_>, StoreError> {
        let mut state = self.state.lock();
        match state.passage {
            Passage::NotYet => Err(StoreError::Unavailable("the data is not ready yet".to_owned())),
            Passage::Shut => Err(StoreError::Unavailable("the server has stopped".to_owned())),
            Passage::Open => {
                state.inside += 1;
                Ok(Inside { gate: self })
            }
        }
    }

    /// Tells those who wait, and forgets a collection that nobody is concerned with any more.
    fn moved(&self, mut state: MutexGuard<'_, State>, collection: Option<&str>) {
        if let Some(collection) = collection
            && state
                .collections
                .get(collection)
                .is_some_and(|occupancy| occupancy.inside == 0 && occupancy.excluding == 0)
        {
            state.collections.remove(collection);
        }
        self.movement.notify_all();
    }
}

impl State {
    fn occupancy(&mut self, collection: &str) -> &mut Occupancy {
        self.collections.entry(collection.to_owned()).or_default()
    }
}

/// Keeps calls of plugins out of a collection.
#[derive(Debug)]
#[must_use = "calls are let in again when it is dropped"]
pub struct Excluded {
    gate: Arc<Gate>,
    collection: String,
}

impl Drop for Excluded {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.occupancy(&self.collection).excluding -= 1;
        self.gate.moved(state, Some(&self.collection));
    }
}

/// A call that was let in.
pub(super) struct Inside<'g> {
    gate: &'g Gate,
}

impl<'g> Inside<'g> {
    /// Goes into a collection, as soon as calls are not excluded from it.
    pub(super) fn go_into(&self, collection: &str) -> InsideCollection<'g> {
        let mut state = self.gate.state.lock();
        while state.occupancy(collection).excluding > 0 {
            self.gate.movement.wait(&mut state);
        }
        state.occupancy(collection).inside += 1;
        InsideCollection {
            gate: self.gate,
            collection: collection.to_owned(),
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.inside -= 1;
        self.gate.moved(state, None);
    }
}

/// A call that is inside a collection.
pub(super) struct InsideCollection<'g> {
    gate: &'g Gate,
    collection: String,
}

impl Drop for InsideCollection<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.occupancy(&self.collection).inside -= 1;
        self.gate.moved(state, Some(&self.collection));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn opened() -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        gate.open();
        gate
    }

    /// Does `wait` on a thread of its own, which must not come back before `release`, and must after it.
    fn waits_for<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static, release: impl FnOnce()) -> T {
        let (send, receive) = mpsc::channel();
        let waiting = thread::spawn(move || send.send(wait()).unwrap());
        assert!(receive.recv_timeout(SOON).is_err(), "it does not wait");
        release();
        let answer = receive.recv_timeout(PATIENCE).unwrap();
        waiting.join().unwrap();
        answer
    }

    #[test]
    fn nobody_is_let_in_too_early_or_too_late() {
        let gate = Gate::default();
        assert!(matches!(gate.enter(), Err(StoreError::Unavailable(_))));
        gate.open();
        assert!(gate.enter().is_ok());
        gate.shut();
        gate.open();
        assert!(matches!(gate.enter(), Err(StoreError::Unavailable(_))));
    }

    #[test]
    fn shutting_waits_for_those_inside() {
        let gate = opened();
        let inside = gate.enter();
        let shutting = Arc::clone(&gate);
        waits_for(move || shutting.shut(), || drop(inside));
    }

    #[test]
    fn who_takes_a_collection_waits_for_those_inside_it_and_for_no_others() {
        let gate = opened();
        let inside = gate.enter().unwrap();
        let (in_a, _in_b) = (inside.go_into("a"), inside.go_into("b"));
        let taking = Arc::clone(&gate);
        let taken = waits_for(move || taking.exclude("a"), || drop(in_a));
        drop(taken);
        drop(gate.exclude("c"));
    }

    #[test]
    fn who_wants_into_a_taken_collection_waits_until_it_is_given_back() {
        let gate = opened();
        let taken = (gate.exclude("a"), gate.exclude("a"));
        let entering = Arc::clone(&gate);
        let went_in = move || drop(entering.enter().unwrap().go_into("a"));
        drop(taken.0);
        waits_for(went_in, || drop(taken.1));
    }

    #[test]
    fn nothing_is_kept_of_collections_that_nobody_is_in() {
        let gate = opened();
        for n in 0..10 {
            drop(gate.enter().unwrap().go_into(&n.to_string()));
            drop(gate.exclude(&n.to_string()));
        }
        assert!(gate.state.lock().collections.is_empty());
    }
}
