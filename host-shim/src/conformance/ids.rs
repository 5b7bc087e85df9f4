//! What ids may be.

use serde_json::json;

use super::Outcome;
use super::compare::ensure_is;
use super::trial::{Trial, ensure, ensure_same_ids, fail, ids, object, vector};
use crate::api::model::{Document, Fields, JsonMap, Merge, Metric};

/// Longest id of all, in bytes.
const LONGEST: usize = 256;

/// Ids that a path, a query, a literal or a number could be mistaken for.
fn odd() -> Vec<String> {
    let mut odd: Vec<String> = [
        "a/b",
        "../a",
        "a b",
        "a%2Fb",
        "a?b#c&d=e",
        "it's",
        "say \"it\"",
        "back\\slash",
        "Ünïcödé ж 中文 🦀",
        "e\u{301}",
        "é",
        "7",
        "007",
        "+7",
        "-7",
        "7.0",
        "1e3",
        "null",
        "true",
        "A",
        "a",
        "{}",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    odd.push("x".repeat(LONGEST));
    odd.push("ж".repeat(LONGEST / 2));
    odd
}

pub(super) fn ids_are_any_text_and_never_numbers(trial: &Trial<'_>) -> Outcome {
    let mut put: Vec<Document> = (0..)
        .zip(odd())
        .map(|(n, id)| Document {
            vector: vector(n),
            payload: Some(object(json!({"of": id}))),
            id,
        })
        .collect();
    let name = trial.create_with(Metric::Euclidean, &put)?;
    let info = trial.described(&name)?;
    ensure(info.count == put.len() as u64, || {
        format!("{} ids make {} documents", put.len(), info.count)
    })?;
    let found = trial.store.get(&name, &ids(&put), Fields::NONE)?;
    ensure_same_ids("a get", ids(&found), ids(&put))?;
    let scanned = trial.scan(&name, 6)?;
    ensure_same_ids("a scan", scanned.iter().map(String::as_str), ids(&put))?;
    for (n, document) in put.iter().enumerate() {
        ensure_is(&trial.one(&name, &document.id)?, document, &info)?;
        let hits = trial.store.search(&name, &vector(n), 1, Fields::NONE)?;
        ensure_same_ids(
            "a search",
            hits.iter().map(|hit| hit.document.id.as_str()),
            [document.id.as_str()],
        )?;
    }
    // A merge writes: some of them, so that it does not take too long.
    for document in put.iter_mut().step_by(4) {
        let patch = object(json!({"merged": true}));
        match trial
            .store
            .merge_payload(&name, &document.id, &JsonMap::new(), &patch)?
        {
            Merge::Merged => {}
            other => return fail(format!("a merge into {:?}: {other:?}", document.id)),
        }
        document.payload.get_or_insert_default().extend(patch);
        ensure_is(&trial.one(&name, &document.id)?, document, &info)?;
    }
    let (gone, left): (Vec<_>, Vec<_>) = ids(&put).into_iter().partition(|id| id.len() % 2 == 0);
    trial.delete(&name, &gone)?;
    let scanned = trial.scan(&name, 100)?;
    ensure_same_ids("a scan after deletions", scanned.iter().map(String::as_str), left)
}
