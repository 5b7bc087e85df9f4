//! Whether anything is worked on: an administrator may pause it, and settings are replaced while nothing is.
//!
//! Invariants:
//! - while paused, no batch is begun and nothing is written to Nexus that was not begun before, no probe either; comparisons go on reading,
//!   and hints are journaled all the same;
//! - whoever holds [`Gate::still`] is alone: lanes have given back or ended what they worked on.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};

/// See the [module](self).
#[derive(Debug)]
pub struct Gate {
    paused: watch::Sender<bool>,
    work: RwLock<()>,
    /// How often it was still.
    turns: AtomicU64,
}

impl Gate {
    pub(super) fn new(paused: bool) -> Self {
        Self {
            paused: watch::Sender::new(paused),
            work: RwLock::new(()),
            turns: AtomicU64::new(0),
        }
    }

    /// Whether nothing is to be begun.
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Pauses or resumes.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused
            .send_if_modified(|present| std::mem::replace(present, paused) != paused);
    }

    /// Waits while it is paused.
    pub(super) async fn open(&self) {
        // The sender is this object's own, so the channel does not close.
        let _ = self.paused.subscribe().wait_for(|paused| !paused).await;
    }

    /// Waits until work may be done; the settings stay as they are meanwhile.
    pub(super) async fn work(&self) -> RwLockReadGuard<'_, ()> {
        self.work.read().await
    }

    /// Waits until no work is done.
    pub(super) async fn still(&self) -> RwLockWriteGuard<'_, ()> {
        let guard = self.work.write().await;
        self.turns.fetch_add(1, Ordering::AcqRel);
        guard
    }

    /// Changes whenever settings may have been replaced: what was prepared before is of no use then.
    pub(super) fn turn(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_pause_to_end_goes_on_when_it_does() {
        let gate = Gate::new(true);
        let soon = Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, gate.open()).await.is_err());
        let (_, ()) = tokio::join!(gate.open(), async { gate.set_paused(false) });
        assert!(!gate.is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn stillness_waits_for_all_work_and_work_for_stillness() {
        let gate = Gate::new(false);
        let soon = Duration::from_secs(1);
        let (one, other) = (gate.work().await, gate.work().await);
        assert!(tokio::time::timeout(soon, gate.still()).await.is_err());
        drop((one, other));
        let before = gate.turn();
        let still = gate.still().await;
        assert_ne!(gate.turn(), before);
        assert!(tokio::time::timeout(soon, gate.work()).await.is_err());
        drop(still);
        drop(gate.work().await);
    }
}
