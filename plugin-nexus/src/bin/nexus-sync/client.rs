//! The client of one host.
//!
//! Invariants:
//! - an answer counts when it is complete, and is never read beyond its bound;
//! - the key goes to the host and nowhere else: no redirect is followed, no proxy is taken from the environment, and an address holds
//!   no credentials;
//! - nothing is sent twice by itself.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Method, Response, redirect, retry};
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::api_key::ApiKey;
use crate::clock::Skew;
use crate::error::Error;
use crate::route::Route;

/// Bytes of an answer at most.
const LONGEST_ANSWER: usize = 16 << 20;
/// Bytes of a file of certificates at most.
const LONGEST_CA_FILE: u64 = 4 << 20;
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("nexus-sync/", env!("CARGO_PKG_VERSION"));

/// How a host is reached.
#[derive(Debug, Clone)]
pub(crate) struct Way<'a> {
    /// Its address.
    pub(crate) url: &'a str,
    /// The key that it lets us in with.
    pub(crate) key: Option<ApiKey>,
    /// Certificates that are trusted besides the operating system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// How long one request may take.
    pub(crate) timeout: Duration,
}

/// The client of one host.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<ApiKey>,
}

impl Client {
    /// Prepares a client; nothing is sent.
    pub(crate) fn new(way: Way<'_>) -> Result<Self, Error> {
        let base = address(way.url)?;
        // Only the first call counts, and all of them install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        if let Some(key) = &way.key {
            let mut value = HeaderValue::try_from(key.expose())
                .map_err(|_| Error::Usage("no header can carry the API key".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-api-key"), value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(AGENT)
            .default_headers(headers)
            .connect_timeout(way.timeout.min(LONGEST_CONNECT))
            .timeout(way.timeout)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy();
        if let Some(file) = way.ca_file {
            builder = builder.tls_certs_merge(certificates(file)?);
        }
        let http = builder
            .build()
            .map_err(|error| Error::Usage(format!("TLS cannot be set up: {}", root_cause(&error))))?;
        Ok(Self {
            http,
            base,
            key: way.key,
        })
    }

    /// The host's address.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether a key is sent.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether others on the way can read what is sent.
    pub(crate) fn is_overheard(&self) -> bool {
        let is_local = match self.base.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.base.scheme() == "http" && !is_local
    }

    /// A text without the key.
    pub(crate) fn blank(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.blank(text),
            None => text.to_owned(),
        }
    }

    /// Asks for an object.
    pub(crate) async fn get(&self, route: &Route) -> Result<Value, Error> {
        self.send(Method::GET, route, None).await?.object()
    }

    /// Has something done.
    pub(crate) async fn post(&self, route: &Route, body: &Value) -> Result<Value, Error> {
        self.send(Method::POST, route, Some(body)).await?.object()
    }

    /// Has something changed.
    pub(crate) async fn put(&self, route: &Route, body: &Value) -> Result<Value, Error> {
        self.send(Method::PUT, route, Some(body)).await?.object()
    }

    /// Has something taken away.
    pub(crate) async fn delete(&self, route: &Route) -> Result<Value, Error> {
        self.send(Method::DELETE, route, None).await?.object()
    }

    /// Sends a request; any status is an answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        route: &Route,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let target = format!("{}{}", self.url(), route.target());
        let url = Url::parse(&target).map_err(|error| Error::Usage(format!("the address: {error}")))?;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let sent = Timestamp::now();
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let received = Timestamp::now();
        let skew = response
            .headers()
            .get(DATE)
            .and_then(|date| Skew::measured(date.to_str().ok()?, sent, received));
        let status = response.status().as_u16();
        let body = self.content(response, route).await?;
        Ok(Answer {
            route: route.path().to_owned(),
            key: self.key.clone(),
            status,
            body,
            skew,
        })
    }

    async fn content(&self, mut response: Response, route: &Route) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(Error::Garbled {
                    route: route.path().to_owned(),
                    reason: format!("it has more than {} MiB", LONGEST_ANSWER >> 20),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let reason = if error.is_timeout() {
            "did not answer in time".to_owned()
        } else if error.is_connect() {
            format!("cannot be reached: {}", root_cause(error))
        } else {
            format!("did not answer completely: {}", root_cause(error))
        };
        Error::Unreachable {
            host: self.url().to_owned(),
            reason,
        }
    }
}

/// The address of a host. What is wrong with one is told without it: it may hold credentials.
fn address(text: &str) -> Result<Url, Error> {
    let wrong = |reason: &str| Error::Usage(format!("the host's address (--url) {reason}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is none: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("must be http or https, as http://127.0.0.1:15002"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "must not hold credentials, which others could read; use --api-key-file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not hold a query or a fragment"));
    }
    Ok(url)
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, Error> {
    let unusable = |reason: &str| Error::Usage(format!("--ca-file '{}' {reason}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    if size.len() > LONGEST_CA_FILE {
        return Err(unusable("is too long for certificates"));
    }
    let text = std::fs::read(file).map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable("holds no certificate in PEM form")),
    }
}

/// The innermost cause: the outer ones only say that something failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
