//! Going through a collection page by page.
//!
//! Vectorizer's scroll copies the whole collection twice for each page, so its pages are large; it starts where a document is that
//! is named, and from the beginning, without a word, where that is gone. Therefore:
//!
//! Invariants:
//! - A cursor names the last documents of its page, so that there is one to go on from unless all of them are gone. Then the scan
//!   is begun anew, and the caller is told.
//! - Of a large page only the ids are kept. The documents are read when their turn comes, as they are then.
//! - A document that is there all the time comes exactly once.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vectorizer_host_shim::store::StoreError;
use vectorizer_plugin_api::model::{Document, Fields, Page};

use super::answers::{Point, Scrolled, by_id};
use super::api::Api;
use super::fault::CallFault;

/// Documents that a scroll asks for at least.
const PAGE: usize = 5_000;
/// Documents that a cursor names.
const MARKS: usize = 8;
/// Scans whose ids are kept.
const KEPT: usize = 4;
/// How long they are.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Ids that come next in scans under way.
#[derive(Debug, Default)]
pub(super) struct Scans(Mutex<Vec<Ahead>>);

/// What comes after a cursor.
#[derive(Debug)]
struct Ahead {
    collection: String,
    cursor: String,
    ids: Vec<String>,
    /// Whether there is more behind them.
    is_more: bool,
    at: Instant,
}

impl Scans {
    /// The page after `cursor`.
    pub(super) fn page(
        &self,
        api: &Api,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, StoreError> {
        let limit = limit.max(1);
        let failed = |fault: CallFault| fault.into_store_error(collection);
        let marks: Vec<String> = match cursor {
            None => Vec::new(),
            Some(cursor) => marks_of(cursor)?,
        };
        let ahead = cursor.and_then(|cursor| self.take(collection, cursor));
        let (documents, ids, mut ahead) = match ahead {
            Some(mut ahead) => {
                let rest = ahead.ids.split_off(limit.min(ahead.ids.len()));
                let ids = std::mem::replace(&mut ahead.ids, rest);
                let names: Vec<&str> = ids.iter().map(String::as_str).collect();
                let points = api.retrieve(collection, &names, fields).map_err(failed)?;
                let mut there = by_id(points);
                let documents: Vec<Document> = ids
                    .iter()
                    .filter_map(|id| Some(there.remove(id)?.into_document(fields)))
                    .collect();
                (documents, ids, ahead)
            }
            None => {
                let scrolled = scroll(api, collection, &marks, limit.max(PAGE))?;
                let is_more = scrolled.next_page_offset.is_some();
                if scrolled.points.is_empty() && cursor.is_none() {
                    refuse_unscannable(api, collection)?;
                }
                let mut points = scrolled.points;
                let rest: Vec<Point> = points.split_off(limit.min(points.len()));
                let ahead = Ahead {
                    collection: collection.to_owned(),
                    cursor: String::new(),
                    ids: rest.into_iter().map(|point| point.id.0).collect(),
                    is_more,
                    at: Instant::now(),
                };
                let documents: Vec<Document> = points
                    .into_iter()
                    .map(|point| point.into_document(fields))
                    .collect();
                let ids = documents.iter().map(|document| document.id.clone()).collect();
                (documents, ids, ahead)
            }
        };
        if ahead.ids.is_empty() && !ahead.is_more {
            return Ok(Page {
                documents,
                next: None,
            });
        }
        let latest = ids.into_iter().rev().chain(marks).take(MARKS);
        ahead.cursor = serde_json::Value::from_iter(latest).to_string();
        let next = Some(ahead.cursor.clone());
        if !ahead.ids.is_empty() {
            self.keep(ahead);
        }
        Ok(Page { documents, next })
    }

    fn take(&self, collection: &str, cursor: &str) -> Option<Ahead> {
        let mut kept = self.0.lock();
        kept.retain(|ahead| ahead.at.elapsed() < KEPT_FOR);
        let at = kept
            .iter()
            .position(|ahead| ahead.collection == collection && ahead.cursor == cursor)?;
        Some(kept.remove(at))
    }

    fn keep(&self, mut ahead: Ahead) {
        ahead.at = Instant::now();
        let mut kept = self.0.lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(ahead);
    }
}

/// The documents that a cursor names.
fn marks_of(cursor: &str) -> Result<Vec<String>, StoreError> {
    match serde_json::from_str::<Vec<String>>(cursor) {
        Ok(marks) if !marks.is_empty() => Ok(marks),
        _ => Err(StoreError::Invalid(
            "the cursor is of no scan of this store".to_owned(),
        )),
    }
}

/// What comes after the first of the marks that is still there, or from the start without any.
fn scroll(api: &Api, collection: &str, marks: &[String], limit: usize) -> Result<Scrolled, StoreError> {
    let failed = |fault: CallFault| fault.into_store_error(collection);
    let Some(last) = marks.first() else {
        return api.scroll(collection, None, limit).map_err(failed);
    };
    if let Some(scrolled) = scroll_after(api, collection, last, limit).map_err(failed)? {
        return Ok(scrolled);
    }
    let names: Vec<&str> = marks.iter().map(String::as_str).collect();
    let there = api.retrieve(collection, &names, Fields::NONE).map_err(failed)?;
    let is_there = |mark: &&String| there.iter().any(|point| point.id.0 == **mark);
    if let Some(mark) = marks.iter().find(is_there)
        && let Some(scrolled) = scroll_after(api, collection, mark, limit).map_err(failed)?
    {
        return Ok(scrolled);
    }
    Err(StoreError::Invalid(
        "the documents where the scan had come to are gone".to_owned(),
    ))
}

/// What comes after a document; `None` where it is gone.
fn scroll_after(
    api: &Api,
    collection: &str,
    mark: &str,
    limit: usize,
) -> Result<Option<Scrolled>, CallFault> {
    let mut scrolled = api.scroll(collection, Some(mark), limit + 1)?;
    let is_there = scrolled.points.first().is_some_and(|point| point.id.0 == mark);
    Ok(is_there.then(|| {
        scrolled.points.remove(0);
        scrolled
    }))
}

/// Collections in shards are scrolled as if they were empty.
fn refuse_unscannable(api: &Api, collection: &str) -> Result<(), StoreError> {
    let count = api
        .count(collection)
        .map_err(|fault| fault.into_store_error(collection))?;
    // Twice: something may have come in meanwhile.
    if count == 0 {
        return Ok(());
    }
    let again = api
        .scroll(collection, None, 1)
        .map_err(|fault| fault.into_store_error(collection))?;
    match again.points.is_empty() {
        true => Err(StoreError::Unavailable(format!(
            "Vectorizer does not show the {count} documents of collection '{collection}' to a scan; it may be in shards"
        ))),
        false => Ok(()),
    }
}
