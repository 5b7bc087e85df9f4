//! A Vectorizer that wants to know who asks.

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::upstream::{Origin, USER};

use crate::setup::{DIMENSION, PATIENCE, Setup, vector};

/// Sends a request with a token, or without.
fn send(url: &str, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("content-type", "application/json");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent.run(request.body(body.to_string()).unwrap()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (
        answer.status().as_u16(),
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

#[test]
fn clients_bring_their_own_credentials_and_the_host_logs_in_for_itself() {
    if !Origin::available().contains(&Origin::Real) {
        println!("SKIPPED: set VECTORIZER_BIN; no other Vectorizer has users");
        return;
    }
    let setup = Setup::in_front_of(Origin::Real, true, Kind::measured(), &json!({}));
    let graph = setup.nexus();
    let (host, _) = setup.host();
    let url = host.url.as_str();
    assert_eq!(send(url, "GET", "/collections", None, &Value::Null).0, 401);
    assert_eq!(
        send(url, "GET", "/api/v1/sync/nexus/status", None, &Value::Null).0,
        401
    );
    let login = json!({"username": USER.0, "password": USER.1});
    let (status, granted) = send(url, "POST", "/auth/login", None, &login);
    assert_eq!(status, 200, "{granted}");
    let token = granted["access_token"].as_str().unwrap();

    let made = json!({"vectors": {"size": DIMENSION, "distance": "Cosine"}});
    assert_eq!(
        send(url, "PUT", "/qdrant/collections/c", Some(token), &made).0,
        200
    );
    let document = json!({"id": "a", "embedding": vector(1), "payload": {"title": "A"}});
    let insert = json!({"collection": "c", "vectors": [document]});
    assert_eq!(send(url, "POST", "/insert_vectors", Some(token), &insert).0, 200);
    vectorizer_tests::process::wait_until("the node is there", PATIENCE, || {
        Ok(setup.graph().documents()?.len() == 1)
    })
    .unwrap();

    let (status, told) = send(url, "GET", "/api/v1/sync/nexus/status", Some(token), &Value::Null);
    assert_eq!((status, &told["nexus"]["state"]), (200, &json!("ready")));
    let (status, _) = send(url, "GET", "/api/v1/plugins", Some(token), &Value::Null);
    assert_eq!(status, 200, "the administrator of Vectorizer is one here");
    let log = std::fs::read_to_string(setup.folder.path().join("host.log")).unwrap();
    assert!(
        !log.contains(USER.1) && !log.contains(token),
        "a secret is in the log"
    );
    host.stop().unwrap();
    graph.stop();
}
