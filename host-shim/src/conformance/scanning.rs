//! Scans, page by page.

use super::Outcome;
use super::trial::{Trial, document, documents, ensure, ensure_same_ids, fail, ids};
use crate::api::model::Metric;
use crate::store::StoreError;

pub(super) fn a_scan_meets_each_document_once_at_any_limit(trial: &Trial<'_>) -> Outcome {
    let put = documents(20);
    let name = trial.create_with(Metric::Cosine, &put)?;
    let mut orders = Vec::new();
    for limit in [1, 3, 19, 20, 21, 10_000] {
        let scanned = trial.scan(&name, limit)?;
        ensure_same_ids(
            &format!("a scan by {limit}"),
            scanned.iter().map(String::as_str),
            ids(&put),
        )?;
        orders.push(scanned);
    }
    ensure(orders.windows(2).all(|pair| pair[0] == pair[1]), || {
        format!("the order is not stable: {orders:?}")
    })
}

/// After each page a document that was just met goes, and so does one that may not have been; others come. A store that cannot
/// go on from its cursor then says so, and the scan is begun anew.
pub(super) fn a_scan_meets_each_lasting_document_once_while_others_come_and_go(trial: &Trial<'_>) -> Outcome {
    let put = documents(24);
    let name = trial.create_with(Metric::Cosine, &put)?;
    // Every third one may go.
    let (mut passing, lasting): (Vec<_>, Vec<_>) = (0..put.len()).partition(|n| n % 3 == 0);
    let mut next = put.len();
    for _ in 0..20 {
        let (mut met, mut cursor) = (Vec::new(), None);
        loop {
            let page = match trial.page(&name, cursor.as_deref(), 2) {
                Ok(page) => page,
                Err(StoreError::Invalid(_)) if cursor.is_some() => break,
                Err(other) => return Err(other.into()),
            };
            met.extend(page.documents.into_iter().map(|document| document.id));
            cursor = page.next;
            if cursor.is_none() {
                let lasts = |id: &&str| lasting.iter().any(|n| document(*n).id == *id);
                let found = met.iter().map(String::as_str).filter(lasts);
                let put: Vec<String> = lasting.iter().map(|n| document(*n).id).collect();
                return ensure_same_ids("lasting documents", found, put.iter().map(String::as_str));
            }
            // What the cursor may stand for: the last document of the page, where that may go.
            let last = met.last();
            let at = passing.iter().position(|n| Some(&document(*n).id) == last);
            for at in [at, passing.len().checked_sub(1)].into_iter().flatten() {
                if at < passing.len() {
                    trial.delete(&name, &[&document(passing.swap_remove(at)).id])?;
                    trial.put(&name, &[document(next)])?;
                    next += 1;
                }
            }
        }
    }
    fail("twenty scans were begun, and none could be ended, though at last nothing changed any more")
}

pub(super) fn a_scan_of_an_empty_collection_ends_at_once(trial: &Trial<'_>) -> Outcome {
    let name = trial.create("", Metric::Cosine)?;
    let scanned = trial.scan(&name, 10)?;
    ensure(scanned.is_empty(), || {
        format!("a scan of nothing met {scanned:?}")
    })?;
    trial.put(&name, &documents(3))?;
    trial.delete(&name, &["d0", "d1", "d2"])?;
    let scanned = trial.scan(&name, 10)?;
    ensure(scanned.is_empty(), || {
        format!("a scan met {scanned:?}, which is all gone")
    })
}

pub(super) fn a_foreign_cursor_is_invalid(trial: &Trial<'_>) -> Outcome {
    let name = trial.create_with(Metric::Cosine, &documents(3))?;
    let outcome = trial.page(&name, Some("no cursor of this store"), 3);
    ensure(matches!(outcome, Err(StoreError::Invalid(_))), || {
        format!("a scan from a cursor that no page had: {outcome:?}")
    })
}
