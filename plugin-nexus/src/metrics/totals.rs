//! Totals by collection, for the status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::Mutex;

/// Totals of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nodes written.
    pub synced: u64,
    /// Nodes deleted.
    pub deleted: u64,
    /// Failures.
    pub errors: u64,
    /// When a node was last written or deleted.
    pub last_sync: Option<Timestamp>,
    /// The last failure. No payload text.
    pub last_error: Option<String>,
}

/// All collections'.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<BTreeMap<String, Totals>>);

impl Ledger {
    pub(super) fn add(&self, collection: String, synced: u64, deleted: u64) {
        if synced + deleted > 0 {
            let mut all = self.0.lock();
            let totals = all.entry(collection).or_default();
            totals.synced += synced;
            totals.deleted += deleted;
            totals.last_sync = Some(Timestamp::now());
        }
    }

    pub(super) fn failed(&self, collection: String, error: &str) {
        let mut all = self.0.lock();
        let totals = all.entry(collection).or_default();
        totals.errors += 1;
        totals.last_error = Some(error.to_owned());
    }

    pub(super) fn all(&self) -> BTreeMap<String, Totals> {
        self.0.lock().clone()
    }
}
