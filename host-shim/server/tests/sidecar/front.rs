//! A sidecar in front of a server, and a client of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use vectorizer_host::auth::Access;
use vectorizer_host::config::ServerConfig;
use vectorizer_host::server::serve;
use vectorizer_host::sidecar::Sidecar;
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::store::Store;

use crate::common::{Recorder, Told};

/// How long is waited for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// See the [module](self).
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) sidecar: Arc<Sidecar>,
    pub(crate) store: Arc<dyn Store>,
    recorder: Arc<Recorder>,
    agent: ureq::Agent,
    _stop: oneshot::Sender<()>,
    _runtime: Runtime,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.sidecar.stop();
    }
}

impl Front {
    /// In front of `upstream`, when it can be asked.
    pub(crate) fn of(upstream: SocketAddr) -> Self {
        Self::with(upstream, &json!({}), |_| Router::new())
    }

    /// `more` adds to `server.upstream`; `beside` is served beside.
    pub(crate) fn with(upstream: SocketAddr, more: &Value, beside: impl FnOnce(&Access) -> Router) -> Self {
        let front = Self::unready(upstream, more, &json!({}), beside);
        front.wait_until("it can be asked", |front| front.store.collections().is_ok());
        front
    }

    pub(crate) fn unready(
        upstream: SocketAddr,
        more: &Value,
        server: &Value,
        beside: impl FnOnce(&Access) -> Router,
    ) -> Self {
        let mut section = json!({"url": format!("http://{upstream}"), "settle_ms": 50, "poll_interval_ms": 50, "exact_up_to": 0});
        for (key, value) in more.as_object().unwrap() {
            section[key] = value.clone();
        }
        let mut config = server.clone();
        config["upstream"] = section;
        let config: ServerConfig = serde_json::from_value(config).unwrap();
        let recorder = Arc::new(Recorder::default());
        let url = config.upstream.url.clone().unwrap();
        let sidecar = Arc::new(Sidecar::new(&url, &config, Arc::clone(&recorder) as _));
        let runtime = Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let access = Access::from(&config);
        let router = sidecar.in_front(beside(&access), &Arc::new(PluginHost::none()), &access);
        let shutdown = async { stopped.await.unwrap_or_default() };
        runtime.spawn(serve(listener, router, shutdown));
        sidecar.start(|| ()).unwrap();
        Self {
            address,
            store: sidecar.store(),
            sidecar,
            recorder,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(PATIENCE))
                .build()
                .into(),
            _stop: stop,
            _runtime: runtime,
        }
    }

    /// Sends a request with a body of JSON, or without for null. Any status is an answer.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        let answer = match body {
            Value::Null => self.agent.run(request.body(()).unwrap()),
            body => self.agent.run(
                request
                    .header("content-type", "application/json")
                    .body(body.to_string())
                    .unwrap(),
            ),
        };
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// A connection on which a request was sent as it stands.
    pub(crate) fn raw(&self, request: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection
    }

    /// What was told since the last time.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.recorder.take()
    }

    /// Waits until so much was told.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Told> {
        let mut told = Vec::new();
        self.wait_until("something is told", |front| {
            told.extend(front.told());
            told.len() >= count
        });
        told
    }

    pub(crate) fn wait_until(&self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(Instant::now() < end, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Reads until what was read has `mark`.
pub(crate) fn read_until(connection: &mut TcpStream, mark: &str) -> String {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    while !String::from_utf8_lossy(&read).contains(mark) {
        let length = connection.read(&mut part).unwrap();
        assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&part[..length]);
    }
    String::from_utf8(read).unwrap()
}
