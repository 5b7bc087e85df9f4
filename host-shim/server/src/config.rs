//! The settings of the server, as they stand in the configuration file.

use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use serde::Deserialize;

/// A secret that lets its bearer in. Never shown by `Debug`, and not displayable.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

impl ApiKey {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for ApiKey {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Where the server listens, where it keeps its data, and whom it lets in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub bind: SocketAddr,
    /// Folder for the data. Made if it is not there.
    pub data_dir: PathBuf,
    /// Key of the administrator. With none, every caller is one.
    pub api_key: Option<ApiKey>,
    /// Keys that read and write data, but administer nothing.
    pub user_api_keys: Vec<ApiKey>,
    /// Longest request body in bytes.
    pub max_body_bytes: usize,
    /// Documents from which on a collection is searched through a graph, approximately. None: 2,000.
    pub graph_from: Option<usize>,
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
        }
    }
}

/// Settings that must not be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Anyone who reaches the address could do everything.
    #[error("bind {0} is reachable from other machines: set api_key, or bind to 127.0.0.1")]
    OpenToTheWorld(SocketAddr),
    /// A key that a request could not carry, or that is no secret.
    #[error("{field} must be visible ASCII characters without spaces, at least one")]
    UnusableKey {
        /// The setting.
        field: &'static str,
    },
    /// User keys would be pointless: without api_key everyone is administrator.
    #[error("user_api_keys needs api_key: without it every caller is administrator")]
    UsersWithoutAdmin,
    /// One key would have two meanings.
    #[error("a key occurs twice among api_key and user_api_keys")]
    DuplicateKey,
    /// No request could have a body.
    #[error("max_body_bytes must be at least 1")]
    NoBody,
}

impl ServerConfig {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting must not be served with, and what to do.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let keys: Vec<(&'static str, &ApiKey)> = self
            .api_key
            .iter()
            .map(|key| ("api_key", key))
            .chain(self.user_api_keys.iter().map(|key| ("user_api_keys", key)))
            .collect();
        for (field, key) in &keys {
            if key.0.is_empty() || !key.0.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(ConfigError::UnusableKey { field });
            }
        }
        let different: HashSet<&str> = keys.iter().map(|(_, key)| key.reveal()).collect();
        if different.len() < keys.len() {
            return Err(ConfigError::DuplicateKey);
        }
        if self.api_key.is_none() && !self.user_api_keys.is_empty() {
            return Err(ConfigError::UsersWithoutAdmin);
        }
        if self.api_key.is_none() && !self.bind.ip().to_canonical().is_loopback() {
            return Err(ConfigError::OpenToTheWorld(self.bind));
        }
        if self.max_body_bytes == 0 {
            return Err(ConfigError::NoBody);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> ServerConfig {
        serde_json::from_value(value).expect("a config")
    }

    #[test]
    fn nothing_set_is_a_private_server() {
        let config = config(json!({}));
        assert_eq!(config.bind.to_string(), "127.0.0.1:15002");
        assert_eq!(config.max_body_bytes, 104_857_600);
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn an_open_address_needs_a_key() {
        for bind in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(matches!(
                config(json!({"bind": bind})).validate(),
                Err(ConfigError::OpenToTheWorld(_))
            ));
            assert_eq!(config(json!({"bind": bind, "api_key": "k"})).validate(), Ok(()));
        }
        for bind in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(config(json!({"bind": bind})).validate(), Ok(()), "{bind}");
        }
    }

    #[test]
    fn keys_that_cannot_work_are_refused() {
        for key in ["", "with space", "ключ", "line\n"] {
            let refused = config(json!({"api_key": key})).validate();
            assert_eq!(refused, Err(ConfigError::UnusableKey { field: "api_key" }));
        }
        let users_only = config(json!({"user_api_keys": ["u"]}));
        assert_eq!(users_only.validate(), Err(ConfigError::UsersWithoutAdmin));
        let twice = config(json!({"api_key": "k", "user_api_keys": ["k"]}));
        assert_eq!(twice.validate(), Err(ConfigError::DuplicateKey));
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(serde_json::from_value::<ServerConfig>(json!({"apikey": "k"})).is_err());
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!(
            "{:?}",
            config(json!({"api_key": "s3cret", "user_api_keys": ["u5er"]}))
        );
        assert!(!shown.contains("s3cret") && !shown.contains("u5er"), "{shown}");
    }
}
