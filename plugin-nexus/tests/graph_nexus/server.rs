//! The servers under test, and reads that go around the code under test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nexus_dev::NexusDev;
use serde_json::{Value, json};
use tempfile::TempDir;
use vectorizer_plugin_nexus::graph::{DocumentKey, Graph, JsonMap, NodeWrite, RecordShape};
use vectorizer_plugin_nexus::nexus::{NexusClient, NexusConfig};

/// A server that is stopped, and whose data is removed, when it goes out of scope.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    url: String,
    running: Running,
}

enum Running {
    Dev { _server: NexusDev },
    Real(RealNexus),
}

struct RealNexus {
    binary: String,
    port: u16,
    data: TempDir,
    child: Child,
}

impl Server {
    /// Every server that is available, each empty.
    pub(crate) async fn all() -> Vec<Self> {
        let mut servers = vec![Self::dev().await];
        servers.extend(Self::real().await);
        servers
    }

    async fn dev() -> Self {
        let server = NexusDev::builder().start().await.unwrap();
        Self {
            name: "nexus-dev",
            url: server.url().to_owned(),
            running: Running::Dev { _server: server },
        }
    }

    /// The real Nexus, when there is one.
    pub(crate) async fn real() -> Option<Self> {
        let binary = std::env::var("NEXUS_SERVER_BIN").ok()?;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let data = tempfile::tempdir().unwrap();
        let child = RealNexus::spawn(&binary, port, &data);
        let server = Self {
            name: "Nexus",
            url: format!("http://127.0.0.1:{port}"),
            running: Running::Real(RealNexus {
                binary,
                port,
                data,
                child,
            }),
        };
        server.wait_until_healthy().await;
        Some(server)
    }

    /// Stops the real server gently and starts it again on its data.
    pub(crate) async fn restart(&mut self) {
        let Running::Real(real) = &mut self.running else {
            panic!("only the real server keeps its data")
        };
        let pid = real.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        real.child.wait().unwrap();
        real.child = RealNexus::spawn(&real.binary, real.port, &real.data);
        self.wait_until_healthy().await;
    }

    /// The graph on this server, with its indexes.
    pub(crate) async fn graph(&self) -> Graph {
        let config = NexusConfig::new(self.url.parse().unwrap());
        let graph = Graph::new(Arc::new(NexusClient::new(config).unwrap()));
        let process = loop {
            let process = graph.client().look().await.unwrap();
            if process.is_settled() {
                break process;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        graph.use_session(graph.client().session(process).unwrap());
        graph.ensure_indexes().await.unwrap();
        graph
    }

    /// Sends a statement of the test's own, past the code under test.
    pub(crate) async fn ask(&self, query: &str, params: Value) -> Vec<Vec<Value>> {
        let config = NexusConfig::new(self.url.parse().unwrap());
        let _provider = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(config.request_timeout)
            .build()
            .unwrap();
        let body = json!({"query": query, "params": params}).to_string();
        let request = http
            .post(format!("{}/cypher", self.url))
            .header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{query}: {answer}");
        serde_json::from_value(answer["rows"].clone()).unwrap()
    }

    /// The whole node as the server stores it, read by parameter and scan, without decorations.
    pub(crate) async fn stored(&self, key: &str) -> Option<JsonMap> {
        let rows = self
            .ask("MATCH (d:Document {key: $key}) RETURN d", json!({"key": key}))
            .await;
        assert!(rows.len() <= 1, "{key} exists {} times", rows.len());
        let mut node = rows.first()?[0].as_object().cloned()?;
        node.retain(|name, _| !name.starts_with("_nexus_"));
        Some(node)
    }

    async fn wait_until_healthy(&self) {
        let config = NexusConfig::new(self.url.parse().unwrap());
        let client = NexusClient::new(config).unwrap();
        for _ in 0..300 {
            if client.look().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not come up", self.name);
    }
}

impl RealNexus {
    fn spawn(binary: &str, port: u16, data: &TempDir) -> Child {
        Command::new(binary)
            .env("NEXUS_ADDR", format!("127.0.0.1:{port}"))
            .env("NEXUS_DATA_DIR", data.path())
            .env("NEXUS_RPC_ENABLED", "false")
            .current_dir(data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

impl Drop for RealNexus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn key(id: impl ToString) -> DocumentKey {
    DocumentKey::new("c", &id.to_string()).unwrap()
}

pub(crate) fn props(value: Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

/// The first write of a document.
pub(crate) fn new_node(id: impl ToString, desired: Value) -> NodeWrite {
    NodeWrite::build(key(id), &props(desired), None).unwrap()
}

/// A write over what an earlier write left.
pub(crate) fn update(before: &RecordShape, id: impl ToString, desired: Value) -> NodeWrite {
    NodeWrite::build(key(id), &props(desired), Some(before)).unwrap()
}

/// Bytes of a record, measured by printing it.
pub(crate) fn printed(record: &JsonMap) -> usize {
    serde_json::to_vec(record).unwrap().len()
}
