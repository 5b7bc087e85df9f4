//! Collections: described, unknown, deleted, made anew, renamed.

use super::Outcome;
use super::compare::ensure_is;
use super::trial::{
    DIMENSION, METRICS, Trial, document, documents, ensure, ensure_same_ids, fail, ids, vector,
};
use crate::api::model::{Fields, JsonMap, Metric};
use crate::store::StoreError;

pub(super) fn a_collection_is_described_as_it_was_made(trial: &Trial<'_>) -> Outcome {
    for (suffix, metric) in METRICS {
        let name = trial.create(suffix, metric)?;
        trial.put(&name, &documents(3))?;
        let info = trial.described(&name)?;
        ensure(
            (info.name.as_str(), info.dimension, info.metric, info.count) == (&name, DIMENSION, metric, 3),
            || format!("{name}, of three documents by {metric}, is described as {info:?}"),
        )?;
        let listed = trial.store.collections()?;
        ensure(listed.contains(&info), || {
            format!("{info:?} is not in the list {listed:?}")
        })?;
    }
    Ok(())
}

pub(super) fn an_unknown_collection_is_not_found_by_any_call(trial: &Trial<'_>) -> Outcome {
    ensure_not_found(trial, &trial.name(""))
}

pub(super) fn a_deleted_collection_stays_gone_whatever_is_asked(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(3))?;
    trial.drop_collection(&name)?;
    // Twice: a call that fails may have loaded something for the next.
    ensure_not_found(trial, &name)?;
    ensure_not_found(trial, &name)?;
    ensure(!trial.lists(&name)?, || {
        format!("{name} is back in the list of collections")
    })
}

/// Whether each call that names a collection says that there is none.
fn ensure_not_found(trial: &Trial<'_>, name: &str) -> Outcome {
    let (store, nothing) = (trial.store.as_ref(), JsonMap::new());
    store.invalidate_cache(name);
    for (call, outcome) in [
        ("collection", store.collection(name).map(drop)),
        ("get", store.get(name, &["d0"], Fields::ALL).map(drop)),
        ("get of nothing", store.get(name, &[], Fields::NONE).map(drop)),
        (
            "search",
            store.search(name, &vector(0), 3, Fields::NONE).map(drop),
        ),
        ("scan", store.scan(name, None, 3, Fields::NONE).map(drop)),
        ("count", store.count(name).map(drop)),
        (
            "merge_payload",
            store.merge_payload(name, "d0", &nothing, &nothing).map(drop),
        ),
        ("embed", store.embed(name, "a text").map(drop)),
    ] {
        ensure(matches!(outcome, Err(StoreError::CollectionNotFound(_))), || {
            format!("{call} in a collection that is not there: {outcome:?}")
        })?;
    }
    Ok(())
}

pub(super) fn a_collection_made_anew_is_empty(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(5))?;
    trial.drop_collection(&name)?;
    trial.create("", Metric::Euclidean)?;
    let store = trial.store.as_ref();
    let info = trial.described(&name)?;
    ensure(info.metric == Metric::Euclidean && info.count == 0, || {
        format!("made anew, it is described as {info:?}")
    })?;
    let found = store.search(&name, &vector(0), 5, Fields::NONE)?;
    let got = store.get(&name, &["d0", "d1"], Fields::NONE)?;
    let (scanned, counted) = (trial.scan(&name, 10)?, store.count(&name)?);
    ensure(
        found.is_empty() && got.is_empty() && scanned.is_empty() && counted == 0,
        || format!("made anew, it has {counted} documents: {scanned:?}, {got:?}, {found:?}"),
    )?;
    let again = document(0);
    trial.put(&name, std::slice::from_ref(&again))?;
    ensure_is(&trial.one(&name, "d0")?, &again, &info)
}

pub(super) fn a_renamed_collection_answers_under_its_new_name(trial: &Trial<'_>) -> Outcome {
    let put = documents(5);
    let from = trial.create_with(Metric::Cosine, &put)?;
    let to = trial.name("-renamed");
    if !trial.rename(&from, &to)? {
        return Ok(());
    }
    let info = trial.described(&to)?;
    ensure(info.name == to && info.count == 5, || {
        format!("renamed to {to}, it is described as {info:?}")
    })?;
    ensure(trial.lists(&to)? && !trial.lists(&from)?, || {
        format!("{from} is in the list of collections, or {to} is not")
    })?;
    // The old name may go on as an alias.
    match trial.store.collection(&from) {
        Err(StoreError::CollectionNotFound(_)) => {}
        Ok(alias) if alias.name == to => {}
        other => return fail(format!("{from} was renamed to {to}, and is {other:?}")),
    }
    let scanned = trial.scan(&to, 2)?;
    ensure_same_ids("a scan", scanned.iter().map(String::as_str), ids(&put))?;
    for document in &put {
        ensure_is(&trial.one(&to, &document.id)?, document, &info)?;
    }
    let hits = trial.store.search(&to, &put[0].vector, 1, Fields::NONE)?;
    ensure_same_ids(
        "a search",
        hits.iter().map(|hit| hit.document.id.as_str()),
        ["d0"],
    )
}

pub(super) fn a_text_has_a_vector_of_the_collections_dimension_or_none(trial: &Trial<'_>) -> Outcome {
    let name = trial.create("", Metric::Cosine)?;
    match trial.store.embed(&name, "a text with a few words") {
        Err(StoreError::Invalid(_)) => {}
        Ok(vector) if vector.len() == DIMENSION as usize && vector.iter().all(|x| x.is_finite()) => {}
        other => return fail(format!("a text is embedded as {other:?}")),
    }
    let empty = trial.store.embed(&name, "");
    ensure(matches!(empty, Err(StoreError::Invalid(_))), || {
        format!("the empty text is embedded as {empty:?}")
    })
}
