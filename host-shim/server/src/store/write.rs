//! Changing documents: one call, one durable transaction.

use std::collections::HashSet;

use jiff::Timestamp;
use redb::ReadableTable;
use serde_json::Value;
use vectorizer_plugin_api::merge_patch;
use vectorizer_plugin_api::model::{JsonMap, Op};

use super::DbError;
use super::database::{DocumentStore, Inner};
use super::document::{Row, decode_vector, encode, encode_vector};
use super::metric::prepare;
use super::record::Record;
use super::tables::{Writable, resolve_for_write, write_record};

/// Longest id of a document.
pub const MAX_ID_BYTES: usize = 1024;

/// The payload key that ties the chunks of one text together.
const PARENT_KEY: &str = "parent_id";

/// One change of one document (or, for [`Change::Prune`], of the chunks of one text).
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Inserts the document, or replaces the whole of it.
    Upsert {
        /// Its id.
        id: String,
        /// Its vector.
        vector: Vec<f32>,
        /// Its payload.
        payload: Option<JsonMap>,
    },
    /// Changes parts of a document, which must exist.
    Update {
        /// Its id.
        id: String,
        /// The new vector, or the old one.
        vector: Option<Vec<f32>>,
        /// What becomes of the payload.
        payload: PayloadChange,
    },
    /// Removes a document, which must exist.
    Delete {
        /// Its id.
        id: String,
    },
    /// Removes what an earlier insert of one text left: the document `text` and all `text#...`, except those
    /// in `keep`. Never fails for want of documents.
    Prune {
        /// Id of the text.
        text: String,
        /// Ids that stay.
        keep: HashSet<String>,
    },
}

/// What an update does to the payload.
#[derive(Debug, Clone, PartialEq)]
pub enum PayloadChange {
    /// Nothing.
    Keep,
    /// Replaces it whole; `None` leaves the document without one.
    Replace(Option<JsonMap>),
    /// Merges `patch` by RFC 7396 (null removes) where the fields that `expected` names are as there (null: absent).
    Merge {
        /// Fields as they have to be.
        expected: JsonMap,
        /// What is merged.
        patch: JsonMap,
    },
}

/// What one change that fails means for the others of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomicity {
    /// The others are stored.
    EachAlone,
    /// Nothing is stored.
    AllOrNothing,
}

impl DocumentStore {
    /// Applies the changes in order, in one durable transaction. One outcome for each.
    ///
    /// # Errors
    /// For the call: [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`], and
    /// with [`Atomicity::AllOrNothing`] whatever the first failing change failed of. For one change:
    /// [`DbError::DocumentNotFound`], [`DbError::DimensionMismatch`], [`DbError::Invalid`].
    pub fn apply(
        &self,
        collection: &str,
        changes: Vec<Change>,
        atomicity: Atomicity,
    ) -> Result<Vec<Result<(), DbError>>, DbError> {
        let mut outcomes = Vec::with_capacity(changes.len());
        self.write(collection, |session| {
            for change in changes {
                let outcome = session.apply(change);
                match &outcome {
                    Err(fatal @ (DbError::Unavailable(_) | DbError::Damaged(_))) => return Err(fatal.clone()),
                    Err(failed) if atomicity == Atomicity::AllOrNothing => return Err(failed.clone()),
                    _ => outcomes.push(outcome),
                }
            }
            Ok(())
        })?;
        Ok(outcomes)
    }

    /// Runs `work` on one collection as one durable transaction, then brings the index up to date, releases
    /// the lock, and tells the observer.
    pub(super) fn write<T>(
        &self,
        collection: &str,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let (result, name, report) = {
            let _writer = self.inner.writer.lock();
            let txn = self.inner.database.begin_write()?;
            let (name, record) = resolve_for_write(&txn, collection)?;
            let (result, done) = {
                let mut session = Session::open(&txn, record)?;
                (work(&mut session)?, session.finish())
            };
            if !done.report.is_empty() {
                write_record(&txn, &name, &done.record)?;
                txn.commit()?;
                done.follow(&self.inner);
            }
            (result, name, done.report)
        };
        report.tell(&self.inner, &name);
        Ok(result)
    }
}

/// A write to one collection, under way: its open tables, and what the index and the observer will have to
/// know once it is durable.
pub(super) struct Session<'t> {
    pub(super) tables: Writable<'t>,
    pub(super) record: Record,
    index: Vec<IndexChange>,
    report: Report,
    buffer: Vec<f32>,
}

/// What is left of a [`Session`] when its tables are closed.
pub(super) struct Done {
    pub(super) record: Record,
    pub(super) report: Report,
    index: Vec<IndexChange>,
}

enum IndexChange {
    Put(u64, Vec<f32>),
    Remove(u64),
}

/// The ids to tell the observer of.
#[derive(Default)]
pub(super) struct Report {
    upserted: Vec<String>,
    updated: Vec<String>,
    deleted: Vec<String>,
}

impl Report {
    pub(super) fn is_empty(&self) -> bool {
        self.upserted.is_empty() && self.updated.is_empty() && self.deleted.is_empty()
    }

    /// Tells the observer. No lock may be held.
    pub(super) fn tell(&self, inner: &Inner, collection: &str) {
        for (op, ids) in [
            (Op::Upsert, &self.upserted),
            (Op::Update, &self.updated),
            (Op::Delete, &self.deleted),
        ] {
            inner.tell(
                collection,
                op,
                &ids.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }
}

impl Done {
    /// Brings the index in memory to where the disk is. The writer's lock is held.
    pub(super) fn follow(&self, inner: &Inner) {
        if let Some(index) = inner.index(self.record.uid) {
            for change in &self.index {
                match change {
                    IndexChange::Put(seq, vector) => index.put(*seq, vector),
                    IndexChange::Remove(seq) => index.remove(*seq),
                }
            }
        }
        inner.signal.wake();
    }
}

impl<'t> Session<'t> {
    pub(super) fn open(txn: &'t redb::WriteTransaction, record: Record) -> Result<Self, DbError> {
        Ok(Self {
            tables: Writable::open(txn, record.uid)?,
            record,
            index: Vec::new(),
            report: Report::default(),
            buffer: Vec::new(),
        })
    }

    pub(super) fn finish(mut self) -> Done {
        self.record.updated_at = Timestamp::now();
        Done {
            record: self.record,
            report: self.report,
            index: self.index,
        }
    }

    pub(super) fn apply(&mut self, change: Change) -> Result<(), DbError> {
        match change {
            Change::Upsert { id, vector, payload } => self.upsert(&id, vector, payload.as_ref()),
            Change::Update { id, vector, payload } => self.update(&id, vector, payload),
            Change::Delete { id } => self.delete(&id),
            Change::Prune { text, keep } => self.prune(&text, &keep),
        }
    }

    /// The sequence number of a document.
    pub(super) fn find(&self, id: &str) -> Result<u64, DbError> {
        let found = self.tables.ids.get(id)?.map(|seq| seq.value());
        found.ok_or_else(|| DbError::DocumentNotFound(id.to_owned()))
    }

    /// The payload of a document.
    pub(super) fn payload(&self, seq: u64) -> Result<Option<JsonMap>, DbError> {
        let row = self.tables.documents.get(seq)?.ok_or_else(|| missing_row(seq))?;
        Row::read(row.value())?.payload()
    }

    /// The vector of a document, as stored.
    pub(super) fn vector(&mut self, seq: u64) -> Result<Vec<f32>, DbError> {
        let row = self.tables.vectors.get(seq)?.ok_or_else(|| missing_row(seq))?;
        decode_vector(row.value(), self.record.dimension, &mut self.buffer)?;
        Ok(self.buffer.clone())
    }

    fn upsert(&mut self, id: &str, vector: Vec<f32>, payload: Option<&JsonMap>) -> Result<(), DbError> {
        check_id(id)?;
        let vector = prepare(self.record.metric, self.record.dimension, vector)?;
        let row = encode(id, payload)?;
        // Nothing below can refuse the document: one that fails alone leaves no trace.
        let known = self.tables.ids.get(id)?.map(|seq| seq.value());
        let seq = match known {
            Some(seq) => seq,
            None => {
                let seq = self.record.next_seq;
                self.record.next_seq += 1;
                self.record.count += 1;
                self.tables.ids.insert(id, seq)?;
                seq
            }
        };
        self.put_row(seq, &row, payload)?;
        self.put_vector(seq, vector)?;
        self.report.upserted.push(id.to_owned());
        Ok(())
    }

    fn update(&mut self, id: &str, vector: Option<Vec<f32>>, payload: PayloadChange) -> Result<(), DbError> {
        let seq = self.find(id)?;
        let vector = vector
            .map(|v| prepare(self.record.metric, self.record.dimension, v))
            .transpose()?;
        match payload {
            PayloadChange::Keep => {}
            PayloadChange::Replace(payload) => {
                self.put_row(seq, &encode(id, payload.as_ref())?, payload.as_ref())?;
            }
            PayloadChange::Merge { expected, patch } => {
                let before = self.payload(seq)?.unwrap_or_default();
                let is_as_expected =
                    |(name, value): (&String, &Value)| before.get(name).unwrap_or(&Value::Null) == value;
                if !expected.iter().all(is_as_expected) {
                    return Err(DbError::Differs(id.to_owned()));
                }
                let mut after = before.clone();
                merge_patch(&mut after, &patch);
                if after == before && vector.is_none() {
                    // Nothing to store and nothing to tell: a write-back of the same thing costs nothing.
                    return Ok(());
                }
                self.put_row(seq, &encode(id, Some(&after))?, Some(&after))?;
            }
        }
        if let Some(vector) = vector {
            self.put_vector(seq, vector)?;
        }
        self.report.updated.push(id.to_owned());
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<(), DbError> {
        let seq = self.find(id)?;
        self.tables.ids.remove(id)?;
        self.tables.vectors.remove(seq)?;
        let (bytes, parent) = match self.tables.documents.remove(seq)? {
            Some(row) => measure(row.value())?,
            None => return Err(missing_row(seq)),
        };
        self.account(bytes, parent.as_deref(), 0, None)?;
        self.record.count = self.record.count.saturating_sub(1);
        self.index.push(IndexChange::Remove(seq));
        self.report.deleted.push(id.to_owned());
        Ok(())
    }

    fn prune(&mut self, text: &str, keep: &HashSet<String>) -> Result<(), DbError> {
        let mut stale = Vec::new();
        if self.tables.ids.get(text)?.is_some() {
            stale.push(text.to_owned());
        }
        // '$' is the character after '#'.
        let (from, to) = (format!("{text}#"), format!("{text}$"));
        for row in self.tables.ids.range(from.as_str()..to.as_str())? {
            stale.push(row?.0.value().to_owned());
        }
        stale.retain(|id| !keep.contains(id));
        stale.iter().try_for_each(|id| self.delete(id))
    }

    fn put_vector(&mut self, seq: u64, vector: Vec<f32>) -> Result<(), DbError> {
        self.tables
            .vectors
            .insert(seq, encode_vector(&vector).as_slice())?;
        self.index.push(IndexChange::Put(seq, vector));
        Ok(())
    }

    fn put_row(&mut self, seq: u64, row: &[u8], payload: Option<&JsonMap>) -> Result<(), DbError> {
        let new_bytes = Row::read(row)?.payload_bytes();
        let (old_bytes, old_parent) = match self.tables.documents.insert(seq, row)? {
            Some(old) => measure(old.value())?,
            None => (0, None),
        };
        self.account(
            old_bytes,
            old_parent.as_deref(),
            new_bytes,
            payload.and_then(parent_of),
        )
    }

    /// Keeps the sums of the collection right when one payload takes the place of another.
    fn account(
        &mut self,
        old_bytes: u64,
        old_parent: Option<&str>,
        new_bytes: u64,
        new_parent: Option<&str>,
    ) -> Result<(), DbError> {
        self.record.payload_bytes = (self.record.payload_bytes + new_bytes).saturating_sub(old_bytes);
        if old_parent == new_parent {
            return Ok(());
        }
        if let Some(parent) = old_parent {
            let chunks = self.tables.parents.get(parent)?.map_or(0, |n| n.value());
            if chunks > 1 {
                self.tables.parents.insert(parent, chunks - 1)?;
            } else {
                self.tables.parents.remove(parent)?;
            }
        }
        if let Some(parent) = new_parent {
            let chunks = self.tables.parents.get(parent)?.map_or(0, |n| n.value());
            self.tables.parents.insert(parent, chunks + 1)?;
        }
        Ok(())
    }
}

fn measure(row: &[u8]) -> Result<(u64, Option<String>), DbError> {
    let row = Row::read(row)?;
    let parent = row.payload()?.as_ref().and_then(parent_of).map(str::to_owned);
    Ok((row.payload_bytes(), parent))
}

fn parent_of(payload: &JsonMap) -> Option<&str> {
    payload.get(PARENT_KEY).and_then(Value::as_str)
}

fn check_id(id: &str) -> Result<(), DbError> {
    if id.is_empty() {
        return Err(DbError::invalid("id", "must not be empty"));
    }
    if id.len() > MAX_ID_BYTES {
        return Err(DbError::invalid(
            "id",
            format!("must be at most {MAX_ID_BYTES} bytes (got {})", id.len()),
        ));
    }
    Ok(())
}

fn missing_row(seq: u64) -> DbError {
    DbError::Damaged(format!("document {seq} has an id but no row"))
}
