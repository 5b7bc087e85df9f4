//! The configuration file: the server's own section, `plugins`, and a section for each plugin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vectorizer_host_shim::api::model::JsonMap;

use crate::Failure;

/// What the server reads of the file, and all of it for the plugins.
pub(crate) struct Config {
    pub(crate) server: Server,
    /// All sections, references to the environment unresolved: the shim resolves those of its own and of plugins.
    pub(crate) document: JsonMap,
}

/// The section `server`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) bind: SocketAddr,
    pub(crate) data_dir: PathBuf,
    /// What `x-api-key` has to be. Without it everybody is the administrator.
    #[serde(default)]
    pub(crate) api_key: Option<String>,
}

impl Config {
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let document: JsonMap = serde_saphyr::from_str(&std::fs::read_to_string(file)?)?;
        let server = document.get("server").cloned().unwrap_or_default();
        Ok(Self {
            server: serde_json::from_value(server).map_err(|error| format!("server: {error}"))?,
            document,
        })
    }
}
