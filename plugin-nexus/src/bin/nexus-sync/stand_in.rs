//! A host that answers what a test wants, also what no host should: for faults only.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::api_key::ApiKey;
use crate::client::{Client, Way};

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A proper answer.
    Json(u16, Value),
    /// These bytes, as they are.
    Raw(Vec<u8>),
    /// The beginning of an answer, and then the end of the connection.
    Half,
    /// Nothing, for so long.
    Silence(Duration),
    /// An answer without an end.
    Endless,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method and target, as `GET /x?y=1`.
    pub(crate) line: String,
    /// The key that came along.
    pub(crate) key: Option<String>,
    /// The content.
    pub(crate) body: String,
}

/// A host of its own, for as long as the process lives.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    /// Its address.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Starts one.
    pub(crate) fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, reply) = (Arc::clone(&asked), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    seen.lock().unwrap().push(request.clone());
                    answer(&stream, &reply(&request));
                });
            }
        });
        Self { url, asked }
    }

    /// Starts one that knows these requests, by method and path; any other is not found.
    pub(crate) fn of(replies: &[(&str, Reply)]) -> Self {
        let known: HashMap<String, Reply> = replies
            .iter()
            .map(|(line, reply)| ((*line).to_owned(), reply.clone()))
            .collect();
        Self::start(move |asked| {
            let line = asked.line.split('?').next().unwrap_or_default();
            let unknown = || Reply::Json(404, serde_json::json!({"message": "Not found"}));
            known.get(line).cloned().unwrap_or_else(unknown)
        })
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        client(&self.url, None)
    }

    /// What it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A client that is soon out of patience.
pub(crate) fn client(url: &str, key: Option<ApiKey>) -> Client {
    let timeout = Duration::from_secs(2);
    Client::new(Way {
        url,
        key,
        ca_file: None,
        timeout,
    })
    .unwrap()
}

fn read(mut stream: &TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let header = |name: &str| {
                head.lines().find_map(|line| {
                    let (key, value) = line.split_once(':')?;
                    key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
                })
            };
            let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let mut words = head.split_whitespace();
                return Some(Asked {
                    line: format!("{} {}", words.next()?, words.next()?),
                    key: header("x-api-key"),
                    body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
                });
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

fn answer(mut stream: &TcpStream, reply: &Reply) {
    // Whoever has seen enough closes the connection.
    let _ = match reply {
        Reply::Json(status, body) => {
            let body = body.to_string();
            let date = jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&jiff::Timestamp::now())
                .unwrap();
            let length = body.len();
            stream.write_all(
                format!(
                    "HTTP/1.1 {status} X\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .as_bytes(),
            )
        }
        Reply::Raw(bytes) => stream.write_all(bytes),
        Reply::Half => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":"),
        Reply::Silence(time) => {
            thread::sleep(*time);
            Ok(())
        }
        Reply::Endless => {
            let head = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            let chunk = vec![b' '; 1 << 20];
            head.and_then(|()| {
                loop {
                    stream.write_all(&chunk)?;
                }
            })
        }
    };
}
