//! Whether Nexus may be written to: in reach, the process that was checked, and one that does what it says.
//!
//! ```text
//! Connecting -> Ready <-> Down        out of reach, and back: the same process goes on at once
//!                 |  \-> Degraded     it answers, and must not be written to; looked at again later
//!                 \----> (another process: check, probe) -> Ready
//! ```
//!
//! Lanes wait for `Ready` and take the [`Connection`] of that process from it. The supervisor brings the state about; lanes
//! only report what they met.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::audit::AuditReport;
use super::connection::Connection;
use crate::graph::Capabilities;

/// What is known of the way to Nexus.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// Not tried yet.
    Connecting,
    /// Statements may be sent.
    Ready(Arc<Connection>),
    /// Nexus answers, and nothing may be written: it cannot do what is needed, or what it holds is damaged.
    Degraded {
        /// Why, and what to do.
        reason: String,
    },
    /// Nexus is out of reach.
    Down {
        /// Why.
        reason: String,
    },
}

impl LinkState {
    /// The state's name in the status.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Ready(_) => "ready",
            Self::Degraded { .. } => "degraded",
            Self::Down { .. } => "down",
        }
    }

    /// Why nothing is written, where nothing is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Connecting | Self::Ready(_) => None,
            Self::Degraded { reason } | Self::Down { reason } => Some(reason),
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    state: watch::Sender<LinkState>,
    capabilities: Mutex<Option<Arc<Capabilities>>>,
    audit: Mutex<Option<Arc<AuditReport>>>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(LinkState::Connecting),
            capabilities: Mutex::default(),
            audit: Mutex::default(),
        }
    }
}

impl Link {
    /// What is known now.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// What the last probe found, whether or not it is enough.
    pub fn capabilities(&self) -> Option<Arc<Capabilities>> {
        self.capabilities.lock().clone()
    }

    /// What the last check after a restart found.
    pub fn audit(&self) -> Option<Arc<AuditReport>> {
        self.audit.lock().clone()
    }

    /// Whether statements may be sent now.
    pub fn is_ready(&self) -> bool {
        matches!(&*self.state.borrow(), LinkState::Ready(_))
    }

    /// Waits until statements may be sent.
    pub async fn ready(&self) -> Arc<Connection> {
        let mut states = self.state.subscribe();
        loop {
            if let LinkState::Ready(connection) = &*states.borrow_and_update() {
                return Arc::clone(connection);
            }
            // The sender is this object's own, so the channel does not close.
            let _ = states.changed().await;
        }
    }

    /// A statement found no answer.
    pub fn lost(&self, reason: &str) {
        self.leave(
            LinkState::Down {
                reason: reason.to_owned(),
            },
            "Nexus is out of reach; changes are journaled until it is back",
        );
    }

    /// Nobody answers, whatever was known before.
    pub(super) fn out_of_reach(&self, reason: &str) {
        if matches!(self.state(), LinkState::Degraded { .. }) {
            self.set_down(reason);
        } else {
            self.lost(reason);
        }
    }

    /// What Nexus did or said cannot be trusted. Ends its session, so that nothing more is written.
    pub fn trip(&self, connection: &Connection, reason: &str) {
        connection.graph.session().end();
        self.degrade(reason);
    }

    /// Nexus answers and must not be written to.
    pub(super) fn degrade(&self, reason: &str) {
        self.leave(
            LinkState::Degraded {
                reason: reason.to_owned(),
            },
            "Nexus cannot be written to; changes are journaled",
        );
    }

    fn leave(&self, next: LinkState, message: &str) {
        self.state.send_if_modified(|state| {
            // A worse state is not made better by a lane that meets its consequences.
            if matches!(
                (&*state, &next),
                (LinkState::Degraded { .. }, LinkState::Down { .. })
            ) {
                return false;
            }
            let changed = state.name() != next.name() || state.reason() != next.reason();
            if changed {
                tracing::warn!(reason = next.reason().unwrap_or_default(), "{message}");
            }
            *state = next.clone();
            changed
        });
    }

    pub(super) fn set_ready(&self, connection: Arc<Connection>) {
        self.state.send_replace(LinkState::Ready(connection));
    }

    /// Whatever was known holds no longer.
    pub(super) fn set_down(&self, reason: &str) {
        self.state.send_replace(LinkState::Down {
            reason: reason.to_owned(),
        });
    }

    pub(super) fn set_capabilities(&self, capabilities: Arc<Capabilities>) {
        *self.capabilities.lock() = Some(capabilities);
    }

    pub(super) fn set_audit(&self, report: Arc<AuditReport>) {
        *self.audit.lock() = Some(report);
    }

    /// Waits until the state is no longer `Ready`.
    pub(super) async fn left(&self) {
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| !matches!(state, LinkState::Ready(_)))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_finds_no_answer_does_not_hide_why_nothing_is_written() {
        let link = Link::default();
        link.degrade("no right form");
        link.lost("connection refused");
        assert_eq!(link.state().name(), "degraded");
        assert_eq!(link.state().reason(), Some("no right form"));
        // The supervisor knows better.
        link.out_of_reach("connection refused");
        assert_eq!(
            (link.state().name(), link.state().reason()),
            ("down", Some("connection refused"))
        );
        link.degrade("damaged");
        assert_eq!(link.state().reason(), Some("damaged"));
    }

    #[tokio::test]
    async fn nobody_gets_a_connection_before_there_is_one() {
        let link = Link::default();
        link.lost("away");
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), link.ready()).await;
        assert!(waited.is_err());
    }
}
