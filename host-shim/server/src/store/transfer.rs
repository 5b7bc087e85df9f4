//! Moving and copying documents between collections, in one transaction: a moved document is always in one
//! of the two, never in both or neither.

use super::database::DocumentStore;
use super::tables::{resolve_for_write, write_record};
use super::write::Session;
use super::{Change, DbError};

/// What becomes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// The document leaves it.
    Move,
    /// The document stays in it.
    Copy,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transferred {
    /// It is in the destination.
    Done,
    /// The source does not have it.
    MissingInSource(DbError),
    /// The destination refused it, and the source still has it.
    RefusedByDestination(DbError),
}

impl DocumentStore {
    /// Moves or copies documents, replacing those of the same id. One outcome for each id, in order.
    ///
    /// # Errors
    /// [`DbError::CollectionNotFound`] for either collection; [`DbError::Invalid`] where both are the same;
    /// [`DbError::Unavailable`], [`DbError::Damaged`].
    pub fn transfer(
        &self,
        source: &str,
        destination: &str,
        ids: &[&str],
        kind: Transfer,
    ) -> Result<Vec<Transferred>, DbError> {
        let (outcomes, (from_name, from_report), (to_name, to_report)) = {
            let _writer = self.inner.writer.lock();
            let txn = self.inner.database.begin_write()?;
            let (from_name, from_record) = resolve_for_write(&txn, source)?;
            let (to_name, to_record) = resolve_for_write(&txn, destination)?;
            if from_record.uid == to_record.uid {
                return Err(DbError::invalid(
                    "destination",
                    "destination must differ from source collection",
                ));
            }
            let (outcomes, from, to) = {
                let mut from = Session::open(&txn, from_record)?;
                let mut to = Session::open(&txn, to_record)?;
                let outcomes = ids
                    .iter()
                    .map(|id| transfer_one(&mut from, &mut to, id, kind))
                    .collect::<Result<Vec<_>, _>>()?;
                (outcomes, from.finish(), to.finish())
            };
            if !to.report.is_empty() {
                write_record(&txn, &to_name, &to.record)?;
                if !from.report.is_empty() {
                    write_record(&txn, &from_name, &from.record)?;
                }
                txn.commit()?;
                to.follow(&self.inner);
                from.follow(&self.inner);
            }
            (outcomes, (from_name, from.report), (to_name, to.report))
        };
        to_report.tell(&self.inner, &to_name);
        from_report.tell(&self.inner, &from_name);
        Ok(outcomes)
    }
}

fn transfer_one(
    from: &mut Session<'_>,
    to: &mut Session<'_>,
    id: &str,
    kind: Transfer,
) -> Result<Transferred, DbError> {
    let seq = match from.find(id) {
        Ok(seq) => seq,
        Err(missing @ DbError::DocumentNotFound(_)) => return Ok(Transferred::MissingInSource(missing)),
        Err(other) => return Err(other),
    };
    let (vector, payload) = (from.vector(seq)?, from.payload(seq)?);
    match to.apply(Change::Upsert {
        id: id.to_owned(),
        vector,
        payload,
    }) {
        Ok(()) => {}
        Err(fatal @ (DbError::Unavailable(_) | DbError::Damaged(_))) => return Err(fatal),
        Err(refused) => return Ok(Transferred::RefusedByDestination(refused)),
    }
    if kind == Transfer::Move {
        from.delete(id)?;
    }
    Ok(Transferred::Done)
}
