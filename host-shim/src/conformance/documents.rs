//! Documents by their ids.

use serde_json::json;

use super::Outcome;
use super::compare::ensure_is;
use super::trial::{METRICS, Trial, documents, ensure, ensure_same_ids, ids, object, vector};
use crate::api::model::{Document, Fields, JsonMap, Metric};

pub(super) fn documents_come_back_as_they_were_put(trial: &Trial<'_>) -> Outcome {
    for (suffix, metric) in METRICS {
        let name = trial.create(suffix, metric)?;
        let info = trial.described(&name)?;
        let payloads = [
            None,
            Some(JsonMap::new()),
            Some(object(
                json!({"text": "größer als ж", "n": 7, "x": 0.5, "yes": true}),
            )),
            Some(object(
                json!({"list": [1, "two", [], {}], "deep": {"er": {"": "no key"}}}),
            )),
        ];
        // Of all lengths: who keeps directions only, does so in cosine collections.
        let put: Vec<Document> = payloads
            .into_iter()
            .enumerate()
            .map(|(n, payload)| Document {
                id: format!("d{n}"),
                vector: vector(n).iter().map(|x| x * (n as f32 + 0.5)).collect(),
                payload,
            })
            .collect();
        trial.put(&name, &put)?;
        let first = trial.store.get(&name, &ids(&put), Fields::ALL)?;
        ensure_same_ids("a get", ids(&first), ids(&put))?;
        for wanted in &put {
            let found = trial.one(&name, &wanted.id)?;
            // No payload and an empty one may be the same to a store.
            let mut wanted = wanted.clone();
            if wanted.payload.as_ref().is_none_or(JsonMap::is_empty)
                && found.payload.as_ref().is_none_or(JsonMap::is_empty)
            {
                wanted.payload.clone_from(&found.payload);
            }
            ensure_is(&found, &wanted, &info)?;
            ensure(first.contains(&found), || {
                format!("{found:?} read otherwise before: {first:?}")
            })?;
        }
    }
    Ok(())
}

pub(super) fn absent_ids_are_left_out(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(4))?;
    trial.delete(&name, &["d2"])?;
    let asked = ["d1", "absent", "d2", "d3"];
    let found = trial.store.get(&name, &asked, Fields::NONE)?;
    ensure_same_ids("a get of some that are absent", ids(&found), ["d1", "d3"])?;
    for asked in [&["absent"][..], &[]] {
        let found = trial.store.get(&name, asked, Fields::NONE)?;
        ensure(found.is_empty(), || format!("a get of {asked:?} found {found:?}"))?;
    }
    Ok(())
}

pub(super) fn only_the_fields_that_are_asked_for_come(trial: &Trial<'_>) -> Outcome {
    let put = documents(3);
    let name = trial.create_with(Metric::Euclidean, &put)?;
    let store = trial.store.as_ref();
    for fields in [Fields::NONE, Fields::PAYLOAD, Fields::VECTOR, Fields::ALL] {
        let hits = store.search(&name, &vector(0), 3, fields)?;
        let found = [
            ("get", store.get(&name, &ids(&put), fields)?),
            ("scan", store.scan(&name, None, 3, fields)?.documents),
            ("search", hits.into_iter().map(|hit| hit.document).collect()),
        ];
        for (call, found) in found {
            ensure_same_ids(call, ids(&found), ids(&put))?;
            for document in &found {
                let has = (!document.vector.is_empty(), document.payload.is_some());
                ensure(has == (fields.vector, fields.payload), || {
                    format!("{call} of {fields:?} answered {document:?}")
                })?;
            }
        }
    }
    Ok(())
}

pub(super) fn a_replaced_document_is_the_new_one(trial: &Trial<'_>) -> Outcome {
    let mut put = documents(3);
    let name = trial.create_with(Metric::Euclidean, &put)?;
    let info = trial.described(&name)?;
    put[1].vector = vector(100);
    put[1].payload = Some(object(json!({"other": "fields"})));
    trial.put(&name, &put[1..2])?;
    for wanted in &put {
        ensure_is(&trial.one(&name, &wanted.id)?, wanted, &info)?;
    }
    let hits = trial.store.search(&name, &vector(100), 1, Fields::ALL)?;
    ensure_same_ids(
        "a search by the new vector",
        hits.iter().map(|hit| hit.document.id.as_str()),
        ["d1"],
    )?;
    ensure_is(&hits[0].document, &put[1], &info)
}

pub(super) fn the_count_is_that_of_the_documents(trial: &Trial<'_>) -> Outcome {
    let name = trial.create("", Metric::Cosine)?;
    let counts = |wanted: u64, after: &str| {
        let (counted, described) = (trial.store.count(&name)?, trial.described(&name)?.count);
        ensure(counted == wanted && described == wanted, || {
            format!("{after}: counted {counted}, described as {described}, not {wanted}")
        })
    };
    counts(0, "empty")?;
    trial.put(&name, &documents(10))?;
    counts(10, "ten put")?;
    trial.put(&name, &documents(12))?;
    counts(12, "ten replaced, and two put")?;
    trial.delete(&name, &["d0", "d5", "d11"])?;
    counts(9, "three deleted")?;
    trial.put(&name, &documents(1))?;
    counts(10, "one put again")
}
