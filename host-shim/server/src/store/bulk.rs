//! Changing every document that a filter finds, in one transaction: what is found is what is changed.

use redb::ReadableTable;
use vectorizer_plugin_api::model::JsonMap;

use super::database::DocumentStore;
use super::document::Row;
use super::filter::Filter;
use super::read::row_passes;
use super::write::Session;
use super::{Change, DbError, PayloadChange};

/// What a bulk change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// Documents looked at.
    pub scanned: u64,
    /// Ids of those that passed the filter and were changed, in insertion order.
    pub ids: Vec<String>,
}

impl DocumentStore {
    /// Deletes every document whose payload passes.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`]; [`DbError::Invalid`] for a filter without conditions, which would
    /// empty the collection; [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn delete_where(&self, collection: &str, filter: &Filter) -> Result<Bulk, DbError> {
        if filter.is_empty() {
            return Err(DbError::invalid(
                "filter",
                "empty filter is not allowed; provide at least one condition to prevent accidental wipes",
            ));
        }
        self.write(collection, |session| {
            let bulk = find(session, filter)?;
            bulk.ids.iter().try_for_each(|id| session.delete(id))?;
            Ok(bulk)
        })
    }

    /// Merges `patch` into every payload that passes (RFC 7396). A filter without conditions passes all
    /// documents that have a payload.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`], [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn merge_where(&self, collection: &str, filter: &Filter, patch: &JsonMap) -> Result<Bulk, DbError> {
        self.write(collection, |session| {
            let bulk = find(session, filter)?;
            for id in &bulk.ids {
                session.apply(Change::Update {
                    id: id.clone(),
                    vector: None,
                    payload: PayloadChange::Merge {
                        expected: JsonMap::new(),
                        patch: patch.clone(),
                    },
                })?;
            }
            Ok(bulk)
        })
    }
}

fn find(session: &Session<'_>, filter: &Filter) -> Result<Bulk, DbError> {
    let mut bulk = Bulk {
        scanned: 0,
        ids: Vec::new(),
    };
    for row in session.tables.documents.iter()? {
        let (_, row) = row?;
        let row = Row::read(row.value())?;
        bulk.scanned += 1;
        if row_passes(row, Some(filter))? {
            bulk.ids.push(row.id.to_owned());
        }
    }
    Ok(bulk)
}
