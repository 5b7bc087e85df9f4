//! The probe: what it finds on each server, and that it leaves nothing behind.

use std::time::Duration;

use nexus_dev::{FaultRule, Quirks};
use serde_json::json;
use vectorizer_plugin_nexus::graph::capabilities::{Operation, Verdict};
use vectorizer_plugin_nexus::graph::probe::{ProbeSettings, probe};
use vectorizer_plugin_nexus::graph::schema::NodeLabel;
use vectorizer_plugin_nexus::graph::{Capabilities, Graph, GraphError};
use vectorizer_plugin_nexus::nexus::Blame;

use crate::server::{Server, new_node, put};

/// The forms in use, in the order of the table.
fn forms(capabilities: &Capabilities) -> Vec<(&'static str, &'static str)> {
    Operation::ALL
        .into_iter()
        .map(|operation| (operation.name(), capabilities.form(operation).unwrap_or("none")))
        .collect()
}

fn verdict(capabilities: &Capabilities, operation: Operation, form: &str) -> Verdict {
    let row = capabilities
        .operations
        .iter()
        .find(|row| row.operation == operation)
        .unwrap();
    let finding = row.tried.iter().find(|finding| finding.form == form).unwrap();
    finding.verdict.clone()
}

const STANDARD: [(&str, &str); 14] = [
    ("upsert_nodes", "unwind_merge"),
    ("look_up_nodes", "literal_union"),
    ("list_buckets", "literal_seek"),
    ("census", "group_by"),
    ("delete_nodes", "tag"),
    ("upsert_edges", "branch_set"),
    ("neighbours", "plain_hop"),
    ("retract_edges", "delete"),
    ("two_hops", "plain_hop"),
    ("incoming_edges", "none"),
    ("sweep_edges", "delete_where"),
    ("filter_behind_seek", "where"),
    ("page_behind_seek", "skip_limit"),
    ("plain_set", "set"),
];

const NEXUS_2_5: [(&str, &str); 14] = [
    ("upsert_nodes", "unwind_merge"),
    ("look_up_nodes", "literal_union"),
    ("list_buckets", "literal_seek"),
    ("census", "group_by"),
    ("delete_nodes", "tag"),
    ("upsert_edges", "branch_set"),
    ("neighbours", "range_hop"),
    ("retract_edges", "soft"),
    ("two_hops", "range_hop"),
    ("incoming_edges", "none"),
    ("sweep_edges", "none"),
    ("filter_behind_seek", "none"),
    ("page_behind_seek", "none"),
    ("plain_set", "none"),
];

#[tokio::test]
async fn a_server_that_answers_right_gets_the_standard_forms() {
    let server = Server::dev(None).await;
    let session = server.session().await;
    let capabilities = server.capabilities(&session, ProbeSettings::default()).await;
    assert_eq!(forms(&capabilities), STANDARD);
    assert!(capabilities.missing().is_empty());
}

#[tokio::test]
async fn nexus_2_5_gets_the_forms_that_are_right_on_it() {
    for server in Server::of_2_5().await {
        let session = server.session().await;
        let capabilities = server.capabilities(&session, ProbeSettings::default()).await;
        assert_eq!(forms(&capabilities), NEXUS_2_5, "{}", server.name);
        for (operation, form) in [
            (Operation::Neighbours, "plain_hop"),
            (Operation::RetractEdges, "delete"),
            (Operation::FilterBehindSeek, "where"),
            (Operation::PageBehindSeek, "skip_limit"),
            (Operation::PlainSet, "set"),
        ] {
            let verdict = verdict(&capabilities, operation, form);
            assert!(
                matches!(verdict, Verdict::Wrong { .. }),
                "{}: {form} {verdict:?}",
                server.name
            );
        }
    }
}

#[tokio::test]
async fn what_the_probe_wrote_is_gone_and_what_others_wrote_is_not() {
    for server in Server::all().await {
        server
            .ask(
                "UNWIND $rows AS row MERGE (d:VzProbe {key: row.key}) SET d += row.props",
                json!({"rows": [{"key": "theirs", "props": {"n": 1}}, {"key": "probe-old/a", "props": {"at": 1}}]}),
            )
            .await;
        let graph = server.graph().await;
        let left = server.ask("MATCH (d:VzProbe) RETURN d.key", json!({})).await;
        // What an interrupted probe left behind goes too.
        assert_eq!(left, [[json!("theirs")]], "{}", server.name);
        let edges = server
            .ask("MATCH ()-[r:VZ_PROBE]->() RETURN count(r) AS n", json!({}))
            .await;
        assert_eq!(edges, [[json!(0)]], "{}", server.name);
        assert_eq!(graph.count_nodes(NodeLabel::Document).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn incoming_edges_need_proof_on_a_server_with_many_relationships() {
    for server in Server::all().await {
        let rows: Vec<_> = (0..700).map(|n| json!({"key": n})).collect();
        let fill = "UNWIND $rows AS row MERGE (a:Fill {key: row.key})";
        server.ask(fill, json!({"rows": rows})).await;
        server
            .ask("CREATE INDEX IF NOT EXISTS FOR (n:Fill) ON (n.key)", json!({}))
            .await;
        let edges: Vec<_> = (0..700).map(|n| json!({"a": n, "b": (n + 1) % 700})).collect();
        server
            .ask(
                "UNWIND $rows AS row MATCH (a:Fill {key: row.a}) MATCH (b:Fill {key: row.b}) MERGE (a)-[r:F]->(b)",
                json!({"rows": edges}),
            )
            .await;
        let session = server.session().await;
        let capabilities = server.capabilities(&session, ProbeSettings::default()).await;
        let incoming = capabilities.form(Operation::IncomingEdges);
        if server.name == "nexus-dev" {
            assert_eq!(incoming, Some("plain_hop"), "{}", server.name);
        } else {
            assert_eq!(incoming, None, "{}", server.name);
            let verdict = verdict(&capabilities, Operation::IncomingEdges, "range_hop");
            assert!(
                matches!(verdict, Verdict::Wrong { .. }),
                "{}: {verdict:?}",
                server.name
            );
        }
    }
}

#[tokio::test]
async fn parameters_are_taken_only_where_they_are_seen_to_cost_less() {
    let settings = ProbeSettings {
        cost_from: 2_000,
        ..ProbeSettings::default()
    };
    for server in Server::all().await {
        let graph = server.graph().await;
        let writes: Vec<_> = (0..1_999).map(|n| new_node(n, json!({}))).collect();
        put(&graph, &writes).await;
        let few = server.capabilities(graph.session(), settings).await;
        assert_eq!(
            few.form(Operation::LookUpNodes),
            Some("literal_union"),
            "{}",
            server.name
        );
        let unproven = verdict(&few, Operation::LookUpNodes, "parameter_list");
        assert!(
            matches!(unproven, Verdict::Unproven { .. }),
            "{}: {unproven:?}",
            server.name
        );

        put(&graph, &[new_node("one more", json!({}))]).await;
        let many = server.capabilities(graph.session(), settings).await;
        let form = many.form(Operation::LookUpNodes).unwrap();
        // Which is cheaper is the server's affair; what is chosen has to work.
        let chosen = Graph::new(graph.session().clone(), many.forms);
        let found = chosen.look_up(&[writes[7].key().clone()]).await.unwrap();
        assert_eq!(found.len(), 1, "{} by {form}", server.name);
    }
}

#[tokio::test]
async fn a_server_without_room_for_our_labels_is_left_alone() {
    for server in Server::of_2_5().await {
        for n in 0..60 {
            server
                .ask(&format!("CREATE (n:L{n} {{key: 1}})"), json!({}))
                .await;
        }
        let session = server.session().await;
        let facts = server.facts().await;
        assert_eq!(facts.labels.as_ref().unwrap().len(), 60, "{}", server.name);
        let error = probe(&session, &facts, ProbeSettings::default())
            .await
            .unwrap_err();
        assert_eq!(
            error,
            GraphError::LabelsExhausted { used: 60, new: 5 },
            "{}",
            server.name
        );
        assert_eq!(error.class().blame(), Blame::Server);
        assert_eq!(server.facts().await.labels.unwrap().len(), 60, "{}", server.name);
    }
    // One label less, and all five of ours fit; a second probe finds them there.
    for server in Server::of_2_5().await {
        for n in 0..59 {
            server
                .ask(&format!("CREATE (n:L{n} {{key: 1}})"), json!({}))
                .await;
        }
        drop(server.graph().await);
        assert_eq!(server.facts().await.labels.unwrap().len(), 64, "{}", server.name);
        let graph = server.graph().await;
        put(&graph, &[new_node(1, json!({}))]).await;
        assert_eq!(
            graph.count_nodes(NodeLabel::Document).await.unwrap(),
            1,
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn without_a_right_form_the_table_says_what_is_missing() {
    // Edges are refused: nothing can be said of them.
    let server = Server::dev(Some(Quirks::V2_5)).await;
    let refusal =
        FaultRule::cypher_error("Parse error: Cypher syntax error: no such thing at line 1, column 1");
    server
        .faults()
        .set(vec![refusal.matching("ON CREATE SET")])
        .unwrap();
    let session = server.session().await;
    let capabilities = server.capabilities(&session, ProbeSettings::default()).await;
    let missing = capabilities.missing().join(", ");
    assert!(missing.contains("upsert_edges (branch_set failed"), "{missing}");
    assert!(missing.contains("neighbours (not tried)"), "{missing}");
    assert!(!missing.contains("delete_nodes"), "{missing}");
    let left = server
        .ask("MATCH (d:VzProbe) RETURN count(d) AS n", json!({}))
        .await;
    assert_eq!(left, [[json!(0)]]);
}

#[tokio::test]
async fn a_fault_that_is_nobodys_ends_the_probe_without_a_verdict() {
    let server = Server::dev(None).await;
    server
        .faults()
        .set(vec![FaultRule::drop_before().matching("SKIP")])
        .unwrap();
    let session = server.session().await;
    let error = probe(&session, &server.facts().await, ProbeSettings::default())
        .await
        .unwrap_err();
    assert_eq!(error.class().blame(), Blame::Passing, "{error}");
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let server = Server::dev(None).await;
    server.faults().set(vec![FaultRule::latency(200, 0)]).unwrap();
    let session = server.session().await;
    let settings = ProbeSettings {
        limit: Duration::from_millis(500),
        ..ProbeSettings::default()
    };
    let error = probe(&session, &server.facts().await, settings)
        .await
        .unwrap_err();
    assert!(matches!(error, GraphError::ProbeTooSlow { .. }), "{error}");
}
