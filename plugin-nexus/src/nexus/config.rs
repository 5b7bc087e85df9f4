//! What the client needs to know to reach a server.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::retry::RetryPolicy;

/// How to reach one Nexus server.
#[derive(Debug, Clone)]
pub struct NexusConfig {
    /// Base address, `http` or `https`, without credentials in it.
    pub url: Url,
    /// Sent as `X-API-Key` when present.
    pub api_key: Option<ApiKey>,
    /// Bound on establishing a connection, TLS included.
    pub connect_timeout: Duration,
    /// Bound on one attempt, from sending to the last byte of the answer.
    pub request_timeout: Duration,
    /// Statements in flight at the same time, and connections kept for reuse. At least 1.
    pub pool_size: usize,
    /// Longest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// When and how often a failed attempt is repeated.
    pub retry: RetryPolicy,
}

impl NexusConfig {
    /// The defaults for a server at `url`.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            api_key: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            pool_size: 8,
            max_response_bytes: 64 * 1024 * 1024,
            retry: RetryPolicy::default(),
        }
    }
}

/// A secret. It prints as `[redacted]`; only the client reads it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Whether nothing was given: an environment reference that resolved to an empty text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_can_be_printed_without_its_secret() {
        let mut config = NexusConfig::new("http://127.0.0.1:15474".parse().unwrap());
        config.api_key = Some(ApiKey::new("nx_topsecret"));
        let printed = format!("{config:?} {}", ApiKey::new("nx_topsecret"));
        assert!(!printed.contains("topsecret"));
        assert_eq!(printed.matches("[redacted]").count(), 2);
    }
}
