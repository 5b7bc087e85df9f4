//! The API key.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use nexus_dev::{NexusDev, NexusDevError};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use support::{client, start};

const KEY: &str = "nx_0123456789";

async fn refusal(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    response.json().await.unwrap()
}

#[tokio::test]
async fn statements_and_faults_need_the_key_and_probes_do_not() {
    let server = start(NexusDev::builder().api_key(KEY).allow_fault_route(true)).await;
    let post = |path: &str| {
        client()
            .post(format!("{}{path}", server.url()))
            .json(&json!({"query": "RETURN 1 AS x"}))
    };

    let missing = refusal(post("/cypher")).await;
    assert_eq!(missing["code"], "AUTHENTICATION_REQUIRED");
    assert!(missing["message"].is_string() && missing["details"].is_null());
    assert_eq!(
        refusal(post("/cypher").header("x-api-key", "nx_wrong")).await["code"],
        "INVALID_TOKEN"
    );
    assert_eq!(
        refusal(post("/cypher").bearer_auth("nx_wrong")).await["code"],
        "INVALID_TOKEN"
    );
    assert_eq!(refusal(post("/_faults")).await["code"], "AUTHENTICATION_REQUIRED");

    for good in [
        post("/cypher").header("x-api-key", KEY),
        post("/cypher").bearer_auth(KEY),
    ] {
        assert_eq!(good.send().await.unwrap().status(), StatusCode::OK);
    }
    for probe in ["/health", "/stats"] {
        let open = client()
            .get(format!("{}{probe}", server.url()))
            .send()
            .await
            .unwrap();
        assert_eq!(open.status(), StatusCode::OK);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn bearer_is_read_before_the_key_header() {
    let server = start(NexusDev::builder().api_key(KEY)).await;
    let request = client()
        .post(format!("{}/cypher", server.url()))
        .json(&json!({"query": "RETURN 1 AS x"}));
    assert_eq!(
        refusal(request.bearer_auth("nx_wrong").header("x-api-key", KEY)).await["code"],
        "INVALID_TOKEN"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_empty_key_does_not_start() {
    let error = NexusDev::builder().api_key("").start().await.unwrap_err();
    assert!(matches!(error, NexusDevError::ApiKey), "{error}");
}
