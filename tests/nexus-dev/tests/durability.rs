//! What a stop, a kill and a start leave of the graph.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nexus_dev::{Durability, NexusDev};
use reqwest::StatusCode;
use serde_json::json;
use support::process::Process;
use support::{INDEX_KEY, UPSERT_EDGES, UPSERT_NODES, client, documents, rows, send, start};

fn batch(from: u64, count: u64) -> serde_json::Value {
    let nodes =
        (from..from + count).map(|i| json!({"key": format!("d{i}"), "props": {"rev": i, "m": {"a": [i]}}}));
    json!({"rows": nodes.collect::<Vec<_>>()})
}

async fn open(folder: &Path) -> NexusDev {
    start(NexusDev::builder().data_dir(folder)).await
}

#[tokio::test]
async fn a_graceful_stop_keeps_nodes_edges_and_index_declarations() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await;
    rows(server.url(), INDEX_KEY, json!({})).await;
    rows(server.url(), UPSERT_NODES, batch(0, 50)).await;
    let edges = json!({"rows": [{"a": "d0", "b": "d1", "score": 0.25, "active": true}]});
    rows(server.url(), UPSERT_EDGES, edges).await;
    rows(
        server.url(),
        "MATCH (d:Document {key:'d9'}) DETACH DELETE d",
        json!({}),
    )
    .await;
    server.shutdown().await.unwrap();

    let server = open(folder.path()).await;
    assert_eq!(documents(server.url()).await, 49);
    let node = rows(
        server.url(),
        "MATCH (d:Document {key:'d8'}) RETURN d.rev, d.m",
        json!({}),
    )
    .await;
    assert_eq!(node, json!([[8, {"a": [8]}]]));
    let edge = "MATCH (a:Document {key:'d0'})-[r:SIMILAR_TO*1..1]->(b) RETURN b.key, r.score, r.active";
    assert_eq!(
        rows(server.url(), edge, json!({})).await,
        json!([["d1", 0.25, true]])
    );
    let again = support::answer(
        server.url(),
        "CREATE INDEX FOR (n:Document) ON (n.key)",
        json!({}),
    )
    .await;
    assert!(
        again["error"].as_str().unwrap().contains("already exists"),
        "{again}"
    );
    rows(server.url(), UPSERT_NODES, batch(0, 50)).await;
    assert_eq!(
        documents(server.url()).await,
        50,
        "the upsert finds the stored nodes"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_property_index_is_used_again_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut process = Process::start(&["--data", data]);
    rows(&process.url, INDEX_KEY, json!({})).await;
    for from in (0..20_000).step_by(2_000) {
        rows(&process.url, UPSERT_NODES, batch(from, 2_000)).await;
    }
    process.kill();
    let process = Process::start(&["--data", data]);
    // The same seek on an indexed and on an unindexed property: without the index both scan all nodes.
    let time = async |property: &str, value: &str| {
        let seek = |i: u64| format!("MATCH (d:Document {{{property}: {value}}}) RETURN {i} AS i");
        let query = (0..20).map(seek).collect::<Vec<_>>().join(" UNION ALL ");
        let start = Instant::now();
        assert_eq!(
            rows(&process.url, &query, json!({}))
                .await
                .as_array()
                .unwrap()
                .len(),
            20
        );
        start.elapsed()
    };
    let (indexed, scanned) = (time("key", "'d19999'").await, time("rev", "19999").await);
    assert!(indexed * 3 < scanned, "seek {indexed:?}, scan {scanned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_writing_loses_no_answered_statement() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut next = 0;
    for round in 0..3 {
        let mut process = Process::start(&["--data", data, "--checkpoint-seconds", "0"]);
        assert!(documents(&process.url).await >= next, "round {round}");
        rows(&process.url, INDEX_KEY, json!({})).await;
        let answered = Arc::new(AtomicU64::new(next));
        let writer = tokio::spawn({
            let (url, answered) = (process.url.clone(), Arc::clone(&answered));
            async move {
                loop {
                    let from = answered.load(Ordering::Acquire);
                    let sent = send(&url, UPSERT_NODES, batch(from, 5)).await;
                    let Ok(response) = sent else { return };
                    let Ok(body) = response.json::<serde_json::Value>().await else {
                        return;
                    };
                    assert_eq!(body.get("error"), None);
                    answered.store(from + 5, Ordering::Release);
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
        process.kill();
        writer.await.unwrap();
        let now = answered.load(Ordering::Acquire);
        assert!(now > next, "nothing was written in round {round}");
        next = now;
    }
    let server = open(folder.path()).await;
    for from in (0..next).step_by(500) {
        let keys: Vec<_> = (from..next.min(from + 500)).map(|i| format!("d{i}")).collect();
        let found = "MATCH (d:Document) WHERE d.key IN $keys RETURN count(d), sum(d.rev)";
        let sum: u64 = (from..next.min(from + 500)).sum();
        assert_eq!(
            rows(server.url(), found, json!({"keys": keys})).await,
            json!([[keys.len(), sum]])
        );
    }
    let total = documents(server.url()).await;
    assert!(
        total == next || total == next + 5,
        "{total} documents after {next} answered"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn sigterm_stops_gracefully_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let process = Process::start(&["--data", data, "--sync"]);
    rows(&process.url, UPSERT_NODES, batch(0, 30)).await;
    assert!(process.terminate().success());
    let server = start(
        NexusDev::builder()
            .data_dir(folder.path())
            .durability(Durability::Power),
    )
    .await;
    assert_eq!(documents(server.url()).await, 30);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_binary_takes_faults_and_a_key_from_its_arguments() {
    let fault =
        r#"{"matching":"MERGE","times":1,"effect":{"kind":"status","code":503,"retry_after_seconds":7}}"#;
    let process = Process::start(&[
        "--api-key",
        "nx_k",
        "--allow-faults",
        "--fault",
        fault,
        "--fault-latency-ms",
        "1",
    ]);
    assert_eq!(
        send(&process.url, "RETURN 1 AS x", json!({}))
            .await
            .unwrap()
            .status(),
        StatusCode::UNAUTHORIZED
    );
    let post = client()
        .post(format!("{}/cypher", process.url))
        .header("x-api-key", "nx_k");
    let hit = post
        .json(&json!({"query": "MERGE (n:D {key: 1})"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (hit.status(), &hit.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"7".parse().unwrap())
    );
    let report = client()
        .get(format!("{}/_faults", process.url))
        .bearer_auth("nx_k")
        .send()
        .await
        .unwrap();
    let report: serde_json::Value = report.json().await.unwrap();
    assert_eq!(
        (&report["counts"]["statuses"], &report["counts"]["delayed"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn the_binary_refuses_a_public_address_without_a_key() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nexus-dev"))
        .args(["--addr", "0.0.0.0:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(message.contains("API key"), "{message}");
}
