//! Between the plugin and a graph server: passes everything on, and writes down every statement.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Widest body that is passed on.
const LIMIT: usize = 256 << 20;

/// A statement as it was sent, and when it was on its way: numbers of events, in order.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) body: Bytes,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

#[derive(Debug)]
struct Shared {
    target: String,
    http: reqwest::Client,
    events: AtomicU64,
    sent: Mutex<Vec<Sent>>,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
    /// Dropped, it ends the proxy.
    _runtime: Runtime,
}

impl Proxy {
    /// Starts one in front of the server at `target`.
    pub(crate) fn start(target: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new().unwrap();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            events: AtomicU64::new(0),
            sent: Mutex::default(),
        });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let listener = runtime
            .block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            shared,
            _runtime: runtime,
        }
    }

    /// How many statements were answered so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.sent.lock().unwrap().len()
    }

    /// All statements in the order in which they were begun.
    pub(crate) fn statements(&self) -> Vec<Sent> {
        let mut sent = self.shared.sent.lock().unwrap().clone();
        sent.sort_by_key(|sent| sent.begun);
        sent
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match forward(&shared, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = Response::new(Body::from(error.to_string()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn forward(
    shared: &Shared,
    request: Request,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LIMIT).await?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut outgoing = shared
        .http
        .request(parts.method, format!("{}{path}", shared.target))
        .body(body.clone());
    for name in [header::CONTENT_TYPE, header::AUTHORIZATION] {
        if let Some(value) = parts.headers.get(&name) {
            outgoing = outgoing.header(name, value);
        }
    }
    let begun = shared.events.fetch_add(1, Ordering::SeqCst);
    let answer = outgoing.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let content = answer.bytes().await?;
    let ended = shared.events.fetch_add(1, Ordering::SeqCst);
    if path == "/cypher" {
        shared.sent.lock().unwrap().push(Sent { body, begun, ended });
    }
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = status;
    *response.headers_mut() = kept(&headers);
    Ok(response)
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    [header::CONTENT_TYPE, header::RETRY_AFTER]
        .into_iter()
        .filter_map(|name| Some((name.clone(), headers.get(&name)?.clone())))
        .collect()
}
