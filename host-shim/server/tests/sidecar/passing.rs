//! Requests and answers come through as they are.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

use crate::front::{Front, PATIENCE, read_until};
use crate::stand_in::{Answer, StandIn};

fn ok(answer: Value) -> impl Fn(&crate::stand_in::Asked) -> Option<Answer> {
    move |_| Some(Answer::Json(200, answer.clone()))
}

#[test]
fn every_method_and_path_reaches_vectorizer_as_it_was_sent() {
    let server = StandIn::start();
    let front = Front::of(server.address);
    server.answers(ok(json!({"a": 1})));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let path = "/some//path/%C3%A4%2Fb?q=%20&q=2";
        let body = match method {
            "GET" | "OPTIONS" => Value::Null,
            _ => json!({"é": [1.5]}),
        };
        assert_eq!(
            front.send(method, path, &body),
            (200, json!({"a": 1})),
            "{method}"
        );
        let asked = server.asked().pop().unwrap();
        assert!(asked.is(method, path), "{asked:?}");
        assert_eq!(asked.json(), body);
    }
    let (status, _) = front.send("HEAD", "/health", &Value::Null);
    assert_eq!((status, server.asked()[0].method.as_str()), (200, "HEAD"));
}

#[test]
fn headers_come_through_but_for_those_of_one_hop() {
    let server = StandIn::start();
    let front = Front::of(server.address);
    server.answers(|_| {
        let headers = vec![
            ("x-theirs", "t"),
            ("keep-alive", "timeout=5"),
            ("retry-after", "7"),
        ];
        Some(Answer::With(429, headers, json!({"error_type": "queue_full"})))
    });
    let mut connection = front.raw(
        "GET /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close, x-mine\r\nX-Mine: 1\r\nTE: trailers\r\n\
         Authorization: Bearer t0ken\r\nX-Api-Key: k3y\r\nCookie: session=1\r\n\r\n",
    );
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let asked = server.asked().pop().unwrap();
    for gone in ["te", "x-mine", "connection"] {
        assert!(!asked.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(asked.headers["authorization"], "Bearer t0ken");
    assert_eq!(asked.headers["x-api-key"], "k3y");
    assert_eq!(asked.headers["cookie"], "session=1");
    assert_eq!(asked.headers["x-forwarded-host"], "shop.example");
    assert_eq!(asked.headers["x-forwarded-for"], "127.0.0.1");
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("x-theirs: t") && answer.contains("retry-after: 7"));
    assert!(!answer.contains("keep-alive: timeout"), "{answer}");
}

#[test]
fn events_come_through_one_by_one() {
    let server = StandIn::start();
    let front = Front::of(server.address);
    let go_on = Arc::new(AtomicBool::new(false));
    let may_go_on = Arc::clone(&go_on);
    server.answers_to("GET", "/mcp", move |_| {
        let go_on = Arc::clone(&may_go_on);
        let events = stream::iter(["data: one\n\n", "data: two\n\n"])
            .enumerate()
            .then(move |(n, event)| {
                let go_on = Arc::clone(&go_on);
                async move {
                    while n == 1 && !go_on.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Ok::<_, std::io::Error>(Bytes::from(event))
                }
            });
        let mut response = Body::from_stream(events).into_response();
        response
            .headers_mut()
            .insert("content-type", "text/event-stream".parse().unwrap());
        Answer::Whatever(response)
    });
    let mut connection = front.raw("GET /mcp HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
    assert!(read_until(&mut connection, "data: one").contains("text/event-stream"));
    go_on.store(true, Ordering::Relaxed);
    read_until(&mut connection, "data: two");
}

#[test]
fn a_websocket_is_two_streams_of_bytes() {
    // A server that agrees to anything and echoes in capitals.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            std::thread::spawn(move || {
                let head = read_until(&mut connection, "\r\n\r\n");
                if !head.contains("GET /ws") {
                    let _ = connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
                    return;
                }
                assert!(head.contains("upgrade: websocket") && head.contains("sec-websocket-key: k"));
                connection
                    .write_all(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                          Sec-WebSocket-Accept: a\r\n\r\n",
                    )
                    .unwrap();
                let mut part = [0; 64];
                while let Ok(length @ 1..) = connection.read(&mut part) {
                    let said = part[..length].to_ascii_uppercase();
                    connection.write_all(&said).unwrap();
                }
            });
        }
    });
    let front = Front::unready(address, &json!({}), &json!({}), |_| axum::Router::new());
    let mut connection = front.raw(
        "GET /ws/dashboard HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
    );
    let head = read_until(&mut connection, "\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-accept: a"),
        "{head}"
    );
    for word in ["hello", "again"] {
        connection.write_all(word.as_bytes()).unwrap();
        read_until(&mut connection, &word.to_uppercase());
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_whether_or_not_it_says_so() {
    let server = StandIn::start();
    let server_section = json!({"max_body_bytes": 1000});
    let front = Front::unready(server.address, &json!({}), &server_section, |_| {
        axum::Router::new()
    });
    server.answers(ok(json!({})));
    let long = json!({"text": "x".repeat(2000), "collection": "c"});
    for path in ["/anything", "/insert"] {
        let (status, refusal) = front.send("POST", path, &long);
        assert_eq!(
            (status, &refusal["error_type"]),
            (413, &json!("payload_too_large")),
            "{path}"
        );
        let chunk = "x".repeat(2000);
        let mut connection = front.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{chunk}\r\n0\r\n\r\n"
        ));
        assert!(
            read_until(&mut connection, "\r\n\r\n").starts_with("HTTP/1.1 413"),
            "{path}"
        );
    }
    assert!(server.asked().iter().all(|asked| asked.body.len() <= 1000));
}

#[test]
fn a_long_mutation_comes_through_though_it_is_not_understood() {
    let server = StandIn::start();
    server.lists(&[("c", 0, 0)]);
    let front = Front::of(server.address);
    server.answers_to("POST", "/insert_vectors", |asked| {
        Answer::Json(200, json!({"length": asked.body.len()}))
    });
    let long = json!({"collection": "c", "vectors": [], "pad": "x".repeat(17 << 20)});
    let (status, answer) = front.send("POST", "/insert_vectors", &long);
    assert_eq!((status, &answer["length"]), (200, &json!(long.to_string().len())));
}

#[test]
fn a_vectorizer_that_is_not_there_is_a_bad_gateway() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let front = Front::unready(gone, &json!({}), &json!({}), |_| axum::Router::new());
    for (method, path) in [("GET", "/collections"), ("POST", "/insert")] {
        let (status, refusal) = front.send(method, path, &Value::Null);
        assert_eq!((status, &refusal["error_type"]), (502, &json!("bad_gateway")));
        assert_eq!(refusal["status_code"], 502);
    }
}

#[test]
fn a_vectorizer_that_does_not_answer_is_not_waited_for_without_end() {
    let server = StandIn::start();
    let front = Front::with(server.address, &json!({"timeout_ms": 300}), |_| {
        axum::Router::new()
    });
    server.answers_to("GET", "/slow", |_| Answer::After(PATIENCE, json!({})));
    let begun = Instant::now();
    let (status, refusal) = front.send("GET", "/slow", &Value::Null);
    assert_eq!((status, &refusal["error_type"]), (504, &json!("gateway_timeout")));
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    let server = StandIn::start();
    let front = Front::of(server.address);
    server.answers(|_| Some(Answer::Half(json!({"a": "x".repeat(100)}))));
    let mut connection = front.raw("GET /half HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer);
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.len() < 100, "{answer}");
    // Of a mutation the client learns that it did not get all of it.
    let (status, refusal) = front.send("POST", "/insert", &json!({"collection": "c", "text": "t"}));
    assert_eq!((status, &refusal["error_type"]), (502, &json!("bad_gateway")));
}
