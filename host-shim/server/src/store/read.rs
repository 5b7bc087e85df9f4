//! Reading documents: by id, page by page, and by position.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};
use vectorizer_plugin_api::model::{Document, Fields};

use super::DbError;
use super::database::DocumentStore;
use super::document::{Row, decode_vector};
use super::filter::Filter;
use super::record::Record;
use super::tables::{Names, resolve_in};

/// One collection in one snapshot.
pub(super) struct View {
    pub(super) record: Record,
    ids: ReadOnlyTable<&'static str, u64>,
    documents: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) vectors: ReadOnlyTable<u64, &'static [u8]>,
}

impl View {
    pub(super) fn open(txn: &ReadTransaction, collection: &str) -> Result<Self, DbError> {
        let (_, record) = resolve_in(txn, collection)?;
        let names = Names::of(record.uid);
        Ok(Self {
            ids: txn.open_table(names.ids())?,
            documents: txn.open_table(names.documents())?,
            vectors: txn.open_table(names.vectors())?,
            record,
        })
    }

    /// The vector of a document in `buffer`; false where the snapshot does not have it.
    pub(super) fn vector(&self, seq: u64, buffer: &mut Vec<f32>) -> Result<bool, DbError> {
        match self.vectors.get(seq)? {
            Some(row) => decode_vector(row.value(), self.record.dimension, buffer).map(|()| true),
            None => Ok(false),
        }
    }

    /// A document; `None` where the snapshot does not have it.
    pub(super) fn document(&self, seq: u64, fields: Fields) -> Result<Option<Document>, DbError> {
        match self.documents.get(seq)? {
            Some(row) => self.complete(seq, Row::read(row.value())?, fields).map(Some),
            None => Ok(None),
        }
    }

    /// Whether the document is there and its payload passes.
    pub(super) fn passes(&self, seq: u64, filter: &Filter) -> Result<bool, DbError> {
        match self.documents.get(seq)? {
            Some(row) => row_passes(Row::read(row.value())?, Some(filter)),
            None => Ok(false),
        }
    }

    fn complete(&self, seq: u64, row: Row<'_>, fields: Fields) -> Result<Document, DbError> {
        let mut vector = Vec::new();
        if fields.vector && !self.vector(seq, &mut vector)? {
            return Err(DbError::Damaged(format!("document '{}' has no vector", row.id)));
        }
        let payload = if fields.payload { row.payload()? } else { None };
        Ok(Document {
            id: row.id.to_owned(),
            vector,
            payload,
        })
    }
}

/// Whether a row's payload passes; a document without payload passes no filter.
pub(super) fn row_passes(row: Row<'_>, filter: Option<&Filter>) -> Result<bool, DbError> {
    match filter {
        None => Ok(true),
        Some(filter) => Ok(row.payload()?.is_some_and(|payload| filter.matches(&payload))),
    }
}

/// Where a scan begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// At the first document.
    Beginning,
    /// After what a cursor of an earlier page of the same collection stands for, which may be gone.
    After(&'a str),
    /// At the document with this id, which must exist.
    At(&'a str),
}

/// Where a scan begins, how far it goes, and what it returns.
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    /// Where it begins.
    pub start: Start<'a>,
    /// Most documents to return.
    pub limit: usize,
    /// Which parts of them.
    pub fields: Fields,
    /// Only documents whose payload passes.
    pub filter: Option<&'a Filter>,
}

/// A part of a collection, in insertion order.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanPage {
    /// The documents, each with the cursor of what comes after it.
    pub documents: Vec<(Document, String)>,
    /// The cursor to go on with; `None` after the last page.
    pub next: Option<String>,
}

impl DocumentStore {
    /// The documents with these ids, in the order of the ids. Absent ids are left out.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, DbError> {
        let view = View::open(&self.inner.snapshot()?, collection)?;
        let mut documents = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(seq) = view.ids.get(id)? {
                documents.extend(view.document(seq.value(), fields)?);
            }
        }
        Ok(documents)
    }

    /// One page of a scan. Documents that exist during the whole scan come exactly once, whatever comes and
    /// goes meanwhile.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`]; [`DbError::Invalid`] for a cursor that is not of this collection, or
    /// a limit of 0; [`DbError::DocumentNotFound`] where it should begin at a document that is gone;
    /// [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn scan_page(&self, collection: &str, scan: &Scan<'_>) -> Result<ScanPage, DbError> {
        if scan.limit == 0 {
            return Err(DbError::invalid("limit", "must be at least 1"));
        }
        let view = View::open(&self.inner.snapshot()?, collection)?;
        let from = match scan.start {
            Start::Beginning => Bound::Unbounded,
            Start::After(cursor) => Bound::Excluded(parse_cursor(cursor, view.record.uid)?),
            Start::At(id) => {
                let seq = view.ids.get(id)?.map(|seq| seq.value());
                Bound::Included(seq.ok_or_else(|| DbError::DocumentNotFound(id.to_owned()))?)
            }
        };
        let mut page = ScanPage {
            documents: Vec::new(),
            next: None,
        };
        for row in view.documents.range::<u64>((from, Bound::Unbounded))? {
            let (seq, row) = row?;
            let (seq, row) = (seq.value(), Row::read(row.value())?);
            if !row_passes(row, scan.filter)? {
                continue;
            }
            if page.documents.len() == scan.limit {
                // There is one more: the page is not the last.
                page.next = page.documents.last().map(|(_, cursor)| cursor.clone());
                break;
            }
            page.documents.push((
                view.complete(seq, row, scan.fields)?,
                cursor(view.record.uid, seq),
            ));
        }
        Ok(page)
    }

    /// The documents from position `offset` on, in insertion order, and how many there are in all.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn list(
        &self,
        collection: &str,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<Document>, u64), DbError> {
        let view = View::open(&self.inner.snapshot()?, collection)?;
        let mut documents = Vec::new();
        for row in view.documents.iter()?.skip(offset).take(limit) {
            let (seq, row) = row?;
            documents.push(view.complete(seq.value(), Row::read(row.value())?, Fields::ALL)?);
        }
        Ok((documents, view.record.count))
    }

    /// Documents in the collection, or those of them whose payload passes.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn count_documents(&self, collection: &str, filter: Option<&Filter>) -> Result<u64, DbError> {
        let view = View::open(&self.inner.snapshot()?, collection)?;
        let Some(filter) = filter else {
            return Ok(view.record.count);
        };
        let mut count = 0;
        for row in view.documents.iter()? {
            count += u64::from(row_passes(Row::read(row?.1.value())?, Some(filter))?);
        }
        Ok(count)
    }
}

fn cursor(uid: u64, seq: u64) -> String {
    format!("{uid:x}-{seq:x}")
}

fn parse_cursor(cursor: &str, uid: u64) -> Result<u64, DbError> {
    let parsed = cursor.split_once('-').and_then(|(of, seq)| {
        Some((
            u64::from_str_radix(of, 16).ok()?,
            u64::from_str_radix(seq, 16).ok()?,
        ))
    });
    match parsed {
        Some((of, seq)) if of == uid => Ok(seq),
        _ => Err(DbError::invalid(
            "cursor",
            "not a cursor of this collection: start the scan again",
        )),
    }
}
