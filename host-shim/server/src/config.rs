//! The settings of the server, as they stand in the configuration file.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use vectorizer_host_shim::config::ConfigFault;

use crate::logging::LogConfig;
use crate::sidecar::UpstreamConfig;

/// A secret that lets its bearer in. Never shown by `Debug` or an error, and not displayable.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

/// A key that is no text is not quoted in the message, as serde would.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("must be a text; a key of digits only needs quotes"))
    }
}

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the server listens, where it keeps its data, and whom it lets in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    #[serde(deserialize_with = "address")]
    pub bind: SocketAddr,
    /// Folder for the data. Made if it is not there.
    pub data_dir: PathBuf,
    /// Key of the administrator. With none, every caller is one.
    pub api_key: Option<Secret>,
    /// Keys that read and write data, but administer nothing.
    #[serde(deserialize_with = "keys")]
    pub user_api_keys: Vec<Secret>,
    /// Longest request body in bytes.
    pub max_body_bytes: usize,
    /// Documents from which on a collection is searched through a graph, approximately. None: 2,000.
    pub graph_from: Option<usize>,
    /// What is logged, and how it looks.
    pub log: LogConfig,
    /// The Vectorizer that the server stands in front of, if it does.
    pub upstream: UpstreamConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 15002)),
            data_dir: PathBuf::from("data"),
            api_key: None,
            user_api_keys: Vec::new(),
            max_body_bytes: 100 << 20,
            graph_from: None,
            log: LogConfig::default(),
            upstream: UpstreamConfig::default(),
        }
    }
}

/// serde's message says neither what was found nor what is allowed.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "{text:?} is no address with a port; allowed are such as 127.0.0.1:15002 and [::1]:15002"
        ))
    })
}

/// A list. What is none is not quoted in the message, as serde would: it may be a key.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    struct Keys<'a>(&'a Cell<bool>);

    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = Vec<Secret>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of keys")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            self.0.set(true);
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    let is_list = Cell::new(false);
    let read = deserializer.deserialize_seq(Keys(&is_list));
    read.map_err(|error| match is_list.get() {
        true => error,
        false => D::Error::custom("must be a list of keys"),
    })
}

/// Settings that must not be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Anyone who reaches the address could do everything.
    #[error("{0} is reachable from other machines; set api_key, or bind to 127.0.0.1")]
    OpenToTheWorld(SocketAddr),
    /// The administrator's key is one that a request could not carry, or no secret.
    #[error("must be visible ASCII characters without spaces, at least one")]
    UnusableKey,
    /// The same of the user key at this position.
    #[error("must be visible ASCII characters without spaces, at least one")]
    UnusableUserKey(usize),
    /// User keys would be pointless: without api_key everyone is administrator.
    #[error("needs api_key: without it every caller is administrator")]
    UsersWithoutAdmin,
    /// The user key at this position occurs before: it would have two meanings, or none of its own.
    #[error("is the same as api_key or an earlier user key; each must be another")]
    DuplicateKey(usize),
    /// A setting of the server behind is wrong.
    #[error("{reason}")]
    Upstream {
        /// Which.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No request could have a body.
    #[error("0 is out of range; allowed is 1 or more")]
    NoBody,
}

impl ConfigError {
    /// The settings that it follows from.
    #[must_use]
    pub const fn settings(&self) -> &'static [&'static str] {
        match self {
            Self::OpenToTheWorld(_) => &["bind", "api_key"],
            Self::UnusableKey => &["api_key"],
            // An administrator's key that could not be read equals none.
            Self::UnusableUserKey(_) | Self::DuplicateKey(_) => &["user_api_keys"],
            Self::UsersWithoutAdmin => &["user_api_keys", "api_key"],
            Self::NoBody => &["max_body_bytes"],
            Self::Upstream { .. } => &["upstream"],
        }
    }
}

impl From<&ConfigError> for ConfigFault {
    fn from(error: &ConfigError) -> Self {
        let key = match error {
            ConfigError::OpenToTheWorld(_) => "server.bind",
            ConfigError::UnusableKey => "server.api_key",
            ConfigError::UsersWithoutAdmin => "server.user_api_keys",
            ConfigError::NoBody => "server.max_body_bytes",
            ConfigError::Upstream { setting, .. } => &format!("server.upstream.{setting}"),
            ConfigError::UnusableUserKey(at) | ConfigError::DuplicateKey(at) => {
                &format!("server.user_api_keys[{at}]")
            }
        };
        Self::new(key, error.to_string())
    }
}

impl ServerConfig {
    /// What the types do not say: settings that must not be served with, all of them.
    #[must_use]
    pub fn faults(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let usable = |key: &Secret| !key.0.is_empty() && key.0.bytes().all(|b| b.is_ascii_graphic());
        let mut known: HashSet<&str> = HashSet::new();
        if let Some(key) = &self.api_key {
            known.insert(key.reveal());
            if !usable(key) {
                faults.push(ConfigError::UnusableKey);
            }
        }
        for (at, key) in self.user_api_keys.iter().enumerate() {
            if !usable(key) {
                faults.push(ConfigError::UnusableUserKey(at));
            } else if !known.insert(key.reveal()) {
                faults.push(ConfigError::DuplicateKey(at));
            }
        }
        if self.api_key.is_none() && !self.user_api_keys.is_empty() {
            faults.push(ConfigError::UsersWithoutAdmin);
        }
        if self.api_key.is_none() && !self.bind.ip().to_canonical().is_loopback() {
            faults.push(ConfigError::OpenToTheWorld(self.bind));
        }
        if self.max_body_bytes == 0 {
            faults.push(ConfigError::NoBody);
        }
        let upstream = self.upstream.faults().into_iter();
        faults.extend(upstream.map(|(setting, reason)| ConfigError::Upstream { setting, reason }));
        faults
    }

    /// The settings in which `other` differs.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            bind,
            data_dir,
            api_key,
            user_api_keys,
            max_body_bytes,
            graph_from,
            log,
            upstream,
        } = self;
        let differs = [
            ("bind", *bind != other.bind),
            ("data_dir", *data_dir != other.data_dir),
            ("api_key", *api_key != other.api_key),
            ("user_api_keys", *user_api_keys != other.user_api_keys),
            ("max_body_bytes", *max_body_bytes != other.max_body_bytes),
            ("graph_from", *graph_from != other.graph_from),
            ("log", *log != other.log),
            ("upstream", *upstream != other.upstream),
        ];
        let differing = differs.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(setting, _)| setting).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> ServerConfig {
        serde_json::from_value(value).expect("a config")
    }

    fn keys(value: serde_json::Value) -> Vec<String> {
        let faults = config(value).faults();
        faults.iter().map(|fault| ConfigFault::from(fault).key).collect()
    }

    #[test]
    fn nothing_set_is_a_private_server() {
        let config = config(json!({}));
        assert_eq!(config.bind.to_string(), "127.0.0.1:15002");
        assert_eq!(config.max_body_bytes, 104_857_600);
        assert_eq!(config.faults(), []);
    }

    #[test]
    fn an_open_address_needs_a_key() {
        for bind in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(matches!(
                config(json!({"bind": bind})).faults()[..],
                [ConfigError::OpenToTheWorld(_)]
            ));
            assert_eq!(config(json!({"bind": bind, "api_key": "k"})).faults(), []);
        }
        for bind in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(config(json!({"bind": bind})).faults(), [], "{bind}");
        }
    }

    #[test]
    fn keys_that_cannot_work_are_refused() {
        for key in ["", "with space", "ключ", "line\n"] {
            let refused = config(json!({"api_key": key})).faults();
            assert_eq!(refused, [ConfigError::UnusableKey]);
        }
        let users_only = config(json!({"user_api_keys": ["u"]}));
        assert_eq!(users_only.faults(), [ConfigError::UsersWithoutAdmin]);
        let twice = config(json!({"api_key": "k", "user_api_keys": ["k"]}));
        assert_eq!(twice.faults(), [ConfigError::DuplicateKey(0)]);
    }

    #[test]
    fn all_faults_are_found_at_once_each_with_its_key() {
        let faulty = json!({"bind": "0.0.0.0:1", "user_api_keys": ["", "u", "u"], "max_body_bytes": 0});
        assert_eq!(
            keys(faulty),
            [
                "server.user_api_keys[0]",
                "server.user_api_keys[2]",
                "server.user_api_keys",
                "server.bind",
                "server.max_body_bytes",
            ]
        );
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(serde_json::from_value::<ServerConfig>(json!({"apikey": "k"})).is_err());
    }

    #[test]
    fn an_address_that_is_none_is_shown() {
        let refused = serde_json::from_value::<ServerConfig>(json!({"bind": "nowhere"})).unwrap_err();
        assert!(refused.to_string().contains("\"nowhere\""), "{refused}");
    }

    #[test]
    fn settings_that_differ_are_named() {
        let started = config(json!({"api_key": "k", "graph_from": 5}));
        let changed = config(json!({
            "api_key": "other", "user_api_keys": ["u"], "bind": "127.0.0.1:1", "data_dir": "/x", "max_body_bytes": 1,
            "log": {"format": "json"}, "upstream": {"url": "http://127.0.0.1:2"},
        }));
        assert_eq!(
            started.differences(&changed),
            [
                "bind",
                "data_dir",
                "api_key",
                "user_api_keys",
                "max_body_bytes",
                "graph_from",
                "log",
                "upstream"
            ]
        );
        let spelt_out = config(json!({"api_key": "k", "graph_from": 5, "bind": "127.0.0.1:15002"}));
        assert!(
            started.differences(&spelt_out).is_empty(),
            "a default spelt out is the same"
        );
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!(
            "{:?}",
            config(json!({"api_key": "s3cret", "user_api_keys": ["u5er"]}))
        );
        assert!(!shown.contains("s3cret") && !shown.contains("u5er"), "{shown}");
        for wrong in [
            json!({"api_key": 5_329_107}),
            json!({"api_key": ["5329107"]}),
            json!({"user_api_keys": "5329107"}),
            json!({"user_api_keys": 5_329_107}),
            json!({"user_api_keys": [5_329_107]}),
        ] {
            let refused = serde_json::from_value::<ServerConfig>(wrong).unwrap_err();
            assert!(!refused.to_string().contains("5329107"), "{refused}");
        }
    }
}
