//! The fence: no connection of a session leads to another process than the session's.
//!
//! A connection, once made, leads to one process for as long as it lives. But whose it is cannot be seen from it, and a
//! pool opens new ones silently. So the fence stands in the connector: after a connection was made, and before the
//! first byte of a statement goes over it, it looks who listens. If that is the session's process, then so it was when
//! the connection was made, because a predecessor does not come back. If it is not proved to be, the session ends. If
//! nobody answers, the connection is refused and nothing else is concluded.
//!
//! This holds for a server that is connected to directly. A gateway that passes requests on over connections of its own
//! can send a statement to a process that its `/health` did not show.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use thiserror::Error;
use tower_layer::Layer;
use tower_service::Service;

use super::client::NexusClient;
use super::error::NexusError;
use super::process::Process;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which process a session is for, and whether it still is.
#[derive(Debug)]
pub(super) struct Gate {
    client: Arc<NexusClient>,
    process: Mutex<Process>,
    ended: AtomicBool,
}

/// Why a connection was refused.
#[derive(Debug, Error)]
enum Refused {
    #[error("the process that this session is for is not there any more")]
    Ended,
    // Not a source: this text is what is shown, and the inner one is in it.
    #[error("who listens cannot be seen: {0}")]
    Unseen(NexusError),
}

impl Gate {
    pub(super) fn new(client: Arc<NexusClient>, process: Process) -> Self {
        Self {
            client,
            process: Mutex::new(process),
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn process(&self) -> Process {
        self.process.lock().clone()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Takes a look into account. Says whether the session goes on.
    pub(super) fn observe(&self, seen: &Process) -> bool {
        let mut process = self.process.lock();
        if process.is_same(seen) {
            *process = process.narrowed(seen);
        } else if !self.ended.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                known = %process.started_at(),
                seen = %seen.started_at(),
                version = seen.version(),
                "another process of Nexus answers, or cannot be told from one; its session ends"
            );
        }
        !self.is_ended()
    }

    /// Whether a connection that was just made may be used.
    async fn pass(&self) -> Result<(), Refused> {
        if self.is_ended() {
            return Err(Refused::Ended);
        }
        let seen = self.client.look().await.map_err(Refused::Unseen)?;
        if self.observe(&seen) {
            Ok(())
        } else {
            Err(Refused::Ended)
        }
    }
}

/// Puts the fence around a connector.
#[derive(Debug, Clone)]
pub(super) struct Fence(pub(super) Arc<Gate>);

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, connector: S) -> Fenced<S> {
        Fenced {
            connector,
            gate: Arc::clone(&self.0),
        }
    }
}

/// A connector behind the fence. Its request, an address, has a type without a name.
#[derive(Debug, Clone)]
pub(super) struct Fenced<S> {
    connector: S,
    gate: Arc<Gate>,
}

impl<S, Address> Service<Address> for Fenced<S>
where
    S: Service<Address, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, address: Address) -> Self::Future {
        let connecting = self.connector.call(address);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let connection = connecting.await?;
            gate.pass().await?;
            Ok(connection)
        })
    }
}

#[cfg(test)]
#[path = "fence_tests.rs"]
mod tests;
