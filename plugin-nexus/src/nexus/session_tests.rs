//! Sessions against a server that drops, stalls, lies, overflows and is restarted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::graph::catalogue::nodes::LookupForm;
use crate::graph::key::NodeKey;
use crate::graph::schema::NodeLabel;
use crate::graph::{DocumentKey, JsonMap, NodeWrite, catalogue};
use crate::nexus::faulty_server::{Reply, Server, session};
use crate::nexus::{FaultClass, NexusConfig};

const ROWS: &str = r#"{"columns":["n"],"rows":[[3]],"execution_time_ms":1}"#;

async fn outcome(reply: Reply) -> (Result<Rows, NexusError>, usize) {
    let server = Server::start(move |_| reply.clone()).await;
    let result = server
        .session()
        .await
        .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
        .await;
    (result, server.seen())
}

#[tokio::test]
async fn a_good_answer_gives_its_rows_and_the_request_carries_statement_and_key() {
    let server = Server::start(|_| Reply::Json(200, ROWS)).await;
    let rows = server
        .session()
        .await
        .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
        .await
        .unwrap();
    assert_eq!(
        (rows.columns(), rows.rows()),
        (&["n".to_owned()][..], &[vec![json!(3)]][..])
    );
    let request = server.requests()[0].text.clone();
    assert!(request.starts_with("POST /cypher HTTP/1.1\r\n"));
    assert!(request.contains("x-api-key: nx_topsecret\r\n"));
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body,
        json!({"query": catalogue::nodes::count_nodes(NodeLabel::Document).text(), "params": {}})
    );
}

#[tokio::test]
async fn answers_that_are_not_complete_are_failures() {
    for (body, class) in [
        ("garbage", FaultClass::BadAnswer),
        ("", FaultClass::BadAnswer),
        ("[]", FaultClass::BadAnswer),
        (r#"{"columns":["n"]}"#, FaultClass::BadAnswer),
        (r#"{"rows":[[1]]}"#, FaultClass::BadAnswer),
        (r#"{"columns":["n"],"rows":[[1,2]]}"#, FaultClass::BadAnswer),
        (r#"{"columns":["n"],"rows":[1]}"#, FaultClass::BadAnswer),
        (
            r#"{"columns":["n"],"rows":[[1]],"error":"Parse error: x"}"#,
            FaultClass::NotUnderstood,
        ),
        (
            r#"{"columns":[],"rows":[],"error":{"code":7}}"#,
            FaultClass::StatementRejected,
        ),
        (
            r#"{"columns":[],"rows":[],"error":"Execution error: Unknown variable 'r' in SET clause"}"#,
            FaultClass::MissingEndpoint,
        ),
    ] {
        let (result, seen) = outcome(Reply::Json(200, body)).await;
        assert_eq!(result.unwrap_err().class(), class, "{body}");
        assert_eq!(seen, 1, "{body}");
    }
    let (result, _) = outcome(Reply::Json(200, r#"{"columns":[],"rows":[],"error":null}"#)).await;
    assert!(result.is_ok());
}

#[tokio::test]
async fn a_refused_key_is_reported_once_and_never_shown() {
    let (result, seen) = outcome(Reply::Json(
        401,
        r#"{"code":"INVALID_TOKEN","message":"nx_topsecret"}"#,
    ))
    .await;
    let error = result.unwrap_err();
    assert_eq!((error.class(), seen), (FaultClass::Unauthorised, 1));
    assert!(!format!("{error} {error:?}").contains("topsecret"));
    let server = Server::start(|_| Reply::Json(200, ROWS)).await;
    assert!(!format!("{:?}", server.session().await).contains("topsecret"));
}

#[tokio::test]
async fn a_key_that_is_refused_before_the_body_was_read_is_still_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The connection of a statement waits for a look at who listens.
            tokio::spawn(async move {
                let mut beginning = [0; 1_000];
                let _ = stream.read(&mut beginning).await;
                let (status, body) = if beginning.starts_with(b"GET /health ") {
                    (200, r#"{"version":"2.5.0","uptime_seconds":900}"#)
                } else {
                    (401, "{}")
                };
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    let client = Arc::new(NexusClient::new(NexusConfig::new(url.parse().unwrap())).unwrap());
    let session = session(&client).await;
    let desired = JsonMap::from_iter([("text".to_owned(), "x".repeat(3 << 20).into())]);
    let key = DocumentKey::new("c", "1").unwrap();
    let write = NodeWrite::build(key, &desired, None).unwrap();
    let statements =
        catalogue::nodes::upsert_nodes(NodeLabel::Document, [(write.key().literal(), write.record())])
            .unwrap();
    let error = session.run(&statements[0]).await.unwrap_err();
    assert_eq!(error.class(), FaultClass::Unauthorised, "{error:?}");
}

#[tokio::test]
async fn transient_statuses_are_retried_until_the_server_recovers() {
    for status in [429, 500, 503] {
        let server = Server::start(move |n| Reply::Json(if n < 2 { status } else { 200 }, ROWS)).await;
        assert!(
            server
                .session()
                .await
                .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
                .await
                .is_ok(),
            "{status}"
        );
        assert_eq!(server.seen(), 3, "{status}");
    }
}

#[tokio::test]
async fn the_server_is_given_the_time_it_asks_for() {
    let busy = |n| {
        if n == 0 {
            Reply::With(503, "retry-after: 1\r\n".into(), "")
        } else {
            Reply::Json(200, ROWS)
        }
    };
    let server = Server::start(busy).await;
    let start = Instant::now();
    assert!(
        server
            .session()
            .await
            .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
            .await
            .is_ok()
    );
    assert!(start.elapsed() >= Duration::from_secs(1));

    let (result, seen) = outcome(Reply::With(429, "retry-after: 3600\r\n".into(), "")).await;
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(
        result.unwrap_err().class(),
        FaultClass::Overloaded { retry_after: hour }
    );
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_stalling_server_costs_one_timeout() {
    let start = Instant::now();
    let (result, seen) = outcome(Reply::Stall).await;
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            NexusError::TimedOut {
                request: "count_nodes",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        (error.class(), error.may_have_been_applied(), seen),
        (FaultClass::Unanswered, true, 1)
    );
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_been_applied_and_is_handed_up() {
    for broken in [Reply::Drop, Reply::Cut] {
        let (result, seen) = outcome(broken).await;
        let error = result.unwrap_err();
        assert!(matches!(error, NexusError::Interrupted { .. }), "{error:?}");
        assert!(error.may_have_been_applied());
        assert_eq!(seen, 1, "a new process would have been written to unseen");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let (result, seen) = outcome(Reply::Endless).await;
    let error = result.unwrap_err();
    assert!(
        matches!(error, NexusError::AnswerTooLarge { limit: 100_000, .. }),
        "{error:?}"
    );
    assert_eq!((error.class(), seen), (FaultClass::TooLarge, 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| Reply::Json(200, ROWS)).await;
    let location = format!("location: {}cypher\r\n", elsewhere.url);
    let (result, _) = outcome(Reply::With(307, location, "")).await;
    assert_eq!(result.unwrap_err().class(), FaultClass::BadAnswer);
    assert_eq!(elsewhere.seen(), 0);
}

#[tokio::test]
async fn an_error_names_the_statement_and_shows_nothing_of_what_was_sent() {
    let server = Server::start(|_| Reply::Json(413, "length limit exceeded")).await;
    let key = DocumentKey::new("private", "document").unwrap();
    let error = server
        .session()
        .await
        .run(
            &catalogue::nodes::read_nodes(LookupForm::LiteralUnion, NodeLabel::Document, &[key.literal()])[0],
        )
        .await
        .unwrap_err();
    assert_eq!(error.class(), FaultClass::TooLarge);
    let printed = format!("{error} {error:?}");
    assert!(printed.contains("read_nodes") && !printed.contains("private"));
}

#[tokio::test]
async fn no_more_statements_are_in_flight_than_the_pool_has_slots() {
    let server = Server::start(|_| Reply::Json(200, ROWS)).await;
    let mut config = server.config();
    config.pool_size = 3;
    config.request_timeout = Duration::from_secs(10);
    let client = session(&Arc::new(NexusClient::new(config).unwrap())).await;
    let runs: Vec<_> = (0..40)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
                    .await
            })
        })
        .collect();
    for run in runs {
        assert!(run.await.unwrap().is_ok());
    }
    assert_eq!(server.seen(), 40);
    assert!(server.most_at_once() <= 3);
}
