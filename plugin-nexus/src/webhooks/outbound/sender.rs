//! One attempt to deliver one message.
//!
//! Invariants: no redirect is followed and no proxy is used, since both lead elsewhere than the guard saw; of an answer nothing but
//! its status is kept; an attempt ends in time.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::guard::Guard;
use super::subscription::Subscription;
use crate::correlation::ChangeNames;
use crate::journal::{Attempt, Event, Message, message_name, moment_of, unix_micros};
use crate::nexus::{client_tls, in_one_line, plain_client, retry_after};

/// Bytes of an answer that are read, so that its connection can be used again.
const MOST_READ: usize = 64 << 10;
/// Bytes of a reason that are kept.
const LONGEST_REASON: usize = 200;
/// Connections to one receiver that are kept.
const IDLE: usize = 8;
const AGENT: &str = concat!("vectorizer-nexus/", env!("CARGO_PKG_VERSION"));

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The message was taken.
    Taken,
    /// The receiver does not want any more.
    Gone,
    /// It was not taken, and the receiver may say when to come again.
    Failed(Option<Duration>),
}

/// What is sent.
pub(super) struct Letter {
    /// The message's name.
    pub(super) id: String,
    /// Its body.
    pub(super) body: Vec<u8>,
}

impl Letter {
    /// A message of the journal.
    pub(super) fn of(message: &Message, names: &ChangeNames) -> Self {
        let mut data = json!({
            "collection": message.document.collection,
            "id": message.document.id,
            "correlation_id": message.change(names).to_string(),
        });
        if let (Event::SyncFailed { cause, attempts }, Value::Object(data)) = (&message.event, &mut data) {
            data.insert("cause".to_owned(), cause.as_str().into());
            data.insert("attempts".to_owned(), (*attempts).into());
        }
        Self::new(message.id, message.event.kind().name(), message.at_micros, &data)
    }

    /// A message that only tells that messages come.
    pub(super) fn test(subscription: &Subscription) -> Self {
        let data = json!({"webhook": subscription.id.to_string()});
        Self::new(rand::random(), "webhook.test", unix_micros(), &data)
    }

    fn new(id: u128, kind: &str, at_micros: u64, data: &Value) -> Self {
        let at = moment_of(at_micros);
        Self {
            id: message_name(id),
            body: json!({"type": kind, "timestamp": at, "data": data})
                .to_string()
                .into_bytes(),
        }
    }
}

/// How messages leave.
#[derive(Debug)]
pub(super) struct Sender {
    guard: Guard,
    timeout: Duration,
    ca_file: Option<Arc<Path>>,
    client: OnceCell<Client>,
}

impl Sender {
    pub(super) fn new(guard: Guard, timeout: Duration, ca_file: Option<Arc<Path>>) -> Self {
        Self {
            guard,
            timeout,
            ca_file,
            client: OnceCell::new(),
        }
    }

    /// Sends a letter to a subscription.
    pub(super) async fn send(&self, subscription: &Subscription, letter: Letter) -> (Answer, Attempt) {
        let (at_micros, begun) = (unix_micros(), Instant::now());
        let sent = tokio::time::timeout(self.timeout, self.exchange(subscription, letter, at_micros));
        let (answer, status, error) = match sent.await {
            Ok(Ok(response)) => judge(response).await,
            Ok(Err(reason)) => (Answer::Failed(None), None, Some(reason)),
            Err(_) => {
                let reason = format!("no answer within {} ms", self.timeout.as_millis());
                (Answer::Failed(None), None, Some(reason))
            }
        };
        let attempt = Attempt {
            at_micros,
            millis: u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX),
            status,
            error,
        };
        (answer, attempt)
    }

    async fn exchange(
        &self,
        subscription: &Subscription,
        letter: Letter,
        now_micros: u64,
    ) -> Result<Response, String> {
        self.guard
            .judge(&subscription.url)
            .map_err(|refused| refused.to_string())?;
        let client = self.client.get_or_try_init(|| async { self.build() }).await?;
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, text: &str| {
            let value = HeaderValue::try_from(text).map_err(|_| format!("{name}: no header can hold it"))?;
            headers.insert(name, value);
            Ok::<(), String>(())
        };
        put("webhook-id", &letter.id)?;
        put("webhook-timestamp", &(now_micros / 1_000_000).to_string())?;
        let signature = subscription.sign(&letter.id, now_micros, &letter.body);
        put("webhook-signature", &signature)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let request = client.post(subscription.url.clone()).headers(headers);
        request.body(letter.body).send().await.map_err(reason)
    }

    fn build(&self) -> Result<Client, String> {
        let tls = client_tls(true, self.ca_file.as_deref()).map_err(|error| error.to_string())?;
        plain_client(tls)
            .dns_resolver(Arc::new(self.guard.clone()))
            .connect_timeout(self.timeout)
            .pool_max_idle_per_host(IDLE)
            .build()
            .map_err(reason)
    }
}

/// What the status means; the rest of the answer is thrown away.
async fn judge(response: Response) -> (Answer, Option<u16>, Option<String>) {
    let status = response.status();
    let again = retry_after(response.headers());
    discard(response).await;
    let code = Some(status.as_u16());
    let failed = |reason: &str| (Answer::Failed(again), code, Some(reason.to_owned()));
    match status.as_u16() {
        200..=299 => (Answer::Taken, code, None),
        300..=399 => failed("redirects are not followed"),
        410 => (Answer::Gone, code, Some("the receiver wants no more".to_owned())),
        429 => failed("the receiver asks for fewer"),
        _ => failed(status.canonical_reason().unwrap_or("not taken")),
    }
}

/// Reads an answer to its end, if that is near.
async fn discard(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST_READ {
            return;
        }
    }
}

/// Why nothing was answered: the innermost cause, since the outer ones only say that a request failed, and quote its URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    in_one_line(text[..text.floor_char_boundary(LONGEST_REASON)].chars())
}
