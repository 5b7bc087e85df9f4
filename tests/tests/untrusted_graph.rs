//! A graph server that must not be written to: one that cannot do what is needed, one that does not do what it says, one
//! whose file is damaged. Changes are journaled meanwhile, and nothing wrong is ever written.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::time::Duration;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, document, documents, set_faults};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

fn wait_for_state(client: &Vectorizer, state: &str) -> Value {
    wait_until(&format!("the link is {state}"), PATIENCE, || {
        Ok(client.status()?["nexus"]["state"] == state)
    })
    .unwrap_or_else(|error| panic!("{error}; {:#}", client.status().unwrap()));
    client.status().unwrap()["nexus"].clone()
}

/// The form in use of an operation, as the route tells it.
fn form(capabilities: &Value, operation: &str) -> Value {
    capabilities["capabilities"]["operations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["operation"] == operation)
        .unwrap()["form"]
        .clone()
}

#[test]
fn the_capability_table_is_served_and_counted() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.settle(PATIENCE).unwrap();
        let table = client
            .call("GET", "/api/v1/sync/nexus/capabilities", None)
            .unwrap();
        let metrics = client.metrics().unwrap();
        let (hop, retraction) = match kind {
            Kind::Dev => ("plain_hop", "delete"),
            Kind::Quirks | Kind::Real | Kind::Given => ("range_hop", "soft"),
        };
        for (operation, wanted) in [
            ("upsert_nodes", "unwind_merge"),
            ("neighbours", hop),
            ("retract_edges", retraction),
        ] {
            assert_eq!(form(&table, operation), wanted, "{kind:?}");
            let line = metrics
                .lines()
                .find(|line| {
                    line.contains("vectorizer_nexus_capability") && line.contains(&format!("\"{operation}\""))
                })
                .unwrap();
            assert!(
                line.contains(&format!("form=\"{wanted}\"")) && line.ends_with(" 1"),
                "{line}"
            );
        }
        let took = table["capabilities"]["probe_ms"].as_f64().unwrap();
        println!("{kind:?}: probed in {took} ms, {}", table["capabilities"]);
        assert_eq!(table["nexus"]["state"], "ready");
        let log = server.log();
        assert_eq!(log.matches("Nexus was probed").count(), 1, "{log}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn without_a_right_form_nothing_is_written_until_there_is_one() {
    for kind in [Kind::Dev, Kind::Quirks] {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let refusal = json!({"kind": "error", "text": "Parse error: Cypher syntax error: unknown clause at line 1, column 9"});
        set_faults(
            &setup.nexus_url,
            &json!([{"matching": "ON CREATE SET", "effect": refusal}]),
        );
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(0..30, "t")).unwrap();
        let nexus = wait_for_state(&client, "degraded");
        let reason = nexus["reason"].as_str().unwrap();
        assert!(
            reason.contains("upsert_edges") && reason.contains("unknown clause"),
            "{reason}"
        );
        assert_eq!(client.status().unwrap()["queue_depth"], 30, "{kind:?}");
        assert_eq!(setup.graph().documents().unwrap().len(), 0, "{kind:?}");
        let metrics = client.metrics().unwrap();
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with("vectorizer_nexus_degraded") && line.ends_with(" 1"))
        );

        set_faults(&setup.nexus_url, &json!([]));
        assert_eq!(setup.assert_equal(&client).nodes, 30, "{kind:?}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_write_that_was_only_pretended_is_repeated_and_a_server_that_goes_on_is_not_written_to() {
    for (name, statement) in [
        ("nodes", "MERGE (d:Document"),
        ("edges", "[r:SIMILAR_TO]->(b) ON CREATE"),
    ] {
        let setup = Setup::new(Kind::Dev);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.settle(PATIENCE).unwrap();

        let once = json!([{"matching": statement, "times": 1, "effect": {"kind": "pretend"}}]);
        set_faults(&setup.nexus_url, &once);
        client.insert("c", &documents(0..20, "first")).unwrap();
        assert_eq!(setup.assert_equal(&client).nodes, 20);
        assert!(server.log().contains("read back differently"), "{name}");
        assert_eq!(
            client.status().unwrap()["total_errors"],
            0,
            "no document is to blame"
        );

        set_faults(
            &setup.nexus_url,
            &json!([{"matching": statement, "effect": {"kind": "pretend"}}]),
        );
        // Far from the others, so that there is an edge to be written only among themselves.
        client.insert("c", &documents(20..60, "second")).unwrap();
        let reason = wait_for_state(&client, "degraded")["reason"]
            .as_str()
            .unwrap()
            .to_owned();
        for part in ["was written as", "reads back as"] {
            assert!(reason.contains(part), "{name}: {reason}");
        }

        set_faults(&setup.nexus_url, &json!([]));
        assert_eq!(setup.assert_equal(&client).nodes, 60, "{name}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_document_that_the_server_refuses_waits_alone() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let refusal = json!({"kind": "error", "text": "Type mismatch: expected number, got string"});
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": "poison", "effect": refusal}]),
    );
    let mut batch = documents(0..40, "good");
    batch[17] = document(17, "poison");
    client.insert("c", &batch).unwrap();
    wait_until("all others are there and one waits", PATIENCE, || {
        let status = client.status()?;
        let nodes = setup.graph().documents()?.len();
        Ok(nodes == 39 && status["waiting_for_retry"] == 1 && status["queue_depth"] == 1)
    })
    .unwrap();
    let status = client.status().unwrap();
    assert_eq!(status["nexus"]["state"], "ready");
    let error = status["collections"][0]["last_error"].as_str().unwrap();
    assert!(
        error.contains("Type mismatch") && !error.contains("poison"),
        "{error}"
    );
    set_faults(&setup.nexus_url, &json!([]));
    assert_eq!(setup.assert_equal(&client).nodes, 40);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_damaged_file_is_told_after_a_restart_and_nothing_is_written_to_it() {
    for kind in [Kind::Quirks, Kind::Real] {
        if !Kind::restartable().contains(&kind) {
            continue;
        }
        for gently in [true, false] {
            let setup = Setup::new(kind);
            let nexus = setup.nexus();
            // Somebody else's record lies before ours.
            let theirs = |text: &str| {
                let params = json!({"rows": [{"key": "x", "props": {"text": text}}]});
                let statement = "UNWIND $rows AS row MERGE (d:Theirs {key: row.key}) SET d += row.props";
                setup.graph().run(statement, &params).unwrap();
            };
            theirs("a text that is going to be cut");
            let (server, client) = setup.host();
            client.create("c", DIMENSION, "Cosine").unwrap();
            client.insert("c", &documents(0..40, "t")).unwrap();
            setup.assert_equal(&client);
            theirs("cut");
            if gently {
                nexus.stop();
            } else {
                nexus.kill();
            }
            let nexus = setup.nexus();
            client
                .insert("c", &documents(40..60, "after the damage"))
                .unwrap();
            let link = wait_for_state(&client, "degraded");
            let reason = link["reason"].as_str().unwrap();
            assert!(
                reason.contains("damaged") && reason.contains("Export"),
                "{reason}"
            );
            let check = &link["last_check"];
            assert!(!check["keys"].as_array().unwrap().is_empty(), "{check}");
            assert!(server.log().contains("the property file of Nexus is damaged"));

            // Nothing is written: what can still be read is still there, and the changes wait.
            let nodes = |graph: &Nexus| {
                let mut keys: Vec<String> = graph
                    .documents()
                    .unwrap()
                    .into_iter()
                    .map(|node| node.key)
                    .collect();
                keys.sort();
                keys
            };
            let readable = nodes(&setup.graph());
            std::thread::sleep(Duration::from_secs(3));
            assert_eq!(nodes(&setup.graph()), readable, "{kind:?}");
            assert!(
                client.status().unwrap()["queue_depth"].as_u64().unwrap() >= 20,
                "{kind:?}"
            );

            // Neither does a host that is started again take it for sound.
            assert!(server.stop().unwrap().success());
            let (server, client) = setup.host();
            wait_for_state(&client, "degraded");
            assert_eq!(nodes(&setup.graph()), readable, "{kind:?}");

            // The way out: an empty folder. Everything comes back from the store.
            nexus.stop();
            std::fs::remove_dir_all(setup.folder.path().join("nexus-data")).unwrap();
            let _nexus = setup.nexus();
            assert_eq!(setup.assert_equal(&client).nodes, 60, "{kind:?}");
            assert!(server.stop().unwrap().success());
        }
    }
}

#[test]
fn nodes_that_somebody_removed_while_nexus_was_away_are_written_again() {
    for kind in Kind::restartable() {
        let setup = Setup::new(kind);
        let nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(0..30, "t")).unwrap();
        setup.assert_equal(&client);
        setup.graph().remove("Document").unwrap();
        nexus.stop();
        let _nexus = setup.nexus();
        wait_until("the check is over", PATIENCE, || {
            Ok(!client.status()?["nexus"]["last_check"]["missing"].is_null()
                && client.status()?["nexus"]["last_check"]["missing"] == 30)
        })
        .unwrap();
        assert_eq!(setup.assert_equal(&client).nodes, 30, "{kind:?}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_server_that_learns_to_delete_has_its_retracted_edges_deleted() {
    let mut setup = Setup::new(Kind::Quirks);
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..40, "t")).unwrap();
    setup.assert_equal(&client);
    // Others move in between, and take places among the nearest.
    client.insert("c", &documents(40..80, "t")).unwrap();
    setup.assert_equal(&client);
    let retracted = |setup: &Setup| {
        let edges = setup.graph().similar().unwrap();
        edges.iter().filter(|edge| !edge.active).count()
    };
    let before = retracted(&setup);
    assert!(before > 0, "no edge was retracted");
    nexus.stop();
    setup.kind = Kind::Dev;
    let _nexus = setup.nexus();
    wait_until("the retracted edges are gone", PATIENCE, || {
        Ok(retracted(&setup) == 0)
    })
    .unwrap();
    setup.assert_equal(&client);
    let metrics = client.metrics().unwrap();
    let swept = metrics
        .lines()
        .find(|line| line.starts_with("vectorizer_nexus_relationships_swept_total"))
        .unwrap();
    assert!(
        swept.ends_with(&format!(" {before}")),
        "{swept}, {before} were retracted"
    );
    assert!(server.stop().unwrap().success());
}
