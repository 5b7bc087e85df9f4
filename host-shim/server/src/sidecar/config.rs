//! The section `server.upstream` of the configuration: the Vectorizer that this server stands in front of.

use std::time::Duration;

use axum::http::uri::{Authority, Scheme, Uri};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::config::Secret;

/// Which Vectorizer, and how it is asked.
///
/// ```yaml
/// server:
///   upstream: { url: http://127.0.0.1:15002, username: nexus, password: '${VECTORIZER_PASSWORD}' }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// Where it listens. With none, this server keeps documents itself.
    #[serde(deserialize_with = "url")]
    pub url: Option<UpstreamUrl>,
    /// The user as which calls of this server's own are made. With none, they are made without credentials.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// How long a call of this server's own may take, and how long an answer to a client may take to begin, in milliseconds.
    #[serde(deserialize_with = "positive")]
    pub timeout_ms: u64,
    /// How often it is looked for changes that did not come through this server, in milliseconds.
    #[serde(deserialize_with = "positive")]
    pub poll_interval_ms: u64,
    /// How long its collections have to stay the same after it was reached, before they are taken for all that there are, in
    /// milliseconds: it answers while it still loads them.
    pub settle_ms: u64,
    /// Documents up to which a collection is searched exactly, over a copy of its vectors; above, by Vectorizer's index, which loses
    /// documents where much is updated. 0: never.
    pub exact_up_to: usize,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            timeout_ms: 120_000,
            poll_interval_ms: 2_000,
            settle_ms: 5_000,
            exact_up_to: 10_000,
        }
    }
}

impl UpstreamConfig {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(super) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    /// What the types do not say: the setting, and what is wrong with it.
    pub(crate) fn faults(&self) -> Vec<(&'static str, &'static str)> {
        match (&self.username, &self.password) {
            (Some(_), None) => vec![("password", "missing: username is set")],
            (None, Some(_)) => vec![("username", "missing: password is set")],
            (Some(_), Some(_)) | (None, None) => Vec::new(),
        }
    }
}

/// The address of a Vectorizer, by plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl(Authority);

impl UpstreamUrl {
    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0
    }

    /// The address of a path there.
    pub(super) fn join(&self, path: &str) -> String {
        format!("http://{}{path}", self.0)
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = String;

    /// Of the form `http://host:port`. The message does not quote what may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "allowed are such as http://127.0.0.1:15002";
        let uri: Uri = text.parse().map_err(|_| format!("no address; {ALLOWED}"))?;
        let parts = uri.into_parts();
        let authority = match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTP => authority,
            _ => return Err(format!("no http:// address; {ALLOWED}")),
        };
        if authority.as_str().contains('@') {
            return Err("holds a user; set username and password instead".to_owned());
        }
        match parts.path_and_query {
            Some(path) if path != "/" => Err(format!("has a path; {ALLOWED}")),
            _ => Ok(Self(authority)),
        }
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UpstreamUrl>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(D::Error::custom))
        .transpose()
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(D::Error::custom("0 is out of range; allowed is 1 or more")),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<UpstreamConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_of_plain_http_and_of_nothing_else() {
        let url = |text: &str| read(json!({ "url": text })).map(|config| config.url.unwrap());
        assert_eq!(
            url("http://127.0.0.1:15002").unwrap().join("/health"),
            "http://127.0.0.1:15002/health"
        );
        assert_eq!(url("http://[::1]:1/").unwrap().authority().as_str(), "[::1]:1");
        for (wrong, reason) in [
            ("https://127.0.0.1:1", "no http:// address"),
            ("127.0.0.1:15002", "no http:// address"),
            ("/path", "no http:// address"),
            ("http://u:s3cret@h:1", "holds a user"),
            ("http://h:1/vectorizer", "has a path"),
            ("not a url s3cret", "no address"),
            ("", "no address"),
        ] {
            let refused = url(wrong).unwrap_err();
            assert!(
                refused.contains(reason) && !refused.contains("s3cret"),
                "{wrong}: {refused}"
            );
        }
        assert_eq!(read(json!({"url": null})).unwrap(), UpstreamConfig::default());
    }

    #[test]
    fn a_user_without_a_password_is_a_fault_of_the_password() {
        assert_eq!(read(json!({"username": "u"})).unwrap().faults()[0].0, "password");
        assert_eq!(read(json!({"password": "p"})).unwrap().faults()[0].0, "username");
        let both = read(json!({"username": "u", "password": "s3cret"})).unwrap();
        assert!(both.faults().is_empty() && !format!("{both:?}").contains("s3cret"));
        assert!(read(json!({"poll_interval_ms": 0})).is_err());
        assert!(read(json!({"user": "u"})).is_err());
    }
}
