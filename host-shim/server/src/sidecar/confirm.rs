//! Points that Vectorizer acknowledged before it stored them: they count when they are there.
//!
//! Invariants:
//! - Whoever watches is told of a point when it is there as it was wanted, or in the end: then it is looked at as it is.
//! - The request stays under way until then: no merge and no comparison comes between.
//! - What is waited for is bounded; past that the collection is compared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use vectorizer_plugin_api::model::{Fields, Op};

use super::answers;
use super::api::Api;
use super::asked::Point;
use super::catalogue::{Catalogue, Write};
use super::effects::Effect;
use super::locks::WriteLock;
use super::metrics::Counters;
use super::payload;

/// How long after it was acknowledged a point is looked for first.
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// How long between two looks at most.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// How long a point is waited for until it is told of as it is, wanted or not.
const PROVISIONAL: Duration = Duration::from_secs(2);
/// How long it is waited for at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// Points that are waited for at most, and components of their vectors.
const MOST_POINTS: usize = 50_000;
const MOST_COMPONENTS: usize = 16 << 20;
/// Points that are looked for in one call.
const BATCH: usize = 500;
/// How far apart the directions of two vectors may be that are the same but for the way they are stored, as a cosine.
const SAME_DIRECTION: f64 = 0.9995;

/// Points of one request.
struct Promise {
    collection: String,
    points: Vec<Point>,
    write: Write,
    /// Until it is told of for now: merges do not wait any longer.
    lock: Option<WriteLock>,
    since: Instant,
    next_look: Instant,
    gap: Duration,
}

#[derive(Default)]
struct State {
    promises: Vec<Promise>,
    is_stopping: bool,
}

impl State {
    /// Points and components that are waited for.
    fn size(&self) -> (usize, usize) {
        let points = self.promises.iter().flat_map(|promise| &promise.points);
        points.fold((0, 0), |(count, components), point| {
            (count + 1, components + point.vector.len())
        })
    }

    /// These points are to be something else now: nobody need wait for what they were to be before.
    fn forget(&mut self, collection: &str, points: &[Point]) {
        if self.promises.is_empty() {
            return;
        }
        let ids: HashSet<&str> = points.iter().map(|point| point.id.as_str()).collect();
        for promise in self
            .promises
            .iter_mut()
            .filter(|promise| promise.collection == collection)
        {
            promise.points.retain(|point| !ids.contains(point.id.as_str()));
        }
    }
}

/// See the [module](self).
pub(super) struct Confirmations {
    state: Mutex<State>,
    added: Condvar,
    api: Arc<Api>,
    catalogue: Arc<Catalogue>,
    counters: Arc<Counters>,
}

impl Confirmations {
    pub(super) fn new(api: Arc<Api>, catalogue: Arc<Catalogue>, counters: Arc<Counters>) -> Self {
        Self {
            state: Mutex::default(),
            added: Condvar::new(),
            api,
            catalogue,
            counters,
        }
    }

    /// A request was acknowledged.
    pub(super) fn expect(&self, collection: String, points: Vec<Point>, write: Write, lock: WriteLock) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.forget(&collection, &points);
        let (waited_for, components) = state.size();
        let more: usize = points.iter().map(|point| point.vector.len()).sum();
        let is_full = waited_for + points.len() > MOST_POINTS || components + more > MOST_COMPONENTS;
        if state.is_stopping || is_full {
            drop(state);
            self.counters.unconfirmed(points.len());
            return write.done(vec![Effect::Collection(collection)]);
        }
        state.promises.push(Promise {
            collection,
            points,
            write,
            lock: Some(lock),
            since: now,
            next_look: now + FIRST_LOOK,
            gap: FIRST_LOOK,
        });
        self.added.notify_all();
    }

    /// Looks for what was promised, until [`stop`](Self::stop).
    pub(super) fn run(&self) {
        while let Some(due) = self.wait() {
            for promise in due {
                self.look(promise);
            }
        }
    }

    /// Ends [`run`](Self::run). What is waited for then is found by the comparison at the next start.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopping = true;
        self.added.notify_all();
    }

    /// The promises that are due; waits for some. `None`: it is the end.
    fn wait(&self) -> Option<Vec<Promise>> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopping {
                state.promises.clear();
                return None;
            }
            let now = Instant::now();
            let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.promises)
                .into_iter()
                .partition(|promise| promise.next_look <= now);
            state.promises = later;
            if !due.is_empty() {
                return Some(due);
            }
            match state.promises.iter().map(|promise| promise.next_look).min() {
                Some(next) => drop(self.added.wait_until(&mut state, next)),
                None => self.added.wait(&mut state),
            }
        }
    }

    fn look(&self, mut promise: Promise) {
        let confirmed = self.take_confirmed(&mut promise);
        self.counters.confirmed(confirmed.len());
        if !confirmed.is_empty() {
            self.catalogue.tell(&promise.collection, Op::Upsert, &confirmed);
        }
        if promise.points.is_empty() {
            return promise.write.done(Vec::new());
        }
        let age = promise.since.elapsed();
        let ids = || promise.points.iter().map(|point| point.id.clone()).collect();
        if age >= PATIENCE {
            tracing::warn!(
                collection = promise.collection,
                points = promise.points.len(),
                "points that Vectorizer acknowledged are not there as they were sent"
            );
            self.counters.unconfirmed(promise.points.len());
            let effect = Effect::Documents {
                ids: ids(),
                collection: promise.collection,
                op: Op::Upsert,
            };
            return promise.write.done(vec![effect]);
        }
        if age >= PROVISIONAL && promise.lock.take().is_some() {
            self.catalogue.tell(&promise.collection, Op::Upsert, &ids());
        }
        promise.gap = (promise.gap * 2).min(LONGEST_GAP);
        promise.next_look = Instant::now() + promise.gap;
        self.state.lock().promises.push(promise);
    }

    /// The ids of the points that are there as they were wanted; they are not waited for any more.
    fn take_confirmed(&self, promise: &mut Promise) -> Vec<String> {
        // Where it cannot be asked, the next look may do better.
        let Ok(visit) = self.catalogue.visit(&promise.collection) else {
            return Vec::new();
        };
        let mut confirmed = Vec::new();
        for batch in promise.points.chunks(BATCH) {
            let ids: Vec<&str> = batch.iter().map(|point| point.id.as_str()).collect();
            let Ok(there) = self.api.retrieve(&visit.name, &ids, Fields::ALL) else {
                break;
            };
            let there: HashMap<&str, &answers::Point> =
                there.iter().map(|point| (point.id.0.as_str(), point)).collect();
            let is_there = |point: &&Point| {
                let found = there.get(point.id.as_str());
                found.is_some_and(|found| is_as_wanted(point, found))
            };
            confirmed.extend(batch.iter().filter(is_there).map(|point| point.id.clone()));
        }
        let known: HashSet<&str> = confirmed.iter().map(String::as_str).collect();
        promise.points.retain(|point| !known.contains(point.id.as_str()));
        confirmed
    }
}

/// Whether a point is the one that was wanted, as far as the way it is stored lets tell.
fn is_as_wanted(wanted: &Point, found: &answers::Point) -> bool {
    let mut read = found.payload.clone();
    if let Some(payload) = &mut read {
        payload::normalize(payload);
    }
    let vector = found.vector.as_deref().unwrap_or_default();
    payload::is_same(wanted.payload.as_ref(), read.as_ref()) && is_same_direction(&wanted.vector, vector)
}

/// Vectors are brought to unit length, and rounded, when they are stored.
fn is_same_direction(one: &[f32], other: &[f32]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let lengths = (dot(one, one) * dot(other, other)).sqrt();
    // What has no direction is like anything.
    lengths == 0.0 || dot(one, other) / lengths >= SAME_DIRECTION
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_point_is_known_again_by_payload_and_direction() {
        let wanted = Point {
            id: "q".to_owned(),
            vector: vec![3.0, 4.0],
            payload: json!({"t": "x\r\n"}).as_object().cloned(),
        };
        let is = |found: serde_json::Value| is_as_wanted(&wanted, &serde_json::from_value(found).unwrap());
        assert!(is(
            json!({"id": "q", "vector": [0.6, 0.799], "payload": {"t": "x"}})
        ));
        assert!(!is(
            json!({"id": "q", "vector": [0.6, 0.8], "payload": {"t": "y"}})
        ));
        assert!(!is(
            json!({"id": "q", "vector": [0.7, 0.7], "payload": {"t": "x"}})
        ));
        assert!(!is(json!({"id": "q", "vector": [], "payload": {"t": "x"}})));
        assert!(!is(json!({"id": "q", "vector": [0.6, 0.8]})));
    }

    #[test]
    fn a_vector_without_a_direction_is_like_any() {
        assert!(is_same_direction(&[0.0, 0.0], &[0.0, 0.0]));
        assert!(!is_same_direction(&[1.0], &[1.0, 0.0]));
    }
}
