//! A session: statements to one process of Nexus, and to no other.
//!
//! It has connections of its own, all made behind the fence (`fence.rs`). It ends when another process answers, or
//! when it is told to, and stays so: what is to be written then belongs to a new session, after the graph was checked.
//! A statement that is under way when the session ends is not called back; it can reach no other process. Every attempt
//! at a statement takes its turn by the server's [`Pace`](super::Pace), which learns of every overload.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::Url;

use super::answer::Rows;
use super::client::NexusClient;
use super::error::NexusError;
use super::exchange::Exchange;
use super::fence::{Fence, Gate};
use super::process::Process;
use super::retry::{RetryPolicy, retrying};
use crate::graph::Statement;

/// Statements to one process of Nexus and to no other. It ends when another process answers, and stays ended.
#[derive(Debug)]
pub struct Session {
    client: Arc<NexusClient>,
    gate: Arc<Gate>,
    exchange: Exchange,
    cypher: Url,
    retry: RetryPolicy,
    slots: Semaphore,
}

impl Session {
    pub(super) fn open(client: &Arc<NexusClient>, process: Process) -> Result<Self, NexusError> {
        if !process.is_settled() {
            return Err(NexusError::Unsettled);
        }
        let gate = Arc::new(Gate::new(Arc::clone(client), process));
        let fence = Fence(Arc::clone(&gate));
        Ok(Self {
            exchange: client
                .wire
                .exchange(client.pool_size, |builder| builder.connector_layer(fence))?,
            client: Arc::clone(client),
            gate,
            cypher: client.addresses.cypher.clone(),
            retry: client.retry,
            slots: Semaphore::new(client.pool_size),
        })
    }

    /// Runs one statement, repeating it while the server answers that it is busy or failed, and the policy allows.
    ///
    /// # Errors
    ///
    /// The error of the last attempt, see [`NexusError::may_have_been_applied`]; [`NexusError::SessionEnded`] when this
    /// attempt was not made because the session has ended. An attempt before it may have been applied to the process
    /// that is gone.
    pub async fn run(&self, statement: &Statement) -> Result<Rows, NexusError> {
        let name = statement.name();
        let body = serde_json::to_vec(&json!({"query": statement.text(), "params": statement.params()}))
            .map_err(|error| NexusError::setup(format!("`{name}` cannot be serialised: {error}")))?;
        let body = Bytes::from(body);
        let span = tracing::debug_span!("statement", statement = name);
        retrying(&self.retry, rand::random::<f64>, || {
            self.attempt(body.clone(), statement)
        })
        .instrument(span)
        .await
    }

    async fn attempt(&self, body: Bytes, statement: &Statement) -> Result<Rows, NexusError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| NexusError::setup("the session is closed"))?;
        if self.is_ended() {
            return Err(NexusError::SessionEnded);
        }
        let pace = self.client.pace();
        pace.statement(self.retry.cap)
            .await
            .map_err(|wait| NexusError::Paused { wait })?;
        if self.is_ended() {
            return Err(NexusError::SessionEnded);
        }
        let answer = self.exchanged(body, statement).await;
        self.client.heed(answer)
    }

    async fn exchanged(&self, body: Bytes, statement: &Statement) -> Result<Rows, NexusError> {
        let (begun, name) = (Instant::now(), statement.name());
        let answer = self.exchange_once(body, name).await;
        let answer = answer.map_err(|error| error.without_echo(statement.params()));
        let took = begun.elapsed();
        if let Some(figures) = &self.client.figures {
            figures.count(name, &answer, took);
        }
        let took_ms = took.as_secs_f64() * 1e3;
        match &answer {
            Ok(rows) => tracing::debug!(took_ms, rows = rows.rows().len(), "a statement was answered"),
            Err(error) => tracing::debug!(took_ms, %error, "a statement failed"),
        }
        answer
    }

    async fn exchange_once(&self, body: Bytes, name: &'static str) -> Result<Rows, NexusError> {
        let response = match self.exchange.post(&self.cypher, body, name).await {
            // Refused at the fence, or not even connected.
            Err(NexusError::Unreachable { .. }) if self.is_ended() => return Err(NexusError::SessionEnded),
            other => other?,
        };
        Rows::of(&self.exchange.good(response, name)?, name, self.exchange.secret())
    }

    /// Whether statements have to wait for each other, so that their time tells nothing of the server.
    pub fn is_paced(&self) -> bool {
        self.client.pace().is_limited()
    }

    /// The process, as exactly as it is known by now.
    pub fn process(&self) -> Process {
        self.gate.process()
    }

    /// Takes a look into account that was made after the session was opened: the session ends when it is not proved to be
    /// of the same process. Says whether the session goes on.
    pub fn observe(&self, seen: &Process) -> bool {
        self.gate.observe(seen)
    }

    /// Ends the session: no further statement is sent.
    pub fn end(&self) {
        self.gate.end();
    }

    /// Whether the session has ended.
    pub fn is_ended(&self) -> bool {
        self.gate.is_ended()
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
