//! A server that refuses rows: those at fault are named, all others are written.

use nexus_dev::{FaultRule, Quirks};
use serde_json::json;
use vectorizer_plugin_nexus::graph::schema::NodeLabel;
use vectorizer_plugin_nexus::graph::{Edge, GraphError};
use vectorizer_plugin_nexus::nexus::{Blame, FaultClass, NexusError};

use crate::server::{Server, key, new_node, put};

#[tokio::test]
async fn only_the_rows_at_fault_are_not_written() {
    for quirks in [None, Some(Quirks::V2_5)] {
        let server = Server::dev(quirks).await;
        let graph = server.graph().await;
        let refusal = FaultRule::cypher_error("Type mismatch: expected number, got string");
        server
            .faults()
            .set(vec![
                refusal.clone().matching_row("poison-7"),
                refusal.matching_row("poison-31"),
            ])
            .unwrap();
        let writes: Vec<_> = (0..50)
            .map(|n| match n {
                7 | 31 => new_node(n, json!({"title": format!("poison-{n}")})),
                _ => new_node(n, json!({"title": "good"})),
            })
            .collect();
        let refused = graph.upsert_nodes(&writes).await.unwrap();
        assert_eq!(
            refused.iter().map(|refused| refused.row).collect::<Vec<_>>(),
            [7, 31]
        );
        for refused in &refused {
            assert_eq!(refused.error.class(), FaultClass::StatementRejected);
            assert!(
                !refused.error.to_string().contains("poison"),
                "payload in {}",
                refused.error
            );
        }
        server.faults().clear();
        assert_eq!(graph.count_nodes(NodeLabel::Document).await.unwrap(), 48);
        assert!(server.stored("c/7").await.is_none() && server.stored("c/32").await.is_some());
    }
}

#[tokio::test]
async fn refused_edges_are_named_by_their_place_among_those_given() {
    let server = Server::dev(None).await;
    let graph = server.graph().await;
    put(
        &graph,
        &(0..20).map(|n| new_node(n, json!({}))).collect::<Vec<_>>(),
    )
    .await;
    let refusal = FaultRule::cypher_error("Constraint violation: something about this row");
    server.faults().set(vec![refusal.matching_row("poison")]).unwrap();
    // Given from the last source to the first; they are sent in the order of their sources.
    let edges: Vec<Edge> = (0..19_u32)
        .rev()
        .map(|n| {
            let method = if n == 4 { "poison" } else { "cosine" };
            Edge::similar(&key(n), &key(n + 1), 0.5, method, "2026-01-01T00:00:00Z", true).unwrap()
        })
        .collect();
    let refused = graph.write_edges(&edges).await.unwrap();
    assert_eq!(
        refused.iter().map(|refused| refused.row).collect::<Vec<_>>(),
        [14]
    );
    server.faults().clear();
    let written = graph
        .outgoing_similar(&(0..20).map(key).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(written.len(), 18);
    assert!(written.iter().all(|edge| edge.source != key(4)));
}

#[tokio::test]
async fn a_fault_of_the_server_is_blamed_on_no_row() {
    for (rule, blame) in [
        (FaultRule::status(500), Blame::Passing),
        (FaultRule::status(401), Blame::Server),
        (
            FaultRule::cypher_error("Parse error: Cypher syntax error: Expected ')' at line 1, column 11"),
            Blame::Server,
        ),
        (FaultRule::drop_after(), Blame::Passing),
    ] {
        let server = Server::dev(None).await;
        let graph = server.graph().await;
        server.faults().set(vec![rule.matching("UNWIND")]).unwrap();
        let writes: Vec<_> = (0..4).map(|n| new_node(n, json!({}))).collect();
        let error = graph.upsert_nodes(&writes).await.unwrap_err();
        assert_eq!(error.class().blame(), blame, "{error}");
    }
}

#[tokio::test]
async fn a_statement_of_an_ended_session_is_not_sent() {
    let server = Server::dev(None).await;
    let graph = server.graph().await;
    graph.session().end();
    let error = graph.upsert_nodes(&[new_node(1, json!({}))]).await.unwrap_err();
    assert_eq!(error, GraphError::Nexus(NexusError::SessionEnded));
    assert!(server.stored("c/1").await.is_none());
}
