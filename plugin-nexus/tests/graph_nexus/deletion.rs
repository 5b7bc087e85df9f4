//! Deleting documents: exactly the set, with its edges.

use serde_json::json;
use vectorizer_plugin_nexus::graph::schema::NodeLabel;
use vectorizer_plugin_nexus::graph::{DocumentKey, Edge, RecordShape};

use crate::server::{Server, key, new_node, printed, put, put_edges, update};

fn edge(source: u32, target: u32) -> Edge {
    Edge::similar(
        &key(source),
        &key(target),
        0.5,
        "cosine",
        "2026-01-01T00:00:00Z",
        true,
    )
    .unwrap()
}

#[tokio::test]
async fn exactly_the_named_documents_go_and_their_edges_with_them() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let writes: Vec<_> = (0..260).map(|n| new_node(n, json!({"n": n}))).collect();
        put(&graph, &writes).await;
        // 5 -> 250 loses its source, 251 -> 5 its target, 252 -> 253 stays.
        put_edges(&graph, &[edge(5, 250), edge(251, 5), edge(252, 253)]).await;
        let mut doomed: Vec<_> = (0..130).map(key).collect();
        doomed.extend([key(5), key("never there")]);
        assert_eq!(graph.delete_nodes(&doomed).await.unwrap(), 130, "{}", server.name);
        assert_eq!(
            graph.count_nodes(NodeLabel::Document).await.unwrap(),
            130,
            "{}",
            server.name
        );
        assert!(graph.read_nodes(&doomed).await.unwrap().is_empty());
        for n in 130..260 {
            let node = server.stored(&format!("c/{n}")).await.unwrap();
            assert!(node["n"] == n && !node.contains_key("gc"), "{}", server.name);
        }
        let left = graph.outgoing_similar(&[key(251), key(252)]).await.unwrap();
        assert_eq!(left.len(), 1, "{}: {left:?}", server.name);
        assert_eq!((&left[0].source, &left[0].target), (&key(252), &key(253)));
        assert_eq!(graph.delete_nodes(&doomed).await.unwrap(), 0, "{}", server.name);
        assert_eq!(graph.delete_nodes::<DocumentKey>(&[]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_deleted_document_can_be_created_again_without_its_old_edges() {
    for server in Server::all().await {
        let graph = server.graph().await;
        put(&graph, &[new_node(1, json!({"v": 1})), new_node(2, json!({}))]).await;
        put_edges(&graph, &[edge(1, 2)]).await;
        assert_eq!(graph.delete_nodes(&[key(1)]).await.unwrap(), 1);
        put(&graph, &[new_node(1, json!({"v": 2}))]).await;
        assert_eq!(server.stored("c/1").await.unwrap()["v"], 2, "{}", server.name);
        assert!(
            graph
                .outgoing_similar(&[key(1), key(2)])
                .await
                .unwrap()
                .is_empty(),
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn a_document_that_was_only_marked_is_written_again_without_shrinking() {
    for server in Server::all().await {
        let graph = server.graph().await;
        put(&graph, &[new_node(1, json!({"v": 1}))]).await;
        let mark = json!({"rows": [{"key": "c/1", "props": {"gc": "0123456789abcdef0123456789abcdef"}}]});
        server
            .ask(
                "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props",
                mark,
            )
            .await;
        let marked = printed(&server.stored("c/1").await.unwrap());
        let read = graph
            .read_nodes(&[key(1)])
            .await
            .unwrap()
            .remove(&key(1))
            .unwrap();
        let shape = RecordShape::of_stored(&read, |name| name == "v").unwrap();
        put(&graph, &[update(&shape, 1, json!({"v": 2}))]).await;
        let stored = server.stored("c/1").await.unwrap();
        assert!(
            !stored.contains_key("gc") && printed(&stored) >= marked,
            "{}",
            server.name
        );
    }
}
