//! One HNSW graph, and what tells that a search in it went astray.
//!
//! In clustered data a graph may have no way from where a search enters to where it should go: it then finds
//! nothing of what is closest, and its answer looks like any other. So every 32nd point is a *sentinel*: each
//! search is also compared with all of them, and where a sentinel is closer than what the graph found without
//! being among it, the graph's answer is not used.

use std::sync::Arc;

use hnsw_rs::prelude::{Distance, Hnsw, Neighbour, Point};
use parking_lot::RwLock;

use super::distance::Space;
use super::entry::Entry;
use super::list::Item;

/// Edges of a point in the upper layers; twice as many in the lowest.
const EDGES: usize = 24;
/// Points looked at when one is inserted.
const INSERT_WIDTH: usize = 200;
/// Layers, the most that the library knows.
const LAYERS: usize = 16;
/// Least points looked at by a search.
const SEARCH_WIDTH: usize = 256;
/// Part of the points from which on comparing with every document is cheaper than a search that wide.
const WIDEST_PART: usize = 8;

/// One of how many points is a sentinel.
const SENTINEL_EVERY: usize = 32;

/// A graph and the entries of its points. Searches run beside one inserter.
pub(super) struct Graph {
    space: Space,
    hnsw: Hnsw<'static, f32, Space>,
    /// By the id that the graph knows a point by.
    entries: RwLock<Vec<Arc<Entry>>>,
    /// With their places in the space.
    sentinels: RwLock<Vec<Item>>,
}

/// A living point of a graph.
pub(super) struct Survivor {
    pub(super) entry: Arc<Entry>,
    point: Arc<Point<'static, f32>>,
}

impl Graph {
    pub(super) fn new(space: Space, expected: usize) -> Self {
        // The library's options stay off: keeping pruned edges fills the points of a cluster with edges to each
        // other, and searches no longer leave it (recall fell from 0.99 to 0.7).
        let hnsw = Hnsw::new(EDGES, expected, LAYERS, INSERT_WIDTH, space);
        let entries = RwLock::new(Vec::with_capacity(expected));
        Self {
            space,
            hnsw,
            entries,
            sentinels: RwLock::default(),
        }
    }

    /// Points, the dead among them.
    pub(super) fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether the vector has a place here.
    pub(super) fn admits(&self, vector: &[f32]) -> bool {
        self.space.admits(vector)
    }

    /// Adds a point. Not from two threads at once.
    pub(super) fn insert(&self, entry: Arc<Entry>, vector: &[f32]) {
        let place = self.space.place(vector);
        let id = {
            let mut entries = self.entries.write();
            entries.push(Arc::clone(&entry));
            entries.len() - 1
        };
        self.hnsw.insert_slice((&place, id));
        if id % SENTINEL_EVERY == 0 {
            self.sentinels.write().push((entry, place.as_ref().into()));
        }
    }

    /// The living among the closest points, at least `limit` of them or all `live` there are; `None` where
    /// the graph does not give as many, or not the right ones.
    pub(super) fn nearest(&self, query: &[f32], limit: usize, live: usize) -> Option<Vec<u64>> {
        let wanted = limit.min(live);
        if wanted == 0 {
            return Some(Vec::new());
        }
        let place = self.space.place_query(query);
        // Some more, because the graph compares in 32 bits, and as many again as are dead on average. The
        // second try is for dead points that crowd around the query.
        let points = self.len();
        let per_living = points.div_ceil(live.max(1));
        let mut ask = (wanted + wanted / 4 + 8) * per_living;
        for _ in 0..2 {
            if ask > points / WIDEST_PART {
                return None;
            }
            let found = self.hnsw.search(&place, ask, SEARCH_WIDTH.max(2 * ask));
            let (living, farthest) = self.living(&found, wanted);
            if let Some(farthest) = farthest {
                return self.is_plausible(&place, &living, farthest).then_some(living);
            }
            ask *= 8;
        }
        None
    }

    /// The living of what was found, and the distance of the `wanted`-th of them.
    fn living(&self, found: &[Neighbour], wanted: usize) -> (Vec<u64>, Option<f32>) {
        let entries = self.entries.read();
        let mut living = Vec::with_capacity(found.len());
        let mut farthest = None;
        for neighbour in found {
            if let Some(entry) = entries.get(neighbour.d_id).filter(|entry| !entry.is_dead()) {
                living.push(entry.seq);
                if living.len() == wanted {
                    farthest = Some(neighbour.distance);
                }
            }
        }
        (living, farthest)
    }

    /// Whether no sentinel is closer than `farthest` without having been found.
    fn is_plausible(&self, place: &[f32], found: &[u64], farthest: f32) -> bool {
        !self.sentinels.read().iter().any(|(entry, sentinel)| {
            self.space.eval(place, sentinel) < farthest && !entry.is_dead() && !found.contains(&entry.seq)
        })
    }

    /// All living points. No insertion may be under way.
    pub(super) fn survivors(&self) -> Vec<Survivor> {
        let entries = self.entries.read();
        if entries.is_empty() {
            // The library panics when it is asked for the points of an empty graph.
            return Vec::new();
        }
        self.hnsw
            .get_point_indexation()
            .into_iter()
            .filter_map(|point| {
                let entry = Arc::clone(entries.get(point.get_origin_id())?);
                (!entry.is_dead()).then_some(Survivor { entry, point })
            })
            .collect()
    }

    /// The vector of a survivor of this graph.
    pub(super) fn vector(&self, survivor: &Survivor) -> Vec<f32> {
        self.space.restore(survivor.point.get_v())
    }

    /// Points that are dead now.
    pub(super) fn count_dead(&self) -> usize {
        self.entries.read().iter().filter(|entry| entry.is_dead()).count()
    }
}
