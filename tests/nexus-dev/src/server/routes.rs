//! The HTTP routes and what faults do to them.
//!
//! `POST /cypher`, `GET /health`, `GET /stats`, and `/_faults` when it is allowed. Malformed requests are refused by
//! the framework with the statuses and texts of the real server, which is built on the same one. `/health` and
//! `/stats` stay open when an API key is set.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, DefaultBodyLimit, Request as HttpRequest, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::auth::ApiKey;
use super::line::Line;
use crate::answer::Answer;
use crate::faults::{FaultCounts, FaultEffect, FaultHandle, FaultRule, Request};
use crate::pipeline::Pipeline;

/// Largest request body in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) faults: FaultHandle,
    pub(crate) started: Instant,
}

/// All routes; the key guards everything but the probes.
pub(crate) fn router(app: App, api_key: Option<ApiKey>, fault_route: bool) -> Router {
    let mut guarded = Router::new()
        .route("/cypher", post(cypher))
        .route("/schema/labels", get(labels))
        .route("/schema/rel_types", get(types));
    if fault_route {
        guarded = guarded.route("/_faults", get(show_faults).post(set_faults).delete(clear_faults));
    }
    if let Some(key) = api_key {
        guarded = guarded.route_layer(middleware::from_fn_with_state(key, require_key));
    }
    let open = Router::new()
        .route("/health", get(health))
        .route("/stats", get(stats));
    let service = app.pipeline.clone();
    guarded
        .merge(open)
        .layer(middleware::from_fn_with_state(service, refuse_when_dead))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

async fn require_key(State(key): State<ApiKey>, request: HttpRequest, next: Next) -> Response {
    match key.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Cuts the connection when the process that is played is gone, before a request or through it.
async fn refuse_when_dead(
    State(pipeline): State<Arc<Pipeline>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
    next: Next,
) -> Response {
    let death = pipeline.death();
    let dead = || *death.borrow();
    let response = match dead() {
        true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        false => next.run(request).await,
    };
    if dead() {
        line.cut();
    }
    response
}

#[derive(Debug, Deserialize)]
struct CypherRequest {
    query: String,
    #[serde(default, alias = "parameters", deserialize_with = "null_is_empty")]
    params: serde_json::Map<String, Value>,
}

/// Clients send `"params": null` for none.
fn null_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<serde_json::Map<String, Value>, D::Error> {
    Ok(Option::<HashMap<String, Value>>::deserialize(from)?
        .unwrap_or_default()
        .into_iter()
        .collect())
}

async fn cypher(
    State(app): State<App>,
    ConnectInfo(line): ConnectInfo<Line>,
    Json(request): Json<CypherRequest>,
) -> Response {
    let CypherRequest { query, params } = request;
    let decision = app.faults.decide(Request::Statement(&query, &params));
    wait(decision.delay).await;
    let params = match &decision.effect {
        Some(effect) => effect.cut(params),
        None => Some(params),
    };
    let execute = async {
        let Some(params) = params else {
            return Some(Answer::table(Vec::new(), Vec::new()));
        };
        // The statement runs to its end even when the client goes away meanwhile.
        let run = tokio::task::spawn_blocking(move || app.pipeline.run(&query, &params));
        run.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the engine failed");
            Some(Answer::failure(
                "Execution error: Cypher execution error: the engine failed on this statement",
            ))
        })
    };
    afflict(decision.effect, &line, async {
        match execute.await {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    })
    .await
}

/// Waits, unless there is nothing to wait for: even an empty sleep would cost a tick of the timer.
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Gives the real answer, or what the fault makes of it.
async fn afflict(effect: Option<FaultEffect>, line: &Line, real: impl Future<Output = Response>) -> Response {
    let Some(effect) = effect else { return real.await };
    if effect.executed() {
        real.await;
    }
    match effect {
        FaultEffect::Status {
            code,
            retry_after_seconds,
            ..
        } => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({"code": "INJECTED_FAULT", "message": "injected fault", "details": null});
            let mut response = (status, Json(body)).into_response();
            if let Some(seconds) = retry_after_seconds {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        FaultEffect::Error { text, .. }
        | FaultEffect::Partial {
            error: Some(text), ..
        } => Json(Answer::failure(text)).into_response(),
        FaultEffect::Pretend {} => Json(Answer::table(Vec::new(), Vec::new())).into_response(),
        FaultEffect::Drop { .. } | FaultEffect::Partial { error: None, .. } => {
            line.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Delays and afflicts a probe like a statement.
async fn probe(app: &App, line: &Line, real: impl Future<Output = Response>) -> Response {
    let decision = app.faults.decide(Request::Probe);
    wait(decision.delay).await;
    afflict(decision.effect, line, real).await
}

async fn health(State(app): State<App>, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    let real = async {
        Json(json!({
            "status": "Healthy",
            "version": app.pipeline.version(),
            "uptime_seconds": app.started.elapsed().as_secs(),
        }))
        .into_response()
    };
    probe(&app, &line, real).await
}

async fn stats(State(app): State<App>, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    let real = async {
        let counts = app.pipeline.counts();
        Json(json!({
            "catalog": {
                "label_count": counts.labels,
                "rel_type_count": counts.types,
                "node_count": counts.nodes,
                "rel_count": counts.relationships,
            },
            "label_index": {"indexed_labels": counts.labels, "total_nodes": counts.nodes},
            "knn_index": {"total_vectors": 0, "dimension": 0, "avg_search_time_us": 0.0},
        }))
        .into_response()
    };
    probe(&app, &line, real).await
}

/// The labels in the order of their numbers.
async fn labels(State(app): State<App>, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    let real = async {
        let labels: Vec<Value> = (0_usize..)
            .zip(app.pipeline.labels())
            .map(|(id, name)| json!({"name": name, "id": id}))
            .collect();
        Json(json!({ "labels": labels })).into_response()
    };
    probe(&app, &line, real).await
}

/// The types of edges in the order of their numbers.
async fn types(State(app): State<App>, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    let real = async {
        let types: Vec<Value> = (0_usize..)
            .zip(app.pipeline.types())
            .map(|(id, name)| json!({"name": name, "id": id}))
            .collect();
        Json(json!({ "types": types })).into_response()
    };
    probe(&app, &line, real).await
}

/// The body of `GET /_faults`.
#[derive(Debug, Serialize)]
struct FaultReport {
    rules: Vec<FaultRule>,
    counts: FaultCounts,
}

/// The body of `POST /_faults`: replaces all rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    #[serde(default)]
    seed: Option<u64>,
    rules: Vec<FaultRule>,
}

fn report(faults: &FaultHandle) -> Json<FaultReport> {
    Json(FaultReport {
        rules: faults.rules(),
        counts: faults.counts(),
    })
}

async fn show_faults(State(app): State<App>) -> Json<FaultReport> {
    report(&app.faults)
}

async fn set_faults(State(app): State<App>, Json(order): Json<FaultOrder>) -> Response {
    if let Err(error) = app.faults.set(order.rules) {
        return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response();
    }
    if let Some(seed) = order.seed {
        app.faults.reseed(seed);
    }
    report(&app.faults).into_response()
}

async fn clear_faults(State(app): State<App>) -> Json<FaultReport> {
    app.faults.clear();
    report(&app.faults)
}
