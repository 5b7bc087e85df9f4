//! Searches by Vectorizer's index.
//!
//! Their answers may be short, since Vectorizer leaves out what was deleted only after it has cut the answer; and of an id that is
//! a number in any spelling (`7`, `007`, `+7`) they give the number. Both are made up for here.

use std::sync::atomic::{AtomicU64, Ordering};

use vectorizer_plugin_api::model::{Fields, Hit};

use super::answers::Point;
use super::api::Api;
use super::exact::Query;
use super::fault::CallFault;
use crate::store::metric::{closeness, prepare, score};

/// Asked for beyond what is wanted.
const SLACK: usize = 16;
/// By how much more is asked for each time.
const GROWTH: usize = 4;
/// How far a score may be from that of the vector that is given back, which was rounded.
const ROUNDING: f32 = 0.02;
/// Hits of the route that leaves ids alone, at most.
const MOST_SPELT: usize = 100;
/// How often more is asked for, before an answer is taken as it is.
const ATTEMPTS: usize = 4;

/// The `limit` closest documents, or all where there are fewer.
pub(super) fn closest(api: &Api, query: &Query<'_>) -> Result<Vec<Hit>, CallFault> {
    let Query {
        collection,
        vector,
        limit,
        fields,
        ..
    } = *query;
    let mut wanted = limit;
    let mut asked = limit + SLACK;
    for attempt in 1.. {
        let found = api.search(collection, vector, asked, fields)?;
        if found.len() < wanted && attempt == 1 {
            // Fewer may be all that there are.
            let count = api.count(collection)?;
            wanted = usize::try_from(count).unwrap_or(usize::MAX).min(limit);
        }
        if found.len() >= wanted || attempt == ATTEMPTS {
            let closest: Vec<Point> = found.into_iter().take(limit).collect();
            let closest = match are_spelt_otherwise(api, query, &closest)? {
                true => spelt_as_they_are(api, collection, vector, limit)?,
                false => closest,
            };
            return Ok(closest.into_iter().map(|point| point.into_hit(fields)).collect());
        }
        asked *= GROWTH;
    }
    Ok(Vec::new())
}

/// Whether a number among these hits is not the document of that name.
fn are_spelt_otherwise(api: &Api, query: &Query<'_>, hits: &[Point]) -> Result<bool, CallFault> {
    let numbers: Vec<&Point> = hits
        .iter()
        .filter(|hit| hit.id.0.parse::<u64>().is_ok())
        .collect();
    if numbers.is_empty() {
        return Ok(false);
    }
    let ids: Vec<&str> = numbers.iter().map(|hit| hit.id.0.as_str()).collect();
    let there = api.retrieve(query.collection, &ids, Fields::VECTOR)?;
    let is_it = |hit: &&Point| {
        let of_that_name = there.iter().find(|point| point.id.0 == hit.id.0);
        of_that_name.is_some_and(|point| has_score(query, point, hit.score))
    };
    Ok(!numbers.iter().all(is_it))
}

/// Whether a document has this score, as far as the way it is stored lets tell.
fn has_score(query: &Query<'_>, point: &Point, expected: f32) -> bool {
    let vector = point.vector.clone().unwrap_or_default();
    let prepared = |vector: Vec<f32>| prepare(query.metric, query.vector.len(), vector);
    match (prepared(query.vector.to_vec()), prepared(vector)) {
        (Ok(one), Ok(other)) => {
            (score(query.metric, closeness(query.metric, &one, &other)) - expected).abs() < ROUNDING
        }
        // What cannot be compared is taken for what it is said to be.
        _ => true,
    }
}

/// The same search by the one route that leaves ids alone. It gives a hundred hits at most, and what it has cached; a threshold that
/// was never asked for is not cached.
fn spelt_as_they_are(
    api: &Api,
    collection: &str,
    vector: &[f32],
    limit: usize,
) -> Result<Vec<Point>, CallFault> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let threshold = -(1_000.0 + ASKED.fetch_add(1, Ordering::Relaxed) as f64);
    let asked = (limit + SLACK).min(MOST_SPELT);
    let mut found = api.search_spelt(collection, vector, asked, threshold)?;
    found.truncate(limit);
    Ok(found)
}
