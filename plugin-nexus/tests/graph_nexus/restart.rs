//! A restart of the real server after updates with shorter values: nothing may be lost.

use std::collections::HashSet;

use serde_json::json;
use vectorizer_plugin_nexus::graph::{Bucket, SimilarEdge};

use crate::server::{Server, key, new_node, printed, update};

fn title(n: u32) -> String {
    format!("a title of document {n} that is long enough to be cut")
}

fn edge(source: u32, score: f64, active: bool) -> SimilarEdge {
    SimilarEdge {
        source: key(source),
        target: key((source + 1) % 60),
        score,
        method: "cosine".to_owned(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        active,
    }
}

#[tokio::test]
async fn shortened_records_lose_nothing_at_a_restart() {
    let Some(mut server) = Server::real().await else {
        return;
    };
    let graph = server.graph().await;
    let bucket = Bucket::of("c", "shared").unwrap();
    let node =
        |n: u32| json!({"title": title(n), "bucket": bucket.as_str(), "score": 0.123456789, "rev": "r1"});
    let mut writes: Vec<_> = (0..60).map(|n| new_node(n, node(n))).collect();
    graph.upsert_documents(&writes).await.unwrap();
    let edges: Vec<_> = (0..30).map(|n| edge(n, 0.123456 + f64::from(n), true)).collect();
    graph.upsert_similar(&edges).await.unwrap();

    // Shorter values, removed properties, a shorter score, a retraction.
    writes[3] = update(
        writes[3].shape(),
        3,
        json!({"title": "x", "bucket": bucket.as_str(), "rev": "r2"}),
    );
    graph.upsert_documents(&writes[3..4]).await.unwrap();
    let mut shortened = edges.clone();
    shortened[4] = edge(4, 0.5, true);
    shortened[5] = edge(5, 5.0, false);
    graph.upsert_similar(&shortened[4..6]).await.unwrap();
    server.restart().await;
    let graph = server.graph().await;
    graph
        .upsert_documents(&(100..120).map(|n| new_node(n, node(n))).collect::<Vec<_>>())
        .await
        .unwrap();

    for n in (0..60).chain(100..120) {
        let stored = server
            .stored(&format!("c/{n}"))
            .await
            .unwrap_or_else(|| panic!("document {n} is lost"));
        let wanted = if n == 3 { "x".to_owned() } else { title(n) };
        assert_eq!(stored["title"], wanted, "document {n}");
        assert_eq!(printed(&stored), 256, "document {n}");
    }
    let read = graph
        .outgoing_similar(&(0..30).map(key).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(read.len(), 30);
    for (n, wanted) in shortened.iter().enumerate() {
        let found = read.iter().find(|e| e.source == key(n)).unwrap();
        assert_eq!(
            (found.score, found.active),
            (Some(wanted.score), wanted.active),
            "edge {n}"
        );
    }
    let listing = graph.list_bucket(&bucket).await.unwrap();
    let listed: HashSet<_> = listing.entries.iter().map(|entry| entry.key.clone()).collect();
    assert_eq!((listed.len(), listing.unreadable), (80, 0));
}
