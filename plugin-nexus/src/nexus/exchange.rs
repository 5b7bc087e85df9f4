//! One request and its answer over HTTP: what all clients of a server share, and the bounded read.
//!
//! No redirect is followed, no proxy is taken from the environment, nothing is repeated, and an answer is never read
//! beyond its bound. Of an error page only an excerpt is ever shown, with the API key blanked.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, redirect, retry};
use rustls::ClientConfig;
use url::Url;

use super::config::{ApiKey, Auth, NexusConfig};
use super::error::NexusError;
use super::{fault, tls};

/// Bytes of an error page that are read.
const MAX_ERROR_PAGE: usize = 4_096;

/// A client that goes nowhere but where it is sent: it follows no redirect, takes no proxy from the environment and repeats nothing.
pub(crate) fn plain_client(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
}

/// What every connection pool to one server is made of.
#[derive(Debug)]
pub(super) struct Wire {
    headers: HeaderMap,
    tls: ClientConfig,
    connect_timeout: Duration,
    request_timeout: Duration,
    max_response_bytes: usize,
    secret: Option<ApiKey>,
}

impl Wire {
    /// Prepares headers and TLS; `secure` says whether TLS is spoken.
    ///
    /// # Errors
    ///
    /// [`NexusError::Setup`] when the key or the TLS set-up is unusable.
    pub(super) fn new(config: &NexusConfig, secure: bool) -> Result<Self, NexusError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.api_key {
            let (name, text) = match config.auth {
                Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
                Auth::XApiKey => (HeaderName::from_static("x-api-key"), key.expose().to_owned()),
            };
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| NexusError::setup("the API key has characters that a header cannot carry"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            headers,
            tls: tls::client_config(secure, config.ca_file.as_deref())?,
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            max_response_bytes: config.max_response_bytes,
            secret: config.api_key.clone(),
        })
    }

    /// A pool that keeps up to `idle` connections, after `change`.
    ///
    /// # Errors
    ///
    /// [`NexusError::Setup`].
    pub(super) fn exchange(
        &self,
        idle: usize,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Exchange, NexusError> {
        let builder = plain_client(self.tls.clone())
            .default_headers(self.headers.clone())
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .pool_max_idle_per_host(idle);
        let http = change(builder)
            .build()
            .map_err(|error| fault::of_transport(error, "setup", self.request_timeout))?;
        Ok(Exchange {
            http,
            request_timeout: self.request_timeout,
            max_response_bytes: self.max_response_bytes,
            secret: self.secret.clone(),
        })
    }
}

/// One connection pool.
#[derive(Debug)]
pub(super) struct Exchange {
    http: Client,
    request_timeout: Duration,
    max_response_bytes: usize,
    secret: Option<ApiKey>,
}

/// An answer below its bound, of whatever status.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Exchange {
    /// Asks for what is at `url`.
    ///
    /// # Errors
    ///
    /// Transport errors and [`NexusError::AnswerTooLarge`].
    pub(super) async fn get(&self, url: &Url, name: &'static str) -> Result<Response, NexusError> {
        self.send(self.http.get(url.clone()), name).await
    }

    /// Sends JSON to `url`.
    ///
    /// # Errors
    ///
    /// Transport errors and [`NexusError::AnswerTooLarge`].
    pub(super) async fn post(
        &self,
        url: &Url,
        json: Bytes,
        name: &'static str,
    ) -> Result<Response, NexusError> {
        let request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json");
        self.send(request.body(json), name).await
    }

    /// The secret that no text may show.
    pub(super) fn secret(&self) -> Option<&ApiKey> {
        self.secret.as_ref()
    }

    /// The body of a good answer.
    ///
    /// # Errors
    ///
    /// What the status means.
    pub(super) fn good(&self, response: Response, name: &'static str) -> Result<Vec<u8>, NexusError> {
        if response.status == 200 {
            return Ok(response.body);
        }
        let page = ApiKey::blanked(self.secret(), &String::from_utf8_lossy(&response.body));
        match fault::of_status(response.status, response.retry_after, &page, name) {
            Some(error) => Err(error),
            None => Ok(response.body),
        }
    }

    async fn send(&self, request: RequestBuilder, name: &'static str) -> Result<Response, NexusError> {
        let transport = |error| fault::of_transport(error, name, self.request_timeout);
        let mut response = request.send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let good = status == 200;
        let limit = if good {
            self.max_response_bytes
        } else {
            self.max_response_bytes.min(MAX_ERROR_PAGE)
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
        Ok(Response {
            status,
            retry_after,
            body,
        })
    }
}

/// Retry-After as seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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

/// The bare HTTP client, to see its errors as they come.
#[cfg(test)]
pub(super) fn test_client(timeout: Duration) -> Client {
    let mut config = NexusConfig::new("http://h/".parse().unwrap());
    config.request_timeout = timeout;
    Wire::new(&config, false)
        .unwrap()
        .exchange(0, |builder| builder)
        .unwrap()
        .http
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_may_be_a_date_and_nonsense_counts_as_absent() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(read("Fri, 06 Nov 2093 08:49:37 GMT").unwrap() > Duration::from_secs(86_400));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-3"), None);
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
        let mut config = NexusConfig::new("http://127.0.0.1/".parse().unwrap());
        config.api_key = Some(ApiKey::new("top\nsecret"));
        for auth in [Auth::Bearer, Auth::XApiKey] {
            config.auth = auth;
            let error = Wire::new(&config, false).unwrap_err();
            assert!(matches!(error, NexusError::Setup { .. }));
            assert!(!error.to_string().contains("secret"));
        }
    }
}
