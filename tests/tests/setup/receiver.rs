//! A receiver of webhooks, which writes down what comes and answers as it is told.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use vectorizer_tests::process::wait_until;

/// A delivery that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What was answered.
    pub(crate) status: u16,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What happened to which document.
    pub(crate) fn told(&self) -> (String, String) {
        let message = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&message["type"]), text(&message["data"]["id"]))
    }
}

type Answers = dyn Fn(&Received) -> (u16, Option<String>) + Send + Sync;

struct Shared {
    received: Mutex<Vec<Received>>,
    answer: Mutex<Box<Answers>>,
}

/// See the [module](self). It listens until it is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

async fn take(
    State(shared): State<Arc<Shared>>,
    _method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut received = Received {
        path: uri.path().to_owned(),
        headers,
        body,
        status: 0,
    };
    let (status, location) = (shared.answer.lock().unwrap())(&received);
    received.status = status;
    shared.received.lock().unwrap().push(received);
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(status).unwrap();
    match location {
        Some(location) => (status, [("location", location)]).into_response(),
        None => status.into_response(),
    }
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answer: Mutex::new(Box::new(|_| (204, None))),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// From now on it answers a status, and a location where there is one; 0: it never answers.
    pub(crate) fn answer(&self, answer: impl Fn(&Received) -> (u16, Option<String>) + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Box::new(answer);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What came to this path, in order.
    pub(crate) fn received(&self, path: &str) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        received
            .iter()
            .filter(|received| received.path == path)
            .cloned()
            .collect()
    }

    /// What was taken at this path.
    pub(crate) fn told(&self, path: &str) -> Vec<(String, String)> {
        let received = self.received(path).into_iter();
        received
            .filter(|received| received.status < 300)
            .map(|received| received.told())
            .collect()
    }

    /// Waits for so many deliveries to this path.
    pub(crate) fn wait_for(&self, path: &str, count: usize) -> Vec<Received> {
        wait_until("the deliveries", Duration::from_secs(60), || {
            Ok(self.received(path).len() >= count)
        })
        .unwrap();
        self.received(path)
    }
}
