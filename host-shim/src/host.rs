//! The plugins of one server: opening, telling of changes, asking, shutting down.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vectorizer_plugin_api::library::PluginInstance;
use vectorizer_plugin_api::model::{CollectionEvent, JsonMap, Op};
use vectorizer_plugin_api::{Fault, FaultCode, Request, Responder, Response, Route, in_chunks};

use crate::calls::Call;
use crate::config::{ConfigError, ConfigFault, PluginsConfig};
use crate::error::HostError;
use crate::loaded::Loaded;
use crate::metrics;
use crate::plugin::{PluginEntry, PluginReport};
use crate::routes::{RouteMatch, RouteTable};
use crate::store::Store;

/// The plugins of one server.
pub struct PluginHost {
    /// False while no plugin takes hints: the one load that `notify` costs then.
    active: AtomicBool,
    entries: Vec<Arc<PluginEntry>>,
    routes: Arc<RouteTable>,
}

impl std::fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginHost")
            .field("plugins", &self.names())
            .finish_non_exhaustive()
    }
}

impl PluginHost {
    /// A host without plugins.
    #[must_use]
    pub fn none() -> Self {
        Self {
            active: AtomicBool::new(false),
            entries: Vec::new(),
            routes: Arc::default(),
        }
    }

    pub(crate) fn of(entries: Vec<PluginEntry>, routes: Arc<RouteTable>) -> Self {
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        Self {
            active: AtomicBool::new(entries.iter().any(|entry| entry.callable().is_some())),
            entries,
            routes,
        }
    }

    /// Loads and creates the plugins that `document` (the server's whole configuration) enables. `name` and
    /// `version` are the server's; plugins keep their files below `data_dir`. Hooks may be called from now on.
    ///
    /// # Errors
    /// [`HostError`]: a wrong configuration always, with all its faults; a plugin that cannot be loaded only where
    /// `plugins.fail_open` is false.
    pub fn open(name: &str, version: &str, document: &JsonMap, data_dir: &Path) -> Result<Self, HostError> {
        let config = PluginsConfig::from_document(document)?;
        Loaded::load(name, version, &config, document, data_dir).into_host()
    }

    /// The server's data is complete: callbacks answer from now on, plugins start their work.
    pub fn ready(&self, store: &Arc<dyn Store>) {
        for entry in &self.entries {
            let Some(running) = entry.callable() else { continue };
            running.context.open(Arc::clone(store));
            match entry.call(Call::Start, PluginInstance::start) {
                Ok(()) => entry.started(),
                Err(fault) => entry.fault(&format!("start: {fault}")),
            }
        }
    }

    /// Tells the plugins that documents changed. To be called after the change is committed; safe while locks of
    /// the store are held, since no plugin can call back from inside.
    pub fn notify(&self, collection: &str, op: Op, ids: &[&str]) {
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let Ok(()) = in_chunks(collection, op, micros, ids, |batch| {
            for entry in &self.entries {
                entry.notify(batch);
            }
            Ok::<(), std::convert::Infallible>(())
        });
        // Where none has any use for hints, the next call costs one load.
        if !self.entries.iter().any(|entry| entry.listens()) {
            self.active.store(false, Ordering::Release);
        }
    }

    /// Tells the plugins of something that happened to a whole collection.
    pub fn collection_event(&self, event: &CollectionEvent<'_>) {
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        for entry in &self.entries {
            entry.collection_event(event);
        }
    }

    /// The routes that plugins registered, with the plugin's name.
    #[must_use]
    pub fn routes(&self) -> Vec<(String, Route)> {
        self.routes.all()
    }

    /// Which plugin a request is for, and who may make it.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> RouteMatch {
        self.routes.find(method, path)
    }

    /// Hands an authorised request to the plugin that [`route`](Self::route) named.
    pub fn http(&self, plugin: &str, request: Request, responder: Responder) {
        match self.entry(plugin) {
            Some(entry) => entry.http(request, responder),
            None => responder.respond(Response::json_error(404, "not_found", "no such plugin")),
        }
    }

    /// The shim's metrics and all plugins' in the Prometheus text format. Families that are malformed, foreign to
    /// their plugin or already there are left out; a plugin that is slow or fails is left out of this scrape.
    #[must_use]
    pub fn metrics(&self) -> String {
        metrics::gather(&self.entries)
    }

    /// How each plugin does. All are asked for their health at once and have half a second together; one that is late is
    /// asked again only after it answered.
    #[must_use]
    pub fn reports(&self) -> Vec<PluginReport> {
        let asked: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry, entry.callable().map(|_| entry.ask_health())))
            .collect();
        asked
            .into_iter()
            .map(|(entry, health)| entry.report(health))
            .collect()
    }

    /// The plugins that the configuration enabled, running or not.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.name()).collect()
    }

    /// The plugins whose file could be read, each with the top-level section of the configuration that it reads.
    #[must_use]
    pub fn config_sections(&self) -> Vec<(&str, &str)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((entry.name(), entry.handshake()?.config_section.as_str())))
            .collect()
    }

    /// What is wrong with the sections that plugins of this host would get out of `document`, as far as the host can
    /// tell without them. `config` is its section `plugins`.
    #[must_use]
    pub fn section_faults(&self, config: &PluginsConfig, document: &JsonMap) -> Vec<ConfigFault> {
        let sections = self.config_sections().into_iter();
        sections
            .filter(|(plugin, _)| config.enabled.iter().any(|name| name == plugin))
            .filter_map(|(plugin, section)| config.section_of(plugin, section, document).err())
            .flat_map(ConfigError::into_faults)
            .collect()
    }

    /// Hands a changed configuration to a running plugin.
    ///
    /// # Errors
    /// [`FaultCode::NotFound`] for an unknown plugin, [`FaultCode::Invalid`] naming the wrong keys,
    /// [`FaultCode::Closed`] for a plugin that does not run; what the plugin answers otherwise. The old configuration
    /// stays in force then.
    pub fn reload(&self, plugin: &str, document: &JsonMap) -> Result<(), Fault> {
        let entry = self.entry(plugin).ok_or(FaultCode::NotFound)?;
        let invalid = |error: ConfigError| Fault::new(FaultCode::Invalid, error.to_string());
        let section = entry
            .handshake()
            .map_or("", |handshake| handshake.config_section.as_str());
        let config = PluginsConfig::from_document(document).map_err(invalid)?;
        let config = config.section_of(plugin, section, document).map_err(invalid)?;
        entry.call(Call::Reload, |instance| instance.reload(&config.to_string()))?;
        entry.listen();
        self.active.store(true, Ordering::Release);
        Ok(())
    }

    /// Stops all plugins: first none takes new hints, then each finishes or saves its work within `deadline`
    /// (shared by all). Afterwards their callbacks answer [`FaultCode::Closed`] and the store is not used.
    pub fn shutdown(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        self.active.store(false, Ordering::Release);
        for entry in &self.entries {
            entry.stop_intake();
        }
        for entry in &self.entries {
            entry.drain(end.saturating_duration_since(Instant::now()));
        }
    }

    fn entry(&self, plugin: &str) -> Option<&Arc<PluginEntry>> {
        self.entries.iter().find(|entry| entry.name() == plugin)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::json;

    use super::*;

    #[test]
    fn without_plugins_nobody_is_told_and_nobody_answers() {
        let host = PluginHost::none();
        assert_eq!(format!("{host:?}"), "PluginHost { plugins: [], .. }");
        assert!(host.reports().is_empty() && host.config_sections().is_empty());
        assert_eq!(host.route("GET", "/anything"), RouteMatch::NotFound);
        let (send, receive) = mpsc::channel();
        let request = Request {
            method: "GET".to_owned(),
            path: "/anything".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            caller: vectorizer_plugin_api::Caller {
                role: vectorizer_plugin_api::Role::Anonymous,
                name: String::new(),
            },
        };
        host.http(
            "absent",
            request,
            Responder::new(move |response| send.send(response.status).unwrap()),
        );
        assert_eq!(receive.recv().unwrap(), 404);
        let fault = host.reload("absent", json!({}).as_object().unwrap()).unwrap_err();
        assert_eq!(fault.code, FaultCode::NotFound);
        host.shutdown(Duration::ZERO);
    }
}
