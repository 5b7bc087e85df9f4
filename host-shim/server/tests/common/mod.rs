//! What the tests share: a server on a port of its own, and a client for it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use vectorizer_host::auth::Access;
use vectorizer_host::config::ServerConfig;
use vectorizer_host::rest::{AppState, not_found, router};
use vectorizer_host::server::serve;
use vectorizer_host::store::{ChangeObserver, DocumentStore, StoreOptions, Unobserved};
use vectorizer_plugin_api::model::{CollectionEvent, Op};

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

impl ChangeObserver for Recorder {
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
    DocumentStore::open(folder, StoreOptions::default(), Arc::new(Unobserved)).expect("a store")
}

/// Waits until the indexes have taken in everything.
pub(crate) fn settle(store: &DocumentStore) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !store.is_indexed() {
        assert!(Instant::now() < deadline, "the index does not settle");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server with a store of its own. Ends when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<DocumentStore>,
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
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(open(folder.path()));
        let runtime = Runtime::new().unwrap();
        let state = AppState::new(Arc::clone(&store), Access::from(config), config.max_body_bytes);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let task = runtime.spawn(serve(listener, router(state).fallback(not_found), shutdown));
        Self {
            address,
            store,
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
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // The server may refuse, and close, before it has read everything.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {answer}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
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
