//! A server for the client's tests that drops, stalls, lies and overflows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{ApiKey, NexusClient, NexusConfig, RetryPolicy};

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

pub(super) struct Server {
    pub(super) url: Url,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    pub(super) most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// Answers request number `n` (from 0) with `script(n)`.
    pub(super) async fn start(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let server = Self {
            url,
            requests: Arc::default(),
            most_at_once: Arc::default(),
        };
        let (requests, most) = (server.requests.clone(), server.most_at_once.clone());
        let (script, now) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requests, most, script, now) =
                    (requests.clone(), most.clone(), script.clone(), now.clone());
                tokio::spawn(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    serve(stream, &requests, &*script).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(super) fn seen(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(super) fn client(&self) -> NexusClient {
        NexusClient::new(self.config()).unwrap()
    }

    pub(super) fn config(&self) -> NexusConfig {
        let mut config = NexusConfig::new(self.url.clone());
        config.api_key = Some(ApiKey::new("nx_topsecret"));
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

async fn serve(
    mut stream: TcpStream,
    requests: &Mutex<Vec<String>>,
    script: &(dyn Fn(usize) -> Reply + Sync),
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request);
        requests.len() - 1
    };
    let (status, headers, body) = match script(number) {
        Reply::Json(status, body) => (status, String::new(), body),
        Reply::With(status, headers, body) => (status, headers, body),
        Reply::Stall => return tokio::time::sleep(Duration::from_secs(20)).await,
        Reply::Drop => return,
        Reply::Cut => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"columns\":[")
                .await;
            return;
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b' '; 10_000]).await.is_ok() {}
            return;
        }
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
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
