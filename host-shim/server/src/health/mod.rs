//! How the server does: whether it lives, whether it is ready, and how all of it does. Open to everyone.
//!
//! | route | answers | for |
//! | --- | --- | --- |
//! | `GET /health/live` | 200 while the process answers at all; touches no lock and no disk | what restarts a process that hangs |
//! | `GET /health/ready` | 200 where requests are welcome, 503 where not, check by check | load balancers |
//! | `GET /health` | 200 while the store can be read, 503 while not, with a word for each plugin and one for everything | people, dashboards |
//!
//! Invariants:
//! - A plugin that was refused, is faulted or unhealthy does not make the server unready: the store does not depend on a plugin.
//!   It shows in `overall` of `/health`.
//! - No reason comes from a plugin or from the disk; the administrator finds those in the list of plugins and in the log.
//! - No route waits for a plugin or a disk without end.

mod life;
mod overall;
mod readiness;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use vectorizer_host_shim::PluginHost;

use crate::backend::Backend;
use crate::correlation::spawn_blocking;
use crate::rest::{ApiError, method_not_allowed};

pub use life::Life;
use overall::{ServerPart, Word};
use readiness::Readiness;

#[derive(Clone)]
struct Observed {
    backend: Arc<dyn Backend>,
    host: Arc<PluginHost>,
    life: Life,
    readiness: Arc<Readiness>,
}

/// The routes `/health`, `/health/live` and `/health/ready`.
pub fn router(backend: &Arc<dyn Backend>, host: &Arc<PluginHost>, life: &Life) -> Router {
    let observed = Observed {
        backend: Arc::clone(backend),
        host: Arc::clone(host),
        life: life.clone(),
        readiness: Arc::new(Readiness::new(Arc::clone(backend), life.clone())),
    };
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(observed)
}

/// `GET /health/live`.
async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /health/ready`: the store can be read, the plugins were told to start, and the server is not stopping. How the plugins
/// do is not asked: the store must not depend on one.
async fn ready(State(observed): State<Observed>) -> (StatusCode, Json<Value>) {
    let checks = observed.readiness.checks().await;
    let is_ready = checks.iter().all(|check| check.passed);
    let status = match is_ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let word = readiness::word(is_ready);
    (status, Json(json!({"status": word, "checks": checks})))
}

/// `GET /health`. Reads from the store; 503 where that cannot be read.
async fn health(State(observed): State<Observed>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let is_readable = observed.readiness.store().await.passed;
    let answer = spawn_blocking(move || observed.answer(is_readable)).await;
    let answer = answer.map_err(|error| ApiError::Internal(error.to_string()))?;
    let status = match is_readable {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok((status, Json(answer)))
}

impl Observed {
    fn answer(&self, is_readable: bool) -> Value {
        let reports = self.host.reports();
        let words: Vec<Word> = reports.iter().map(Word::of).collect();
        let plugins: Vec<Value> = reports
            .iter()
            .zip(&words)
            .map(|(report, word)| json!({"name": report.name, "state": report.state, "health": word}))
            .collect();
        let server = match (is_readable, self.life.is_serving()) {
            (false, _) => ServerPart::Broken,
            (true, true) => ServerPart::Serving,
            (true, false) => ServerPart::NotServing,
        };
        let mut answer = self.backend.details();
        answer.insert(
            "status".to_owned(),
            if is_readable { "healthy" } else { "unhealthy" }.into(),
        );
        answer.insert("overall".to_owned(), json!(overall::overall(server, &words)));
        answer.insert("plugins".to_owned(), plugins.into());
        answer.insert("timestamp".to_owned(), json!(Timestamp::now()));
        answer.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        answer.into()
    }
}
