//! The client of one Nexus server: who is there, and what it counts.
//!
//! Statements go through a [`Session`], which is for one process. What is asked here is asked of whoever listens now:
//! every request has a connection of its own. A connection that was kept might lead to a process that is about to end
//! while its successor listens already.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use url::Url;

use super::address::Addresses;
use super::answer::{self, Health, Names, ServerStats, Stats};
use super::config::NexusConfig;
use super::error::NexusError;
use super::exchange::{Exchange, Wire};
use super::figures::StatementFigures;
use super::pace::Pace;
use super::process::Process;
use super::retry::RetryPolicy;
use super::session::Session;

/// The client of one Nexus server.
#[derive(Debug)]
pub struct NexusClient {
    pub(super) wire: Wire,
    pub(super) addresses: Addresses,
    pub(super) pool_size: usize,
    pub(super) retry: RetryPolicy,
    pub(super) figures: Option<StatementFigures>,
    pace: Pace,
    exchange: Exchange,
}

impl NexusClient {
    /// Prepares a client; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`NexusError::Setup`] when the address, the key, the CA file or the TLS set-up is unusable.
    pub fn new(config: NexusConfig) -> Result<Self, NexusError> {
        let addresses = Addresses::below(config.url.clone())?;
        let wire = Wire::new(&config, addresses.secure)?;
        Ok(Self {
            exchange: wire.exchange(0, |builder| builder)?,
            wire,
            addresses,
            pool_size: config.pool_size.max(1),
            retry: config.retry,
            figures: None,
            pace: Pace::new(config.ceilings),
        })
    }

    /// Counts statements there.
    #[must_use]
    pub fn counting(mut self, figures: StatementFigures) -> Self {
        self.figures = Some(figures);
        self
    }

    /// How fast this server is worked with.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Looks which process listens now: asks `/health`, once.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn look(&self) -> Result<Process, NexusError> {
        let sent = Instant::now();
        let body = self.get(&self.addresses.health, "health").await?;
        let (received, received_at) = (Instant::now(), Timestamp::now());
        let health: Health = answer::parse(&body, "health")?;
        Process::sighted(health.version, health.uptime_seconds, sent, received, received_at).ok_or_else(
            || NexusError::BadAnswer {
                request: "health",
                what: "the uptime is no time".to_owned(),
            },
        )
    }

    /// Asks for the server's counters, once.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn stats(&self) -> Result<ServerStats, NexusError> {
        let body = self.get(&self.addresses.stats, "stats").await?;
        answer::parse::<Stats>(&body, "stats").map(|stats| stats.catalog)
    }

    /// Asks for the names of all labels, once. `None` when the server cannot tell.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn labels(&self) -> Result<Option<Vec<String>>, NexusError> {
        self.names(&self.addresses.labels, "labels").await
    }

    /// Asks for the names of all types of edges, once. `None` when the server cannot tell.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn relationship_types(&self) -> Result<Option<Vec<String>>, NexusError> {
        self.names(&self.addresses.types, "types").await
    }

    async fn names(&self, url: &Url, what: &'static str) -> Result<Option<Vec<String>>, NexusError> {
        let response = self.exchange.get(url, what).await?;
        if response.status == 404 {
            return Ok(None);
        }
        let body = self.heed(self.exchange.good(response, what))?;
        let answer: Names = answer::parse(&body, what)?;
        answer::refuse_error(answer.error.as_ref(), what, self.exchange.secret())?;
        Ok(Some(answer.labels.into_iter().map(|named| named.name).collect()))
    }

    /// Opens a session with a process that was seen by [`NexusClient::look`]; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`NexusError::Unsettled`] when the process is too young to be told apart from a successor, else
    /// [`NexusError::Setup`].
    pub fn session(self: &Arc<Self>, process: Process) -> Result<Arc<Session>, NexusError> {
        Session::open(self, process).map(Arc::new)
    }

    async fn get(&self, url: &Url, name: &'static str) -> Result<Vec<u8>, NexusError> {
        let response = self.exchange.get(url, name).await?;
        self.heed(self.exchange.good(response, name))
    }

    /// Tells the pace of an overload.
    pub(super) fn heed<T>(&self, answer: Result<T, NexusError>) -> Result<T, NexusError> {
        if let Err(NexusError::Overloaded { retry_after, .. }) = &answer {
            self.pace.overloaded(*retry_after);
        }
        answer
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
