//! Changes that others make in the graph, found without a webhook.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::time::Duration;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, vector};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;
use vectorizer_tests::webhook::{Delivery, SECRET, Sender, node_updated, now};

fn setup(kind: Kind, poller: &Value) -> Setup {
    Setup::with(
        kind,
        &json!({
            "sync": {"max_retry_delay_ms": 500},
            "enrichment": {"enabled": true},
            "poller": poller,
            "webhooks": {"inbound": {"secrets": [SECRET]}},
        }),
    )
}

fn insert(client: &Vectorizer, count: usize) {
    client.create("c", DIMENSION, "Cosine").unwrap();
    let documents: Vec<_> = (0..count)
        .map(|n| {
            let payload = json!({"title": format!("title {n:02}"), "content": format!("a text {n}")});
            (format!("d{n}"), vector(n * 7), payload)
        })
        .collect();
    client.insert("c", &documents).unwrap();
}

fn cited(client: &Vectorizer, id: &str) -> Vec<String> {
    let all = client.documents("c").unwrap();
    let document = all.into_iter().find(|document| document.id == id).unwrap();
    let related = document.payload["_nexus"]["related_documents"]
        .as_array()
        .cloned();
    let cited = related
        .into_iter()
        .flatten()
        .filter(|related| related["type"] == "CITES");
    cited
        .map(|related| related["id"].as_str().unwrap().to_owned())
        .collect()
}

fn merge(graph: &Nexus, kind: &str, setting: &str, from: &str, to: &str) {
    let statement = format!(
        "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
         MERGE (a)-[r:{kind}]->(b) ON CREATE SET {setting} ON MATCH SET {setting}"
    );
    graph
        .run(&statement, &json!({"rows": [{"a": from, "b": to}]}))
        .unwrap();
}

fn polled(client: &Vectorizer) -> bool {
    client.status().unwrap()["polled"] == true
}

#[test]
fn edges_and_properties_that_somebody_changed_are_found_by_polling() {
    for kind in Kind::available() {
        let setup = setup(kind, &json!({"interval_ms": 50, "share": 1.0}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        insert(&client, 30);
        setup.assert_equal(&client);
        assert!(polled(&client));
        let graph = setup.graph();

        merge(&graph, "CITES", "r.since = 1999", "c/d1", "c/d7");
        wait_until("the link is in the payload", PATIENCE, || {
            Ok(cited(&client, "d1") == ["d7"])
        })
        .unwrap();

        // The poller has to have seen the node before it can see a change.
        std::thread::sleep(Duration::from_secs(3));
        let rows = json!({"rows": [{"key": "c/d3", "props": {"title": "forgery!"}}]});
        let update = "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props";
        graph.run(update, &rows).unwrap();
        let title = |key: &str| {
            let nodes = graph.documents()?;
            let node = nodes.into_iter().find(|node| node.key == key);
            Ok(node.map(|node| node.properties["title"].clone()))
        };
        wait_until("the node says what the store says", PATIENCE, || {
            Ok(title("c/d3")? == Some(json!("title 03")))
        })
        .unwrap();

        let edge = graph
            .similar()
            .unwrap()
            .into_iter()
            .find(|edge| edge.active)
            .unwrap();
        merge(&graph, "SIMILAR_TO", "r.active = 0", &edge.source, &edge.target);
        wait_until("the edge holds again", PATIENCE, || {
            let same = |other: &vectorizer_tests::nexus::Edge| {
                (&other.source, &other.target) == (&edge.source, &edge.target)
            };
            Ok(graph.similar()?.iter().any(|edge| same(edge) && edge.active))
        })
        .unwrap();

        // A node that somebody deleted is made again, with its edges.
        let mark = json!({"rows": [{"key": "c/d9", "props": {"gc": "somebody-deletes-one-node-0000000"}}]});
        graph.run(update, &mark).unwrap();
        graph
            .run(
                "MATCH (d:Document {gc:'somebody-deletes-one-node-0000000'}) DETACH DELETE d",
                &json!({}),
            )
            .unwrap();
        wait_until("the node is there again", PATIENCE, || {
            Ok(title("c/d9")? == Some(json!("title 09")))
        })
        .unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn polling_finds_nothing_in_what_the_plugin_writes_itself() {
    for kind in Kind::available() {
        let setup = setup(kind, &json!({"mode": "on", "interval_ms": 50, "share": 1.0}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        insert(&client, 40);
        for round in 0..4 {
            let documents: Vec<_> = (0..40)
                .map(|n| {
                    let payload = json!({"title": format!("round {round} {n}"), "content": format!("Paris {n}"), "language": "en"});
                    (format!("d{n}"), vector(n * 7 + round), payload)
                })
                .collect();
            client.insert("c", &documents).unwrap();
            client.settle(PATIENCE).unwrap();
            std::thread::sleep(Duration::from_millis(700));
        }
        setup.assert_equal(&client);
        let found = |client: &Vectorizer| -> Vec<String> {
            let text = client.metrics().unwrap();
            let lines = text
                .lines()
                .filter(|line| line.starts_with("vectorizer_nexus_poll_found_total{"));
            lines.map(str::to_owned).collect()
        };
        let all = found(&client);
        assert_eq!(all.len(), 3, "{all:?}");
        for line in &all {
            assert!(line.ends_with(" 0"), "{kind:?}: {line}");
        }
        assert!(server.stop().unwrap().success());
    }
}

/// Polls in an hour at the default interval.
const HOUR: u64 = 3_600_000 / 250;

#[test]
fn in_an_hour_of_polling_at_rest_nothing_is_found_and_nothing_is_written() {
    let setup = setup(Kind::Dev, &json!({"mode": "on", "interval_ms": 1, "share": 1.0}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    insert(&client, 10);
    setup.assert_equal(&client);
    // All counters of what was written to the graph and to payloads, and of what polling found.
    let counters = || -> Vec<String> {
        let text = client.metrics().unwrap();
        let counted = [
            "sync_total{",
            "relationships_",
            "enrichment_total{",
            "poll_found_total{",
        ];
        let is_counted = |line: &&str| {
            let rest = line.strip_prefix("vectorizer_nexus_");
            rest.is_some_and(|rest| counted.iter().any(|name| rest.starts_with(name)))
        };
        text.lines().filter(is_counted).map(str::to_owned).collect()
    };
    let polls = || -> u64 {
        let text = client.metrics().unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("vectorizer_nexus_polls_total{"));
        lines
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum()
    };
    let payloads = || client.documents("c").unwrap();
    let (before, documents, begun) = (counters(), payloads(), polls());
    assert!(before.len() >= 6, "{before:#?}");
    wait_until("an hour's polls", Duration::from_secs(600), || {
        Ok(polls() - begun >= HOUR)
    })
    .unwrap();
    assert_eq!(counters(), before);
    assert_eq!(payloads(), documents);
    assert!(server.stop().unwrap().success());
}

#[test]
fn polling_ends_with_the_first_webhook_and_stays_away() {
    let setup = setup(Kind::Dev, &json!({"interval_ms": 50}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    insert(&client, 3);
    client.settle(PATIENCE).unwrap();
    assert!(polled(&client));
    let delivery = Delivery::standard("/webhooks/nexus", "x", now(), &node_updated("c", "d1"));
    assert_eq!(Sender::new(&server.url).send(&delivery).unwrap().0, 202);
    assert!(!polled(&client));
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    assert!(!polled(&client));
    assert!(server.stop().unwrap().success());
}
