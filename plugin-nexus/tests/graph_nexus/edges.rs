//! SIMILAR_TO edges: one a pair, each with its own values.

use serde_json::{Value, json};
use vectorizer_plugin_nexus::graph::record::EdgeRecord;
use vectorizer_plugin_nexus::graph::{Graph, GraphError, OutgoingSimilar, SimilarEdge, catalogue};
use vectorizer_plugin_nexus::nexus::FaultClass;

use crate::server::{Server, key, new_node};

fn edge(source: u32, target: u32, score: f64, active: bool) -> SimilarEdge {
    SimilarEdge {
        source: key(source),
        target: key(target),
        score,
        method: "cosine".to_owned(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        active,
    }
}

fn expected(edges: &[SimilarEdge]) -> Vec<OutgoingSimilar> {
    let mut found: Vec<_> = edges
        .iter()
        .map(|e| OutgoingSimilar {
            source: e.source.clone(),
            target: e.target.clone(),
            score: Some(e.score),
            active: e.active,
        })
        .collect();
    found.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    found
}

async fn outgoing(graph: &Graph, sources: u32) -> Vec<OutgoingSimilar> {
    let sources: Vec<_> = (0..sources).map(key).collect();
    let mut found = graph.outgoing_similar(&sources).await.unwrap();
    found.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    found
}

async fn with_documents(server: &Server, count: u32) -> Graph {
    let graph = server.graph().await;
    let writes: Vec<_> = (0..count).map(|n| new_node(n, json!({"n": n}))).collect();
    graph.upsert_documents(&writes).await.unwrap();
    graph
}

#[tokio::test]
async fn each_edge_has_its_own_values_and_updates_replace_them() {
    for server in Server::all().await {
        let graph = with_documents(&server, 150).await;
        let edges: Vec<_> = (0..150)
            .flat_map(|n| {
                (1..=3)
                    .map(move |step| edge(n, (n + step) % 150, f64::from(n) / 997.0 + f64::from(step), true))
            })
            .map(|mut e| {
                e.score = (e.score * 1e6).round() / 1e6;
                e
            })
            .collect();
        graph.upsert_similar(&edges).await.unwrap();
        assert_eq!(outgoing(&graph, 150).await, expected(&edges), "{}", server.name);

        let updated: Vec<_> = edges
            .iter()
            .cloned()
            .map(|mut e| {
                e.score = 0.5;
                e.active = e.target != key(7);
                e
            })
            .collect();
        graph.upsert_similar(&updated).await.unwrap();
        graph.upsert_similar(&updated).await.unwrap();
        assert_eq!(outgoing(&graph, 150).await, expected(&updated), "{}", server.name);
        assert_eq!(graph.count_similar().await.unwrap(), 450, "{}", server.name);
    }
}

#[tokio::test]
async fn a_retracted_edge_stays_readable_with_the_same_width() {
    for server in Server::all().await {
        let graph = with_documents(&server, 2).await;
        for (score, active) in [(0.123456789, true), (0.5, true), (0.5, false), (1.0, true)] {
            graph.upsert_similar(&[edge(0, 1, score, active)]).await.unwrap();
            let rows = server
                .ask(
                    "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Document) RETURN r",
                    json!({}),
                )
                .await;
            let mut stored = rows[0][0].as_object().cloned().unwrap();
            stored.retain(|name, _| name != "type" && !name.starts_with("_nexus_"));
            assert_eq!(Value::Object(stored).to_string().len(), 192, "{}", server.name);
            let found = outgoing(&graph, 1).await;
            assert_eq!(
                (found[0].score, found[0].active),
                (Some(score), active),
                "{}",
                server.name
            );
        }
    }
}

#[tokio::test]
async fn an_edge_to_a_missing_document_is_refused_and_damages_nothing() {
    for server in Server::all().await {
        let graph = with_documents(&server, 3).await;
        graph.upsert_similar(&[edge(0, 1, 0.25, true)]).await.unwrap();
        for missing in [edge(1, 99, 0.9, true), edge(99, 1, 0.9, true)] {
            let error = graph
                .upsert_similar(&[edge(0, 2, 0.75, true), missing])
                .await
                .unwrap_err();
            assert_eq!(
                error,
                GraphError::MissingEndpoints { keys: vec![key(99)] },
                "{}",
                server.name
            );
        }
        assert_eq!(
            outgoing(&graph, 3).await,
            expected(&[edge(0, 1, 0.25, true)]),
            "{}",
            server.name
        );
        assert_eq!(graph.count_documents().await.unwrap(), 3, "{}", server.name);
        assert!(server.stored("c/99").await.is_none());
    }
}

/// What the server does when a document goes between the look-up and the write.
#[tokio::test]
async fn nexus_reports_a_missing_endpoint_and_changes_no_node() {
    let Some(server) = Server::real().await else {
        return;
    };
    let graph = with_documents(&server, 3).await;
    let client = graph.session().unwrap();
    for (source, target) in [(1, 99), (99, 1)] {
        let (source, target) = (key(source), key(target));
        let record = EdgeRecord::similar(0.5, "cosine", "2026-01-01T00:00:00Z", true).unwrap();
        let statement = catalogue::upsert_similar([(&source, &target, record)])
            .unwrap()
            .remove(0);
        let error = client.run(&statement).await.unwrap_err();
        assert_eq!(error.class(), FaultClass::MissingEndpoint);
    }
    assert!(server.stored("c/99").await.is_none());
    for n in 0..3 {
        let node = server.stored(&format!("c/{n}")).await.unwrap();
        assert!(
            !node.contains_key("score") && !node.contains_key("active"),
            "{node:?}"
        );
    }
}

#[tokio::test]
async fn a_self_edge_is_refused_before_anything_is_sent() {
    for server in Server::all().await {
        let graph = with_documents(&server, 2).await;
        let refused = graph
            .upsert_similar(&[edge(0, 1, 0.5, true), edge(1, 1, 1.0, true)])
            .await;
        assert_eq!(refused, Err(GraphError::SelfEdge { key: key(1) }));
        assert_eq!(graph.count_similar().await.unwrap(), 0, "{}", server.name);
    }
}

#[tokio::test]
async fn documents_without_edges_and_absent_documents_have_none() {
    for server in Server::all().await {
        let graph = with_documents(&server, 3).await;
        graph.upsert_similar(&[edge(0, 1, 0.5, true)]).await.unwrap();
        let found = graph.outgoing_similar(&[key(1), key(2), key(77)]).await.unwrap();
        assert!(found.is_empty(), "{}: {found:?}", server.name);
        assert!(graph.outgoing_similar(&[]).await.unwrap().is_empty());
    }
}
