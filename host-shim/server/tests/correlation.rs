//! The id of a request in its answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashSet;

use common::Server;
use serde_json::json;

const HEADER: &str = "x-correlation-id";

fn answered(server: &Server, path: &str, headers: &[(&str, &str)]) -> String {
    let mut ids = server.answered_header(path, headers, HEADER);
    assert_eq!(ids.len(), 1, "{path}");
    ids.remove(0)
}

#[test]
fn an_answer_has_the_id_that_the_request_came_with() {
    let server = Server::start();
    assert_eq!(
        answered(&server, "/collections", &[(HEADER, "ticket-4711")]),
        "ticket-4711"
    );
    assert_eq!(
        answered(&server, "/health", &[("x-request-id", "gateway:7")]),
        "gateway:7"
    );
    let twice = [(HEADER, "first"), (HEADER, "second")];
    assert_eq!(answered(&server, "/health", &twice), "first");
}

#[test]
fn a_request_without_a_sane_id_gets_one_of_its_own() {
    let server = Server::start();
    let long = "x".repeat(129);
    let mut drawn = HashSet::new();
    for headers in [&[][..], &[(HEADER, "a b")], &[(HEADER, &long)], &[(HEADER, "{}")]] {
        let id = answered(&server, "/health/live", headers);
        let version = id.chars().nth(14);
        assert!(id.len() == 36 && version == Some('4'), "{id} is no UUID v4");
        drawn.insert(id);
    }
    assert_eq!(drawn.len(), 4, "each another");
}

#[test]
fn refusals_have_an_id_too() {
    let config = serde_json::from_value(json!({"api_key": "root-key"})).unwrap();
    let server = Server::with(&config);
    for (path, status) in [
        ("/collections", 401),
        ("/api/v1/plugins", 401),
        ("/nowhere", 404),
        ("/search", 405),
    ] {
        assert_eq!(server.get(path).0, status, "{path}");
        assert_eq!(answered(&server, path, &[(HEADER, "c-1")]), "c-1", "{path}");
    }
}
