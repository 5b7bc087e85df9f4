//! What the client needs to know to reach a server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::pace::Ceilings;
use super::retry::RetryPolicy;

/// How to reach one Nexus server. Prints without secrets.
#[derive(Clone)]
pub struct NexusConfig {
    /// Base address, `http` or `https`, without credentials in it.
    pub url: Url,
    /// Sent as `auth` says when present.
    pub api_key: Option<ApiKey>,
    /// How the key is sent.
    pub auth: Auth,
    /// Certificates in PEM form that are trusted besides those of the operating system; only with `https`.
    pub ca_file: Option<PathBuf>,
    /// Bound on establishing a connection: TLS and the look at who listens included.
    pub connect_timeout: Duration,
    /// Bound on one attempt, from sending (a connection included where one is made) to the last byte of the answer.
    pub request_timeout: Duration,
    /// Statements in flight at the same time, and connections kept for reuse. At least 1.
    pub pool_size: usize,
    /// Longest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// When and how often a failed attempt is repeated.
    pub retry: RetryPolicy,
    /// How much is sent at most.
    pub ceilings: Ceilings,
}

impl NexusConfig {
    /// The defaults for a server at `url`.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            api_key: None,
            auth: Auth::default(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            pool_size: 8,
            max_response_bytes: 64 * 1024 * 1024,
            retry: RetryPolicy::default(),
            ceilings: Ceilings::default(),
        }
    }
}

impl fmt::Debug for NexusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            api_key,
            auth,
            ca_file,
            connect_timeout,
            request_timeout,
            pool_size,
            max_response_bytes,
            retry,
            ceilings,
        } = self;
        f.debug_struct("NexusConfig")
            .field("url", &without_credentials(url).as_str())
            .field("api_key", api_key)
            .field("auth", auth)
            .field("ca_file", ca_file)
            .field("connect_timeout", connect_timeout)
            .field("request_timeout", request_timeout)
            .field("pool_size", pool_size)
            .field("max_response_bytes", max_response_bytes)
            .field("retry", retry)
            .field("ceilings", ceilings)
            .finish()
    }
}

/// An address with credentials or a query is refused, but may be printed before.
fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Addresses that cannot have credentials have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url
}

/// How the API key is sent. Nexus takes both, and reads the first first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer ..`.
    #[default]
    Bearer,
    /// `X-API-Key: ..`.
    XApiKey,
}

/// What stands for a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// A secret. It prints as `[redacted]`; only the client reads it.
#[derive(Clone, PartialEq, Eq)]
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

    /// Whether `holds` says so of it.
    pub(crate) fn is_held_by(&self, holds: impl FnOnce(&str) -> bool) -> bool {
        holds(&self.0)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A foreign text without the secret, should it repeat it.
    pub(super) fn blanked(secret: Option<&Self>, text: &str) -> String {
        match secret {
            Some(secret) if !secret.is_empty() => {
                let text = text.replace(secret.expose(), REDACTED);
                // As JSON spells it, where it has quotes or backslashes.
                let spelled = serde_json::Value::from(secret.expose()).to_string();
                match &spelled[1..spelled.len() - 1] {
                    same if same == secret.expose() => text,
                    other => text.replace(other, REDACTED),
                }
            }
            _ => text.to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    /// Whatever is there instead of a text may be the secret: serde's message would quote it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("must be a text; numbers need quotes"))
    }
}

/// A key that is there shows as `[redacted]`, an empty one as empty.
impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { REDACTED })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_can_be_printed_without_its_secrets() {
        let mut config = NexusConfig::new(
            "http://user:topsecret@127.0.0.1:15474/x?key=topsecret"
                .parse()
                .unwrap(),
        );
        config.api_key = Some(ApiKey::new("nx_topsecret"));
        let printed = format!("{config:?} {}", ApiKey::new("nx_topsecret"));
        assert!(!printed.contains("topsecret") && !printed.contains("user"));
        assert!(printed.contains("http://127.0.0.1:15474/x"));
        assert_eq!(printed.matches("[redacted]").count(), 2);
    }

    #[test]
    fn a_key_that_is_no_text_is_refused_and_not_repeated() {
        assert_eq!(
            serde_json::from_str::<ApiKey>(r#""nx_a""#).unwrap(),
            ApiKey::new("nx_a")
        );
        for wrong in ["73571", "[\"73571\"]", "{\"73571\":1}", "73571.5", "true"] {
            let error = serde_json::from_str::<ApiKey>(wrong).unwrap_err().to_string();
            assert!(
                error.contains("must be a text") && !error.contains("73571"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_text_that_repeats_the_secret_is_blanked() {
        let key = ApiKey::new("nx_topsecret");
        assert_eq!(
            ApiKey::blanked(Some(&key), "bad key nx_topsecret"),
            "bad key [redacted]"
        );
        let key = ApiKey::new(r#"nx_"top\secret"#);
        let page = json!({"error": {"key": key.expose()}}).to_string();
        assert_eq!(
            ApiKey::blanked(Some(&key), &page),
            r#"{"error":{"key":"[redacted]"}}"#
        );
        assert_eq!(ApiKey::blanked(Some(&ApiKey::new("")), "text"), "text");
        assert_eq!(ApiKey::blanked(None, "text"), "text");
    }
}
