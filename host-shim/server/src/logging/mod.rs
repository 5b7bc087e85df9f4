//! The server's log: one line an event on stderr, as text or as JSON.
//!
//! ```text
//! 2026-01-01T00:00:00.000000Z  WARN vectorizer_plugin_nexus::sync::link: Nexus is out of reach plugin="nexus" reason="refused"
//! {"timestamp":"2026-01-01T00:00:00.000000Z","level":"WARN","target":"vectorizer_plugin_nexus::sync::link","message":"Nexus is out of reach","plugin":"nexus","reason":"refused"}
//! ```
//!
//! A plugin has its own copy of `tracing` and hands its lines over as text; they come out with their own target and fields
//! here, as the server's own do, and with `plugin` beside them.
//!
//! Invariants:
//! - An event is one line, whatever is in it: nobody can forge a line, or move a terminal's cursor from a text line.
//! - `timestamp`, `level`, `target`, `message` and `spans` of a JSON line are the log's; a field of such a name, or of one that
//!   is there already, comes as `field_<name>`.
//! - A line is written at once.

mod config;
mod layer;
mod line;
mod render;

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, registry};

pub use config::{LogConfig, LogFormat};
use layer::Lines;

/// Logs to stderr from now on. `RUST_LOG`, where it is set and can be read, wins over the configured filter. Only the first
/// call in a process counts.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| config.filter());
    let lines = Lines {
        format: config.format,
        coloured: std::io::stderr().is_terminal(),
        writer: std::io::stderr,
    };
    let _ = tracing::subscriber::set_global_default(registry().with(filter).with(lines));
}

#[cfg(test)]
mod tests;
