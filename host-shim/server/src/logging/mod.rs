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
    let (filter, unusable) = match std::env::var(EnvFilter::DEFAULT_ENV) {
        // One that is empty would take errors only, which nobody means.
        Ok(text) if !text.trim().is_empty() => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(error) => (config.filter(), Some(error)),
        },
        _ => (config.filter(), None),
    };
    let lines = Lines {
        format: config.format,
        coloured: std::io::stderr().is_terminal(),
        writer: std::io::stderr,
    };
    let _ = tracing::subscriber::set_global_default(registry().with(filter).with(lines));
    if let Some(error) = unusable {
        tracing::warn!(%error, "RUST_LOG cannot be used; the configured filter is");
    }
}

#[cfg(test)]
mod tests;
