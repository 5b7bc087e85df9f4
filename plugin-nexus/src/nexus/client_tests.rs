//! What the client asks of whoever listens.

use tokio::net::TcpListener;

use super::*;
use crate::nexus::FaultClass;
use crate::nexus::faulty_server::{Reply, Server};

#[tokio::test]
async fn a_look_shows_version_and_start() {
    let server = Server::start(|_| Reply::Drop).await;
    let process = server.client().look().await.unwrap();
    assert_eq!(process.version(), "2.5.0");
    assert!(process.is_settled());
    let age = Timestamp::now().duration_since(process.started_at());
    assert!((3_598..=3_604).contains(&age.as_secs()), "{age:?}");
}

#[tokio::test]
async fn a_look_goes_to_whoever_listens_now() {
    let server = Server::keeping(|_| Reply::Drop).await;
    let client = server.client();
    let first = client.look().await.unwrap();
    assert!(first.is_same(&client.look().await.unwrap()));
    server.hand_over(0);
    let second = client.look().await.unwrap();
    assert!(!first.is_same(&second) && !second.is_settled());
}

#[tokio::test]
async fn an_answer_that_is_no_sighting_is_refused() {
    let server = Server::start(|_| Reply::Drop).await;
    for body in [
        "{}",
        r#"{"version":"2.5.0"}"#,
        r#"{"version":"2.5.0","uptime_seconds":-1}"#,
        r#"{"version":"2.5.0","uptime_seconds":18446744073709551615}"#,
        "ok",
    ] {
        server.set_health(Some(Reply::Json(200, body)));
        let error = server.client().look().await.unwrap_err();
        assert_eq!(error.class(), FaultClass::BadAnswer, "{body}");
    }
}

#[tokio::test]
async fn stats_and_labels_are_read_and_checked() {
    let server = Server::start(|n| match n {
        0 => Reply::Json(
            200,
            r#"{"catalog":{"label_count":1,"rel_type_count":0,"node_count":2,"rel_count":3}}"#,
        ),
        1 => Reply::Json(
            200,
            r#"{"labels":[{"name":"Document","id":0},{"name":"Entity","id":1}]}"#,
        ),
        2 => Reply::Json(404, ""),
        3 => Reply::Json(200, r#"{"labels":[],"error":"Storage error: x"}"#),
        4 => Reply::Json(401, ""),
        _ => Reply::Json(200, r#"{"status":"Healthy"}"#),
    })
    .await;
    let client = server.client();
    let stats = client.stats().await.unwrap();
    assert_eq!((stats.label_count, stats.node_count, stats.rel_count), (1, 2, 3));
    let labels = client.labels().await.unwrap();
    assert_eq!(labels, Some(vec!["Document".to_owned(), "Entity".to_owned()]));
    assert_eq!(client.labels().await.unwrap(), None);
    let class = async || client.labels().await.unwrap_err().class();
    assert_eq!(class().await, FaultClass::ServerFault);
    assert_eq!(class().await, FaultClass::Unauthorised);
    assert_eq!(class().await, FaultClass::BadAnswer);
    assert_eq!(client.stats().await.unwrap_err().class(), FaultClass::BadAnswer);
    assert!(
        server.requests()[1]
            .text
            .starts_with("GET /schema/labels HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_not_applied() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let client = NexusClient::new(NexusConfig::new(gone.parse().unwrap())).unwrap();
    let error = client.look().await.unwrap_err();
    assert_eq!(
        (error.class(), error.may_have_been_applied()),
        (FaultClass::Unreachable, false),
        "{error:?}"
    );
}
