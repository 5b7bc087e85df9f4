//! The HTTP client for Nexus.
//!
//! It sends statements of the catalogue and nothing else, each to a process of Nexus that was checked and to no other,
//! and turns everything that can go wrong into one [`NexusError`] whose [`FaultClass`] says what to do.
//!
//! - [`NexusClient`]: looks who listens ([`Process`]), and opens a [`Session`] with it;
//! - [`Session`]: runs statements behind the fence, which lets no connection through to another process;
//! - [`Pace`]: how fast that is done;
//! - `fault`: the one table from evidence to fault and blame.
//!
//! Invariants: a statement reaches the process of its session or none; an answer counts only when it is complete; only
//! idempotent statements are sent, so every transient fault may be retried; no secret and no payload ever reaches an
//! error or a log line.

mod address;
mod answer;
mod client;
mod config;
mod echo;
mod error;
mod exchange;
mod fault;
#[cfg(test)]
mod faulty_server;
mod fence;
mod figures;
mod pace;
mod process;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
#[cfg(test)]
mod redaction_tests;
mod retry;
mod session;
mod throttle;
mod tls;

pub use answer::{Rows, ServerStats};
pub use client::NexusClient;
pub(crate) use config::REDACTED;
pub use config::{ApiKey, Auth, NexusConfig};
pub use error::NexusError;
pub(crate) use error::in_one_line;
pub(crate) use exchange::{plain_client, retry_after};
pub use fault::{Blame, FaultClass};
pub use figures::StatementFigures;
pub use pace::{Ceilings, LONGEST_PAUSE, Pace, PaceReport, Waits};
pub use process::Process;
pub use retry::RetryPolicy;
pub use session::Session;
pub(crate) use tls::client_config as client_tls;
