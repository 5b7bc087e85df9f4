//! Steering the plugin: what an administrator sets counts at once, in the graph, and after a restart.

use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::BASE;
use crate::setup::{DIMENSION, PATIENCE, Setup, document, documents};

fn post(client: &Vectorizer, path: &str, body: &Value) -> (u16, Value) {
    client.send("POST", &format!("{BASE}{path}"), Some(body)).unwrap()
}

/// The titles of a collection's documents in the graph.
fn titles(setup: &Setup, collection: &str) -> Vec<String> {
    let nodes = setup.graph().documents().unwrap();
    let mut titles: Vec<String> = nodes
        .iter()
        .filter(|node| node.properties["collection"] == collection)
        .map(|node| node.properties["title"].as_str().unwrap_or_default().to_owned())
        .collect();
    titles.sort();
    titles
}

fn wait_for_titles(setup: &Setup, collection: &str, count: usize) {
    wait_until(
        &format!("{count} documents of {collection} are in the graph"),
        PATIENCE,
        || Ok(titles(setup, collection).len() == count),
    )
    .unwrap();
}

fn switched(kind: Kind) {
    let setup = Setup::with(kind, &json!({"sync_all_collections": false}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    for name in ["leases", "notes"] {
        client.create(name, DIMENSION, "Cosine").unwrap();
        client.insert(name, &documents(0..20, name)).unwrap();
    }
    client.settle(PATIENCE).unwrap();
    assert!(titles(&setup, "leases").is_empty() && titles(&setup, "notes").is_empty());

    let wanted = json!({"collection": "leases", "domain": "legal", "config": {"similarity_threshold": 0.5, "similarity_top_k": 2, "auto_classify": false}});
    let (status, answer) = post(&client, "/enable", &wanted);
    assert_eq!(
        (
            status,
            &answer["success"],
            &answer["collection"],
            &answer["domain"]
        ),
        (200, &json!(true), &json!("leases"), &json!("legal")),
        "{answer}"
    );
    wait_for_titles(&setup, "leases", 20);
    client.settle(PATIENCE).unwrap();
    let nodes = setup.graph().documents().unwrap();
    assert!(nodes.iter().all(|node| node.properties["domain"] == "legal"));
    let most = setup
        .graph()
        .similar()
        .unwrap()
        .into_iter()
        .filter(|edge| edge.active)
        .fold(
            std::collections::HashMap::<String, usize>::new(),
            |mut counts, edge| {
                *counts.entry(edge.source).or_default() += 1;
                counts
            },
        );
    assert_eq!(most.values().max(), Some(&2));
    assert!(titles(&setup, "notes").is_empty());

    // It counts after a restart, and changes come through.
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    client.insert("leases", &documents(0..5, "changed")).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(
        titles(&setup, "leases")
            .iter()
            .filter(|title| title.starts_with("changed"))
            .count(),
        5
    );
    let shown = &client.status().unwrap()["collections"];
    let leases = shown
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "leases")
        .unwrap();
    assert_eq!(
        (&leases["enabled"], &leases["domain"]),
        (&json!(true), &json!("legal"))
    );

    // Disabled, its documents stay as they are.
    assert_eq!(post(&client, "/disable", &json!({"collection": "leases"})).0, 200);
    client.insert("leases", &documents(0..9, "unseen")).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(
        titles(&setup, "leases")
            .iter()
            .filter(|title| title.starts_with("unseen"))
            .count(),
        0
    );
    assert_eq!(titles(&setup, "leases").len(), 20);
    // Enabled again, they are as the store has them.
    assert_eq!(post(&client, "/enable", &json!({"collection": "leases"})).0, 200);
    wait_until("the graph follows", PATIENCE, || {
        Ok(titles(&setup, "leases")
            .iter()
            .filter(|title| title.starts_with("unseen"))
            .count()
            == 9)
    })
    .unwrap();
    // And disabled with `remove`, they go, with what they were related to.
    assert_eq!(
        post(
            &client,
            "/disable",
            &json!({"collection": "leases", "remove": true})
        )
        .0,
        200
    );
    wait_for_titles(&setup, "leases", 0);
    client.settle(PATIENCE).unwrap();
    assert!(setup.graph().documents().unwrap().is_empty());
    assert_eq!(
        client.documents("leases").unwrap().len(),
        20,
        "the store keeps them"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn collections_are_switched_on_and_off() {
    for kind in Kind::available() {
        switched(kind);
    }
}

#[test]
fn what_cannot_be_switched_is_refused_by_its_field() {
    let setup = Setup::new(Kind::Dev);
    let (server, client) = setup.host();
    for (path, body, field) in [
        ("/enable", json!({}), "body"),
        ("/enable", json!({"collection": ""}), "collection"),
        ("/enable", json!({"collection": "a*"}), "collection"),
        (
            "/enable",
            json!({"collection": "a", "domain": "astrology"}),
            "domain",
        ),
        (
            "/enable",
            json!({"collection": "a", "config": {"similarity_top_k": 0}}),
            "config.similarity_top_k",
        ),
        (
            "/enable",
            json!({"collection": "a", "config": {"similarity_threshold": 2}}),
            "config.similarity_threshold",
        ),
        (
            "/enable",
            json!({"collection": "a", "config": {"auto_classify": false}}),
            "config.auto_classify",
        ),
        (
            "/enable",
            json!({"collection": "a", "config": {"top_k": 1}}),
            "config.top_k",
        ),
        ("/disable", json!({"collection": 7}), "collection"),
        ("/pause", json!({"reason": 1}), "reason"),
        ("/clear", json!({}), "body"),
        ("/clear", json!({"confirm": "yes"}), "confirm"),
        ("/trigger", json!({"batch_size": 0}), "batch_size"),
        ("/trigger", json!({"collections": []}), "collections"),
        ("/domains/classify", json!({"text": "x", "id": "1"}), "body"),
    ] {
        let (status, answer) = post(&client, path, &body);
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("validation_error")),
            "{path} {body}: {answer}"
        );
        assert_eq!(answer["details"]["field"], field, "{path} {body}: {answer}");
        assert_eq!(answer["status_code"], 400);
    }
    assert_eq!(client.status().unwrap()["collections"], json!([]));
    assert!(server.stop().unwrap().success());
}

#[test]
fn nothing_is_written_while_paused_also_after_a_restart_and_all_of_it_is_afterwards() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(post(&client, "/pause", &json!({"reason": "an upgrade"})).0, 200);
    client.insert("c", &documents(0..30, "a document")).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let status = client.status().unwrap();
    assert_eq!(status["queue_depth"], 30);
    assert_eq!(
        (&status["paused"]["reason"], &status["paused"]["by"]),
        (&json!("an upgrade"), &json!("local"))
    );
    let (health, checks) = client.send("GET", &format!("{BASE}/health"), None).unwrap();
    assert_eq!((health, &checks["status"]), (200, &json!("degraded")), "{checks}");
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    std::thread::sleep(Duration::from_secs(1));
    assert!(setup.graph().documents().unwrap().is_empty());
    assert_eq!(post(&client, "/resume", &json!({})).0, 200);
    setup.assert_equal(&client);
    assert_eq!(setup.graph().documents().unwrap().len(), 30);
    assert!(client.status().unwrap()["paused"].is_null());
    assert!(server.stop().unwrap().success());
}

#[test]
fn what_is_cleared_from_the_queue_a_comparison_brings_back() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..20, "before")).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(post(&client, "/pause", &json!({})).0, 200);
    client.insert("c", &documents(10..40, "after")).unwrap();
    wait_until("the hints are journaled", PATIENCE, || {
        Ok(client.status()?["queue_depth"] == 30)
    })
    .unwrap();
    let (status, answer) = post(&client, "/clear", &json!({"confirm": "clear", "collection": "c"}));
    assert_eq!((status, &answer["cleared"]), (200, &json!(30)), "{answer}");
    assert_eq!(post(&client, "/resume", &json!({})).0, 200);
    client.settle(PATIENCE).unwrap();
    assert_eq!(
        titles(&setup, "c")
            .iter()
            .filter(|title| title.starts_with("after"))
            .count(),
        0
    );
    assert_eq!(post(&client, "/reconcile", &json!({"collection": "c"})).0, 202);
    wait_for_titles(&setup, "c", 40);
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
}

#[test]
fn settings_are_changed_while_it_runs_and_shown_with_where_they_come_from() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"api_key": "nx_zq7", "webhooks": {"inbound": {"plain_secrets": ["a secret zq7 of some length"]}}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..30, "a document")).unwrap();
    setup.assert_equal(&client);
    let config = || client.call("GET", &format!("{BASE}/config"), None).unwrap();
    let put = |query: &str, body: &Value| {
        client
            .send("PUT", &format!("{BASE}/config{query}"), Some(body))
            .unwrap()
    };
    assert_eq!(config()["config"]["api_key"], "[redacted]");

    // Looked at first, then done.
    let patch = json!({"similarity": {"top_k": 1}, "sync": {"batch_size": 50}});
    let (status, answer) = put("?dry_run=true", &patch);
    let changes = json!([
        {"key": "similarity.top_k", "from": 3, "to": 1, "applies": "now"},
        {"key": "sync.batch_size", "from": 200, "to": 50, "applies": "restart"},
    ]);
    assert_eq!(
        (status, &answer["dry_run"], &answer["changes"]),
        (200, &json!(true), &changes),
        "{answer}"
    );
    assert_eq!(config()["config"]["similarity"]["top_k"], 3);
    let (status, answer) = put("", &patch);
    assert_eq!((status, &answer["changes"]), (200, &changes), "{answer}");
    assert_eq!(config()["restart_needed"], json!(["sync.batch_size"]));
    assert_eq!(config()["overrides"]["api"], patch);
    let most = || {
        let edges = setup.graph().similar().unwrap();
        let mut counts = std::collections::HashMap::<String, usize>::new();
        for edge in edges.into_iter().filter(|edge| edge.active) {
            *counts.entry(edge.source).or_default() += 1;
        }
        counts.values().copied().max()
    };
    wait_until("each document has one edge", PATIENCE, || Ok(most() == Some(1))).unwrap();

    // What is wrong is told all at once, and changes nothing.
    let (status, answer) = put(
        "",
        &json!({"similarity": {"top_k": 0}, "verfy": {}, "poller": {"mode": 1}}),
    );
    assert_eq!((status, &answer["error_type"]), (400, &json!("validation_error")));
    assert_eq!(
        answer["details"]["faults"].as_array().unwrap().len(),
        3,
        "{answer}"
    );
    let (status, answer) = put("", &json!({"api_key": "nx_other"}));
    assert!(
        status == 400 && answer["message"].as_str().unwrap().contains("secret"),
        "{answer}"
    );
    assert_eq!(config()["config"]["similarity"]["top_k"], 1);

    // After a restart the rest counts, too; the environment before everything.
    assert!(server.stop().unwrap().success());
    let mut command = setup.host.command();
    command
        .env("NEXUS_SYNC_BATCH_SIZE", "70")
        .env("NEXUS_API_KEY", "");
    let server = vectorizer_tests::process::Server::start(
        "vectorizer-host",
        &mut command,
        &setup.folder.path().join("again.log"),
    )
    .unwrap();
    let client = Vectorizer::new(&server.url);
    let shown = client.call("GET", &format!("{BASE}/config"), None).unwrap();
    assert_eq!(shown["config"]["sync"]["batch_size"], 70);
    assert_eq!(
        shown["overrides"]["environment"],
        json!({"sync.batch_size": "NEXUS_SYNC_BATCH_SIZE"})
    );
    assert_eq!(shown["restart_needed"], json!([]));
    let (status, answer) = client
        .send(
            "PUT",
            &format!("{BASE}/config"),
            Some(&json!({"sync": {"batch_size": 9}})),
        )
        .unwrap();
    assert_eq!(
        (status, &answer["error_type"]),
        (409, &json!("conflict")),
        "{answer}"
    );
    assert!(server.stop().unwrap().success());

    // No secret is anywhere that it was not put.
    for file in [
        "data/plugins/nexus/settings.json",
        "data/plugins/nexus/audit.jsonl",
        "host.log",
        "again.log",
    ] {
        let text = std::fs::read_to_string(setup.folder.path().join(file)).unwrap();
        assert!(!text.contains("zq7"), "{file}");
    }
}

#[test]
fn a_document_and_a_text_are_classified_on_request() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    let text = "WHEREAS the Licensee wishes to obtain a license, the parties hereby agree to the terms of this Agreement, and each party shall indemnify the other.";
    client
        .insert(
            "c",
            &[("1".into(), vec![0.5; DIMENSION], json!({"content": text}))],
        )
        .unwrap();
    for body in [json!({"collection": "c", "id": "1"}), json!({"text": text})] {
        let (status, answer) = post(&client, "/domains/classify", &body);
        assert_eq!(
            (status, &answer["domains"][0]["domain"]),
            (200, &json!("legal")),
            "{answer}"
        );
    }
    assert_eq!(
        post(
            &client,
            "/domains/classify",
            &json!({"collection": "c", "id": "9"})
        )
        .0,
        404
    );
    let (status, answer) = post(&client, "/domains/reclassify", &json!({"collection": "c"}));
    assert_eq!((status, &answer["success"]), (202, &json!(true)), "{answer}");
    client.settle(PATIENCE).unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
fn who_waits_reads_in_the_graph_what_they_wrote() {
    let setup = Setup::new(Kind::Dev);
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let wait = |query: &str| {
        client
            .call("GET", &format!("{BASE}/wait?collection=c{query}"), None)
            .unwrap()
    };
    for round in 0..20 {
        let title = format!("round {round}");
        client.insert("c", &[document(round % 3, &title)]).unwrap();
        assert_eq!(wait("&timeout_ms=30000")["done"], true);
        assert!(titles(&setup, "c").contains(&title), "{title}");
    }
    nexus.stop();
    client.insert("c", &[document(9, "not yet")]).unwrap();
    let answer = wait("&timeout_ms=300");
    assert_eq!((&answer["done"], &answer["waiting"]), (&json!(false), &json!(1)));
    assert_eq!(wait("&id=another&timeout_ms=1")["done"], true);
    assert!(server.stop().unwrap().success());
}
