//! The servers under test, and reads that go around the code under test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nexus_dev::{FaultHandle, NexusDev, Quirks};
use serde_json::{Value, json};
use tempfile::TempDir;
use vectorizer_plugin_nexus::graph::probe::{ProbeSettings, ServerFacts, probe};
use vectorizer_plugin_nexus::graph::{
    Capabilities, DocumentKey, Edge, Graph, JsonMap, NodeWrite, RecordShape,
};
use vectorizer_plugin_nexus::nexus::{NexusClient, NexusConfig, Session};

/// A server that is stopped, and whose data is removed, when it goes out of scope.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    url: String,
    running: Running,
}

enum Running {
    /// In this process; `None` only while it restarts.
    Dev {
        server: Option<NexusDev>,
        quirks: Option<Quirks>,
        data: TempDir,
    },
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
        let mut servers = vec![Self::dev(None).await, Self::dev(Some(Quirks::V2_5)).await];
        servers.extend(Self::real().await);
        servers
    }

    /// Those that behave as Nexus 2.5 does: the development server with quirks, and the real one.
    pub(crate) async fn of_2_5() -> Vec<Self> {
        let mut servers = vec![Self::dev(Some(Quirks::V2_5)).await];
        servers.extend(Self::real().await);
        servers
    }

    pub(crate) async fn dev(quirks: Option<Quirks>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = start_dev(&data, quirks, 0).await;
        Self {
            name: match quirks {
                None => "nexus-dev",
                Some(_) => "nexus-dev with quirks",
            },
            url: server.url().to_owned(),
            running: Running::Dev {
                server: Some(server),
                quirks,
                data,
            },
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

    /// Ends the server, gently or by force where it has a process of its own, and starts it again on its data.
    pub(crate) async fn restart(&mut self, gently: bool) {
        match &mut self.running {
            Running::Dev { server, quirks, data } => {
                let ended = server.take().unwrap();
                let port = ended.addr().port();
                ended.shutdown().await.unwrap();
                *server = Some(start_dev(data, *quirks, port).await);
            }
            Running::Real(real) => {
                let signal = if gently { "-TERM" } else { "-KILL" };
                let pid = real.child.id().to_string();
                assert!(
                    Command::new("kill")
                        .args([signal, &pid])
                        .status()
                        .unwrap()
                        .success()
                );
                real.child.wait().unwrap();
                real.child = RealNexus::spawn(&real.binary, real.port, &real.data);
            }
        }
        self.wait_until_healthy().await;
    }

    fn client(&self) -> Arc<NexusClient> {
        let config = NexusConfig::new(self.url.parse().unwrap());
        Arc::new(NexusClient::new(config).unwrap())
    }

    /// The faults of a development server.
    pub(crate) fn faults(&self) -> &FaultHandle {
        match &self.running {
            Running::Dev {
                server: Some(server), ..
            } => server.faults(),
            _ => panic!("only a development server has faults"),
        }
    }

    /// A session with the process that runs now.
    pub(crate) async fn session(&self) -> Arc<Session> {
        let client = self.client();
        let process = loop {
            let process = client.look().await.unwrap();
            if process.is_settled() {
                break process;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        client.session(process).unwrap()
    }

    /// What the server tells of itself.
    pub(crate) async fn facts(&self) -> ServerFacts {
        let client = self.client();
        let stats = client.stats().await.unwrap();
        ServerFacts {
            labels: client.labels().await.unwrap(),
            label_count: stats.label_count,
            rel_count: stats.rel_count,
        }
    }

    /// What a probe of this server says.
    pub(crate) async fn capabilities(&self, session: &Arc<Session>, settings: ProbeSettings) -> Capabilities {
        probe(session, &self.facts().await, settings).await.unwrap()
    }

    /// The graph on this server, by the forms that are right on it, with its indexes.
    pub(crate) async fn graph(&self) -> Graph {
        let session = self.session().await;
        let capabilities = self.capabilities(&session, ProbeSettings::default()).await;
        assert_eq!(capabilities.missing(), Vec::<String>::new(), "{}", self.name);
        let graph = Graph::new(session, capabilities.forms);
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
        let client = self.client();
        for _ in 0..300 {
            if client.look().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not come up", self.name);
    }
}

async fn start_dev(data: &TempDir, quirks: Option<Quirks>, port: u16) -> NexusDev {
    let mut builder = NexusDev::builder()
        .bind(([127, 0, 0, 1], port).into())
        .data_dir(data.path());
    if let Some(quirks) = quirks {
        builder = builder.quirks(quirks);
    }
    builder.start().await.unwrap()
}

impl RealNexus {
    fn spawn(binary: &str, port: u16, data: &TempDir) -> Child {
        let mut command = Command::new(binary);
        // With these in its environment Nexus takes itself for its own test, and forgets its labels at a restart.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO")) {
            command.env_remove(name);
        }
        command
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

/// Writes nodes that the server has to take.
pub(crate) async fn put(graph: &Graph, writes: &[NodeWrite]) {
    assert_eq!(graph.upsert_nodes(writes).await.unwrap(), []);
}

/// Writes edges that the server has to take.
pub(crate) async fn put_edges(graph: &Graph, edges: &[Edge]) {
    assert_eq!(graph.write_edges(edges).await.unwrap(), []);
}

/// Bytes of a record, measured by printing it.
pub(crate) fn printed(record: &JsonMap) -> usize {
    serde_json::to_vec(record).unwrap().len()
}
