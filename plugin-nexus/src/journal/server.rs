//! What the journal remembers of the server across runs of the host.

use crate::domains::VectorModel;
use serde::{Deserialize, Serialize};

use super::{Journal, JournalError};

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

impl Journal {
    /// The name of this installation: 32 hex digits, the same for ever.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn installation(&self) -> Result<String, JournalError> {
        self.disk.installation()
    }

    /// The server that was checked last.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn checked_server(&self) -> Result<Option<CheckedServer>, JournalError> {
        self.disk.checked_server()
    }

    /// Remembers the server that was checked.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_checked_server(&self, server: &CheckedServer) -> Result<(), JournalError> {
        self.disk.set_checked_server(server)
    }

    /// The last move of the canary that was acknowledged; 0 before the first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn canary(&self) -> Result<u64, JournalError> {
        self.disk.canary()
    }

    /// Remembers a move of the canary.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_canary(&self, number: u64) -> Result<(), JournalError> {
        self.disk.set_canary(number)
    }

    /// Whether the graph may hold edges that were retracted softly.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn has_retracted(&self) -> Result<bool, JournalError> {
        self.disk.has_retracted()
    }

    /// Says whether it may.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_retracted(&self, retracted: bool) -> Result<(), JournalError> {
        self.disk.set_retracted(retracted)
    }

    /// What was learned from labelled documents.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn taught_model(&self) -> Result<Option<VectorModel>, JournalError> {
        self.disk.taught_model()
    }

    /// Remembers what was learned; `None`: nothing.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_taught_model(&self, model: Option<&VectorModel>) -> Result<(), JournalError> {
        self.disk.set_taught_model(model)
    }
}
