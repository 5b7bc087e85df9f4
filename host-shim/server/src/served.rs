//! What the process serves: documents of its own, or a Vectorizer behind it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use vectorizer_host::auth::Access;
use vectorizer_host::backend::Backend;
use vectorizer_host::config::ServerConfig;
use vectorizer_host::health::Life;
use vectorizer_host::rest::{self, AppState};
use vectorizer_host::sidecar::Sidecar;
use vectorizer_host::store::{DocumentStore, StoreOptions};
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_host_shim::store::Store;

use crate::Failure;

/// How long nothing is served for plugins to start first. The store does not depend on one that takes longer.
const START: Duration = Duration::from_secs(5);

/// See the [module](self).
pub(crate) enum Served {
    Own(Arc<DocumentStore>),
    Upstream(Arc<Sidecar>),
}

impl Served {
    pub(crate) fn open(server: &ServerConfig, observer: Arc<dyn MutationObserver>) -> Result<Self, Failure> {
        if let Some(url) = &server.upstream.url {
            // For the plugins.
            std::fs::create_dir_all(&server.data_dir)?;
            let sidecar = Sidecar::new(url, server, observer);
            return Ok(Self::Upstream(Arc::new(sidecar)));
        }
        let options = StoreOptions {
            graph_from: server.graph_from,
            ..StoreOptions::default()
        };
        let store = DocumentStore::open(&server.data_dir, options, observer)?;
        Ok(Self::Own(Arc::new(store)))
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Own(store) => Arc::clone(store) as _,
            Self::Upstream(sidecar) => Arc::clone(sidecar) as _,
        }
    }

    /// The routes of the data, with `beside` beside them.
    pub(crate) fn around(
        &self,
        beside: Router,
        host: &Arc<PluginHost>,
        access: &Access,
        server: &ServerConfig,
    ) -> Router {
        match self {
            Self::Own(store) => {
                let state = AppState::new(Arc::clone(store), access.clone(), server.max_body_bytes);
                rest::router(state).merge(beside).fallback(rest::not_found)
            }
            Self::Upstream(sidecar) => sidecar.in_front(beside, host, access),
        }
    }

    /// Has the plugins start: at once where documents are here, which is waited for a while; else when they can be asked for.
    pub(crate) async fn start(&self, host: &Arc<PluginHost>, life: &Life) -> std::io::Result<()> {
        let (host, begun) = (Arc::clone(host), life.clone());
        match self {
            Self::Own(store) => {
                let store: Arc<dyn Store> = Arc::clone(store) as _;
                let mut starting = tokio::task::spawn_blocking(move || {
                    host.ready(&store);
                    begun.started();
                });
                if tokio::time::timeout(START, &mut starting).await.is_err() {
                    tracing::warn!("a plugin takes long to start; requests are answered meanwhile");
                    life.started();
                }
                Ok(())
            }
            Self::Upstream(sidecar) => {
                let store = sidecar.store();
                sidecar.start(move || {
                    host.ready(&store);
                    begun.started();
                })
            }
        }
    }

    /// Nobody asks for documents any more.
    pub(crate) fn stop(&self) {
        match self {
            Self::Own(_) => {}
            Self::Upstream(sidecar) => sidecar.stop(),
        }
    }
}
