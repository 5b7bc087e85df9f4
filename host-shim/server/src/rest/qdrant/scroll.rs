//! `POST .../points/scroll`: page by page through a collection.
//!
//! As in Vectorizer, `next_page_offset` is the last id of the page and the next page begins with it again. Where
//! that would never end (pages of one point) it is the id of the next point instead. Vectorizer starts over
//! when that point was deleted meanwhile; here the server remembers the place of recent offsets, and answers
//! one that it does not know with an error.

use std::collections::VecDeque;

use axum::extract::State;
use axum::response::Response;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use vectorizer_plugin_api::model::Fields;

use super::points::qdrant;
use super::{Answer, Point, point_id};
use crate::rest::extract::{At, Body};
use crate::rest::request::{optional_bool, optional_count, optional_filter};
use crate::rest::{ApiError, AppState};
use crate::store::{DbError, Scan, ScanPage, Start};

const DEFAULT_LIMIT: usize = 10;
/// Most points on a page. Who asks for more gets this many and an offset to go on with.
const MAX_LIMIT: usize = 100_000;
/// Offsets that the server remembers.
const MARKS: usize = 4_096;

/// The places of offsets handed out lately, for those whose point is gone when they come back.
#[derive(Default)]
pub(in crate::rest) struct ScrollMarks {
    marks: Mutex<VecDeque<Mark>>,
}

struct Mark {
    collection: String,
    id: String,
    cursor: String,
}

impl ScrollMarks {
    fn remember(&self, collection: &str, id: &str, cursor: &str) {
        let mut marks = self.marks.lock();
        if marks.len() == MARKS {
            marks.pop_front();
        }
        marks.push_back(Mark {
            collection: collection.to_owned(),
            id: id.to_owned(),
            cursor: cursor.to_owned(),
        });
    }

    fn cursor(&self, collection: &str, id: &str) -> Option<String> {
        let marks = self.marks.lock();
        let mark = marks
            .iter()
            .rev()
            .find(|mark| mark.collection == collection && mark.id == id)?;
        Some(mark.cursor.clone())
    }
}

#[derive(Serialize)]
struct Page {
    points: Vec<Point>,
    next_page_offset: Option<String>,
}

/// Returns points in insertion order; vectors and payloads unless they are declined.
pub(in crate::rest) async fn scroll(
    State(state): State<AppState>,
    At(name): At<String>,
    body: Body,
) -> Result<Response, ApiError> {
    state
        .answer(move |state| {
            let body = body.object()?;
            let limit = optional_count(&body, "limit")?
                .unwrap_or(DEFAULT_LIMIT)
                .min(MAX_LIMIT);
            let offset = match body.get("offset") {
                None | Some(Value::Null) => None,
                Some(value) => Some(point_id(value, "offset")?),
            };
            let filter = optional_filter(&body)?;
            let scan = Scan {
                start: offset.as_deref().map_or(Start::Beginning, Start::At),
                // For pages of one point the next one must be known.
                limit: if limit == 1 { 2 } else { limit },
                fields: Fields {
                    payload: optional_bool(&body, "with_payload")?.unwrap_or(true),
                    vector: optional_bool(&body, "with_vector")?.unwrap_or(true),
                },
                filter: filter.as_ref(),
            };
            let page = read_page(state, &name, scan)?;
            Ok(Answer {
                result: cut(state, &name, page, limit),
            })
        })
        .await
}

fn read_page(state: &AppState, name: &str, scan: Scan<'_>) -> Result<ScanPage, ApiError> {
    match (state.store.scan_page(name, &scan), scan.start) {
        (Err(DbError::DocumentNotFound(_)), Start::At(id)) => {
            let cursor = state.scroll_marks.cursor(name, id).ok_or_else(|| {
                ApiError::validation("offset", format!("no point '{id}': start the scroll again"))
            })?;
            let resumed = Scan {
                start: Start::After(&cursor),
                ..scan.clone()
            };
            state.store.scan_page(name, &resumed).map_err(qdrant)
        }
        (result, _) => result.map_err(qdrant),
    }
}

fn cut(state: &AppState, name: &str, mut page: ScanPage, limit: usize) -> Page {
    let next = if limit == 1 {
        if page.documents.len() > 1 {
            page.documents.pop()
        } else {
            None
        }
    } else if page.next.is_some() {
        page.documents.last().cloned()
    } else {
        None
    };
    if let Some((document, cursor)) = &next {
        state.scroll_marks.remember(name, &document.id, cursor);
    }
    Page {
        points: page
            .documents
            .into_iter()
            .map(|(document, _)| Point::from(document))
            .collect(),
        next_page_offset: next.map(|(document, _)| document.id),
    }
}
