//! Statements to Nexus: the plugin's client next to a bare loop that posts the very same statements to the same server.
//!
//! Run by `cargo xtask bench --bench statements`, on the real server where `NEXUS_SERVER_BIN` names its program, else on
//! nexus-dev. Both ways send the statements of the catalogue for the same rows, one after the other on one connection. Rounds
//! alternate, so that a noisy machine disturbs both; the figures are medians of the rounds, and the ratio is that of the
//! medians. The plugin's whole operation (building records, looking up the ends of edges, then the same statements) is timed as a
//! third.

#![allow(clippy::unwrap_used, reason = "a failing benchmark may panic")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_plugin_nexus::graph::capabilities::Forms;
use vectorizer_plugin_nexus::graph::catalogue::edges::upsert_edges;
use vectorizer_plugin_nexus::graph::catalogue::nodes::upsert_nodes;
use vectorizer_plugin_nexus::graph::key::NodeKey;
use vectorizer_plugin_nexus::graph::record::EdgeRecord;
use vectorizer_plugin_nexus::graph::schema::{EdgeType, NodeLabel};
use vectorizer_plugin_nexus::graph::{DocumentKey, Edge, Graph, NodeWrite, Statement};
use vectorizer_plugin_nexus::nexus::{NexusClient, NexusConfig, Session};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::{Kind, Nexus};

const ROUNDS: usize = 9;
const NODES_A_STATEMENT: u32 = 200;
const EDGES_A_STATEMENT: u32 = 16;
const STATEMENTS: u32 = 25;

fn key(n: u32) -> DocumentKey {
    DocumentKey::new("bench", &n.to_string()).unwrap()
}

fn node(n: u32) -> NodeWrite {
    let desired = json!({
        "title": format!("document number {n}"), "doc_type": "note", "chunk_index": n, "rev": 1,
        "fingerprint": "0123456789abcdef0123456789abcdef", "bucket": format!("bench/{:04}", n % 1024),
    });
    NodeWrite::build(key(n), desired.as_object().unwrap(), None).unwrap()
}

fn edge(n: u32, round: usize) -> (DocumentKey, DocumentKey, EdgeRecord) {
    let record = EdgeRecord::similar(
        0.5 + round as f64 / 1e3,
        "embedding",
        "2026-01-01T00:00:00.000Z",
        true,
    );
    (key(n), key(n + 1), record.unwrap())
}

fn node_statements(first: u32) -> Vec<Statement> {
    (0..STATEMENTS)
        .flat_map(|batch| {
            let start = first + batch * NODES_A_STATEMENT;
            let writes: Vec<NodeWrite> = (start..start + NODES_A_STATEMENT).map(node).collect();
            let rows = writes.iter().map(|write| (write.key().literal(), write.record()));
            upsert_nodes(NodeLabel::Document, rows).unwrap()
        })
        .collect()
}

fn edge_statements(first: u32, round: usize) -> Vec<Statement> {
    (0..STATEMENTS)
        .flat_map(|batch| {
            let start = first + batch * EDGES_A_STATEMENT;
            let rows: Vec<_> = (start..start + EDGES_A_STATEMENT)
                .map(|n| edge(n, round))
                .collect();
            let rows = rows
                .iter()
                .map(|(source, target, record)| (source.literal(), target.literal(), record));
            upsert_edges(EdgeType::SimilarTo, rows).unwrap()
        })
        .collect()
}

/// The bare loop: bodies that were made before the clock starts.
async fn bare(http: &reqwest::Client, url: &str, statements: &[Statement]) -> Duration {
    let bodies: Vec<Vec<u8>> = statements
        .iter()
        .map(|statement| {
            serde_json::to_vec(&json!({"query": statement.text(), "params": statement.params()})).unwrap()
        })
        .collect();
    let start = Instant::now();
    for body in bodies {
        let answer = http
            .post(format!("{url}/cypher"))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(answer["error"].is_null(), "{answer}");
    }
    start.elapsed()
}

async fn through(session: &Session, statements: &[Statement]) -> Duration {
    let start = Instant::now();
    for statement in statements {
        session.run(statement).await.unwrap();
    }
    start.elapsed()
}

/// The same rows by the plugin's own operation.
async fn write_nodes(graph: &Graph, first: u32) -> Duration {
    let start = Instant::now();
    for batch in 0..STATEMENTS {
        let from = first + batch * NODES_A_STATEMENT;
        let writes: Vec<NodeWrite> = (from..from + NODES_A_STATEMENT).map(node).collect();
        assert!(graph.upsert_nodes(&writes).await.unwrap().is_empty());
    }
    start.elapsed()
}

/// As [`write_nodes`].
async fn write_edges(graph: &Graph, first: u32, turn: usize) -> Duration {
    let start = Instant::now();
    for batch in 0..STATEMENTS {
        let from = first + batch * EDGES_A_STATEMENT;
        let edges: Vec<Edge> = (from..from + EDGES_A_STATEMENT)
            .map(|n| {
                let score = 0.5 + turn as f64 / 1e3;
                Edge::similar(
                    &key(n),
                    &key(n + 1),
                    score,
                    "embedding",
                    "2026-01-01T00:00:00.000Z",
                    true,
                )
                .unwrap()
            })
            .collect();
        assert!(graph.write_edges(&edges).await.unwrap().is_empty());
    }
    start.elapsed()
}

struct Series {
    name: &'static str,
    rows: u32,
    bare: Vec<Duration>,
    plugin: Vec<Duration>,
    whole: Vec<Duration>,
}

impl Series {
    fn print(&mut self) {
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2].as_secs_f64()
        };
        let (bare, plugin, whole) = (
            median(&mut self.bare),
            median(&mut self.plugin),
            median(&mut self.whole),
        );
        let rate = |seconds: f64| f64::from(STATEMENTS) / seconds;
        println!(
            "{:24} bare {:8.1}/s  client {:8.1}/s  ratio {:.3}   whole operation {:8.1}/s  ratio {:.3}   ({} rows each)",
            self.name,
            rate(bare),
            rate(plugin),
            bare / plugin,
            rate(whole),
            bare / whole,
            self.rows
        );
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let kind = Kind::measured();
    let folder = tempfile::tempdir().unwrap();
    let server = Nexus::start(kind, &Artifacts::of(Profile::Release), folder.path(), None).unwrap();
    let client = Arc::new(NexusClient::new(NexusConfig::new(server.url.parse().unwrap())).unwrap());
    let process = loop {
        let process = client.look().await.unwrap();
        if process.is_settled() {
            break process;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let session = client.session(process).unwrap();
    let graph = Graph::new(Arc::clone(&session), Forms::NEXUS_2_5);
    graph.ensure_indexes().await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    println!("{kind:?}, {STATEMENTS} statements a round, medians of {ROUNDS} rounds");

    let series = |name, rows| Series {
        name,
        rows,
        bare: Vec::new(),
        plugin: Vec::new(),
        whole: Vec::new(),
    };
    // New rows each time, then the same ones again. Nexus gets slower as its graph grows, so the three take turns in going first.
    let mut new_nodes = series("nodes, new", NODES_A_STATEMENT);
    let mut old_nodes = series("nodes, updated", NODES_A_STATEMENT);
    let mut first = 0;
    for turn in 0..3 * ROUNDS {
        for series in [&mut new_nodes, &mut old_nodes] {
            match (turn + turn / 3) % 3 {
                0 => series
                    .bare
                    .push(bare(&http, &server.url, &node_statements(first)).await),
                1 => series
                    .plugin
                    .push(through(&session, &node_statements(first)).await),
                _ => series.whole.push(write_nodes(&graph, first).await),
            }
        }
        first += STATEMENTS * NODES_A_STATEMENT;
    }
    let mut new_edges = series("edges, new", EDGES_A_STATEMENT);
    let mut old_edges = series("edges, updated", EDGES_A_STATEMENT);
    let mut first = 0;
    for turn in 0..3 * ROUNDS {
        for series in [&mut new_edges, &mut old_edges] {
            match (turn + turn / 3) % 3 {
                0 => series
                    .bare
                    .push(bare(&http, &server.url, &edge_statements(first, turn)).await),
                1 => series
                    .plugin
                    .push(through(&session, &edge_statements(first, turn)).await),
                _ => series.whole.push(write_edges(&graph, first, turn).await),
            }
        }
        first += STATEMENTS * EDGES_A_STATEMENT;
    }
    for series in [&mut new_nodes, &mut old_nodes, &mut new_edges, &mut old_edges] {
        series.print();
    }
    server.stop().unwrap();
}
