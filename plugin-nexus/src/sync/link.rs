//! Whether Nexus may be written to: reachable, indexes made, and the process we know.
//!
//! Lanes wait while the link is down. One supervisor brings it up, and watches `/health`: an uptime that fell says that
//! Nexus was restarted, and then the journal begins a new epoch and everything is compared again
//! (`contracts/nexus-dialect.md` section 2).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::context::Context;
use crate::graph::GraphError;
use crate::nexus::NexusError;

/// How often a Nexus that answers is looked at.
const WATCH: Duration = Duration::from_secs(1);
/// First wait after a failed attempt to reach it.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What is known of the way to Nexus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not tried yet.
    Connecting,
    /// Statements may be sent.
    Ready {
        /// Nexus's version.
        version: String,
    },
    /// Not now.
    Down {
        /// Why.
        reason: String,
    },
}

/// See the [module](self).
#[derive(Debug)]
pub struct Link {
    state: watch::Sender<LinkState>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(LinkState::Connecting),
        }
    }
}

impl Link {
    /// What is known now.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// Waits until statements may be sent.
    pub async fn ready(&self) {
        // The sender is this object's own, so the channel does not close.
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| matches!(state, LinkState::Ready { .. }))
            .await;
    }

    /// A statement failed by no fault of its own.
    pub fn lost(&self, reason: &str) {
        self.state.send_if_modified(|state| {
            let was_up = matches!(state, LinkState::Ready { .. });
            if was_up {
                tracing::warn!(
                    reason,
                    "Nexus is out of reach; changes are journaled until it is back"
                );
            }
            *state = LinkState::Down {
                reason: reason.to_owned(),
            };
            was_up
        });
    }

    async fn down(&self) {
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| !matches!(state, LinkState::Ready { .. }))
            .await;
    }
}

/// Brings the link up, again and again, until `stop` says true.
pub(super) async fn supervise(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let cap = Duration::from_millis(context.config.sync.max_retry_delay_ms);
    let mut wait = FIRST_WAIT;
    while !*stop.borrow_and_update() {
        let pause = match connect(&context).await {
            Ok(()) => {
                wait = FIRST_WAIT;
                WATCH
            }
            Err(error) => {
                context.link.lost(&error.to_string());
                // Fifty to a hundred percent, so that several plugins do not come back at once.
                let jittered = wait.mul_f64(rand::random_range(0.5..=1.0));
                wait = (wait * 2).min(cap);
                jittered
            }
        };
        let up = matches!(context.link.state(), LinkState::Ready { .. });
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(pause) => {}
            () = context.link.down(), if up => tokio::time::sleep(FIRST_WAIT).await,
        }
    }
}

async fn connect(context: &Context) -> Result<(), GraphError> {
    let client = context.graph.client();
    let process = client.look().await?;
    let session = context.graph.session();
    if session.as_ref().is_none_or(|session| !session.observe(&process)) {
        if !process.is_settled() {
            return Err(NexusError::Unsettled.into());
        }
        if session.is_some() {
            tracing::warn!(
                version = process.version(),
                "Nexus was restarted; what it holds is compared again"
            );
            match context.journal.next_epoch() {
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the journal cannot begin a new epoch"),
            }
        }
        context.graph.use_session(client.session(process.clone())?);
        // Indexes are made again below.
        context.link.lost("restarted");
    }
    if matches!(context.link.state(), LinkState::Ready { .. }) {
        return Ok(());
    }
    context.graph.ensure_indexes().await?;
    tracing::info!(version = process.version(), "Nexus is in reach");
    context.link.state.send_replace(LinkState::Ready {
        version: process.version().to_owned(),
    });
    Ok(())
}
