//! Whether requests are welcome, check by check.
//!
//! Invariants:
//! - One check of the store runs at a time; whoever waits for its turn or its end does so for [`PATIENCE`] at the longest. A
//!   disk that hangs costs one thread.
//! - `since` is when the check came out another way than before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::life::{Life, Moments};
use crate::backend::Backend;
use crate::correlation::spawn_blocking;

/// How long the store has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One condition of being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    /// Why not; empty where it passed.
    pub(super) reason: &'static str,
    pub(super) since: Timestamp,
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut check = serializer.serialize_struct("Check", 4)?;
        check.serialize_field("name", self.name)?;
        check.serialize_field("status", word(self.passed))?;
        check.serialize_field("reason", self.reason)?;
        check.serialize_field("since", &self.since)?;
        check.end()
    }
}

/// The word for a check, and for all of them.
pub(super) const fn word(passed: bool) -> &'static str {
    if passed { "ready" } else { "not_ready" }
}

pub(super) struct Readiness {
    backend: Arc<dyn Backend>,
    life: Life,
    turn: Arc<tokio::sync::Mutex<()>>,
    latest: Mutex<Check>,
}

impl Readiness {
    pub(super) fn new(backend: Arc<dyn Backend>, life: Life) -> Self {
        let latest = Check {
            name: "store",
            passed: true,
            reason: "",
            since: life.moments().opened,
        };
        Self {
            backend,
            life,
            turn: Arc::default(),
            latest: Mutex::new(latest),
        }
    }

    /// All checks.
    pub(super) async fn checks(&self) -> [Check; 3] {
        let store = self.store().await;
        let moments = self.life.moments();
        [store, started(moments), serving(moments)]
    }

    /// Whether the store answers.
    pub(super) async fn store(&self) -> Check {
        let checked = tokio::time::timeout(PATIENCE, async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            let backend = Arc::clone(&self.backend);
            let checking = spawn_blocking(move || {
                let _turn = turn;
                backend.check()
            });
            checking.await
        });
        let (reason, cause) = match checked.await {
            Ok(Ok(Ok(()))) => ("", String::new()),
            Ok(Ok(Err(error))) => ("the store cannot be read", error),
            Ok(Err(error)) => ("the store could not be asked", error.to_string()),
            Err(_) => ("the store does not answer", String::new()),
        };
        let mut latest = self.latest.lock();
        // Everybody may ask, so not every answer is a line.
        if latest.passed != reason.is_empty() {
            latest.passed = reason.is_empty();
            latest.since = Timestamp::now();
            match latest.passed {
                true => tracing::info!("the store can be read again"),
                false => tracing::warn!(cause, "not ready: {reason}"),
            }
        }
        latest.reason = reason;
        latest.clone()
    }
}

/// Whether the plugins were told to start.
fn started(moments: Moments) -> Check {
    let reason = match moments.started {
        Some(_) => "",
        None => "the plugins were not told to start yet",
    };
    Check {
        name: "started",
        passed: moments.started.is_some(),
        reason,
        since: moments.started.unwrap_or(moments.opened),
    }
}

/// Whether the server is not stopping.
fn serving(moments: Moments) -> Check {
    let reason = match moments.stopping {
        Some(_) => "the server is stopping",
        None => "",
    };
    Check {
        name: "serving",
        passed: moments.stopping.is_none(),
        reason,
        since: moments.stopping.unwrap_or(moments.opened),
    }
}

#[cfg(test)]
mod tests {
    use vectorizer_host_shim::PluginHost;

    use super::*;
    use crate::store::{DocumentStore, StoreOptions};

    #[tokio::test]
    async fn a_server_is_ready_from_when_its_plugins_were_told_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let store = DocumentStore::open(
            folder.path(),
            StoreOptions::default(),
            Arc::new(PluginHost::none()),
        )
        .unwrap();
        let life = Life::default();
        let readiness = Readiness::new(Arc::new(store), life.clone());
        let passed = |checks: [Check; 3]| checks.map(|check| (check.name, check.passed));
        assert_eq!(
            passed(readiness.checks().await),
            [("store", true), ("started", false), ("serving", true)]
        );
        assert!(!life.is_serving());
        life.started();
        assert!(life.is_serving() && readiness.checks().await.iter().all(|check| check.passed));
        life.stopping();
        life.started();
        assert!(!life.is_serving());
        assert_eq!(
            passed(readiness.checks().await),
            [("store", true), ("started", true), ("serving", false)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = DocumentStore::open(
            folder.path(),
            StoreOptions::default(),
            Arc::new(PluginHost::none()),
        )
        .unwrap();
        let life = Life::default();
        life.started();
        let readiness = Readiness::new(Arc::new(store), life);
        let hanging = Arc::clone(&readiness.turn).lock_owned().await;
        let [first, ..] = readiness.checks().await;
        assert_eq!((first.passed, first.reason), (false, "the store does not answer"));
        let [second, ..] = readiness.checks().await;
        assert_eq!(second.since, first.since, "it is the same as before");
        drop(hanging);
        let [after, ..] = readiness.checks().await;
        assert!(after.passed && after.reason.is_empty() && after.since >= first.since);
    }
}
