//! Whether the server lives, is ready, and how all of it does, as those ask who have no key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::Server;
use serde_json::{Value, json};
use vectorizer_host::config::ServerConfig;
use vectorizer_host_shim::PluginHost;

fn keyed() -> ServerConfig {
    serde_json::from_value(json!({"api_key": "root-key"})).unwrap()
}

/// A host whose only plugin has no file.
fn refused() -> (tempfile::TempDir, PluginHost) {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({"plugins": {"directory": folder.path(), "enabled": ["absent"]}});
    let host = PluginHost::open("test", "0", document.as_object().unwrap(), folder.path()).unwrap();
    (folder, host)
}

/// Name and status of each check, having looked at the rest of it.
fn checks(answer: &Value) -> Vec<(String, String)> {
    let checks = answer["checks"].as_array().unwrap();
    let read = |check: &Value| {
        let passed = check["status"] == "ready";
        assert_eq!(check["reason"].as_str().unwrap().is_empty(), passed, "{check}");
        check["since"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        let text = |key: &str| check[key].as_str().unwrap().to_owned();
        (text("name"), text("status"))
    };
    checks.iter().map(read).collect()
}

fn expected(serving: &str) -> Vec<(String, String)> {
    [("store", "ready"), ("started", "ready"), ("serving", serving)]
        .map(|(name, status)| (name.to_owned(), status.to_owned()))
        .into()
}

#[test]
fn a_server_at_work_lives_and_is_ready_for_everyone() {
    let server = Server::with(&keyed());
    assert_eq!(server.get("/health/live"), (200, json!({"status": "alive"})));
    let (status, answer) = server.get("/health/ready");
    assert_eq!((status, &answer["status"]), (200, &json!("ready")), "{answer}");
    assert_eq!(checks(&answer), expected("ready"));
    let (status, answer) = server.get("/health");
    assert_eq!(status, 200);
    assert_eq!(
        (&answer["status"], &answer["overall"], &answer["plugins"]),
        (&json!("healthy"), &json!("healthy"), &json!([]))
    );
}

#[test]
fn a_server_that_stops_lives_and_is_not_ready() {
    let server = Server::start();
    let (_, before) = server.get("/health/ready");
    server.life.stopping();
    assert_eq!(server.get("/health/live").0, 200);
    let (status, answer) = server.get("/health/ready");
    assert_eq!(
        (status, &answer["status"]),
        (503, &json!("not_ready")),
        "{answer}"
    );
    assert_eq!(checks(&answer), expected("not_ready"));
    assert_eq!(
        answer["checks"][0]["since"], before["checks"][0]["since"],
        "what did not change is as old as it was"
    );
    let (_, again) = server.get("/health/ready");
    assert_eq!(again["checks"], answer["checks"]);
    let (status, answer) = server.get("/health");
    assert_eq!(
        (status, &answer["status"], &answer["overall"]),
        (200, &json!("healthy"), &json!("degraded"))
    );
}

#[test]
fn a_refused_plugin_is_told_without_a_reason_and_leaves_the_server_ready() {
    let (_folder, host) = refused();
    let server = Server::with_plugins(&keyed(), host);
    assert_eq!(server.get("/health/ready").0, 200);
    let (status, answer) = server.get("/health");
    assert_eq!(
        (status, &answer["status"], &answer["overall"]),
        (200, &json!("healthy"), &json!("unhealthy"))
    );
    assert_eq!(
        answer["plugins"],
        json!([{"name": "absent", "state": "declared", "health": "unhealthy"}])
    );
}

#[test]
fn other_methods_are_refused_in_the_shape_of_all_errors() {
    let server = Server::start();
    for path in ["/health", "/health/live", "/health/ready"] {
        let (status, answer) = server.post(path, json!({}));
        assert_eq!(
            (status, &answer["error_type"]),
            (405, &json!("method_not_allowed")),
            "{path}"
        );
    }
    assert_eq!(server.get("/health/other").0, 404);
}

#[test]
fn a_refused_plugin_is_in_the_scrape_with_its_reason() {
    let (_folder, host) = refused();
    let server = Server::with_plugins(&ServerConfig::default(), host);
    let (status, scrape) = server.send("GET", "/prometheus/metrics", &[], b"");
    assert_eq!(status, 200);
    let own = vectorizer_host::plugins::described();
    let shim = vectorizer_host_shim::metrics::described();
    for family in own.iter().chain(&shim) {
        let header = format!("# TYPE {} {}\n", family.name, family.kind.name());
        assert_eq!(scrape.matches(&header).count(), 1, "{header}");
    }
    assert!(
        scrape.contains("vectorizer_plugin_refused{plugin=\"absent\",reason=\"trust\"} 1\n"),
        "{scrape}"
    );
}
