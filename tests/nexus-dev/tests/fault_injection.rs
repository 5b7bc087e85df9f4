//! Every fault, seen from a client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use std::time::{Duration, Instant};

use nexus_dev::{FaultEffect, FaultRule, NexusDev};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{answer, client, documents, rows, send, server, start};

const CREATE: &str = "CREATE (:Document {key:'x'})";

fn rule(json: Value) -> FaultRule {
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn latency_delays_the_answer_and_nothing_else() {
    let server = server().await;
    server.faults().set(vec![FaultRule::latency(120, 30)]).unwrap();
    let start = Instant::now();
    rows(server.url(), CREATE, json!({})).await;
    assert!(start.elapsed() >= Duration::from_millis(120));
    server.faults().clear();
    assert_eq!(documents(server.url()).await, 1);
    assert_eq!(server.faults().counts().delayed, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_status_fault_refuses_the_next_requests_without_executing() {
    let server = server().await;
    server
        .faults()
        .set(vec![FaultRule::overload(503, 2).times(2)])
        .unwrap();
    for _ in 0..2 {
        let response = send(server.url(), CREATE, json!({})).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "2");
    }
    assert_eq!(documents(server.url()).await, 0);
    server
        .faults()
        .set(vec![
            FaultRule::status(429).times(1),
            FaultRule::status(500).times(1),
        ])
        .unwrap();
    for code in [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::OK,
    ] {
        let response = send(server.url(), "RETURN 1 AS x", json!({})).await.unwrap();
        assert_eq!(response.status(), code);
        assert!(response.headers().get("retry-after").is_none());
    }
    assert_eq!(server.faults().counts().statuses, 4);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_status_fault_can_strike_after_executing() {
    let server = server().await;
    let effect = json!({"kind": "status", "code": 500, "executed": true});
    server
        .faults()
        .set(vec![rule(json!({"times": 1, "effect": effect}))])
        .unwrap();
    assert_eq!(
        send(server.url(), CREATE, json!({})).await.unwrap().status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(documents(server.url()).await, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_partial_fault_carries_out_the_first_rows_and_then_breaks() {
    let server = server().await;
    let create = "UNWIND $rows AS row CREATE (:Document {key: row.key})";
    let batch =
        |from: u32| json!({"rows": (from..from + 10).map(|key| json!({"key": key})).collect::<Vec<_>>()});
    server
        .faults()
        .set(vec![FaultRule::partial(0.3).times(1)])
        .unwrap();
    let request = json!({"query": create, "params": batch(0)});
    let sent = client()
        .post(format!("{}/cypher", server.url()))
        .json(&request)
        .send()
        .await;
    assert!(sent.is_err(), "{sent:?}");
    assert_eq!(documents(server.url()).await, 3);
    let effect = json!({"kind": "partial", "share": 0.5, "error": "Storage error: disk full"});
    server
        .faults()
        .set(vec![rule(
            json!({"matching": "CREATE", "times": 2, "effect": effect}),
        )])
        .unwrap();
    let body = answer(server.url(), create, batch(10)).await;
    assert_eq!(body["error"], "Storage error: disk full");
    assert_eq!(documents(server.url()).await, 8);
    // Without rows there is nothing to do a part of.
    answer(server.url(), CREATE, json!({})).await;
    assert_eq!(documents(server.url()).await, 8);
    assert_eq!(server.faults().counts().partial, 3);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_error_fault_answers_200_with_the_given_text() {
    let server = server().await;
    server
        .faults()
        .set(vec![FaultRule::cypher_error("Storage error: disk full").times(1)])
        .unwrap();
    let body = answer(server.url(), CREATE, json!({})).await;
    assert_eq!(body["error"], "Storage error: disk full");
    assert_eq!(body["rows"], json!([]));
    assert_eq!(documents(server.url()).await, 0);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_connection_dropped_before_executing_changes_nothing() {
    let server = server().await;
    server
        .faults()
        .set(vec![FaultRule::drop_before().times(1)])
        .unwrap();
    assert!(send(server.url(), CREATE, json!({})).await.is_err());
    assert_eq!(documents(server.url()).await, 0);
    assert_eq!(server.faults().counts().dropped_before, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_connection_dropped_after_executing_loses_only_the_answer() {
    let server = server().await;
    server
        .faults()
        .set(vec![FaultRule::drop_after().times(1)])
        .unwrap();
    assert!(send(server.url(), CREATE, json!({})).await.is_err());
    assert_eq!(documents(server.url()).await, 1);
    assert_eq!(server.faults().counts().dropped_after, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_carries_not_one_byte() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = server().await;
    server.faults().set(vec![FaultRule::drop_after()]).unwrap();
    let body = json!({"query": CREATE}).to_string();
    let mut stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST /cypher HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert_eq!(received, b"");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_rule_with_text_hits_only_statements_that_contain_it() {
    let server = server().await;
    server
        .faults()
        .set(vec![FaultRule::status(503).matching("SIMILAR_TO")])
        .unwrap();
    rows(server.url(), CREATE, json!({})).await;
    let hit = send(
        server.url(),
        "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)",
        json!({}),
    )
    .await
    .unwrap();
    assert_eq!(hit.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn probes_fail_only_when_told_to() {
    let server = server().await;
    let health = async || client().get(format!("{}/health", server.url())).send().await;
    server.faults().set(vec![FaultRule::drop_before()]).unwrap();
    assert_eq!(health().await.unwrap().status(), StatusCode::OK);
    server
        .faults()
        .set(vec![FaultRule::drop_before().with_probes()])
        .unwrap();
    assert!(health().await.is_err());
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_seed_repeats_the_same_share_of_faults() {
    let pattern = async |seed| {
        let rules = vec![FaultRule::status(500).fraction(0.5)];
        let server = start(NexusDev::builder().fault_seed(seed).fault_rules(rules)).await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(
                send(server.url(), "RETURN 1 AS x", json!({}))
                    .await
                    .unwrap()
                    .status(),
            );
        }
        server.shutdown().await.unwrap();
        statuses
    };
    let first = pattern(3).await;
    assert!(first.contains(&StatusCode::OK) && first.contains(&StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(first, pattern(3).await);
}

#[tokio::test]
async fn faults_are_read_set_and_cleared_over_http_when_allowed() {
    let server = start(NexusDev::builder().allow_fault_route(true)).await;
    let route = format!("{}/_faults", server.url());
    let order = json!({"seed": 1, "rules": [{"times": 1, "effect": {"kind": "error", "text": "no"}}]});
    let set = client().post(&route).json(&order).send().await.unwrap();
    assert_eq!(set.status(), StatusCode::OK);
    assert_eq!(
        answer(server.url(), "RETURN 1 AS x", json!({})).await["error"],
        "no"
    );

    let report: Value = client().get(&route).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&report["rules"][0]["times"], &report["counts"]["errors"]),
        (&json!(0), &json!(1))
    );
    let bad = json!({"rules": [{"effect": {"kind": "status", "code": 200}}]});
    let refused = client().post(&route).json(&bad).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("code"));
    let effect = server.faults().rules()[0].effect.clone();
    assert_eq!(
        effect,
        Some(FaultEffect::Error {
            text: "no".into(),
            executed: false
        }),
        "a bad order changes nothing"
    );
    client().delete(&route).send().await.unwrap();
    assert_eq!(server.faults().rules(), []);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_pretended_success_does_nothing() {
    let server = server().await;
    server
        .faults()
        .set(vec![rule(
            json!({"matching": "CREATE", "times": 1, "effect": {"kind": "pretend"}}),
        )])
        .unwrap();
    assert_eq!(rows(server.url(), CREATE, json!({})).await, json!([]));
    assert_eq!(documents(server.url()).await, 0);
    rows(server.url(), CREATE, json!({})).await;
    assert_eq!(documents(server.url()).await, 1);
    assert_eq!(server.faults().counts().pretended, 1);
    server.shutdown().await.unwrap();
}
