//! Properties that others set on documents' nodes and that go into the payloads, and who is right where both sides changed.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::path::Path;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, vector};
use vectorizer_plugin_nexus::audit_log;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;
use vectorizer_tests::webhook::{Delivery, SECRET, Sender, node_updated, now};

fn setup(kind: Kind, poller: &str) -> Setup {
    Setup::with(
        kind,
        &json!({
            "sync": {"max_retry_delay_ms": 500},
            "enrichment": {"enabled": true, "mapped": [
                {"property": "reviewed_by"},
                {"property": "risk", "field": "risk level", "on_conflict": "graph"},
            ]},
            "poller": {"mode": poller, "interval_ms": 100, "share": 0.5},
            "webhooks": {"inbound": {"secrets": [SECRET]}},
        }),
    )
}

fn document(n: usize, more: &Value) -> (String, Vec<f32>, Value) {
    let mut payload = json!({"title": format!("title {n:02}"), "content": format!("a text {n}")});
    for (name, value) in more.as_object().unwrap() {
        payload[name] = value.clone();
    }
    (format!("d{n}"), vector(n * 7), payload)
}

fn payload(client: &Vectorizer, id: &str) -> Value {
    let all = client.documents("c").unwrap();
    let found = all.into_iter().find(|document| document.id == id);
    found.unwrap().payload
}

/// Sets properties of a node, as an application would.
fn set(graph: &Nexus, id: &str, properties: &Value) {
    let update = "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props";
    let rows = json!({"rows": [{"key": format!("c/{id}"), "props": properties}]});
    graph.run(update, &rows).unwrap();
}

fn wait_for(client: &Vectorizer, id: &str, field: &str, value: &Value) {
    wait_until("the property is in the payload", PATIENCE, || {
        Ok(payload(client, id)[field] == *value)
    })
    .unwrap();
}

/// What was written down about conflicts: the field, and what was kept.
fn conflicts(folder: &Path) -> Vec<(String, String)> {
    let folder = folder.join("data/plugins/nexus");
    audit_log::verify(&folder).unwrap();
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["action"] == "property.conflict")
        .map(|line| {
            let text = |name: &str| line["details"][name].as_str().unwrap().to_owned();
            (text("field"), text("kept"))
        })
        .collect()
}

#[test]
fn a_property_that_somebody_set_is_in_the_payload_and_conflicts_are_settled_as_configured() {
    for kind in Kind::available() {
        let setup = setup(kind, "off");
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        let graph = setup.graph();
        let sender = Sender::new(&server.url);
        let mut deliveries = 0;
        let mut tell = |id: &str| {
            deliveries += 1;
            let body = node_updated("c", id);
            let delivery = Delivery::standard("/webhooks/nexus", &format!("m{deliveries}"), now(), &body);
            assert_eq!(sender.send(&delivery).unwrap().0, 202);
        };
        client.create("c", DIMENSION, "Cosine").unwrap();
        let documents: Vec<_> = (0..6).map(|n| document(n, &json!({}))).collect();
        client.insert("c", &documents).unwrap();
        setup.assert_equal(&client);
        assert_eq!(payload(&client, "d1")["_nexus"]["mapped"], Value::Null);

        set(
            &graph,
            "d1",
            &json!({"reviewed_by": "ann", "risk": 0.5, "elsewhere": "not mapped"}),
        );
        tell("d1");
        wait_for(&client, "d1", "reviewed_by", &json!("ann"));
        setup.assert_equal(&client);
        let after = payload(&client, "d1");
        assert_eq!(
            (&after["risk level"], &after["title"]),
            (&json!(0.5), &json!("title 01"))
        );
        assert_eq!(
            after["_nexus"]["mapped"],
            json!({"reviewed_by": "ann", "risk level": 0.5})
        );
        assert_eq!(after["elsewhere"], Value::Null);

        // The store changes it: that stays, and is no conflict.
        let mine = json!({"reviewed_by": "bob", "risk level": 0.75, "_nexus": after["_nexus"]});
        client.insert("c", &[document(1, &mine)]).unwrap();
        setup.assert_equal(&client);
        tell("d1");
        setup.assert_equal(&client);
        assert_eq!(payload(&client, "d1")["reviewed_by"], "bob");
        assert_eq!(conflicts(setup.folder.path()), []);

        // Now the graph does, too.
        set(&graph, "d1", &json!({"reviewed_by": "cid", "risk": 1.0}));
        tell("d1");
        wait_for(&client, "d1", "risk level", &json!(1.0));
        setup.assert_equal(&client);
        assert_eq!(payload(&client, "d1")["reviewed_by"], "bob", "{kind:?}");
        let pair = |field: &str, kept: &str| (field.to_owned(), kept.to_owned());
        let both = [pair("reviewed_by", "store"), pair("risk level", "graph")];
        assert_eq!(conflicts(setup.folder.path()), both);
        // Settled once.
        tell("d1");
        setup.assert_equal(&client);
        let settled = payload(&client, "d1");
        assert_eq!(settled["reviewed_by"], "bob");
        assert_eq!(conflicts(setup.folder.path()).len(), 2);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_property_that_nobody_tells_of_is_found_by_polling_also_one_that_was_set_while_nobody_looked() {
    for kind in Kind::available() {
        let setup = setup(kind, "on");
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        let documents: Vec<_> = (0..6).map(|n| document(n, &json!({}))).collect();
        client.insert("c", &documents).unwrap();
        setup.assert_equal(&client);
        set(&setup.graph(), "d2", &json!({"reviewed_by": "ann"}));
        wait_for(&client, "d2", "reviewed_by", &json!("ann"));
        assert!(server.stop().unwrap().success());
        set(&setup.graph(), "d3", &json!({"reviewed_by": "bob"}));
        let (server, client) = setup.host();
        wait_for(&client, "d3", "reviewed_by", &json!("bob"));
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
    }
}
