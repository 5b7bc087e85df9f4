//! Searches by vector.

use super::Outcome;
use super::compare::{ensure_is, ensure_score, exceeds, score};
use super::trial::{
    Answer, DIMENSION, METRICS, Trial, document, documents, ensure, ensure_same_ids, fail, ids, vector,
};
use crate::api::model::{CollectionInfo, Document, Fields, Hit, Metric};
use crate::store::StoreError;

pub(super) fn a_document_is_found_by_its_own_vector(trial: &Trial<'_>) -> Outcome {
    for (suffix, metric) in METRICS {
        let name = trial.create(suffix, metric)?;
        let put = documents(20);
        trial.put(&name, &put)?;
        let info = trial.described(&name)?;
        for document in &put {
            let hits = trial.store.search(&name, &document.vector, 1, Fields::ALL)?;
            ensure(hits.len() == 1 && hits[0].document.id == document.id, || {
                format!("by the vector of {:?} a search found {hits:?}", document.id)
            })?;
            ensure_is(&hits[0].document, document, &info)?;
        }
    }
    Ok(())
}

pub(super) fn hits_come_closest_first_with_the_scores_of_the_metric(trial: &Trial<'_>) -> Outcome {
    for (suffix, metric) in METRICS {
        let name = trial.create(suffix, metric)?;
        let put = documents(30);
        trial.put(&name, &put)?;
        let info = trial.described(&name)?;
        for query in [vector(1_000), vector(3), vector(2_000)] {
            for limit in [1, 7, 30, 200] {
                let hits = trial.store.search(&name, &query, limit, Fields::NONE)?;
                ensure_hits(&hits, &query, limit, &put, &info)?;
            }
        }
    }
    Ok(())
}

/// Whether hits are what there is to be found among `live` documents.
fn ensure_hits(
    hits: &[Hit],
    query: &[f32],
    limit: usize,
    live: &[Document],
    info: &CollectionInfo,
) -> Outcome {
    ensure(hits.len() == limit.min(live.len()), || {
        format!(
            "{} of {} documents were asked for, and {} found",
            limit,
            live.len(),
            hits.len()
        )
    })?;
    ensure(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), || {
        format!("the scores do not fall: {hits:?}")
    })?;
    let mut best: Vec<f32> = live
        .iter()
        .map(|document| score(info.metric, query, &document.vector))
        .collect();
    best.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut met: Vec<&str> = Vec::new();
    for (hit, best) in hits.iter().zip(best) {
        let id = hit.document.id.as_str();
        ensure(!met.contains(&id), || format!("{id:?} is found twice"))?;
        met.push(id);
        let Some(document) = live.iter().find(|document| document.id == id) else {
            return fail(format!("{id:?} is found, and is not there"));
        };
        let wanted = score(info.metric, query, &document.vector);
        ensure_score(hit.score, wanted, info)?;
        ensure(!exceeds(best, wanted, info), || {
            format!("{id:?} of score {wanted} is found in the place of one of {best}")
        })?;
    }
    Ok(())
}

/// A collection in which much was replaced and deleted; what is left of it.
fn changed_much(trial: &Trial<'_>) -> Answer<(String, Vec<Document>)> {
    let mut live = documents(40);
    let name = trial.create_with(Metric::Cosine, &live)?;
    for round in 1..4 {
        for (n, document) in live.iter_mut().enumerate() {
            document.vector = vector(n + 100 * round);
        }
        trial.put(&name, &live)?;
    }
    let gone: Vec<String> = live.iter().skip(10).map(|document| document.id.clone()).collect();
    trial.delete(&name, &gone.iter().map(String::as_str).collect::<Vec<_>>())?;
    live.truncate(10);
    // Put again, some of those that were deleted.
    let again: Vec<Document> = (10..15).map(document).collect();
    trial.put(&name, &again)?;
    live.extend(again);
    Ok((name, live))
}

pub(super) fn a_search_finds_as_many_as_asked_for_after_many_changes(trial: &Trial<'_>) -> Outcome {
    let (name, live) = changed_much(trial)?;
    let info = trial.described(&name)?;
    for query in [vector(0), vector(301), vector(17), vector(5_000)] {
        for limit in [1, 5, 15, 50] {
            let hits = trial.store.search(&name, &query, limit, Fields::NONE)?;
            ensure_hits(&hits, &query, limit, &live, &info)?;
        }
    }
    Ok(())
}

pub(super) fn what_is_gone_is_never_found(trial: &Trial<'_>) -> Outcome {
    let put = documents(20);
    let name = trial.create_with(Metric::Euclidean, &put)?;
    for (n, gone) in put.iter().enumerate().take(12) {
        trial.delete(&name, &[&gone.id])?;
        let hits = trial.store.search(&name, &gone.vector, 20, Fields::NONE)?;
        let found = hits.iter().map(|hit| hit.document.id.as_str());
        ensure_same_ids("a search after a deletion", found, ids(&put[n + 1..]))?;
    }
    Ok(())
}

pub(super) fn a_search_by_a_malformed_vector_is_invalid(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(3))?;
    let dimension = DIMENSION as usize;
    let mut malformed = vec![Vec::new(), vec![0.5; dimension - 1], vec![0.5; dimension + 1]];
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut vector = vector(0);
        vector[3] = odd;
        malformed.push(vector);
    }
    for vector in malformed {
        let outcome = trial.store.search(&name, &vector, 3, Fields::NONE);
        ensure(matches!(outcome, Err(StoreError::Invalid(_))), || {
            format!("a search by {vector:?} in {dimension} dimensions: {outcome:?}")
        })?;
    }
    Ok(())
}
