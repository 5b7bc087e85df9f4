//! From HTTP insert to graph, with the real host, the real plugin and real graph servers: nexus-dev with and without the
//! quirks of Nexus 2.5, and the servers that `NEXUS_SERVER_BIN` and `NEXUS_URL` name. What the graph says is judged by reading all of it back (`oracle`).

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use setup::{DIMENSION, PATIENCE, Setup, artifacts, document, documents, vector};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::HostFolder;

#[test]
fn inserts_updates_and_deletes_reach_the_graph() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        for (name, distance) in [("angles", "Cosine"), ("places", "Euclid"), ("strength", "Dot")] {
            client.create(name, DIMENSION, distance).unwrap();
            client
                .insert(name, &documents(0..60, "a rather long title of document"))
                .unwrap();
        }
        let findings = setup.assert_equal(&client);
        assert_eq!(findings.nodes, 180);
        assert!(findings.similar_to > 100, "{findings:?}");

        // Shorter texts, vanished properties, another place in space, and gone.
        let mut changed = documents(0..10, "x");
        changed[3].2 = json!({"title": "only"});
        changed[4].2 = json!({});
        for (n, document) in changed.iter_mut().enumerate().skip(5) {
            document.1 = vector(n * 40 + 7);
        }
        client.insert("angles", &changed).unwrap();
        let ids: Vec<String> = documents(20..30, "").into_iter().map(|(id, ..)| id).collect();
        client
            .delete("angles", &ids.iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap();
        client
            .call(
                "POST",
                "/batch_update",
                Some(&json!({"collection": "places", "updates": [
                    {"id": document(1, "").0, "payload": {"title": "updated"}},
                    {"id": document(2, "").0, "vector": vector(500)},
                ]})),
            )
            .unwrap();
        let findings = setup.assert_equal(&client);
        assert_eq!(findings.nodes, 170);

        // Back again, and everything of one collection gone.
        client.insert("angles", &documents(20..25, "again")).unwrap();
        client.call("DELETE", "/collections/strength", None).unwrap();
        client
            .call(
                "POST",
                "/collections/places/rename",
                Some(&json!({"new_name": "sites"})),
            )
            .unwrap();
        let findings = setup.assert_equal(&client);
        assert_eq!(findings.nodes, 115);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_host_killed_in_the_middle_of_an_insert_stream_ends_with_a_graph_equal_to_the_store() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("stream", DIMENSION, "Cosine").unwrap();
        let writer = {
            let client = client.clone();
            std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let title = "t".repeat(1 + (n * 37) % 90);
                    let batch = documents((n % 150)..(n % 150) + 4, &title);
                    if client.insert("stream", &batch).is_err() {
                        break;
                    }
                    acknowledged.extend(batch.into_iter().map(|(id, ..)| id));
                    if n % 7 == 6 {
                        let _ = client.delete("stream", &[document(n % 150, "").0.as_str()]);
                    }
                }
                acknowledged
            })
        };
        std::thread::sleep(Duration::from_millis(1_500));
        server.kill();
        let acknowledged = writer.join().unwrap();
        assert!(
            acknowledged.len() > 20,
            "the stream was cut before it began: {}",
            acknowledged.len()
        );

        let (server, client) = setup.host();
        let findings = setup.assert_equal(&client);
        assert!(findings.nodes > 20);
        // And it goes on from there.
        client
            .insert("stream", &documents(0..20, "after the crash"))
            .unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn with_nexus_absent_the_host_serves_and_the_journal_drains_when_it_appears() {
    for kind in Kind::restartable() {
        let setup = Setup::new(kind);
        let (server, client) = setup.host();
        client.create("early", DIMENSION, "Cosine").unwrap();
        client
            .insert("early", &documents(0..40, "written in an outage"))
            .unwrap();
        wait_until("the status says that Nexus is away", PATIENCE, || {
            let status = client.status()?;
            Ok(status["nexus"]["state"] == "down" && status["queue_depth"] == 40)
        })
        .unwrap();
        // Neither the outage nor a restart in it loses anything.
        assert!(server.stop().unwrap().success());
        let (server, client) = setup.host();
        assert_eq!(client.status().unwrap()["queue_depth"], 40);

        let _nexus = setup.nexus();
        assert_eq!(setup.assert_equal(&client).nodes, 40);
        assert_eq!(
            client.status().unwrap()["total_errors"],
            0,
            "an outage is nobody's fault"
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn nexus_killed_and_restarted_loses_nothing() {
    for kind in Kind::restartable() {
        let setup = Setup::new(kind);
        let nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client
            .insert("c", &documents(0..50, "a title that will be much shorter soon"))
            .unwrap();
        setup.assert_equal(&client);
        client.insert("c", &documents(0..25, "short")).unwrap();
        nexus.kill();
        client.insert("c", &documents(20..60, "s")).unwrap();
        let nexus = setup.nexus();
        assert_eq!(setup.assert_equal(&client).nodes, 60);
        nexus.stop();
        let _nexus = setup.nexus();
        client
            .insert("c", &documents(60..90, "after another restart"))
            .unwrap();
        assert_eq!(setup.assert_equal(&client).nodes, 90);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_clean_restart_of_the_host_writes_nothing_again() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(0..30, "t")).unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
        let (server, client) = setup.host();
        setup.assert_equal(&client);
        assert_eq!(client.status().unwrap()["total_synced"], 0);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn without_its_journal_the_plugin_finds_its_way_back() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client
            .insert("c", &documents(0..40, "a title that will be much shorter soon"))
            .unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
        remove_journal(setup.folder.path());
        let (server, client) = setup.host();
        client.insert("c", &documents(0..10, "x")).unwrap();
        assert_eq!(setup.assert_equal(&client).nodes, 40);
        assert!(server.stop().unwrap().success());
    }
}

fn remove_journal(folder: &Path) {
    std::fs::remove_dir_all(folder.join("data/plugins/nexus/journal")).unwrap();
}

#[test]
fn admin_routes_need_the_key_and_the_status_a_users() {
    let folder = tempfile::tempdir().unwrap();
    let section = json!({"nexus_url": "http://127.0.0.1:9"});
    let keys = json!({"api_key": "root-key", "user_api_keys": ["user-key"]});
    let host = HostFolder::new(folder.path(), &artifacts(), 0, &keys, &section).unwrap();
    let server = host.start().unwrap();
    let ask = |path: &str, key: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        agent
            .get(format!("{}{path}", server.url))
            .header("x-api-key", key)
            .call()
            .unwrap()
            .status()
            .as_u16()
    };
    let status = "/api/v1/sync/nexus/status";
    assert_eq!(
        [
            ask(status, ""),
            ask(status, "wrong"),
            ask(status, "user-key"),
            ask(status, "root-key")
        ],
        [401, 401, 200, 200]
    );
    for admin in ["/api/v1/plugins", "/api/v1/webhooks/nexus"] {
        assert_eq!(
            [ask(admin, ""), ask(admin, "user-key"), ask(admin, "root-key")],
            [401, 403, 200],
            "{admin}"
        );
    }
    server.stop().unwrap();
}
