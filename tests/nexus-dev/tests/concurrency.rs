//! Many clients at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use serde_json::json;
use support::{INDEX_KEY, UPSERT_EDGES, UPSERT_NODES, documents, rows, server};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_on_the_same_keys_make_no_duplicates() {
    let server = server().await;
    let url = server.url().to_string();
    rows(&url, INDEX_KEY, json!({})).await;
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let url = url.clone();
        writers.spawn(async move {
            for round in 0..10 {
                // Every writer goes through the same keys from another place, so they meet.
                let key = |i: u64| format!("k{}", (i + writer * 13) % 50);
                let nodes: Vec<_> = (0..50)
                    .map(|i| json!({"key": key(i), "props": {format!("w{writer}"): round}}))
                    .collect();
                rows(&url, UPSERT_NODES, json!({"rows": nodes})).await;
                let edges: Vec<_> = (0..50)
                    .map(|i| json!({"a": key(i), "b": key(i + 1), "score": round, "active": true}))
                    .collect();
                rows(&url, UPSERT_EDGES, json!({"rows": edges})).await;
                rows(&url, "MATCH (d:Document {key:'k7'}) RETURN d", json!({})).await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(documents(&url).await, 50);
    assert_eq!(
        rows(&url, "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)", json!({})).await,
        json!([[50]])
    );
    for writer in 0..8 {
        let query = format!("MATCH (d:Document) WHERE d.w{writer} = 9 RETURN count(d)");
        assert_eq!(
            rows(&url, &query, json!({})).await,
            json!([[50]]),
            "a property of writer {writer} was lost"
        );
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_beside_a_writer_see_whole_batches() {
    let server = server().await;
    let url = server.url().to_string();
    rows(&url, INDEX_KEY, json!({})).await;
    let writer = tokio::spawn({
        let url = url.clone();
        async move {
            for batch in 0..20 {
                let nodes: Vec<_> = (0..100)
                    .map(|i| json!({"key": format!("b{batch}/{i}"), "props": {"batch": batch}}))
                    .collect();
                rows(&url, UPSERT_NODES, json!({"rows": nodes})).await;
            }
        }
    });
    let mut counts = Vec::new();
    while !writer.is_finished() {
        counts.push(documents(&url).await);
    }
    writer.await.unwrap();
    assert!(
        counts.iter().all(|count| count % 100 == 0),
        "half a batch was visible: {counts:?}"
    );
    assert_eq!(documents(&url).await, 2_000);
    server.shutdown().await.unwrap();
}
