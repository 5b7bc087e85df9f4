//! The tables, and opening those of one collection together.
//!
//! Each collection has tables of its own, named by its uid: dropping it drops the tables.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::DbError;
use super::record::Record;

/// Layout of the whole file. Raised when a change would be misread by an older program.
pub(super) const FORMAT: u64 = 1;

/// `format`, `next_uid`.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Canonical name -> [`Record`] as JSON.
pub(super) const COLLECTIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("collections");
/// Alias -> canonical name.
pub(super) const ALIASES: TableDefinition<'_, &str, &str> = TableDefinition::new("aliases");

/// The names of one collection's tables.
pub(super) struct Names {
    ids: String,
    documents: String,
    vectors: String,
    parents: String,
}

impl Names {
    pub(super) fn of(uid: u64) -> Self {
        let name = |part| format!("c{uid}.{part}");
        Self {
            ids: name("ids"),
            documents: name("documents"),
            vectors: name("vectors"),
            parents: name("parents"),
        }
    }

    /// Id -> sequence number.
    pub(super) fn ids(&self) -> TableDefinition<'_, &'static str, u64> {
        TableDefinition::new(&self.ids)
    }

    /// Sequence number -> document row.
    pub(super) fn documents(&self) -> TableDefinition<'_, u64, &'static [u8]> {
        TableDefinition::new(&self.documents)
    }

    /// Sequence number -> vector row.
    pub(super) fn vectors(&self) -> TableDefinition<'_, u64, &'static [u8]> {
        TableDefinition::new(&self.vectors)
    }

    /// `parent_id` -> documents that have it.
    pub(super) fn parents(&self) -> TableDefinition<'_, &'static str, u64> {
        TableDefinition::new(&self.parents)
    }
}

/// One collection's tables, open for writing.
pub(super) struct Writable<'t> {
    pub(super) ids: Table<'t, &'static str, u64>,
    pub(super) documents: Table<'t, u64, &'static [u8]>,
    pub(super) vectors: Table<'t, u64, &'static [u8]>,
    pub(super) parents: Table<'t, &'static str, u64>,
}

impl<'t> Writable<'t> {
    /// Opens the tables, making those that do not exist.
    pub(super) fn open(txn: &'t WriteTransaction, uid: u64) -> Result<Self, DbError> {
        let names = Names::of(uid);
        Ok(Self {
            ids: txn.open_table(names.ids())?,
            documents: txn.open_table(names.documents())?,
            vectors: txn.open_table(names.vectors())?,
            parents: txn.open_table(names.parents())?,
        })
    }
}

/// Drops one collection's tables.
pub(super) fn drop_tables(txn: &WriteTransaction, uid: u64) -> Result<(), DbError> {
    let names = Names::of(uid);
    txn.delete_table(names.ids())?;
    txn.delete_table(names.documents())?;
    txn.delete_table(names.vectors())?;
    txn.delete_table(names.parents())?;
    Ok(())
}

/// The canonical name and the record of the collection that `name` stands for.
pub(super) fn resolve(
    collections: &impl ReadableTable<&'static str, &'static [u8]>,
    aliases: &impl ReadableTable<&'static str, &'static str>,
    name: &str,
) -> Result<(String, Record), DbError> {
    let not_found = || DbError::CollectionNotFound(name.to_owned());
    if let Some(row) = collections.get(name)? {
        return Ok((name.to_owned(), read_record(name, row.value())?));
    }
    let target = aliases.get(name)?.ok_or_else(not_found)?;
    let row = collections.get(target.value())?.ok_or_else(not_found)?;
    Ok((target.value().to_owned(), read_record(name, row.value())?))
}

/// [`resolve`] in a snapshot.
pub(super) fn resolve_in(txn: &ReadTransaction, name: &str) -> Result<(String, Record), DbError> {
    resolve(&txn.open_table(COLLECTIONS)?, &txn.open_table(ALIASES)?, name)
}

/// [`resolve`] in a write.
pub(super) fn resolve_for_write(txn: &WriteTransaction, name: &str) -> Result<(String, Record), DbError> {
    resolve(&txn.open_table(COLLECTIONS)?, &txn.open_table(ALIASES)?, name)
}

pub(super) fn read_record(name: &str, row: &[u8]) -> Result<Record, DbError> {
    serde_json::from_slice(row)
        .map_err(|error| DbError::Damaged(format!("record of collection '{name}': {error}")))
}

/// Stores the record under its canonical name.
pub(super) fn write_record(txn: &WriteTransaction, name: &str, record: &Record) -> Result<(), DbError> {
    let row = serde_json::to_vec(record)
        .map_err(|error| DbError::Unavailable(format!("record of collection '{name}': {error}")))?;
    txn.open_table(COLLECTIONS)?.insert(name, row.as_slice())?;
    Ok(())
}
