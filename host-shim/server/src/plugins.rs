//! The plugins of this server: mounted as routes, listed for the administrator, scraped.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use vectorizer_host_shim::metrics::{self as scrape, FamilyKind, MetricFamily};
use vectorizer_host_shim::{PluginHost, http};
use vectorizer_plugin_api::Caller as PluginCaller;

use crate::auth::{Access, require_admin};
use crate::correlation::spawn_blocking;
use crate::store::DocumentStore;

/// The content type of the Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Observed {
    host: Arc<PluginHost>,
    store: Arc<DocumentStore>,
    started: Instant,
}

/// The plugins' routes, the administrator's list of them, and `/prometheus/metrics`.
pub fn router(
    host: &Arc<PluginHost>,
    store: &Arc<DocumentStore>,
    access: &Access,
    max_body_bytes: usize,
) -> Router {
    let observed = Observed {
        host: Arc::clone(host),
        store: Arc::clone(store),
        started: Instant::now(),
    };
    let classify = {
        let access = access.clone();
        move |parts: &axum::http::request::Parts| {
            let caller = access.classify(&parts.headers);
            PluginCaller {
                role: caller.role,
                name: caller.name.as_ref().to_owned(),
            }
        }
    };
    Router::new()
        .route("/api/v1/plugins", get(list))
        .route_layer(from_fn_with_state(access.clone(), require_admin))
        .route("/prometheus/metrics", get(metrics))
        .with_state(observed)
        .merge(http::router(host, max_body_bytes, classify))
}

async fn list(State(observed): State<Observed>) -> Json<Value> {
    // A plugin's health may take its locks.
    let reports = spawn_blocking(move || observed.host.reports())
        .await
        .unwrap_or_default();
    Json(json!({ "plugins": reports }))
}

async fn metrics(State(observed): State<Observed>) -> Response {
    let text = spawn_blocking(move || {
        let mut text = own(&observed);
        scrape::append(&mut text, &observed.host.metrics());
        text
    })
    .await
    .unwrap_or_default();
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}

/// The server's own metric families: one value each.
const FAMILIES: [MetricFamily; 3] = [
    MetricFamily {
        name: "vectorizer_uptime_seconds",
        kind: FamilyKind::Gauge,
        labels: &[],
        help: "Time since the server started",
    },
    MetricFamily {
        name: "vectorizer_collections",
        kind: FamilyKind::Gauge,
        labels: &[],
        help: "Collections in the store",
    },
    MetricFamily {
        name: "vectorizer_documents",
        kind: FamilyKind::Gauge,
        labels: &[],
        help: "Documents in all collections",
    },
];

/// The server's own metric families, in the order of a scrape; the shim's are in [`vectorizer_host_shim::metrics::described`].
#[must_use]
pub fn described() -> Vec<MetricFamily> {
    FAMILIES.to_vec()
}

fn own(observed: &Observed) -> String {
    let uptime = observed.started.elapsed().as_secs_f64();
    let counts = observed.store.list_collections().ok().map(|collections| {
        let documents: u64 = collections.iter().map(|collection| collection.info.count).sum();
        (collections.len() as f64, documents as f64)
    });
    // A store that cannot be read leaves its families out.
    let values = [
        Some(uptime),
        counts.map(|(collections, _)| collections),
        counts.map(|(_, documents)| documents),
    ];
    let mut text = String::new();
    for (family, value) in FAMILIES.iter().zip(values) {
        if let Some(value) = value {
            family.write_header(&mut text);
            let _ = writeln!(text, "{} {value}", family.name);
        }
    }
    text
}
