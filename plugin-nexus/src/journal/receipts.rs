//! Deliveries of webhooks that were taken: under `v` and the delivery's name (16 bytes) when it may be forgotten (8 bytes,
//! big-endian Unix seconds).
//!
//! Invariants:
//! - a delivery's name and the hints it leads to are one atomic write, so that a delivery counts once, whatever ends the process;
//! - a name is kept until no delivery can have it that is still genuine, over restarts too;
//! - their number is bounded: where there is no room a delivery is not taken, and the sender comes again.

use std::collections::{BTreeSet, HashSet};

use super::changes::Changes;
use super::disk::Disk;
use super::{DocumentId, Journal, JournalError, Priority, Work};
use crate::correlation::own_moment;

const RECEIPT: u8 = b'v';
const META_HEARD: &[u8] = b"mheard";
/// Names that are kept, some 60 bytes of memory each.
const MOST: usize = 500_000;
/// Names that are forgotten with each delivery, at most.
const FORGOTTEN: usize = 64;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was taken.
    Taken,
    /// It was taken before.
    Known,
    /// There is no room for it, or for the documents it names, at present.
    NoRoom,
}

/// The deliveries that were taken.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    names: HashSet<u128>,
    /// Whether a delivery ever came.
    heard: bool,
    /// By the time when they may be forgotten.
    ends: BTreeSet<(u64, u128)>,
}

impl Receipts {
    /// Those of the last run. One that cannot be read is removed.
    pub(super) fn load(disk: &Disk) -> Result<Self, JournalError> {
        let mut receipts = Self {
            heard: disk.get(META_HEARD)?.is_some(),
            ..Self::default()
        };
        let parse = |key: &[u8], value: &[u8]| {
            let damaged = || JournalError::Damaged { what: "receipt" };
            let name = key.get(1..).and_then(|name| name.try_into().ok());
            let name = u128::from_be_bytes(name.ok_or_else(damaged)?);
            let end = u64::from_be_bytes(value.try_into().map_err(|_| damaged())?);
            Ok((name, end))
        };
        disk.mend(RECEIPT, parse, |(name, end)| receipts.insert(name, end))?;
        Ok(receipts)
    }

    fn insert(&mut self, name: u128, end: u64) {
        self.names.insert(name);
        self.ends.insert((end, name));
    }
}

fn receipt_key(name: u128) -> Vec<u8> {
    let mut key = vec![RECEIPT];
    key.extend(name.to_be_bytes());
    key
}

impl Journal {
    /// Whether a delivery ever came.
    pub fn has_heard(&self) -> bool {
        self.receipts.lock().heard
    }

    /// Takes a delivery that came `now` (Unix seconds), is called `name`, and may be forgotten at `end`: the documents have this
    /// work. It is on disk after the next [`Journal::flush`].
    ///
    /// # Errors
    /// [`JournalError`]: it was not taken.
    pub fn receive(
        &self,
        name: u128,
        now: u64,
        end: u64,
        work: &[(DocumentId, Work)],
    ) -> Result<Receipt, JournalError> {
        let mut receipts = self.receipts.lock();
        if receipts.names.contains(&name) {
            return Ok(Receipt::Known);
        }
        let mut changes = Changes::default();
        let over = receipts.ends.iter().take_while(|(end, _)| *end < now);
        let over: Vec<(u64, u128)> = over.take(FORGOTTEN).copied().collect();
        for (_, name) in &over {
            changes.remove(receipt_key(*name));
        }
        if receipts.names.len() - over.len() >= MOST {
            return Ok(Receipt::NoRoom);
        }
        changes.put(receipt_key(name), end.to_be_bytes());
        if !receipts.heard {
            changes.put(META_HEARD, []);
        }
        let moment = self.timing.now();
        {
            let mut desk = self.desk.lock();
            if desk.pending.len() + work.len() > self.settings.max_pending {
                return Ok(Receipt::NoRoom);
            }
            for (document, work) in work {
                self.mark(
                    &mut desk,
                    document,
                    (*work, Priority::Interactive),
                    own_moment(moment.unix_micros),
                    moment,
                    &mut changes,
                )?;
            }
            self.disk.apply(&changes)?;
        }
        for end in over {
            receipts.ends.remove(&end);
            receipts.names.remove(&end.1);
        }
        receipts.insert(name, end);
        receipts.heard = true;
        drop(receipts);
        self.work.notify_waiters();
        Ok(Receipt::Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::tests::settings;
    use super::*;

    fn hints(id: &str) -> [(DocumentId, Work); 1] {
        [(DocumentId::new("c", id), Work::ENRICHMENT)]
    }

    #[test]
    fn a_delivery_counts_once_and_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        {
            let journal = Journal::open(folder.path(), settings(10)).unwrap();
            assert_eq!(journal.receive(7, 100, 200, &hints("a")).unwrap(), Receipt::Taken);
            assert_eq!(journal.receive(7, 101, 201, &hints("b")).unwrap(), Receipt::Known);
            journal.flush().unwrap();
        }
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        assert_eq!(journal.receive(7, 150, 250, &hints("b")).unwrap(), Receipt::Known);
        let batch = journal.claim(Stage::Enrichment, 9).unwrap().batch().unwrap();
        let ids: Vec<&str> = batch.claims.iter().map(|claim| claim.id.as_ref()).collect();
        assert_eq!(
            ids,
            ["a"],
            "what the delivery asks for is there after the restart, once"
        );
    }

    #[test]
    fn a_name_is_forgotten_once_no_delivery_can_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        journal.receive(7, 100, 200, &[]).unwrap();
        assert_eq!(journal.receive(8, 200, 300, &[]).unwrap(), Receipt::Taken);
        assert_eq!(journal.receive(7, 200, 300, &[]).unwrap(), Receipt::Known);
        journal.receive(9, 201, 301, &[]).unwrap();
        let kept = journal.disk.scan(vec![RECEIPT]).count();
        assert_eq!(kept, 2, "the first is gone from the disk");
        assert_eq!(journal.receive(7, 201, 301, &[]).unwrap(), Receipt::Taken);
    }

    #[test]
    fn a_delivery_without_room_for_its_documents_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), settings(1)).unwrap();
        journal.receive(1, 100, 200, &hints("a")).unwrap();
        assert_eq!(
            journal.receive(2, 100, 200, &hints("b")).unwrap(),
            Receipt::NoRoom
        );
        let batch = journal.claim(Stage::Enrichment, 9).unwrap().batch().unwrap();
        let outcome = super::super::Outcome::new("a".into(), Work::NONE, super::super::StateChange::Keep);
        journal.commit(&batch, vec![outcome], &[], &[], 0).unwrap();
        assert_eq!(journal.receive(2, 100, 200, &hints("b")).unwrap(), Receipt::Taken);
    }

    #[test]
    fn a_receipt_that_cannot_be_read_costs_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        {
            let journal = Journal::open(folder.path(), settings(10)).unwrap();
            journal.receive(7, 100, 200, &[]).unwrap();
            journal.disk.put(&receipt_key(8), [1, 2, 3]).unwrap();
            journal.disk.put(&[RECEIPT, 9], [0; 8]).unwrap();
            journal.close(true).unwrap();
        }
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        assert_eq!(journal.receive(7, 100, 200, &[]).unwrap(), Receipt::Known);
        assert_eq!(journal.receive(8, 100, 200, &[]).unwrap(), Receipt::Taken);
    }
}
