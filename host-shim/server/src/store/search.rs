//! Finding the documents closest to a vector.
//!
//! The index proposes, the snapshot decides: candidates that are gone from it are dropped, and the scores come
//! from the stored vectors. Where the collection is small, a filter is given, or the index cannot propose
//! enough, every document is compared.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use redb::ReadableTable;
use vectorizer_plugin_api::model::{Document, Fields, Hit};

use super::DbError;
use super::database::DocumentStore;
use super::document::decode_vector;
use super::filter::Filter;
use super::metric::{closeness, prepare, score};
use super::read::View;

/// Most hits that one search returns.
pub const MAX_SEARCH_LIMIT: usize = 10_000;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The vector to be close to.
    pub vector: Vec<f32>,
    /// Most hits to return, from 1 to [`MAX_SEARCH_LIMIT`].
    pub limit: usize,
    /// Which parts of the documents.
    pub fields: Fields,
    /// Only documents whose payload passes. The hits are the closest of those.
    pub filter: Option<&'a Filter>,
    /// Only hits with at least this score.
    pub min_score: Option<f32>,
}

/// A document's rank: closer first, then older first.
#[derive(PartialEq)]
struct Ranked {
    closeness: f64,
    seq: u64,
}

impl Eq for Ranked {}

impl Ord for Ranked {
    /// The better is the greater.
    fn cmp(&self, other: &Self) -> Ordering {
        self.closeness
            .total_cmp(&other.closeness)
            .then(other.seq.cmp(&self.seq))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl DocumentStore {
    /// The documents closest to a vector, closest first; equally close ones in insertion order.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::DimensionMismatch`]; [`DbError::Invalid`] for the vector
    /// (as [`prepare`](super::metric::prepare) refuses it) or the limit; [`DbError::Unavailable`],
    /// [`DbError::Damaged`].
    pub fn find_similar(&self, collection: &str, query: Query<'_>) -> Result<Vec<Hit>, DbError> {
        if query.limit == 0 || query.limit > MAX_SEARCH_LIMIT {
            return Err(DbError::invalid(
                "limit",
                format!("must be from 1 to {MAX_SEARCH_LIMIT}"),
            ));
        }
        let record = View::open(&self.inner.snapshot()?, collection)?.record;
        let vector = prepare(record.metric, record.dimension, query.vector)?;
        // Candidates first, the snapshot after: what was there when the search began is in both.
        let candidates = if query.filter.is_none() {
            self.inner
                .index(record.uid)
                .and_then(|index| index.candidates(&vector, query.limit))
        } else {
            None
        };
        let view = View::open(&self.inner.snapshot()?, collection)?;
        if view.record.uid != record.uid {
            // Another collection took the name in between.
            return Err(DbError::CollectionNotFound(collection.to_owned()));
        }
        let wanted = query
            .limit
            .min(usize::try_from(view.record.count).unwrap_or(usize::MAX));
        let mut ranked = match candidates {
            Some(candidates) => rank_candidates(&view, &vector, candidates)?,
            None => Vec::new(),
        };
        if ranked.len() < wanted {
            ranked = rank_all(&view, &vector, query.limit, query.filter)?;
        }
        ranked.truncate(query.limit);
        hits(&view, ranked, query.fields, query.min_score)
    }

    /// A document, or [`DbError::DocumentNotFound`].
    ///
    /// # Errors
    /// As [`Self::get`], and [`DbError::DocumentNotFound`].
    pub fn get_one(&self, collection: &str, id: &str, fields: Fields) -> Result<Document, DbError> {
        let found = self.get(collection, &[id], fields)?.pop();
        found.ok_or_else(|| DbError::DocumentNotFound(id.to_owned()))
    }
}

fn rank_candidates(view: &View, query: &[f32], mut seqs: Vec<u64>) -> Result<Vec<Ranked>, DbError> {
    seqs.sort_unstable();
    seqs.dedup();
    let mut ranked = Vec::with_capacity(seqs.len());
    let mut buffer = Vec::new();
    for seq in seqs {
        if view.vector(seq, &mut buffer)? {
            ranked.push(Ranked {
                closeness: closeness(view.record.metric, query, &buffer),
                seq,
            });
        }
    }
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ranked)
}

/// Compares with every document.
fn rank_all(
    view: &View,
    query: &[f32],
    limit: usize,
    filter: Option<&Filter>,
) -> Result<Vec<Ranked>, DbError> {
    let mut best: BinaryHeap<Reverse<Ranked>> = BinaryHeap::new();
    let mut buffer = Vec::new();
    for row in view.vectors.iter()? {
        let (seq, vector) = row?;
        decode_vector(vector.value(), view.record.dimension, &mut buffer)?;
        let ranked = Ranked {
            closeness: closeness(view.record.metric, query, &buffer),
            seq: seq.value(),
        };
        let full = best.len() == limit;
        if full && best.peek().is_some_and(|Reverse(worst)| ranked < *worst) {
            continue;
        }
        if let Some(filter) = filter
            && !view.passes(ranked.seq, filter)?
        {
            continue;
        }
        if full {
            best.pop();
        }
        best.push(Reverse(ranked));
    }
    // Ascending in the reversed order: the best comes first.
    Ok(best
        .into_sorted_vec()
        .into_iter()
        .map(|Reverse(ranked)| ranked)
        .collect())
}

fn hits(
    view: &View,
    ranked: Vec<Ranked>,
    fields: Fields,
    min_score: Option<f32>,
) -> Result<Vec<Hit>, DbError> {
    let mut hits = Vec::with_capacity(ranked.len());
    for Ranked { closeness, seq } in ranked {
        let score = score(view.record.metric, closeness);
        if min_score.is_some_and(|least| score < least) {
            break;
        }
        let document = view
            .document(seq, fields)?
            .ok_or_else(|| DbError::Damaged(format!("vector {seq} belongs to no document")))?;
        hits.push(Hit { document, score });
    }
    Ok(hits)
}
