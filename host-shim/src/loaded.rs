//! The plugins of a configuration between loading and running.
//!
//! Invariant: the only way from here to a host leads past the faults of the configuration; all of them are found
//! before one is acted on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vectorizer_plugin_api::handshake::Handshake;
use vectorizer_plugin_api::model::JsonMap;

use crate::config::{ConfigError, ConfigFault, PluginsConfig};
use crate::error::{HostError, LoadError};
use crate::host::PluginHost;
use crate::loader::Loader;
use crate::plugin::PluginEntry;
use crate::routes::RouteTable;

/// How long plugins that were created, but are not wanted, get to close their files. None has begun its work.
const DISCARD: Duration = Duration::from_secs(20);

/// Plugins that were loaded, and what they find wrong with their configuration.
#[derive(Debug)]
pub struct Loaded {
    host: PluginHost,
    faults: Vec<ConfigFault>,
    /// The first plugin that cannot run although it must.
    failure: Option<HostError>,
}

impl Loaded {
    /// Loads and creates the plugins that `config` enables, one that refuses its configuration or cannot be loaded
    /// notwithstanding. The rest is as for [`PluginHost::open`].
    #[must_use]
    pub fn load(
        name: &str,
        version: &str,
        config: &PluginsConfig,
        document: &JsonMap,
        data_dir: &Path,
    ) -> Self {
        let routes = Arc::<RouteTable>::default();
        let loader = Loader {
            config,
            document,
            data_dir,
            host: &Handshake::own(name, version),
            routes: &routes,
        };
        let mut entries = Vec::new();
        let mut faults = Vec::new();
        let mut failure = None;
        for plugin in &config.enabled {
            let (entry, error) = attempt(&loader, plugin);
            entries.push(entry);
            match error {
                None => {}
                Some(LoadError::Config(error)) => faults.extend(error.into_faults()),
                Some(error) if config.fail_open.0 => {
                    tracing::error!(plugin, %error, "plugin refused; the host runs on without it");
                }
                Some(source) => {
                    failure.get_or_insert(HostError::Plugin {
                        plugin: plugin.clone(),
                        source,
                    });
                }
            }
        }
        Self {
            host: PluginHost::of(entries, routes),
            faults,
            failure,
        }
    }

    /// What is wrong with the plugins' sections.
    #[must_use]
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }

    /// See [`PluginHost::config_sections`].
    #[must_use]
    pub fn config_sections(&self) -> Vec<(&str, &str)> {
        self.host.config_sections()
    }

    /// The host, unless something is wrong.
    ///
    /// # Errors
    /// [`HostError`], as for [`PluginHost::open`]; the plugins are ended then.
    pub fn into_host(mut self) -> Result<PluginHost, HostError> {
        let faults = std::mem::take(&mut self.faults);
        let error = match (ConfigError::refuse(faults), self.failure.take()) {
            (Ok(()), None) => return Ok(self.host),
            (Ok(()), Some(failure)) => failure,
            (Err(error), _) => error.into(),
        };
        self.discard();
        Err(error)
    }

    /// Ends the plugins: they are not wanted.
    pub fn discard(self) {
        self.host.shutdown(DISCARD);
    }
}

fn attempt(loader: &Loader<'_>, plugin: &str) -> (PluginEntry, Option<LoadError>) {
    let candidate = match loader.inspect(plugin) {
        Ok(candidate) => candidate,
        Err(error) => return (PluginEntry::refused(plugin, None, &error), Some(error)),
    };
    match loader.create(plugin, &candidate) {
        Ok(running) => (PluginEntry::loaded(plugin, candidate.handshake, running), None),
        Err(error) => (
            PluginEntry::refused(plugin, Some(candidate.handshake), &error),
            Some(error),
        ),
    }
}
