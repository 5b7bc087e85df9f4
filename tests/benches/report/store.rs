//! A vector store in memory whose documents are made up when they are asked for: a million cost nothing.
//!
//! What it answers depends on the document's number and revision only, so two of them with the same settings hold the same.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde_json::json;
use vectorizer_host_shim::api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Metric, Page};
use vectorizer_host_shim::store::{Store, StoreError};

/// The only collection.
pub(crate) const COLLECTION: &str = "bench";
/// Components of a vector.
const DIMENSION: usize = 64;
/// Documents that lie near each other.
const CLUSTER: u64 = 20;

/// How documents lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// All have one vector, and no search finds anything.
    Alone,
    /// Groups of twenty; a search looks at each document.
    Clusters,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Synthetic {
    layout: Layout,
    /// Documents below this number are there.
    visible: AtomicU64,
    /// One document that counts as changed once.
    altered: Option<u64>,
    revisions: Vec<AtomicU32>,
    vectors: Vec<f32>,
    /// Documents handed out by scans.
    pub(crate) scanned: AtomicU64,
}

impl Synthetic {
    /// A store with room for `count` documents, none of them there yet.
    pub(crate) fn new(layout: Layout, count: u64) -> Self {
        let vectors = match layout {
            Layout::Alone => Vec::new(),
            Layout::Clusters => (0..count).flat_map(clustered).collect(),
        };
        Self {
            layout,
            visible: AtomicU64::new(0),
            altered: None,
            revisions: (0..count).map(|_| AtomicU32::new(0)).collect(),
            vectors,
            scanned: AtomicU64::new(0),
        }
    }

    /// A store of `count` documents that never change, but for the one that did.
    pub(crate) fn still(count: u64, altered: Option<u64>) -> Self {
        Self {
            altered,
            visible: AtomicU64::new(count),
            ..Self::new(Layout::Alone, 0)
        }
    }

    /// Lets the first `count` documents be there.
    pub(crate) fn show(&self, count: u64) {
        self.visible.store(count, Ordering::SeqCst);
    }

    /// Changes a document's payload; answers its revision.
    pub(crate) fn change(&self, number: u64) -> u32 {
        self.revisions[number as usize].fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The payload of a document as it is now.
    pub(crate) fn payload(&self, number: u64) -> JsonMap {
        let revision = match self.revisions.get(number as usize) {
            Some(revision) => revision.load(Ordering::SeqCst),
            None => u32::from(self.altered == Some(number)),
        };
        let payload = json!({
            "title": format!("document number {number}"),
            "doc_type": "note",
            "source": "benchmark",
            "chunk_index": number % 100,
            "revision": revision,
            "content": format!("The text of document {number}, in revision {revision}. {TEXT}"),
        });
        payload.as_object().cloned().unwrap_or_default()
    }

    fn vector(&self, number: u64) -> Vec<f32> {
        match self.layout {
            Layout::Alone => vec![0.125; DIMENSION],
            Layout::Clusters => {
                let start = number as usize * DIMENSION;
                self.vectors[start..start + DIMENSION].to_vec()
            }
        }
    }

    fn document(&self, number: u64, fields: Fields) -> Document {
        Document {
            id: id(number),
            vector: if fields.vector {
                self.vector(number)
            } else {
                Vec::new()
            },
            payload: fields.payload.then(|| self.payload(number)),
        }
    }

    fn check(name: &str) -> Result<(), StoreError> {
        match name {
            COLLECTION => Ok(()),
            _ => Err(StoreError::CollectionNotFound(name.to_owned())),
        }
    }
}

impl Store for Synthetic {
    fn collections(&self) -> Result<Vec<CollectionInfo>, StoreError> {
        Ok(vec![self.collection(COLLECTION)?])
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, StoreError> {
        Self::check(name)?;
        Ok(CollectionInfo {
            name: COLLECTION.to_owned(),
            dimension: DIMENSION as u32,
            metric: Metric::Cosine,
            count: self.visible.load(Ordering::SeqCst),
            exact_vectors: true,
        })
    }

    fn get(&self, name: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, StoreError> {
        Self::check(name)?;
        let visible = self.visible.load(Ordering::SeqCst);
        Ok(ids
            .iter()
            .filter_map(|id| number(id))
            .filter(|number| *number < visible)
            .map(|number| self.document(number, fields))
            .collect())
    }

    fn search(
        &self,
        name: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, StoreError> {
        Self::check(name)?;
        if self.layout == Layout::Alone || limit == 0 {
            return Ok(Vec::new());
        }
        let visible = self.visible.load(Ordering::SeqCst) as usize;
        let mut scores: Vec<(f32, u64)> = self
            .vectors
            .chunks_exact(DIMENSION)
            .take(visible)
            .zip(0..)
            .map(|(other, number)| (other.iter().zip(vector).map(|(a, b)| a * b).sum(), number))
            .collect();
        let closest =
            |one: &(f32, u64), other: &(f32, u64)| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1));
        if limit < scores.len() {
            scores.select_nth_unstable_by(limit, closest);
            scores.truncate(limit);
        }
        scores.sort_unstable_by(closest);
        Ok(scores
            .into_iter()
            .map(|(score, number)| Hit {
                document: self.document(number, fields),
                score,
            })
            .collect())
    }

    fn scan(
        &self,
        name: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        Self::check(name)?;
        let first = match cursor {
            Some(cursor) => cursor
                .parse()
                .map_err(|_| StoreError::Invalid("a foreign cursor".to_owned()))?,
            None => 0,
        };
        let visible = self.visible.load(Ordering::SeqCst);
        let end = visible.min(first + limit as u64);
        self.scanned
            .fetch_add(end.saturating_sub(first), Ordering::SeqCst);
        Ok(Page {
            documents: (first..end).map(|number| self.document(number, fields)).collect(),
            next: (end < visible).then(|| end.to_string()),
        })
    }

    fn count(&self, name: &str) -> Result<u64, StoreError> {
        Self::check(name)?;
        Ok(self.visible.load(Ordering::SeqCst))
    }

    fn merge_payload(&self, _: &str, _: &str, _: &JsonMap, _: &JsonMap) -> Result<Merge, StoreError> {
        Ok(Merge::Gone)
    }

    fn embed(&self, _: &str, _: &str) -> Result<Vec<f32>, StoreError> {
        Err(StoreError::Invalid("it takes no texts".to_owned()))
    }

    fn invalidate_cache(&self, _: &str) {}
}

/// The id of a document: as long as a UUID, and in the order of the numbers.
pub(crate) fn id(number: u64) -> String {
    format!("0198f3c2-6f0e-7b1a-9c55-{number:012x}")
}

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id.rsplit('-').next()?, 16).ok()
}

const TEXT: &str = "It is long enough to be a paragraph of a real document, which is what a vector stands for: some \
                    two hundred letters that a model once turned into numbers, and that nobody copies into a graph.";

/// A vector of unit length near the others of its cluster.
fn clustered(number: u64) -> Vec<f32> {
    let mut centre = stream(1 + number / CLUSTER);
    let mut own = stream(0x9e37_79b9_7f4a_7c15 ^ number);
    let vector: Vec<f32> = (0..DIMENSION).map(|_| centre() + 0.4 * own()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

/// Numbers between -1 and 1, the same for the same seed.
fn stream(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    for _ in 0..8 {
        next();
    }
    next
}
