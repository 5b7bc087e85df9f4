//! What the API refuses, how it says so, and that nothing was done then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Server, scroll_all, server_with};
use serde_json::{Value, json};
use vectorizer_host::config::ServerConfig;

#[test]
fn refusals_have_one_shape() {
    let server = Server::start();
    let json_type = [("content-type", "application/json")];
    for (method, path, headers, body, status, error_type) in [
        ("POST", "/insert", &json_type[..], "{", 400, "parse_error"),
        ("POST", "/insert", &json_type, "[]", 400, "parse_error"),
        ("POST", "/insert", &json_type, "", 400, "parse_error"),
        (
            "POST",
            "/insert",
            &json_type,
            "{\"collection\":\"\u{1}\"}",
            400,
            "parse_error",
        ),
        ("POST", "/insert", &json_type, "{}", 400, "validation_error"),
        ("POST", "/insert", &[], "{}", 415, "unsupported_media_type"),
        (
            "POST",
            "/insert",
            &[("content-type", "text/plain")],
            "{}",
            415,
            "unsupported_media_type",
        ),
        ("GET", "/nowhere", &[], "", 404, "not_found"),
        ("PUT", "/insert", &[], "", 405, "method_not_allowed"),
        ("GET", "/collections/no", &[], "", 404, "collection_not_found"),
        ("GET", "/collections/%FF", &[], "", 400, "validation_error"),
        (
            "GET",
            "/collections/no/vectors?limit=x",
            &[],
            "",
            400,
            "validation_error",
        ),
        (
            "GET",
            "/collections/no/vectors/x",
            &[],
            "",
            404,
            "collection_not_found",
        ),
    ] {
        let (got, text) = server.send(method, path, headers, body.as_bytes());
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path}: {text}"));
        assert_eq!(
            (got, &answer["error_type"]),
            (status, &json!(error_type)),
            "{method} {path} {body}: {answer}"
        );
        assert_eq!(answer["status_code"], status);
        assert!(
            answer["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/problem+json",
    ] {
        let (_, text) = server.send("POST", "/insert", &[("content-type", content_type)], b"{}");
        assert!(text.contains("Invalid collection"), "{text}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_whether_announced_or_not() {
    let config = ServerConfig {
        max_body_bytes: 1_000,
        ..ServerConfig::default()
    };
    let server = Server::with(&config);
    let json_type = ("content-type", "application/json");
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(2_000));
    let (status, text) = server.send("POST", "/insert", &[json_type], long.as_bytes());
    assert_eq!(status, 413, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["error_type"], &answer["status_code"]),
        (&json!("payload_too_large"), &json!(413))
    );
    assert_eq!(answer["details"]["limit_bytes"], 1_000);

    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let (status, text) = server.send_chunked("/insert", chunked.as_bytes());
    assert_eq!(status, 413, "{text}");

    let fitting = format!("{{\"text\":\"{}\"}}", "x".repeat(900));
    assert_eq!(
        server.send("POST", "/insert", &[json_type], fitting.as_bytes()).0,
        400
    );
}

#[test]
fn with_a_key_only_its_bearers_reach_data() {
    let config: ServerConfig =
        serde_json::from_value(json!({"api_key": "root-key", "user_api_keys": ["user-key"]})).unwrap();
    let server = Server::with(&config);
    let status = |headers: &[(&str, &str)]| server.send("GET", "/collections", headers, b"").0;
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("x-api-key", "wrong")]), 401);
    for key in ["root-key", "user-key"] {
        assert_eq!(status(&[("x-api-key", key)]), 200);
        assert_eq!(status(&[("authorization", key)]), 200);
        assert_eq!(status(&[("authorization", &format!("Bearer {key}"))]), 200);
    }
    let (_, text) = server.send("GET", "/collections", &[("x-api-key", "wr0ng-s3cret")], b"");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["error_type"], &answer["status_code"]),
        (&json!("unauthorized"), &json!(401))
    );
    assert!(!text.contains("s3cret"));
    assert_eq!(
        server.send("POST", "/insert", &[], b"{}").0,
        401,
        "before anything is read"
    );
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.get("/nowhere").0, 404);
}

#[test]
fn numbers_that_vectors_cannot_hold_are_refused_one_by_one() {
    let server = Server::start();
    server.create("c", 2, "Cosine");
    let answer = server.ok(
        "/insert_vectors",
        json!({"collection": "c", "vectors": [
            {"id": "fine", "embedding": [1, 2]},
            {"id": "huge", "embedding": [1e39, 0]},
            {"id": "zero", "embedding": [0, 0]},
            {"id": "text", "embedding": [1, "2"]},
            {"id": "short", "embedding": [1]},
            {"id": "none"},
            {"id": " space", "embedding": [1, 2]},
            {"id": "x".repeat(257), "embedding": [1, 2]},
            {"id": 5, "embedding": [1, 2]},
            {"id": "list", "embedding": [1, 2], "payload": [1]},
            "no object",
        ]}),
    );
    assert_eq!(
        (&answer["inserted"], &answer["failed"], &answer["count"]),
        (&json!(1), &json!(10), &json!(11))
    );
    for result in &answer["results"].as_array().unwrap()[1..] {
        assert_eq!(
            (&result["status"], &result["error_type"]),
            (&json!("error"), &json!("validation_error")),
            "{result}"
        );
    }
    assert_eq!(
        answer["results"][1]["error"],
        "Invalid embedding: component 0 is not a finite 32-bit number"
    );
    // JSON has no NaN; what looks like one is no JSON.
    let body = br#"{"collection":"c","vectors":[{"id":"n","embedding":[NaN,1]}]}"#;
    let (status, _) = server.send(
        "POST",
        "/insert_vectors",
        &[("content-type", "application/json")],
        body,
    );
    assert_eq!(status, 400);
    let count = server.ok("/qdrant/collections/c/points/count", json!({}));
    assert_eq!(count["result"]["count"], 1);
}

#[test]
fn a_qdrant_upsert_stores_all_or_nothing() {
    let server = server_with(&[]);
    for (wrong, error_type) in [
        (json!({"id": "b", "vector": [1]}), "dimension_mismatch"),
        (json!({"id": "b", "vector": [1e39, 1]}), "validation_error"),
        (json!({"id": "", "vector": [1, 1]}), "validation_error"),
        (json!({"id": -1, "vector": [1, 1]}), "validation_error"),
        (json!({"id": 1.5, "vector": [1, 1]}), "validation_error"),
        (json!({"vector": [1, 1]}), "validation_error"),
        (json!({"id": "b"}), "validation_error"),
        (
            json!({"id": "b", "vector": {"x": [1, 1], "y": [1, 1]}}),
            "validation_error",
        ),
        (
            json!({"id": "b", "vector": [1, 1], "payload": "text"}),
            "validation_error",
        ),
    ] {
        let body = json!({"points": [{"id": "a", "vector": [1, 1]}, wrong]});
        let (status, answer) = server.call("PUT", "/qdrant/collections/c/points", &body);
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!(error_type)),
            "{body}: {answer}"
        );
        assert_eq!(
            server.ok("/qdrant/collections/c/points/count", json!({}))["result"]["count"],
            0
        );
    }
    let named = json!({"points": [{"id": 18_446_744_073_709_551_615_u64, "vector": {"only": [3, 4]}}]});
    assert_eq!(server.call("PUT", "/qdrant/collections/c/points", &named).0, 200);
    let (_, document) = server.get("/collections/c/vectors/18446744073709551615");
    assert_eq!(document["vector"], json!([3.0, 4.0]));
}

#[test]
fn what_asks_for_encryption_is_not_stored_in_the_clear() {
    let server = server_with(&[]);
    for (method, path, body) in [
        (
            "POST",
            "/insert",
            json!({"collection": "c", "text": "secret", "public_key": "k"}),
        ),
        (
            "POST",
            "/insert_vectors",
            json!({"collection": "c", "vectors": [{"embedding": [1, 1]}], "public_key": "k"}),
        ),
        (
            "PUT",
            "/qdrant/collections/c/points",
            json!({"points": [{"id": "x", "vector": [1, 1]}], "public_key": "k"}),
        ),
    ] {
        let (status, answer) = server.call(method, path, &body);
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("encryption_unsupported")),
            "{path}"
        );
    }
    let entry = json!({"collection": "c", "vectors": [{"embedding": [1, 1], "public_key": "k"}]});
    assert_eq!(server.ok("/insert_vectors", entry)["failed"], 1);
    assert_eq!(
        server.ok("/qdrant/collections/c/points/count", json!({}))["result"]["count"],
        0
    );
}

#[test]
fn filters_never_delete_by_accident() {
    let server = server_with(&["a", "b"]);
    for filter in [
        json!({}),
        json!({"must": []}),
        Value::Null,
        json!([]),
        json!({"mst": [1]}),
    ] {
        for path in [
            "/collections/c/vectors/delete_by_filter",
            "/qdrant/collections/c/points/delete",
        ] {
            let (status, answer) = server.post(path, json!({"filter": filter}));
            assert_eq!(status, 400, "{path} {filter}: {answer}");
        }
    }
    assert_eq!(
        server.ok("/qdrant/collections/c/points/count", json!({}))["result"]["count"],
        2
    );
    let one = json!({"must": [{"type": "match", "key": "n", "match_value": 1}]});
    let count = server.ok("/qdrant/collections/c/points/count", json!({"filter": one}));
    assert_eq!(count["result"]["count"], 1);
    server.ok("/qdrant/collections/c/points/delete", json!({"filter": one}));
    assert_eq!(scroll_all(&server, 10, |_| ()), ["b"]);
}

#[test]
fn collections_are_made_once_and_as_asked() {
    let server = server_with(&["a"]);
    let again = json!({"vectors": {"size": 2, "distance": "Cosine"}});
    let (status, answer) = server.call("PUT", "/qdrant/collections/c", &again);
    assert_eq!(
        (status, &answer["error_type"]),
        (409, &json!("collection_already_exists"))
    );
    assert_eq!(
        server.get("/collections/c").1["vector_count"],
        1,
        "and is still there"
    );
    for (body, error_type) in [
        (
            json!({"name": "n", "dimension": 512, "metric": "manhattan"}),
            "validation_error",
        ),
        (json!({"name": "n", "dimension": -1}), "validation_error"),
        (json!({"name": "a/b", "dimension": 512}), "validation_error"),
        (
            json!({"name": "n", "dimension": 512, "embedding_provider": "bert"}),
            "unsupported_provider",
        ),
        (
            json!({"name": "n", "dimension": 512, "graph": {"enabled": true}}),
            "validation_error",
        ),
        (json!({"dimension": 512}), "validation_error"),
    ] {
        let (status, answer) = server.post("/collections", body.clone());
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!(error_type)),
            "{body}"
        );
    }
    for body in [
        json!({"vectors": {"size": 0, "distance": "Dot"}}),
        json!({"vectors": {"size": 65_537, "distance": "Dot"}}),
        json!({"vectors": {"size": 2, "distance": "Manhattan"}}),
        json!({"vectors": {"distance": "Dot"}}),
        json!({}),
    ] {
        assert_eq!(
            server.call("PUT", "/qdrant/collections/n", &body).0,
            400,
            "{body}"
        );
    }
    server.ok("/collections", json!({"name": "n", "metric": "dot"}));
    assert_eq!(server.get("/collections/n").1["metric"], "DotProduct");
}
