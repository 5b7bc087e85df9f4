//! The HTTP client for Nexus.
//!
//! It sends statements of the catalogue and nothing else, and turns everything that can go wrong
//! into one [`NexusError`] whose [`FaultClass`] says what to do. Invariants: an answer counts only
//! when it is complete; only idempotent statements are sent, so every transient fault may be
//! retried; no secret and no payload ever reaches an error or a log line.

mod client;
mod config;
mod error;
#[cfg(test)]
mod faulty_server;
mod retry;
mod tls;

pub use client::{NexusClient, Rows, ServerHealth, ServerStats};
pub use config::{ApiKey, NexusConfig};
pub use error::{FaultClass, NexusError};
pub use retry::RetryPolicy;
