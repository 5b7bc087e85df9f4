//! Collections: making, listing, renaming, dropping.

use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata};
use vectorizer_plugin_api::model::{CollectionEvent, Metric};

use super::database::DocumentStore;
use super::record::{CollectionSummary, MAX_DIMENSION, Record, check_name};
use super::tables::{
    ALIASES, COLLECTIONS, META, Names, Writable, drop_tables, read_record, resolve_for_write, resolve_in,
    write_record,
};
use super::{DbError, tables};
use crate::index::Index;

impl DocumentStore {
    /// Makes an empty collection.
    ///
    /// # Errors
    /// [`DbError::CollectionExists`], [`DbError::Invalid`] for the name or the dimension,
    /// [`DbError::Unavailable`].
    pub fn create_collection(&self, name: &str, dimension: usize, metric: Metric) -> Result<(), DbError> {
        check_name("name", name)?;
        if dimension == 0 || dimension > MAX_DIMENSION {
            return Err(DbError::invalid(
                "dimension",
                format!("must be from 1 to {MAX_DIMENSION}"),
            ));
        }
        {
            let _writer = self.inner.writer.lock();
            let txn = self.inner.database.begin_write()?;
            refuse_taken(&txn, name)?;
            let uid = {
                let mut meta = txn.open_table(META)?;
                let uid = meta.get("next_uid")?.map_or(1, |value| value.value());
                meta.insert("next_uid", uid + 1)?;
                uid
            };
            write_record(&txn, name, &Record::new(uid, dimension, metric))?;
            // Opening makes the tables.
            drop(Writable::open(&txn, uid)?);
            txn.commit()?;
            let index = Index::empty(metric, dimension, self.inner.index_options);
            self.inner.indexes.write().insert(uid, Arc::new(index));
        }
        self.inner.tell_collection(CollectionEvent::Created(name));
        Ok(())
    }

    /// Makes the collection unless it is there. Whether it was made.
    ///
    /// # Errors
    /// As [`Self::create_collection`], except that the name may be taken.
    pub fn ensure_collection(&self, name: &str, dimension: usize, metric: Metric) -> Result<bool, DbError> {
        match resolve_in(&self.inner.snapshot()?, name) {
            Ok(_) => return Ok(false),
            Err(DbError::CollectionNotFound(_)) => {}
            Err(other) => return Err(other),
        }
        match self.create_collection(name, dimension, metric) {
            Ok(()) => Ok(true),
            // Another caller was faster.
            Err(DbError::CollectionExists { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// All collections, by name.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn list_collections(&self) -> Result<Vec<CollectionSummary>, DbError> {
        let txn = self.inner.snapshot()?;
        let mut summaries = Vec::new();
        for row in txn.open_table(COLLECTIONS)?.iter()? {
            let (name, record) = row?;
            let record = read_record(name.value(), record.value())?;
            summaries.push(summarise(&txn, name.value(), &record)?);
        }
        Ok(summaries)
    }

    /// One collection, by name or alias.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn describe_collection(&self, name: &str) -> Result<CollectionSummary, DbError> {
        let txn = self.inner.snapshot()?;
        let (name, record) = resolve_in(&txn, name)?;
        summarise(&txn, &name, &record)
    }

    /// Gives the collection another name; the old one, and all its aliases, stand for it from then on. An
    /// alias of the collection itself may become its name again. Returns the canonical name before.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::CollectionExists`], [`DbError::Invalid`] for the new name
    /// or where it is the old one, [`DbError::Unavailable`].
    pub fn rename_collection(&self, name: &str, to: &str) -> Result<String, DbError> {
        check_name("new_name", to)?;
        let from = {
            let _writer = self.inner.writer.lock();
            let txn = self.inner.database.begin_write()?;
            let (from, record) = resolve_for_write(&txn, name)?;
            if from == to {
                return Err(DbError::invalid(
                    "new_name",
                    "is the name that the collection has",
                ));
            }
            let own_alias = txn
                .open_table(ALIASES)?
                .get(to)?
                .is_some_and(|target| target.value() == from);
            if !own_alias {
                refuse_taken(&txn, to)?;
            }
            txn.open_table(COLLECTIONS)?.remove(from.as_str())?;
            write_record(&txn, to, &record)?;
            {
                let mut aliases = txn.open_table(ALIASES)?;
                aliases.remove(to)?;
                for alias in aliases_of(&aliases, &from)? {
                    aliases.insert(alias.as_str(), to)?;
                }
                aliases.insert(from.as_str(), to)?;
            }
            txn.commit()?;
            from
        };
        self.inner
            .tell_collection(CollectionEvent::Renamed { from: &from, to });
        Ok(from)
    }

    /// Drops the collection with all it holds and all its aliases. Returns its canonical name.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`].
    pub fn drop_collection(&self, name: &str) -> Result<String, DbError> {
        let dropped = {
            let _writer = self.inner.writer.lock();
            let txn = self.inner.database.begin_write()?;
            let (name, record) = resolve_for_write(&txn, name)?;
            txn.open_table(COLLECTIONS)?.remove(name.as_str())?;
            {
                let mut aliases = txn.open_table(ALIASES)?;
                for alias in aliases_of(&aliases, &name)? {
                    aliases.remove(alias.as_str())?;
                }
            }
            drop_tables(&txn, record.uid)?;
            txn.commit()?;
            self.inner.indexes.write().remove(&record.uid);
            name
        };
        self.inner.tell_collection(CollectionEvent::Deleted(&dropped));
        Ok(dropped)
    }
}

fn refuse_taken(txn: &redb::WriteTransaction, name: &str) -> Result<(), DbError> {
    let taken = |alias_of| {
        Err(DbError::CollectionExists {
            name: name.to_owned(),
            alias_of,
        })
    };
    if txn.open_table(COLLECTIONS)?.get(name)?.is_some() {
        return taken(None);
    }
    match txn.open_table(tables::ALIASES)?.get(name)? {
        Some(target) => taken(Some(target.value().to_owned())),
        None => Ok(()),
    }
}

fn aliases_of(
    aliases: &impl ReadableTable<&'static str, &'static str>,
    canonical: &str,
) -> Result<Vec<String>, DbError> {
    let mut names = Vec::new();
    for row in aliases.iter()? {
        let (alias, target) = row?;
        if target.value() == canonical {
            names.push(alias.value().to_owned());
        }
    }
    Ok(names)
}

fn summarise(txn: &redb::ReadTransaction, name: &str, record: &Record) -> Result<CollectionSummary, DbError> {
    Ok(CollectionSummary {
        info: record.info(name),
        created_at: record.created_at,
        updated_at: record.updated_at,
        payload_bytes: record.payload_bytes,
        parents: txn.open_table(Names::of(record.uid).parents())?.len()?,
    })
}
