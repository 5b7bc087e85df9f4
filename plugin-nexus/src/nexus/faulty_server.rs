//! A server for the client's tests that drops, stalls, lies, overflows and is restarted.
//!
//! `/health` is answered apart from the script: with the uptime of the process that accepted the connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use url::Url;

use super::{ApiKey, Auth, NexusClient, NexusConfig, RetryPolicy, Session};

/// What the server does with one request.
#[derive(Clone)]
pub(super) enum Reply {
    Json(u16, &'static str),
    With(u16, String, &'static str),
    /// Says nothing and keeps the connection.
    Stall,
    /// Closes the connection without an answer.
    Drop,
    /// Closes the connection in the middle of the body.
    Cut,
    /// Sends a body that does not end.
    Endless,
}

/// Whether a connection is kept after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Close,
    Keep,
}

/// A process of the server; one follows the other on the same port.
#[derive(Clone, Copy)]
struct Era {
    number: usize,
    started: Instant,
}

/// A request that was not for `/health`.
pub(super) struct Request {
    pub(super) text: String,
    /// Which process got it, from 0.
    pub(super) era: usize,
    /// Which connection it came over.
    pub(super) connection: usize,
}

pub(super) struct Server {
    pub(super) url: Url,
    state: Arc<State>,
}

struct State {
    script: Box<dyn Fn(usize) -> Reply + Send + Sync>,
    after: After,
    requests: Mutex<Vec<Request>>,
    era: Mutex<Era>,
    /// What `/health` does instead of answering.
    health: Mutex<Option<Reply>>,
    looks: AtomicUsize,
    connections: Mutex<Vec<AbortHandle>>,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Server {
    /// Answers request number `n` (from 0) with `script(n)`, each over a connection of its own.
    pub(super) async fn start(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(After::Close, script).await
    }

    /// Keeps connections; an old process.
    pub(super) async fn keeping(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(After::Keep, script).await
    }

    async fn serve(after: After, script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            after,
            requests: Mutex::default(),
            era: Mutex::new(Era {
                number: 0,
                started: started_before(3_600),
            }),
            health: Mutex::default(),
            looks: AtomicUsize::default(),
            connections: Mutex::default(),
            now: AtomicUsize::default(),
            most_at_once: AtomicUsize::default(),
        });
        let server = Self {
            url,
            state: Arc::clone(&state),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut connections = state.connections.lock().unwrap();
                let (number, state) = (connections.len(), Arc::clone(&state));
                // The process that accepts a connection is the one that answers over it.
                let era = *state.era.lock().unwrap();
                let task = tokio::spawn(async move { state.answer(stream, era, number).await });
                connections.push(task.abort_handle());
            }
        });
        server
    }

    /// Another process listens from now on, up for `uptime` seconds; the connections of the old one are closed.
    pub(super) fn restart(&self, uptime: u64) {
        self.hand_over(uptime);
        self.close_connections();
    }

    /// Another process listens from now on; the old one still answers over the connections it has.
    pub(super) fn hand_over(&self, uptime: u64) {
        let mut era = self.state.era.lock().unwrap();
        era.number += 1;
        era.started = started_before(uptime);
    }

    /// Closes all connections; the process lives on.
    pub(super) fn close_connections(&self) {
        for connection in self.state.connections.lock().unwrap().iter() {
            connection.abort();
        }
    }

    /// What `/health` does from now on; `None`: it answers.
    pub(super) fn set_health(&self, reply: Option<Reply>) {
        *self.state.health.lock().unwrap() = reply;
    }

    pub(super) fn seen(&self) -> usize {
        self.requests().len()
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.state.requests.lock().unwrap()
    }

    /// How often `/health` was asked.
    pub(super) fn looks(&self) -> usize {
        self.state.looks.load(Ordering::SeqCst)
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::SeqCst)
    }

    pub(super) fn client(&self) -> Arc<NexusClient> {
        Arc::new(NexusClient::new(self.config()).unwrap())
    }

    /// A session with the process that listens now.
    pub(super) async fn session(&self) -> Arc<Session> {
        session(&self.client()).await
    }

    pub(super) fn config(&self) -> NexusConfig {
        let mut config = NexusConfig::new(self.url.clone());
        config.api_key = Some(ApiKey::new("nx_topsecret"));
        config.auth = Auth::XApiKey;
        config.request_timeout = Duration::from_millis(300);
        config.max_response_bytes = 100_000;
        let millis = Duration::from_millis;
        config.retry = RetryPolicy {
            max_attempts: 3,
            base_delay: millis(2),
            cap: millis(1_500),
        };
        config
    }
}

/// A session with the process that listens now.
pub(super) async fn session(client: &Arc<NexusClient>) -> Arc<Session> {
    client.session(client.look().await.unwrap()).unwrap()
}

fn started_before(seconds: u64) -> Instant {
    Instant::now() - Duration::from_secs(seconds)
}

impl State {
    async fn answer(&self, mut stream: TcpStream, era: Era, connection: usize) {
        while let Some(request) = read_request(&mut stream).await {
            let health = request.starts_with("GET /health ");
            if !health {
                let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_at_once.fetch_max(now, Ordering::SeqCst);
            }
            let go_on = self.reply(&mut stream, request, era, connection).await;
            if !health {
                self.now.fetch_sub(1, Ordering::SeqCst);
            }
            if !go_on {
                return;
            }
        }
    }

    /// Says whether the connection is kept.
    async fn reply(&self, stream: &mut TcpStream, text: String, era: Era, connection: usize) -> bool {
        let uptime;
        let reply = if text.starts_with("GET /health ") {
            self.looks.fetch_add(1, Ordering::SeqCst);
            uptime = format!(
                r#"{{"status":"Healthy","version":"2.5.0","uptime_seconds":{}}}"#,
                era.started.elapsed().as_secs()
            );
            self.health.lock().unwrap().clone()
        } else {
            uptime = String::new();
            let mut requests = self.requests.lock().unwrap();
            requests.push(Request {
                text,
                era: era.number,
                connection,
            });
            Some((self.script)(requests.len() - 1))
        };
        let (status, headers, body) = match reply {
            None => (200, String::new(), uptime.as_str()),
            Some(Reply::Json(status, body)) => (status, String::new(), body),
            Some(Reply::With(status, headers, body)) => (status, headers, body),
            Some(Reply::Stall) => {
                tokio::time::sleep(Duration::from_secs(20)).await;
                return false;
            }
            Some(Reply::Drop) => return false,
            Some(Reply::Cut) => {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"columns\":[")
                    .await;
                return false;
            }
            Some(Reply::Endless) => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b' '; 10_000]).await.is_ok() {}
                return false;
            }
        };
        let length = body.len();
        let after = match self.after {
            After::Close => "close",
            After::Keep => "keep-alive",
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nconnection: {after}\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.is_ok() && self.after == After::Keep
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
