//! Liveness, readiness, and work that does not get on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::setup::{self, DIMENSION, PATIENCE, Setup, documents, set_faults};

const HEALTH: &str = "/api/v1/sync/nexus/health";

fn ask(client: &Vectorizer, which: &str) -> (u16, Value) {
    client.send("GET", &format!("{HEALTH}{which}"), None).unwrap()
}

fn check<'a>(health: &'a Value, name: &str) -> &'a Value {
    let checks = health["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn work_that_waits_for_a_nexus_that_is_away_makes_it_unhealthy_and_it_is_healthy_again_afterwards() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"sync": {"max_retry_delay_ms": 500}, "telemetry": {"stalled_after_seconds": 2}}),
    );
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    // Nothing waits: nothing stands still.
    std::thread::sleep(Duration::from_secs(3));
    let (status, health) = ask(&client, "");
    assert_eq!((status, &health["status"]), (200, &json!("degraded")), "{health}");
    assert_eq!(check(&health, "progress")["status"], "healthy");
    assert_eq!(ask(&client, "/live").0, 200);
    let (status, ready) = ask(&client, "/ready");
    assert_eq!((status, &ready["ready"]), (503, &json!(false)));

    client.insert("c", &documents(0..5, "a document")).unwrap();
    wait_until("it is unhealthy", PATIENCE, || Ok(ask(&client, "").0 == 503)).unwrap();
    let (_, health) = ask(&client, "");
    let progress = check(&health, "progress");
    let reason = progress["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("5 documents wait for their nodes") && reason.contains("out of reach"),
        "{reason}"
    );
    // It was unreachable for longer than it has been unhealthy.
    let age = |name: &str| check(&health, name)["age_seconds"].as_f64().unwrap();
    assert!(age("nexus") > age("progress") + 1.0, "{health}");
    assert!(
        client
            .metrics()
            .unwrap()
            .contains("vectorizer_nexus_health{check=\"progress\"} 2\n")
    );
    assert_eq!(ask(&client, "/live").0, 200);

    let _nexus = setup.nexus();
    setup.assert_equal(&client);
    let (status, health) = ask(&client, "");
    assert_eq!((status, &health["status"]), (200, &json!("healthy")), "{health}");
    assert_eq!(ask(&client, "/ready").0, 200);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_nexus_that_answers_and_does_nothing_is_found_out_as_well() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({
            "sync": {"max_retry_delay_ms": 200, "retry_attempts": 1},
            "breaker": {"failure_threshold": 1000},
            "telemetry": {"stalled_after_seconds": 2},
        }),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    set_faults(
        &setup.nexus_url,
        &json!([{"effect": {"kind": "status", "code": 500}}]),
    );
    client.insert("c", &documents(0..5, "a document")).unwrap();
    wait_until("it is unhealthy", PATIENCE, || Ok(ask(&client, "").0 == 503)).unwrap();
    set_faults(&setup.nexus_url, &json!([]));
    setup.assert_equal(&client);
    assert_eq!(ask(&client, "").0, 200);
    assert!(server.stop().unwrap().success());
}

#[test]
fn who_pauses_it_is_told_that_it_is_paused_and_not_that_it_stalls() {
    let setup = Setup::with(Kind::Dev, &json!({"telemetry": {"stalled_after_seconds": 1}}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    client
        .call(
            "POST",
            "/api/v1/sync/nexus/pause",
            Some(&json!({"reason": "an upgrade"})),
        )
        .unwrap();
    client.insert("c", &documents(0..5, "a document")).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let (status, health) = ask(&client, "");
    assert_eq!((status, &health["status"]), (200, &json!("degraded")), "{health}");
    assert!(health["reason"].as_str().unwrap().contains("an upgrade"));
    assert_eq!(ask(&client, "/ready").0, 503);
    assert!(client.metrics().unwrap().contains("vectorizer_nexus_paused 1\n"));
    client
        .call("POST", "/api/v1/sync/nexus/resume", Some(&json!({})))
        .unwrap();
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
}

/// With the probe beside the plugin, which is told this.
fn with_probe(setup: &Setup, probe: &Value) {
    let artifacts = setup::artifacts();
    artifacts
        .install(&artifacts.probe_plugin(), "probe", setup.folder.path())
        .unwrap();
    setup::change_config(setup, |config| {
        config["plugins"]["enabled"] = json!(["nexus", "probe"]);
        config["probe"] = probe.clone();
    });
}

#[test]
fn a_plugin_that_takes_long_to_start_keeps_nobody_from_the_store() {
    let setup = Setup::alone(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    with_probe(&setup, &json!({"start_delay_ms": 9_000}));
    let (server, client) = setup.host();
    let ask = |path: &str| client.send("GET", path, None).unwrap();
    let state = || ask("/health").1["plugins"][1]["state"].clone();
    assert_eq!(state(), "loaded");
    assert_eq!(
        ask("/health/ready").0,
        200,
        "the store does not depend on a plugin"
    );
    assert_eq!(ask("/health/live"), (200, json!({"status": "alive"})));
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..3, "a document")).unwrap();
    assert_eq!(client.documents("c").unwrap().len(), 3);
    wait_until("it has started", PATIENCE, || Ok(state() == "started")).unwrap();
    // What came before is in the graph, too.
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
}

#[test]
fn the_server_says_in_a_word_how_its_plugins_do_and_waits_for_none() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    with_probe(&setup, &json!({"health_delay_ms": 3_000}));
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let begun = Instant::now();
    let (status, health) = client.send("GET", "/health", None).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(
        (status, &health["status"], &health["overall"]),
        (200, &json!("healthy"), &json!("degraded"))
    );
    assert_eq!(
        health["plugins"],
        json!([
            {"name": "nexus", "state": "started", "health": "healthy"},
            {"name": "probe", "state": "started", "health": "unknown"},
        ])
    );
    assert!(
        !health.to_string().contains("reason"),
        "everybody may ask: {health}"
    );
    assert!(server.stop().unwrap().success());
}
