//! Documents that the graph server refuses for good: they are given up, told, kept, and brought back when there is hope.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, document, documents, set_faults};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

const LIST: &str = "/admin/sync/dead-letters";
const REPLAY: &str = "/admin/sync/dead-letters/replay";
const PURGE: &str = "/admin/sync/dead-letters/purge";
const ATTEMPTS: u64 = 3;

fn setup(kind: Kind) -> Setup {
    let sync = json!({
        "max_retry_delay_ms": 500,
        "refused_delay_ms": 20,
        "max_refused_delay_ms": 200,
        "dead_letter_after": ATTEMPTS,
    });
    Setup::with(kind, &json!({"sync": sync}))
}

/// The server refuses rows with the word `poison`.
fn refuse_poison(setup: &Setup) {
    let refusal = json!({"kind": "error", "text": "Type mismatch: expected number, got string"});
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": "poison", "effect": refusal}]),
    );
}

/// Waits until nothing is left to do and there are so many dead letters and nodes.
fn wait_for(setup: &Setup, client: &Vectorizer, dead: u64, nodes: usize) {
    wait_until(
        &format!("{dead} dead letters and {nodes} nodes"),
        PATIENCE,
        || {
            let status = client.status()?;
            Ok(status["dead_letters"] == dead
                && status["queue_depth"] == 0
                && !status["last_reconcile"].is_null()
                && setup.graph().documents()?.len() == nodes)
        },
    )
    .unwrap_or_else(|error| panic!("{error}; {:#}", client.status().unwrap()));
}

fn listed(client: &Vectorizer) -> Vec<Value> {
    let page = client.call("GET", LIST, None).unwrap();
    let letters = page["dead_letters"].as_array().unwrap().clone();
    assert_eq!(
        (&page["total"], &page["next"]),
        (&json!(letters.len()), &Value::Null)
    );
    letters
}

/// The percent-encoded form of an id.
fn encoded(id: &str) -> String {
    id.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_document_that_is_always_refused_is_a_dead_letter_until_it_is_replayed() {
    for kind in [Kind::Dev, Kind::Quirks] {
        let setup = setup(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.settle(PATIENCE).unwrap();
        refuse_poison(&setup);
        let mut batch = documents(0..40, "good");
        batch[17] = document(17, "poison");
        let id = batch[17].0.clone();
        client.insert("c", &batch).unwrap();
        wait_for(&setup, &client, 1, 39);

        // It is told.
        let status = client.status().unwrap();
        assert_eq!(
            (
                &status["nexus"]["state"],
                &status["waiting_for_retry"],
                &status["total_errors"]
            ),
            (&json!("ready"), &json!(0), &json!(ATTEMPTS))
        );
        assert_eq!(status["collections"][0]["dead_letters"], 1);
        let metrics = client.metrics().unwrap();
        for name in [
            "vectorizer_nexus_dead_letters",
            "vectorizer_nexus_dead_lettered_total",
        ] {
            let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(line.ends_with(" 1"), "{line}");
        }
        assert_eq!(server.log().matches("is a dead letter now").count(), 1);
        let letters = listed(&client);
        assert_eq!(letters.len(), 1);
        let item = format!("{LIST}/item?collection=c&id={}", encoded(&id));
        let letter = client.call("GET", &item, None).unwrap();
        assert_eq!(letter, letters[0]);
        assert_eq!(
            (
                &letter["collection"],
                &letter["id"],
                &letter["attempts"],
                &letter["in_store"]
            ),
            (&json!("c"), &json!(id), &json!(ATTEMPTS), &json!(true))
        );
        let cause = letter["cause"].as_str().unwrap();
        assert!(
            cause.contains("Type mismatch") && !cause.contains("poison"),
            "{cause}"
        );
        assert!(letter["first_failed_at"].as_str().unwrap() < letter["last_failed_at"].as_str().unwrap());

        // It survives a restart and a crash, and is not tried again by itself.
        assert!(server.stop().unwrap().success());
        let (server, client) = setup.host();
        wait_for(&setup, &client, 1, 39);
        assert_eq!(client.status().unwrap()["total_errors"], 0, "{kind:?}");
        server.kill();
        let (server, client) = setup.host();
        wait_for(&setup, &client, 1, 39);
        // Its neighbours change, and have work for it.
        client.insert("c", &documents(40..50, "good")).unwrap();
        wait_for(&setup, &client, 1, 49);
        assert_eq!(client.status().unwrap()["total_errors"], 0, "{kind:?}");
        assert_eq!(listed(&client), letters);

        // The fault is mended.
        set_faults(&setup.nexus_url, &json!([]));
        let answer = client.call("POST", REPLAY, Some(&json!({}))).unwrap();
        assert_eq!(answer, json!({"replayed": 1}));
        assert_eq!(setup.assert_equal(&client).nodes, 50, "{kind:?}");
        assert!(listed(&client).is_empty());
        assert_eq!(client.send("GET", &item, None).unwrap().0, 404);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_change_or_a_deletion_in_the_store_takes_it_out_and_a_purged_one_is_found_again() {
    let setup = setup(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    refuse_poison(&setup);
    let mut batch = documents(0..30, "good");
    batch[5] = document(5, "poison");
    batch[9] = document(9, "poison");
    let (first, second) = (batch[5].0.clone(), batch[9].0.clone());
    client.insert("c", &batch).unwrap();
    wait_for(&setup, &client, 2, 28);

    client.insert("c", &[document(5, "mended")]).unwrap();
    wait_for(&setup, &client, 1, 29);
    assert_eq!(listed(&client)[0]["id"], second.as_str());

    let purge = |ids: &[&str]| {
        let body = json!({"collection": "c", "ids": ids});
        client.call("POST", PURGE, Some(&body)).unwrap()["purged"].clone()
    };
    assert_eq!(purge(&[&first, "unknown"]), 0);
    assert_eq!(purge(&[&second]), 1);
    wait_for(&setup, &client, 0, 29);
    // It is still in the store, so the next comparison finds that the graph lacks it.
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    wait_for(&setup, &client, 1, 29);
    assert_eq!(client.status().unwrap()["total_errors"], ATTEMPTS);

    client.delete("c", &[&second]).unwrap();
    wait_for(&setup, &client, 0, 29);
    assert!(listed(&client).is_empty());
    assert_eq!(setup.assert_equal(&client).nodes, 29);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_dead_letter_whose_document_changed_unseen_is_found_by_the_comparison() {
    let setup = setup(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    refuse_poison(&setup);
    let mut batch = documents(0..10, "good");
    for n in [2, 3, 4] {
        batch[n] = document(n, "poison");
    }
    client.insert("c", &batch).unwrap();
    wait_for(&setup, &client, 3, 7);
    assert!(server.stop().unwrap().success());

    // The store changes while the plugin is switched off.
    let config: Value = serde_json::from_str(&std::fs::read_to_string(setup.host.config()).unwrap()).unwrap();
    let mut off = config.clone();
    off["nexus_integration"]["enabled"] = json!(false);
    setup.host.write(&off).unwrap();
    let (server, client) = setup.host();
    client.insert("c", &[document(2, "mended")]).unwrap();
    client.delete("c", &[&batch[3].0]).unwrap();
    // It said once that it has no use for hints, and was not called again.
    let metrics = client.metrics().unwrap();
    let refused: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("vectorizer_plugin_calls_total{") && line.contains("\"refused\""))
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert!(
        matches!(refused[..], [once] if once.ends_with(" 1")),
        "{refused:?}"
    );
    assert!(server.stop().unwrap().success());

    setup.host.write(&config).unwrap();
    let (server, client) = setup.host();
    wait_for(&setup, &client, 1, 8);
    assert_eq!(listed(&client)[0]["id"], batch[4].0.as_str());
    assert_eq!(client.status().unwrap()["total_errors"], 0);
    assert!(server.stop().unwrap().success());
}

#[test]
fn bad_input_is_refused_naming_the_field() {
    let setup = setup(Kind::Dev);
    let (server, client) = setup.host();
    for (method, path, body, field) in [
        ("GET", format!("{LIST}?limit=5000"), None, "limit"),
        ("GET", format!("{LIST}/item?collection=c"), None, "id"),
        ("POST", PURGE.to_owned(), Some(json!({"ids": ["1"]})), "ids"),
        ("POST", REPLAY.to_owned(), None, "body"),
    ] {
        let (status, answer) = client.send(method, &path, body.as_ref()).unwrap();
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("validation_error")),
            "{path}"
        );
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
    }
    assert!(server.stop().unwrap().success());
}
