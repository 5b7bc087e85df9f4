//! What can go wrong between a host and its plugins.

use std::path::PathBuf;

use vectorizer_plugin_api::Fault;
use vectorizer_plugin_api::handshake::Refusal;
use vectorizer_plugin_api::library::LibraryError;

use crate::config::ConfigError;
use crate::trust::TrustError;

/// Why a host cannot open.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The section `plugins` is wrong, or a plugin found its own section wrong. Never tolerated: a typing error must
    /// not pass for a choice.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
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
    /// The plugin's section of the configuration is wrong.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The plugin's own code failed.
    #[error("the plugin failed to start: {0}")]
    Plugin(Fault),
}

impl LoadError {
    /// What kind of error it is, in a word of a closed set, for metrics: `trust`, `library`, `handshake`, `name`, `data_dir`,
    /// `config` or `plugin`.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Trust(_) => "trust",
            Self::Library { .. } => "library",
            Self::Refused { .. } => "handshake",
            Self::Name { .. } => "name",
            Self::DataDir { .. } => "data_dir",
            Self::Config(_) => "config",
            Self::Plugin(_) => "plugin",
        }
    }
}
