//! What can go wrong between a host and its plugins.

use std::path::PathBuf;

use vectorizer_plugin_api::handshake::Refusal;
use vectorizer_plugin_api::library::LibraryError;
use vectorizer_plugin_api::{Fault, FaultCode};

use crate::config::ConfigError;
use crate::trust::TrustError;

/// Why a host cannot open.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The configuration is wrong. The message names the key.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// A plugin found its configuration wrong. Never tolerated: a typing error must not pass for a choice.
    #[error("plugin '{plugin}': configuration: {message}")]
    PluginConfig {
        /// The plugin.
        plugin: String,
        /// What is wrong, naming the key.
        message: String,
    },
    /// A plugin cannot run, and `plugins.fail_open` is false.
    #[error("plugin '{plugin}': {source} (plugins.fail_open is false)")]
    Plugin {
        /// The plugin.
        plugin: String,
        /// Why.
        source: LoadError,
    },
}

/// Why a plugin cannot run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file or its place cannot be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The file is no plugin, or one that cannot be called.
    #[error("{path}: {source}")]
    Library {
        /// The file.
        path: PathBuf,
        /// Why.
        source: LibraryError,
    },
    /// Host and plugin do not go together.
    #[error("{path}: {source}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Both sides' values.
        source: Refusal,
    },
    /// The file holds another plugin than its name says.
    #[error("{path}: the file holds the plugin '{found}', expected '{expected}'")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name in its handshake.
        found: String,
        /// The name in the configuration.
        expected: String,
    },
    /// The plugin's folder cannot be made.
    #[error("data directory {path}: {reason}")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The plugin's own code failed.
    #[error("the plugin failed to start: {0}")]
    Plugin(Fault),
}

impl LoadError {
    /// The message of a plugin that found its configuration wrong.
    pub(crate) fn config_message(&self) -> Option<&str> {
        match self {
            Self::Plugin(fault) if fault.code == FaultCode::Invalid => Some(&fault.message),
            _ => None,
        }
    }
}
