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
use crate::backend::Backend;
use crate::correlation::spawn_blocking;

/// The content type of the Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Observed {
    host: Arc<PluginHost>,
    backend: Arc<dyn Backend>,
    started: Instant,
}

/// The plugins' routes, the administrator's list of them, and `/prometheus/metrics`.
pub fn router(
    host: &Arc<PluginHost>,
    backend: &Arc<dyn Backend>,
    access: &Access,
    max_body_bytes: usize,
) -> Router {
    let observed = Observed {
        host: Arc::clone(host),
        backend: Arc::clone(backend),
        started: Instant::now(),
    };
    let classify = {
        let access = access.clone();
        move |parts: &axum::http::request::Parts| {
            let caller = access.classify(&parts.headers, &parts.extensions);
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
        let mut text = observed.backend.metrics();
        own(&observed, &mut text);
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

/// Adds the server's own families, but for those that the server behind has.
fn own(observed: &Observed, text: &mut String) {
    let uptime = observed.started.elapsed().as_secs_f64();
    let figures = observed.backend.figures();
    // What cannot be told leaves its families out.
    let values = [
        Some(uptime),
        figures.map(|figures| figures.collections as f64),
        figures.map(|figures| figures.documents as f64),
    ];
    for (family, value) in FAMILIES.iter().zip(values) {
        let is_there = text.contains(&format!("# TYPE {} ", family.name));
        if let Some(value) = value.filter(|_| !is_there) {
            family.write_header(text);
            let _ = writeln!(text, "{} {value}", family.name);
        }
    }
}
