//! What the journal remembers of the server across runs of the host.

use serde::{Deserialize, Serialize};

/// The server that was checked last, and what was found on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedServer {
    /// Its version.
    pub version: String,
    /// When the process that was found sound started: Unix milliseconds, as well as its whole seconds of uptime tell. `None`
    /// as soon as another process was seen.
    pub started_millis: Option<i64>,
    /// Document nodes without a key: strangers then, a sign of damage when there are more after a restart.
    pub unreadable: u64,
}
