//! The client: one statement in, checked rows out.
//!
//! An answer counts as success only with status 200, complete JSON, no `error`, and `rows` whose
//! arity is that of `columns`. No redirect is followed, no proxy is taken from the environment, and
//! an answer is never read beyond its bound.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, redirect};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use url::Url;

use super::config::NexusConfig;
use super::error::NexusError;
use super::retry::{RetryPolicy, retrying};
use super::tls;
use crate::graph::Statement;

/// A connection pool to one Nexus server.
#[derive(Debug)]
pub struct NexusClient {
    http: Client,
    cypher: Url,
    health: Url,
    stats: Url,
    request_timeout: Duration,
    max_response_bytes: usize,
    retry: RetryPolicy,
    slots: Semaphore,
}

/// The rows of one answer; every row has as many values as there are columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// What `/health` tells. An uptime that fell means that the server was restarted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerHealth {
    /// Release of the server.
    pub version: String,
    /// Seconds since the server started.
    pub uptime_seconds: u64,
}

/// The counters of `/stats`. They grow on creation and do not fall on deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ServerStats {
    /// Labels ever used; the server loses nodes under the 65th.
    pub label_count: u64,
    /// Nodes ever created.
    pub node_count: u64,
    /// Relationships ever created.
    pub rel_count: u64,
}

/// An answer as it comes; what is absent is told apart from what is empty.
#[derive(Deserialize)]
struct Answer {
    columns: Option<Vec<String>>,
    rows: Option<Vec<Vec<Value>>>,
    error: Option<Value>,
    #[serde(default)]
    notifications: Value,
}

#[derive(Deserialize)]
struct StatsAnswer {
    catalog: ServerStats,
}

impl NexusClient {
    /// Prepares a client; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`NexusError::Setup`] when the address, the key or the TLS set-up is unusable.
    pub fn new(config: NexusConfig) -> Result<Self, NexusError> {
        let base = checked_base(config.url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| setup("the API key has characters that a header cannot carry"))?;
            value.set_sensitive(true);
            headers.insert("x-api-key", value);
        }
        let tls = tls::client_config(&base).map_err(|error| setup(format!("TLS: {error}")))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers)
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .pool_max_idle_per_host(config.pool_size)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| NexusError::of_transport(error, "setup", config.request_timeout))?;
        let endpoint = |path| {
            base.join(path)
                .map_err(|error| setup(format!("address: {error}")))
        };
        Ok(Self {
            http,
            cypher: endpoint("cypher")?,
            health: endpoint("health")?,
            stats: endpoint("stats")?,
            request_timeout: config.request_timeout,
            max_response_bytes: config.max_response_bytes,
            retry: config.retry,
            slots: Semaphore::new(config.pool_size.max(1)),
        })
    }

    /// Runs one statement, repeating it while the fault is transient and the policy allows.
    ///
    /// # Errors
    ///
    /// The error of the last attempt; see [`NexusError::may_have_been_applied`].
    pub async fn run(&self, statement: &Statement) -> Result<Rows, NexusError> {
        let name = statement.name();
        let body = serde_json::to_vec(&json!({"query": statement.text(), "params": statement.params()}))
            .map_err(|error| setup(format!("`{name}` cannot be serialised: {error}")))?;
        retrying(&self.retry, rand::random::<f64>, || async {
            let _slot = self
                .slots
                .acquire()
                .await
                .map_err(|_| setup("the client is closed"))?;
            let request = self.http.post(self.cypher.clone());
            let request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
            let answer = self.exchange(request, name).await?;
            checked_rows(&answer, name)
        })
        .await
    }

    /// Asks for version and uptime, once, without waiting for a slot.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn health(&self) -> Result<ServerHealth, NexusError> {
        let answer = self
            .exchange(self.http.get(self.health.clone()), "health")
            .await?;
        parse(&answer, "health")
    }

    /// Asks for the server's counters, once, without waiting for a slot.
    ///
    /// # Errors
    ///
    /// [`NexusError`] of the one attempt.
    pub async fn stats(&self) -> Result<ServerStats, NexusError> {
        let answer = self.exchange(self.http.get(self.stats.clone()), "stats").await?;
        parse::<StatsAnswer>(&answer, "stats").map(|stats| stats.catalog)
    }

    /// Sends one request and reads the body of a good answer, up to the bound.
    async fn exchange(&self, request: RequestBuilder, name: &'static str) -> Result<Vec<u8>, NexusError> {
        let transport = |error| NexusError::of_transport(error, name, self.request_timeout);
        let mut response = request.send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let good = status == 200;
        // Of an error page only an excerpt is ever shown.
        let limit = if good {
            self.max_response_bytes
        } else {
            self.max_response_bytes.min(4096)
        };
        let mut body = Vec::new();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                // The status alone tells what is wrong.
                Err(_) if !good => break,
                Err(error) => return Err(transport(error)),
            };
            let room = limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                if good {
                    return Err(NexusError::AnswerTooLarge { request: name, limit });
                }
                break;
            }
        }
        match NexusError::of_status(status, retry_after, &body, name) {
            Some(error) => Err(error),
            None => Ok(body),
        }
    }
}

impl Rows {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, each with one value a column.
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// Takes the rows out when the columns are exactly `expected`; no rows need no columns.
    ///
    /// # Errors
    ///
    /// [`NexusError::BadAnswer`] when the server names other columns.
    pub fn with_columns(
        self,
        statement: &'static str,
        expected: &[&str],
    ) -> Result<Vec<Vec<Value>>, NexusError> {
        if self.rows.is_empty() || self.columns == expected {
            return Ok(self.rows);
        }
        Err(NexusError::BadAnswer {
            request: statement,
            what: format!("the columns are not {expected:?}"),
        })
    }
}

fn setup(what: impl Into<String>) -> NexusError {
    NexusError::Setup { what: what.into() }
}

/// The address with a path that ends in `/`, so that endpoints can be joined to it.
fn checked_base(mut url: Url) -> Result<Url, NexusError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(setup("the address must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(setup("the address must not contain credentials; use the API key"));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], name: &'static str) -> Result<T, NexusError> {
    // The parser's message may quote the answer; its place is enough.
    serde_json::from_slice(body).map_err(|error| NexusError::BadAnswer {
        request: name,
        what: format!(
            "{:?} error at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ),
    })
}

fn checked_rows(body: &[u8], name: &'static str) -> Result<Rows, NexusError> {
    let bad = |what: &str| NexusError::BadAnswer {
        request: name,
        what: what.to_owned(),
    };
    let answer: Answer = parse(body, name)?;
    match answer.error {
        None | Some(Value::Null) => {}
        Some(Value::String(message)) => return Err(NexusError::of_message(&message, name)),
        Some(other) => return Err(NexusError::of_message(&other.to_string(), name)),
    }
    let columns = answer.columns.ok_or_else(|| bad("`columns` is missing"))?;
    let rows = answer.rows.ok_or_else(|| bad("`rows` is missing"))?;
    if rows.iter().any(|row| row.len() != columns.len()) {
        return Err(bad("a row has another number of values than there are columns"));
    }
    if answer
        .notifications
        .to_string()
        .contains("UnindexedPropertyAccess")
    {
        tracing::warn!(statement = name, "Nexus misses an index for this statement");
    }
    Ok(Rows { columns, rows })
}

/// Retry-After as seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = then
        .as_second()
        .saturating_sub(jiff::Timestamp::now().as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
