//! Exact searches in collections that are small enough, over a copy of their vectors.
//!
//! Vectorizer's index loses documents: whatever was updated or deleted stays in it, and each payload that is written back adds one
//! more point in the same place, until others cannot be reached any more, however many hits are asked for (measured: 2 to 6 % of
//! the nearest neighbours of a churned collection). Rebuilding it is for its operator to decide. A small collection is searched
//! faster here than there.
//!
//! Invariants:
//! - What the catalogue heard of a collection is in the copy before the copy is searched.
//! - A copy that could not be brought up to date is given up, and made anew by the next search.
//! - What is kept is bounded, in documents of a collection and in components of all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard};
use vectorizer_plugin_api::model::{Fields, Hit, Metric};

use super::answers::{Point, by_id};
use super::api::Api;
use super::catalogue::{Catalogue, Changes};
use super::fault::CallFault;
use crate::store::metric::{closeness, prepare, score};

/// Documents that a scroll asks for.
const PAGE: usize = 5_000;
/// Documents that are read in one call.
const BATCH: usize = 500;
/// Components that all copies have at most: 256 MiB.
const MOST_COMPONENTS: usize = 64 << 20;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Copies {
    /// Documents of a collection that has a copy, at most.
    most: usize,
    copies: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    metric: Metric,
    dimension: usize,
    /// Components that it has, or will have.
    reserved: usize,
    copy: Arc<RwLock<Copy>>,
}

/// The vectors of a collection, one after the other.
#[derive(Debug)]
struct Copy {
    metric: Metric,
    dimension: usize,
    /// Whether all there was has been read once.
    is_read: bool,
    ids: Vec<String>,
    places: HashMap<String, usize>,
    components: Vec<f32>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Query<'a> {
    pub(super) collection: &'a str,
    pub(super) metric: Metric,
    pub(super) vector: &'a [f32],
    pub(super) limit: usize,
    pub(super) fields: Fields,
}

impl Copies {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            copies: Mutex::default(),
        }
    }

    /// The closest documents; `None` where the collection, which was last seen with `count` documents, is too large for a copy, or
    /// compares in a way of its own.
    pub(super) fn closest(
        &self,
        api: &Api,
        catalogue: &Catalogue,
        count: u64,
        query: &Query<'_>,
    ) -> Result<Option<Vec<Hit>>, CallFault> {
        let name = query.collection;
        let dimension = query.vector.len();
        // What has no direction is compared as Vectorizer does.
        let Ok(vector) = prepare(query.metric, dimension, query.vector.to_vec()) else {
            return Ok(None);
        };
        let Some(kept) = self.copy(catalogue, query, count) else {
            catalogue.unfollow(name);
            return Ok(None);
        };
        let copy = kept.upgradable_read();
        // Somebody gave it up meanwhile: what changes is not noted for it any more.
        if !self.is_kept(name, &kept) {
            return Ok(None);
        }
        let changes = match catalogue.follow(name) {
            // What was noted is of no use to one that has nothing yet.
            Changes::Of(_) if !copy.is_read => Changes::Unknown,
            changes => changes,
        };
        let copy = match changes.is_empty() {
            true => RwLockUpgradableReadGuard::downgrade(copy),
            false => {
                let mut copy = RwLockUpgradableReadGuard::upgrade(copy);
                let taken = copy.take(api, name, changes, self.most);
                if !matches!(taken, Ok(true)) || copy.ids.len() > self.most {
                    self.give_up(catalogue, name, &kept);
                    return taken.map(|_| None);
                }
                RwLockWriteGuard::downgrade(copy)
            }
        };
        let found = copy.search(&vector, query.limit);
        // Whoever went meanwhile is left out; payloads are not kept.
        let ids: Vec<&str> = found.iter().map(|(place, _)| copy.ids[*place].as_str()).collect();
        let mut there = by_id(api.retrieve(name, &ids, query.fields)?);
        let hits = found.into_iter().filter_map(|(place, closeness)| {
            let document = there.remove(&copy.ids[place])?.into_document(query.fields);
            Some(Hit {
                document,
                score: score(copy.metric, closeness),
            })
        });
        Ok(Some(hits.collect()))
    }

    fn is_kept(&self, name: &str, copy: &Arc<RwLock<Copy>>) -> bool {
        let copies = self.copies.lock();
        copies.get(name).is_some_and(|kept| Arc::ptr_eq(&kept.copy, copy))
    }

    fn give_up(&self, catalogue: &Catalogue, name: &str, copy: &Arc<RwLock<Copy>>) {
        if self.is_kept(name, copy) {
            self.copies.lock().remove(name);
            catalogue.unfollow(name);
        }
    }

    fn copy(&self, catalogue: &Catalogue, query: &Query<'_>, count: u64) -> Option<Arc<RwLock<Copy>>> {
        let (name, dimension) = (query.collection, query.vector.len());
        let mut copies = self.copies.lock();
        // One of a collection that was made anew with other vectors, or is gone, is of no use.
        copies.retain(|other, kept| match other == name {
            true => (kept.metric, kept.dimension) == (query.metric, dimension),
            false => catalogue.canonical(other).as_deref() == Some(other),
        });
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let reserved = count.saturating_mul(dimension);
        let others: usize = copies
            .iter()
            .filter(|(other, _)| *other != name)
            .map(|(_, kept)| kept.reserved)
            .sum();
        let is_too_large = self.most == 0 || count > self.most;
        if is_too_large || others.saturating_add(reserved) > MOST_COMPONENTS {
            copies.remove(name);
            return None;
        }
        let kept = copies.entry(name.to_owned()).or_insert_with(|| Kept {
            metric: query.metric,
            dimension,
            reserved,
            copy: Arc::new(RwLock::new(Copy::empty(query.metric, dimension))),
        });
        kept.reserved = kept.reserved.max(reserved);
        Some(Arc::clone(&kept.copy))
    }
}

impl Copy {
    fn empty(metric: Metric, dimension: usize) -> Self {
        Self {
            metric,
            dimension,
            is_read: false,
            ids: Vec::new(),
            places: HashMap::new(),
            components: Vec::new(),
        }
    }

    /// Brings it up to date. False: it is not complete.
    fn take(&mut self, api: &Api, name: &str, changes: Changes, most: usize) -> Result<bool, CallFault> {
        match changes {
            Changes::Unknown => self.read_all(api, name, most),
            Changes::Of(ids) => {
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                for batch in ids.chunks(BATCH) {
                    let points = api.retrieve(name, batch, Fields::VECTOR)?;
                    let there: HashSet<&str> = points.iter().map(|point| point.id.0.as_str()).collect();
                    for gone in batch.iter().filter(|id| !there.contains(**id)) {
                        self.remove(gone);
                    }
                    points.into_iter().for_each(|point| self.put(point));
                }
                Ok(true)
            }
        }
    }

    /// All there is, or a little more than `most`. False: there is more than what is shown, as with a collection in shards.
    fn read_all(&mut self, api: &Api, name: &str, most: usize) -> Result<bool, CallFault> {
        self.ids.clear();
        self.places.clear();
        self.components.clear();
        let mut shown = HashSet::new();
        let mut offset: Option<String> = None;
        loop {
            let scrolled = api.scroll(name, offset.as_deref(), PAGE)?;
            let before = shown.len();
            for point in scrolled.points {
                shown.insert(point.id.0.clone());
                self.put(point);
            }
            // One that went meanwhile made it begin anew: then nothing is new.
            let is_stuck = shown.len() == before;
            match scrolled.next_page_offset {
                Some(next) if !is_stuck && shown.len() <= most => offset = Some(next.0),
                _ => break,
            }
        }
        let there = api.count(name)?;
        self.is_read = shown.len() > most || shown.len() as u64 >= there;
        Ok(self.is_read)
    }

    fn put(&mut self, point: Point) {
        let Point { id, vector, .. } = point;
        let vector = vector.unwrap_or_default();
        // One that has no place among the others is not near any.
        let Ok(vector) = prepare(self.metric, self.dimension, vector) else {
            return self.remove(&id.0);
        };
        match self.places.get(&id.0) {
            Some(place) => {
                let begin = place * self.dimension;
                self.components[begin..begin + self.dimension].copy_from_slice(&vector);
            }
            None => {
                self.places.insert(id.0.clone(), self.ids.len());
                self.ids.push(id.0);
                self.components.extend_from_slice(&vector);
            }
        }
    }

    /// The last one takes its place.
    fn remove(&mut self, id: &str) {
        let Some(place) = self.places.remove(id) else {
            return;
        };
        let last = self.ids.len() - 1;
        self.ids.swap_remove(place);
        if place != last {
            self.places.insert(self.ids[place].clone(), place);
            let moved = last * self.dimension..(last + 1) * self.dimension;
            self.components.copy_within(moved, place * self.dimension);
        }
        self.components.truncate(last * self.dimension);
    }

    /// Places and closeness, closest first; of equals the one whose id comes first.
    fn search(&self, vector: &[f32], limit: usize) -> Vec<(usize, f64)> {
        let mut all: Vec<(usize, f64)> = self
            .components
            .chunks_exact(self.dimension.max(1))
            .map(|other| closeness(self.metric, vector, other))
            .enumerate()
            .collect();
        let order = |one: &(usize, f64), other: &(usize, f64)| {
            other
                .1
                .total_cmp(&one.1)
                .then_with(|| self.ids[one.0].cmp(&self.ids[other.0]))
        };
        if limit < all.len() {
            all.select_nth_unstable_by(limit, order);
            all.truncate(limit);
        }
        all.sort_unstable_by(order);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn copy() -> Copy {
        Copy::empty(Metric::Euclidean, 2)
    }

    fn point(id: &str, vector: [f32; 2]) -> Point {
        serde_json::from_value(json!({"id": id, "vector": vector})).unwrap()
    }

    #[test]
    fn the_closest_come_first_and_of_equals_the_first_id() {
        let mut copy = copy();
        for (id, x) in [("d", 3.0), ("b", 1.0), ("a", 1.0), ("c", 2.0)] {
            copy.put(point(id, [x, 0.0]));
        }
        let found = |limit| -> Vec<String> {
            let found = copy.search(&[0.0, 0.0], limit).into_iter();
            found.map(|(place, _)| copy.ids[place].clone()).collect()
        };
        assert_eq!(found(3), ["a", "b", "c"]);
        assert_eq!(found(9), ["a", "b", "c", "d"]);
        assert!(found(0).is_empty());
    }

    #[test]
    fn one_whose_vector_cannot_be_compared_is_not_there() {
        let mut copy = copy();
        copy.put(point("a", [1.0, 0.0]));
        copy.put(serde_json::from_value(json!({"id": "a", "vector": [1.0]})).unwrap());
        assert!(copy.search(&[0.0, 0.0], 9).is_empty() && copy.components.is_empty());
    }

    proptest! {
        /// Against a map.
        #[test]
        fn it_holds_what_was_put_and_not_removed(
            steps in proptest::collection::vec((0..8u8, proptest::option::of(-4..4i8)), 0..60),
        ) {
            let mut copy = copy();
            let mut model = std::collections::BTreeMap::new();
            for (id, put) in steps {
                let id = id.to_string();
                match put {
                    Some(x) => {
                        copy.put(point(&id, [f32::from(x), 0.5]));
                        model.insert(id, f32::from(x));
                    }
                    None => {
                        copy.remove(&id);
                        model.remove(&id);
                    }
                }
            }
            let mut held: Vec<(String, f32)> = (0..copy.ids.len())
                .map(|place| (copy.ids[place].clone(), copy.components[place * 2]))
                .collect();
            held.sort_by(|one, other| one.0.cmp(&other.0));
            prop_assert_eq!(held, model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(copy.components.len(), copy.ids.len() * 2);
        }
    }
}
