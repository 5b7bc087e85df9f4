//! From a name in the configuration to a created plugin.
//!
//! Invariant: nothing of a file runs before it is trusted and its handshake accepted.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use vectorizer_plugin_api::handshake::Handshake;
use vectorizer_plugin_api::library::{PluginLibrary, read_handshake};
use vectorizer_plugin_api::model::JsonMap;
use vectorizer_plugin_api::{FaultCode, Host, Setup};

use crate::config::{ConfigError, PluginsConfig};
use crate::context::HostContext;
use crate::error::LoadError;
use crate::plugin::Running;
use crate::routes::RouteTable;
use crate::trust::{self, CheckedImage};

/// What all plugins of a host are loaded with.
pub(crate) struct Loader<'a> {
    pub(crate) config: &'a PluginsConfig,
    pub(crate) document: &'a JsonMap,
    pub(crate) data_dir: &'a Path,
    pub(crate) host: &'a Handshake,
    pub(crate) routes: &'a Arc<RouteTable>,
}

/// A plugin file that is trusted and goes together with the host. Nothing of it ran yet.
pub(crate) struct Candidate {
    image: CheckedImage,
    pub(crate) handshake: Handshake,
}

impl Loader<'_> {
    /// Checks and reads the file of the plugin `name`, and judges its handshake.
    pub(crate) fn inspect(&self, name: &str) -> Result<Candidate, LoadError> {
        let image = trust::check(self.config, name)?;
        let path = || image.path().to_owned();
        let handshake =
            read_handshake(image.bytes()).map_err(|source| LoadError::Library { path: path(), source })?;
        if handshake.name != name {
            return Err(LoadError::Name {
                path: path(),
                found: handshake.name,
                expected: name.to_owned(),
            });
        }
        let remarks = self
            .host
            .accept(&handshake)
            .map_err(|source| LoadError::Refused { path: path(), source })?;
        for remark in remarks {
            tracing::warn!(plugin = name, %remark, "plugin accepted with a remark");
        }
        Ok(Candidate { image, handshake })
    }

    /// Loads and creates a plugin.
    pub(crate) fn create(&self, name: &str, candidate: &Candidate) -> Result<Running, LoadError> {
        let Candidate { image, handshake } = candidate;
        let path = || image.path().to_owned();
        let config = self
            .config
            .section_of(name, &handshake.config_section, self.document)?;
        let data_dir = self.data_dir.join("plugins").join(name);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data_dir)
            .map_err(|error| LoadError::DataDir {
                path: data_dir.clone(),
                reason: error.to_string(),
            })?;

        let library = PluginLibrary::load(&image.seal()?, handshake)
            .map_err(|source| LoadError::Library { path: path(), source })?;
        let context = HostContext::leaked(name, Arc::clone(self.routes));
        let setup = Setup {
            config: &config.to_string(),
            data_dir: &data_dir,
        };
        let created = library.create(Host::new(context), setup);
        context.created();
        let instance = created.map_err(|fault| {
            self.routes.withdraw(name);
            context.close();
            if fault.code == FaultCode::Invalid {
                LoadError::Config(ConfigError::of_plugin(&handshake.config_section, &fault.message))
            } else {
                LoadError::Plugin(fault)
            }
        })?;
        tracing::info!(plugin = name, version = handshake.version, file = %image.path().display(), "plugin loaded");
        Ok(Running { instance, context })
    }
}
