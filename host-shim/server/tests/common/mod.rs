//! What the tests share: a server on a port of its own, and a client for it.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod transcript;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use vectorizer_host::auth::Access;
use vectorizer_host::backend::Backend;
use vectorizer_host::config::ServerConfig;
use vectorizer_host::correlation;
use vectorizer_host::health::{self, Life};
use vectorizer_host::plugins;
use vectorizer_host::rest::{AppState, not_found, router};
use vectorizer_host::server::serve;
use vectorizer_host::store::{Atomicity, Change, DocumentStore, Scan, Start, StoreOptions};
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::embedded::MutationObserver;
use vectorizer_plugin_api::model::{CollectionEvent, Fields, JsonMap, Op};

/// What an observer was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Changed(String, Op, Vec<String>),
    Created(String),
    Deleted(String),
    Renamed(String, String),
    Reset(String),
}

#[derive(Default)]
pub(crate) struct Recorder {
    told: Mutex<Vec<Told>>,
}

impl Recorder {
    pub(crate) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl MutationObserver for Recorder {
    fn changed(&self, collection: &str, op: Op, ids: &[&str]) {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.told
            .lock()
            .unwrap()
            .push(Told::Changed(collection.to_owned(), op, ids));
    }

    fn collection(&self, event: CollectionEvent<'_>) {
        self.told.lock().unwrap().push(match event {
            CollectionEvent::Created(name) => Told::Created(name.to_owned()),
            CollectionEvent::Deleted(name) => Told::Deleted(name.to_owned()),
            CollectionEvent::Renamed { from, to } => Told::Renamed(from.to_owned(), to.to_owned()),
            CollectionEvent::Reset(name) => Told::Reset(name.to_owned()),
        });
    }
}

pub(crate) fn open(folder: &Path) -> DocumentStore {
    DocumentStore::open(folder, StoreOptions::default(), Arc::new(PluginHost::none())).expect("a store")
}

/// An upsert whose payload names the id.
pub(crate) fn upsert(id: &str, vector: &[f32]) -> Change {
    Change::Upsert {
        id: id.to_owned(),
        vector: vector.to_vec(),
        payload: Some(object(json!({"id": id}))),
    }
}

pub(crate) fn object(value: serde_json::Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

/// Stores documents of two components.
pub(crate) fn put(store: &DocumentStore, collection: &str, ids: &[&str]) {
    let changes = ids.iter().map(|id| upsert(id, &[1.0, id.len() as f32])).collect();
    store.apply(collection, changes, Atomicity::AllOrNothing).unwrap();
}

/// All ids, in the order of the collection.
pub(crate) fn ids(store: &DocumentStore, collection: &str) -> Vec<String> {
    let scan = Scan {
        start: Start::Beginning,
        limit: 1_000_000,
        fields: Fields::NONE,
        filter: None,
    };
    let page = store.scan_page(collection, &scan).unwrap();
    page.documents
        .into_iter()
        .map(|(document, _)| document.id)
        .collect()
}

/// A store whose observer keeps what it is told.
pub(crate) fn recorded() -> (tempfile::TempDir, DocumentStore, Arc<Recorder>) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let store =
        DocumentStore::open(folder.path(), StoreOptions::default(), Arc::clone(&recorder) as _).unwrap();
    (folder, store, recorder)
}

/// Waits until the indexes have taken in everything.
pub(crate) fn settle(store: &DocumentStore) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !store.is_indexed() {
        assert!(Instant::now() < deadline, "the index does not settle");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server with a store of its own. Ends when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<DocumentStore>,
    /// That of a server which has started.
    pub(crate) life: Life,
    stop: Option<oneshot::Sender<()>>,
    task: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&ServerConfig::default())
    }

    pub(crate) fn with(config: &ServerConfig) -> Self {
        Self::with_routes(config, axum::Router::new())
    }

    /// One that serves more than the REST API.
    pub(crate) fn with_routes(config: &ServerConfig, more: axum::Router) -> Self {
        Self::assemble(config, PluginHost::none(), more)
    }

    /// One with these plugins.
    pub(crate) fn with_plugins(config: &ServerConfig, host: PluginHost) -> Self {
        Self::assemble(config, host, axum::Router::new())
    }

    fn assemble(config: &ServerConfig, host: PluginHost, more: axum::Router) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(open(folder.path()));
        let runtime = Runtime::new().unwrap();
        let (host, life, access) = (Arc::new(host), Life::default(), Access::from(config));
        life.started();
        let state = AppState::new(Arc::clone(&store), access.clone(), config.max_body_bytes);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let backend: Arc<dyn Backend> = Arc::clone(&store) as _;
        let routes = router(state)
            .merge(health::router(&backend, &host, &life))
            .merge(plugins::router(&host, &backend, &access, config.max_body_bytes))
            .merge(more)
            .fallback(not_found);
        let routes = correlation::around(routes);
        let task = runtime.spawn(serve(listener, routes, shutdown));
        Self {
            address,
            store,
            life,
            stop: Some(stop),
            task: Some(task),
            runtime,
            _folder: folder,
        }
    }

    /// Sends a JSON body (none for `Value::Null`); returns status and body.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = if body.is_null() {
            self.send(method, path, &[], b"")
        } else {
            let headers = [("content-type", "application/json")];
            self.send(method, path, &headers, &serde_json::to_vec(body).unwrap())
        };
        let value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {method} {path}: {text}"));
        (status, value)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, &body)
    }

    /// [`Self::post`] for what must succeed.
    pub(crate) fn ok(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, &Value::Null)
    }

    /// Sends any request; returns status and body as text.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String) {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        self.exchange(method, path, &headers, body)
    }

    /// Posts JSON that is already cut into chunks, without saying how long it is.
    pub(crate) fn send_chunked(&self, path: &str, chunks: &[u8]) -> (u16, String) {
        let headers = [
            ("content-type", "application/json"),
            ("transfer-encoding", "chunked"),
        ];
        self.exchange("POST", path, &headers, chunks)
    }

    fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let (head, body) = self.exchange_whole(method, path, headers, body);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    /// The values of a header in the answer to a request without a body.
    pub(crate) fn answered_header(&self, path: &str, headers: &[(&str, &str)], name: &str) -> Vec<String> {
        let (head, _) = self.exchange_whole("GET", path, headers, b"");
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    fn exchange_whole(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // The server may refuse, and close, before it has read everything.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.to_owned(), body.to_owned())
    }

    /// A collection of this dimension.
    pub(crate) fn create(&self, name: &str, size: usize, distance: &str) {
        let body = serde_json::json!({"vectors": {"size": size, "distance": distance}});
        let (status, answer) = self.call("PUT", &format!("/qdrant/collections/{name}"), &body);
        assert_eq!((status, answer), (200, Value::from("acknowledged")));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(task) = self.task.take() {
            let _ = self.runtime.block_on(task);
        }
    }
}

/// The ids of an array of points.
pub(crate) fn point_ids(points: &Value) -> Vec<&str> {
    points
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["id"].as_str().unwrap())
        .collect()
}

/// A server with a collection `c` of points `[1, 0]`, `[2, 0]`, ... of these ids.
pub(crate) fn server_with(names: &[&str]) -> Server {
    let server = Server::start();
    server.create("c", 2, "Euclid");
    let points: Vec<Value> = names
        .iter()
        .zip(1..)
        .map(|(id, n)| json!({"id": id, "vector": [n, 0], "payload": {"n": n}}))
        .collect();
    if !points.is_empty() {
        let (status, _) = server.call("PUT", "/qdrant/collections/c/points", &json!({"points": points}));
        assert_eq!(status, 200);
    }
    server
}

/// Pages through the collection; between the pages `meanwhile` may do what it likes.
pub(crate) fn scroll_all(server: &Server, limit: usize, mut meanwhile: impl FnMut(&Value)) -> Vec<String> {
    let mut met: Vec<String> = Vec::new();
    let mut offset = Value::Null;
    for _ in 0..100 {
        let answer = server.ok(
            "/qdrant/collections/c/points/scroll",
            json!({"limit": limit, "offset": offset}),
        )["result"]
            .take();
        for id in point_ids(&answer["points"]) {
            if !met.iter().any(|known| known == id) {
                met.push(id.to_owned());
            }
        }
        offset = answer["next_page_offset"].clone();
        if offset.is_null() {
            return met;
        }
        meanwhile(&offset);
    }
    panic!("the scroll does not end");
}
