//! The one write that a plugin may do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::Outcome;
use super::compare::{ensure_is, ensure_near};
use super::trial::{Trial, document, documents, ensure, ensure_same_ids, fail, ids, object, vector};
use crate::api::model::{Document, Fields, JsonMap, Merge, Metric};

/// Threads that merge at once.
const WRITERS: usize = 4;

/// Merges, and fails where that does not come to what is wanted.
fn merge(
    trial: &Trial<'_>,
    name: &str,
    id: &str,
    expected: serde_json::Value,
    patch: serde_json::Value,
    wanted: Merge,
) -> Outcome {
    let merged = trial
        .store
        .merge_payload(name, id, &object(expected.clone()), &object(patch.clone()))?;
    ensure(merged == wanted, || {
        format!("a merge of {patch} where {expected} is expected: {merged:?}, not {wanted:?}")
    })
}

pub(super) fn a_merge_follows_rfc_7396_and_leaves_the_vector(trial: &Trial<'_>) -> Outcome {
    let mut put = documents(2);
    put[0].payload = Some(object(json!({
        "kept": "as it is", "changed": 1, "removed": [1], "list": [1, 2], "was": "a text",
        "deep": {"kept": true, "changed": "before", "removed": {"x": 1}},
    })));
    let name = trial.create_with(Metric::Euclidean, &put)?;
    let info = trial.described(&name)?;
    let before = trial.one(&name, "d0")?;
    let patch = json!({
        "changed": 2, "removed": null, "never there": null, "list": [3], "was": {"now": "an object", "gone": null},
        "deep": {"changed": "after", "removed": null, "added": {"y": 2}}, "added": false,
    });
    merge(trial, &name, "d0", json!({}), patch, Merge::Merged)?;
    put[0].payload = Some(object(json!({
        "kept": "as it is", "changed": 2, "list": [3], "was": {"now": "an object"},
        "deep": {"kept": true, "changed": "after", "added": {"y": 2}}, "added": false,
    })));
    let after = trial.one(&name, "d0")?;
    ensure_is(&after, &put[0], &info)?;
    ensure(after.vector == before.vector, || {
        format!("the vector was {:?}, and is {:?}", before.vector, after.vector)
    })?;
    ensure_is(&trial.one(&name, "d1")?, &put[1], &info)?;
    let scanned = trial.store.scan(&name, None, 10, Fields::PAYLOAD)?.documents;
    ensure(
        scanned
            .iter()
            .any(|found| found.id == "d0" && found.payload == put[0].payload),
        || format!("a scan does not show the merge: {scanned:?}"),
    )
}

pub(super) fn a_merge_into_no_payload_makes_one(trial: &Trial<'_>) -> Outcome {
    let mut bare = document(0);
    bare.payload = None;
    let name = trial.create_with(Metric::Cosine, std::slice::from_ref(&bare))?;
    merge(
        trial,
        &name,
        "d0",
        json!({"a": null}),
        json!({"a": {"b": 1, "c": null}}),
        Merge::Merged,
    )?;
    let found = trial.one(&name, "d0")?.payload;
    ensure(found == Some(object(json!({"a": {"b": 1}}))), || {
        format!("merged into no payload, it is {found:?}")
    })
}

pub(super) fn a_merge_that_expects_something_else_changes_nothing(trial: &Trial<'_>) -> Outcome {
    let mut put = document(0);
    put.payload = Some(object(json!({"n": 1, "deep": {"x": [1], "y": 2}, "text": "1"})));
    let name = trial.create_with(Metric::Cosine, std::slice::from_ref(&put))?;
    let info = trial.described(&name)?;
    for differs in [
        json!({"n": 2}),
        json!({"n": null}),
        json!({"n": "1"}),
        json!({"text": 1}),
        json!({"absent": 1}),
        // Whole fields are compared.
        json!({"deep": {"x": [1]}}),
        json!({"n": 1, "text": "2"}),
    ] {
        merge(
            trial,
            &name,
            "d0",
            differs,
            json!({"n": 9, "m": 9}),
            Merge::Differs,
        )?;
        ensure_is(&trial.one(&name, "d0")?, &put, &info)?;
    }
    let same = json!({"n": 1, "deep": {"y": 2, "x": [1]}, "absent": null});
    merge(trial, &name, "d0", same, json!({"n": 2}), Merge::Merged)?;
    put.payload
        .get_or_insert_default()
        .insert("n".to_owned(), json!(2));
    ensure_is(&trial.one(&name, "d0")?, &put, &info)
}

pub(super) fn a_merge_into_an_absent_document_says_gone(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(2))?;
    trial.delete(&name, &["d0"])?;
    for id in ["d0", "never there"] {
        for expected in [json!({}), json!({"n": null}), json!({"n": 0})] {
            merge(trial, &name, id, expected, json!({"n": 9}), Merge::Gone)?;
        }
    }
    let count = trial.store.count(&name)?;
    let found = trial.store.get(&name, &["d0", "never there"], Fields::NONE)?;
    ensure(count == 1 && found.is_empty(), || {
        format!("a merge made a document: {found:?}, {count} in all")
    })
}

/// What each writer of several at once was answered.
fn at_once<T: Send>(write: impl Fn(usize) -> Result<T, String> + Sync) -> Result<Vec<T>, String> {
    thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        let answers = writers.into_iter().map(|writer| {
            let panicked = |_| Err("a writer panicked".to_owned());
            writer.join().unwrap_or_else(panicked)
        });
        answers.collect()
    })
}

pub(super) fn concurrent_merges_lose_nothing(trial: &Trial<'_>) -> Outcome {
    const ROUNDS: usize = 8;
    let name = trial.create_with(Metric::Cosine, &documents(1))?;
    let (store, nothing) = (trial.store.as_ref(), JsonMap::new());
    at_once(|writer| {
        for round in 0..ROUNDS {
            let key = format!("{writer}-{round}");
            let patch = object(json!({key.as_str(): true, "nested": {key.as_str(): round}}));
            match store.merge_payload(&name, "d0", &nothing, &patch) {
                Ok(Merge::Merged) => {}
                other => return Err(format!("a merge: {other:?}")),
            }
        }
        Ok(())
    })?;
    let payload = trial.one(&name, "d0")?.payload.unwrap_or_default();
    let keys = |payload: &JsonMap| payload.keys().filter(|key| key.contains('-')).count();
    let nested = payload.get("nested").and_then(serde_json::Value::as_object);
    let kept = (keys(&payload), nested.map_or(0, keys));
    ensure(kept == (WRITERS * ROUNDS, WRITERS * ROUNDS), || {
        format!(
            "of {} merges {kept:?} keys are left: {payload:?}",
            WRITERS * ROUNDS
        )
    })
}

pub(super) fn of_merges_that_expect_the_same_one_succeeds(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(1))?;
    let store = trial.store.as_ref();
    for round in 0..8 {
        let expected = object(json!({"n": round}));
        let merged = AtomicUsize::new(0);
        at_once(|writer| {
            let patch = object(json!({"n": round + 1, "by": writer}));
            match store.merge_payload(&name, "d0", &expected, &patch) {
                Ok(Merge::Merged) => {
                    merged.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
                Ok(Merge::Differs) => Ok(()),
                other => Err(format!("a merge: {other:?}")),
            }
        })?;
        let merged = merged.into_inner();
        ensure(merged == 1, || {
            format!("of {WRITERS} merges that expect the same, {merged} succeeded")
        })?;
    }
    Ok(())
}

/// A store that merges by an update of the whole document leaves a tombstone in its index at each merge, and a vector that is
/// a little off.
pub(super) fn merges_do_not_wear_out_a_search(trial: &Trial<'_>) -> Outcome {
    let put = documents(12);
    let name = trial.create_with(Metric::Cosine, &put)?;
    let info = trial.described(&name)?;
    for round in 0..60 {
        merge(
            trial,
            &name,
            "d3",
            json!({}),
            json!({"round": round}),
            Merge::Merged,
        )?;
    }
    let near = |found: &Document| match put.iter().find(|document| document.id == found.id) {
        Some(document) => ensure_near(&found.vector, &document.vector, &info),
        None => fail(format!("{found:?} was not put")),
    };
    for (query, first) in [(vector(3), "d3"), (vector(7), "d7")] {
        let hits = trial.store.search(&name, &query, 12, Fields::VECTOR)?;
        let found = || hits.iter().map(|hit| hit.document.id.as_str());
        ensure_same_ids("a search after many merges", found(), ids(&put))?;
        ensure(found().next() == Some(first), || {
            format!("by the vector of {first} the closest is {:?}", found().next())
        })?;
        hits.iter().try_for_each(|hit| near(&hit.document))?;
    }
    Ok(())
}
