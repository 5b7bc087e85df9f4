//! In front of a Vectorizer that knows nothing of plugins: its requests are handed on, and what they change is found out.
//!
//! ```text
//! client -> proxy --------------------------------> Vectorizer
//!             | mutation: asked, effects                ^   ^
//!             v                                         |   |
//!         catalogue -> observer (hints, events)         |   |
//!             ^                                         |   |
//!           watch: one listing now and then ------------+   |
//!         plugins -> store (gated by the catalogue) -> api -+
//! ```
//!
//! What comes in by this server is known at once; what does not (gRPC, RPC, file watcher, boot loads) is found by the watch, as
//! long as it shows in the number of documents or the time of the last write, and by the comparisons that plugins make from time
//! to time.

mod answers;
mod api;
mod asked;
mod body;
mod callers;
mod catalogue;
mod config;
mod confirm;
mod effects;
mod ending;
mod exact;
mod fault;
mod headers;
mod id;
mod locks;
mod metrics;
mod mutation;
mod payload;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod proxy;
mod scan;
mod scope;
mod search;
mod session;
mod store;
mod unanswered;
mod watch;

use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use serde_json::Value;
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_host_shim::store::Store;
use vectorizer_plugin_api::model::JsonMap;

use crate::auth::Access;
use crate::backend::{Backend, Figures};
use crate::config::ServerConfig;
use api::Api;
use callers::{Callers, Recognition};
use catalogue::Catalogue;
use confirm::Confirmations;
use exact::Copies;
use locks::DocumentLocks;
use metrics::Counters;
use proxy::{Limits, Proxy};
use scan::Scans;
use store::UpstreamStore;
use watch::Watch;

pub use config::{UpstreamConfig, UpstreamUrl};
pub use metrics::described;

/// A Vectorizer, seen from in front of it.
pub struct Sidecar {
    api: Arc<Api>,
    catalogue: Arc<Catalogue>,
    store: Arc<UpstreamStore>,
    proxy: Arc<Proxy>,
    callers: Arc<Callers>,
    confirmations: Arc<Confirmations>,
    counters: Arc<Counters>,
    watch: Watch,
}

impl Sidecar {
    /// In front of the Vectorizer at `url`. Nothing is asked of it yet. `observer` is told of what changes.
    #[must_use]
    pub fn new(url: &UpstreamUrl, server: &ServerConfig, observer: Arc<dyn MutationObserver>) -> Self {
        let config = &server.upstream;
        let api = Arc::new(Api::new(url.clone(), config));
        let catalogue = Arc::new(Catalogue::new(observer, config.settle()));
        let locks = Arc::new(DocumentLocks::default());
        let counters = Arc::new(Counters::default());
        let confirmations = Arc::new(Confirmations::new(
            Arc::clone(&api),
            Arc::clone(&catalogue),
            Arc::clone(&counters),
        ));
        let limits = Limits {
            patience: config.timeout(),
            max_body_bytes: server.max_body_bytes,
        };
        let proxy = Proxy::new(
            url.authority().clone(),
            limits,
            Arc::clone(&catalogue),
            Arc::clone(&locks),
            Arc::clone(&confirmations),
            Arc::clone(&counters),
        );
        Self {
            store: Arc::new(UpstreamStore {
                api: Arc::clone(&api),
                catalogue: Arc::clone(&catalogue),
                locks,
                scans: Scans::default(),
                copies: Copies::new(config.exact_up_to),
            }),
            proxy: Arc::new(proxy),
            callers: Arc::new(Callers::new(Arc::clone(&api), server.api_key.is_none())),
            watch: Watch {
                api: Arc::clone(&api),
                catalogue: Arc::clone(&catalogue),
                counters: Arc::clone(&counters),
                interval: config.poll_interval(),
            },
            confirmations,
            api,
            catalogue,
            counters,
        }
    }

    /// Vectorizer, as plugins ask it.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    /// Begins to look after Vectorizer, on threads that end with [`stop`](Self::stop). `ready` is called when it can be asked for
    /// the first time.
    ///
    /// # Errors
    /// Where no thread can be made.
    pub fn start(self: &Arc<Self>, ready: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let confirming = Arc::clone(self);
        thread::Builder::new()
            .name("confirmations".to_owned())
            .spawn(move || confirming.confirmations.run())?;
        let watching = Arc::clone(self);
        thread::Builder::new()
            .name("upstream-watch".to_owned())
            .spawn(move || watching.watch.run(ready))?;
        Ok(())
    }

    /// Looks after it no longer. Calls of plugins are still answered.
    pub fn stop(&self) {
        self.catalogue.stop();
        self.confirmations.stop();
    }

    /// Whatever `beside` does not serve is handed on to Vectorizer; what it serves, routes of the plugins of `host` among it, it
    /// serves to whom Vectorizer knows.
    pub fn in_front(&self, beside: Router, host: &Arc<PluginHost>, access: &Access) -> Router {
        let proxy = Arc::clone(&self.proxy);
        let recognition = Recognition {
            access: access.clone(),
            callers: Arc::clone(&self.callers),
            host: Arc::clone(host),
        };
        beside
            .layer(from_fn_with_state(recognition, callers::recognize))
            .fallback(move |request: Request| proxy.forward(request))
    }
}

impl Backend for Sidecar {
    fn check(&self) -> Result<(), String> {
        self.catalogue.check().map_err(|error| error.to_string())
    }

    fn figures(&self) -> Option<Figures> {
        self.catalogue.check().ok()?;
        let (collections, documents) = self.catalogue.figures();
        Some(Figures {
            collections,
            documents,
        })
    }

    /// As Vectorizer says it, where it does.
    fn details(&self) -> JsonMap {
        let said = match self.catalogue.check() {
            Ok(()) => self.api.text("/health").ok(),
            Err(_) => None,
        };
        let said: Option<Value> = said.and_then(|text| serde_json::from_str(&text).ok());
        let cache = said.as_ref().and_then(|said| said.get("cache")).cloned();
        let version = said.as_ref().and_then(|said| said.get("version")).cloned();
        [("cache", cache), ("upstream_version", version)]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    fn metrics(&self) -> String {
        // One that cannot be scraped leaves its families out.
        let is_up = self.catalogue.check().is_ok();
        let mut text = match is_up {
            true => self.api.text("/prometheus/metrics").unwrap_or_default(),
            false => String::new(),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&self.counters.render(is_up));
        text
    }
}
