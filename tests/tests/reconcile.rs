//! Comparisons and backfills on request: what somebody did to the graph is found and mended, what is not ours stays, and jobs
//! can be watched, paused, resumed, cancelled, and go on after a kill. Judged by reading the whole graph.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::fs;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, document, documents};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

const RECONCILE: &str = "/admin/sync/reconcile";
const BACKFILL: &str = "/admin/sync/trigger";

/// Orders a job; answers its number.
fn order(client: &Vectorizer, path: &str, body: &Value) -> String {
    let (status, answer) = client.send("POST", path, Some(body)).unwrap();
    assert_eq!((status, &answer["success"]), (202, &json!(true)), "{answer}");
    assert!(!answer["correlation_id"].as_str().unwrap().is_empty());
    answer["job_id"].as_str().unwrap().to_owned()
}

fn job(client: &Vectorizer, id: &str) -> Value {
    client
        .call("GET", &format!("/admin/sync/jobs/item?id={id}"), None)
        .unwrap()
}

fn wait_for_end(client: &Vectorizer, id: &str) -> Value {
    wait_until("the job ends", PATIENCE, || {
        Ok(["done", "failed", "cancelled"].contains(&job(client, id)["state"].as_str().unwrap()))
    })
    .unwrap();
    job(client, id)
}

fn key(n: usize) -> String {
    let (id, ..) = document(n, "");
    // Percent-encoded, as the plugin's keys are.
    let safe: String = id
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("c/{safe}")
}

fn alter(graph: &Nexus, keys: &[String], props: &Value) {
    let rows: Vec<Value> = keys
        .iter()
        .map(|key| json!({"key": key, "props": props}))
        .collect();
    graph
        .run(
            "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props",
            &json!({"rows": rows}),
        )
        .unwrap();
}

fn delete(graph: &Nexus, keys: &[String]) {
    alter(graph, keys, &json!({"gc": "by-hand"}));
    graph
        .run("MATCH (d:Document {gc:'by-hand'}) DETACH DELETE d", &json!({}))
        .unwrap();
}

#[test]
fn what_was_done_to_the_graph_by_hand_is_found_and_mended() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(0..50, "a document")).unwrap();
        setup.assert_equal(&client);
        let graph = setup.graph();
        let gone: Vec<String> = (3..8).map(key).collect();
        let changed: Vec<String> = (20..24).map(key).collect();
        delete(&graph, &gone);
        alter(
            &graph,
            &changed,
            &json!({"fingerprint": "0".repeat(32), "title": "another t"}),
        );
        assert_eq!(graph.documents().unwrap().len(), 45, "{kind:?}");

        // A dry run tells, and does nothing.
        let dry = order(&client, RECONCILE, &json!({"collection": "c", "dry_run": true}));
        let dry = wait_for_end(&client, &dry);
        assert_eq!(dry["state"], "done", "{dry}");
        let count = |job: &Value, name: &str| job["counts"][name].as_u64().unwrap();
        assert_eq!(
            (
                count(&dry, "missing"),
                count(&dry, "stale"),
                count(&dry, "queued")
            ),
            (5, 4, 0),
            "{dry}"
        );
        assert_eq!(dry["samples"]["missing"].as_array().unwrap().len(), 5, "{dry}");
        assert_eq!(graph.documents().unwrap().len(), 45);

        let real = order(&client, RECONCILE, &json!({"collection": "c"}));
        let real = wait_for_end(&client, &real);
        // Lanes at work on what was found first come upon others before the job does.
        assert!((1..=5).contains(&count(&real, "missing")), "{kind:?} {real}");
        assert_eq!(count(&real, "stale"), 4, "{kind:?} {real}");
        assert_eq!(count(&real, "settled"), count(&real, "queued"), "{real}");
        assert_eq!(setup.assert_equal(&client).nodes, 50);
        // And now there is nothing to find.
        let again = order(&client, RECONCILE, &json!({}));
        let again = wait_for_end(&client, &again);
        for finding in ["missing", "stale", "changed", "gone", "orphan"] {
            assert_eq!(count(&again, finding), 0, "{kind:?} {again}");
        }
        assert!(
            count(&again, "compared") >= 50 && count(&again, "nodes") >= 50,
            "{again}"
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn nodes_of_others_survive_and_orphans_of_ours_go() {
    for kind in Kind::restartable() {
        let setup = Setup::new(kind);
        let nexus = setup.nexus();
        let (server, client) = setup.host();
        for name in ["c", "dropped", "thinned"] {
            client.create(name, DIMENSION, "Cosine").unwrap();
            client.insert(name, &documents(0..20, "a document")).unwrap();
        }
        setup.assert_equal(&client);
        let graph = setup.graph();
        // Somebody else's: another label, our label without a key, and a key of another form.
        for (statement, params) in [
            (
                "UNWIND $rows AS row MERGE (d:Person {key: row.key}) SET d += row.props",
                json!({"key": "p1", "props": {"name": "Ann"}}),
            ),
            (
                "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props",
                json!({"key": "their own", "props": {"name": "x"}}),
            ),
        ] {
            graph.run(statement, &json!({"rows": [params]})).unwrap();
        }
        // While Nexus is away, documents go, a collection goes, and the journal with all it knew.
        nexus.stop();
        client.call("DELETE", "/collections/dropped", None).unwrap();
        let ids: Vec<String> = (0..5).map(|n| document(n, "").0).collect();
        client
            .delete("thinned", &ids.iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap();
        assert!(server.stop().unwrap().success());
        fs::remove_dir_all(setup.folder.path().join("data/plugins/nexus/journal")).unwrap();
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.settle(PATIENCE).unwrap();
        let keys: Vec<String> = graph
            .documents()
            .unwrap()
            .into_iter()
            .map(|node| node.key)
            .collect();
        let of = |prefix: &str| keys.iter().filter(|key| key.starts_with(prefix)).count();
        assert_eq!(
            (of("c/"), of("thinned/"), of("dropped/")),
            (20, 15, 0),
            "{kind:?} {keys:?}"
        );
        assert!(keys.contains(&"their own".to_owned()), "{kind:?}");
        let people = graph
            .run("MATCH (d:Person) RETURN d.name AS n", &json!({}))
            .unwrap();
        assert_eq!(people, [[json!("Ann")]], "{kind:?}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_backfill_goes_on_after_a_kill_and_live_changes_win() {
    let setup = Setup::with(
        Kind::Dev,
        // Slow enough to be caught in the middle.
        &json!({"reconcile": {"documents_per_second": 100}, "sync": {"max_retry_delay_ms": 500}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    for from in (0..1_000).step_by(200) {
        client
            .insert("c", &documents(from..from + 200, "before"))
            .unwrap();
    }
    client.settle(PATIENCE).unwrap();
    let id = order(
        &client,
        BACKFILL,
        &json!({"collection": "c", "force_resync": true}),
    );
    wait_until("the backfill is under way", PATIENCE, || {
        let job = job(&client, &id);
        assert_ne!(job["state"], "done", "it was never caught");
        Ok(job["counts"]["compared"].as_u64().unwrap() >= 500)
    })
    .unwrap();
    client
        .insert("c", &documents(0..30, "changed meanwhile"))
        .unwrap();
    client.delete("c", &[document(999, "").0.as_str()]).unwrap();
    server.kill();
    let (server, client) = setup.host();
    let before = job(&client, &id);
    assert!(
        before["counts"]["compared"].as_u64().unwrap() >= 400,
        "it goes on where it was: {before}"
    );
    let ended = wait_for_end(&client, &id);
    assert_eq!(ended["state"], "done", "{ended}");
    let compared = ended["counts"]["compared"].as_u64().unwrap();
    // What was compared since the last page that was written down is compared again, and no more.
    assert!((999..1_200).contains(&compared), "{ended}");
    setup.assert_equal(&client);
    let nodes = setup.graph().documents().unwrap();
    assert_eq!(nodes.len(), 999);
    let changed = nodes
        .iter()
        .filter(|node| node.properties["title"].as_str().unwrap().starts_with("changed"))
        .count();
    assert_eq!(changed, 30);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_job_can_be_paused_resumed_and_cancelled_and_is_told_of_by_its_correlation_id() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"reconcile": {"documents_per_second": 200}, "sync": {"max_retry_delay_ms": 500}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..600, "a document")).unwrap();
    client.settle(PATIENCE).unwrap();
    let mut answer = ureq::post(format!("{}{BACKFILL}", server.url))
        .header("x-correlation-id", "ticket-4711")
        .send_json(json!({"collection": "c", "force_resync": true}))
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(answer["correlation_id"], "ticket-4711");
    let id = answer["job_id"].as_str().unwrap().to_owned();
    let steer = |verb: &str| {
        client
            .send(
                "POST",
                &format!("/admin/sync/jobs/{verb}"),
                Some(&json!({"id": id})),
            )
            .unwrap()
    };
    assert_eq!(steer("pause").1["state"], "paused");
    let compared = || job(&client, &id)["counts"]["compared"].as_u64().unwrap();
    // The page under way may still come in.
    std::thread::sleep(std::time::Duration::from_millis(600));
    let held = compared();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(compared(), held, "paused");
    assert_eq!(steer("pause").0, 409);
    assert_eq!(steer("resume").0, 200);
    wait_until("it goes on", PATIENCE, || Ok(compared() > held)).unwrap();
    let (status, cancelled) = steer("cancel");
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    assert_eq!(steer("resume").0, 409);
    client.settle(PATIENCE).unwrap();
    setup.assert_equal(&client);
    let log = fs::read_to_string(setup.folder.path().join("host.log")).unwrap();
    let told = log.lines().filter(|line| line.contains("ticket-4711"));
    assert!(
        told.clone().any(|line| line.contains("written")),
        "the effects are told: {log}"
    );
    assert!(told.count() > 2);
    assert!(server.stop().unwrap().success());
}

#[test]
fn bad_orders_are_refused_naming_the_field() {
    let setup = Setup::new(Kind::Dev);
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    for (path, body, status, text) in [
        (RECONCILE, json!({"colection": "c"}), 400, "colection"),
        (
            RECONCILE,
            json!({"collection": "none"}),
            404,
            "no such collection",
        ),
        (RECONCILE, json!({"collection": ""}), 400, "collection"),
        (RECONCILE, json!({"collections": []}), 400, "collections"),
        (RECONCILE, json!({"dry_run": "yes"}), 400, "dry_run"),
        (
            BACKFILL,
            json!({"collection": "c", "collections": ["c"]}),
            400,
            "collections",
        ),
        (BACKFILL, json!([]), 400, "body"),
        ("/admin/sync/jobs/pause", json!({"id": "x"}), 400, "id"),
        ("/admin/sync/jobs/pause", json!({"id": "999"}), 404, "no such job"),
    ] {
        let (found, answer) = client.send("POST", path, Some(&body)).unwrap();
        assert_eq!(found, status, "{path} {body} {answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(text),
            "{path} {body} {answer}"
        );
    }
    assert!(server.stop().unwrap().success());
}
