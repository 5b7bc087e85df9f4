//! The section `plugins:` of a host's configuration, and the sections of the plugins themselves.
//!
//! ```yaml
//! plugins:
//!   directory: /usr/lib/vectorizer/plugins   # absolute
//!   enabled: [nexus]
//!   fail_open: true                           # run on without a plugin that cannot be loaded
//!   allow:                                    # optional: only these files
//!     - { name: nexus, sha256: "9f86d0..." }
//!   trusted_keys: ["<64 hex digits>"]         # optional: require <file>.sig by one of these ed25519 keys
//!   settings: { nexus: { ... } }              # optional: instead of the plugin's top-level section
//! ```

mod expand;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

pub use expand::expand;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The path of the key, as `plugins.allow[0].sha256`.
    pub key: String,
    /// What is wrong with it and what is allowed. Never a secret.
    pub reason: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

/// The section `plugins:`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginsConfig {
    /// Where plugin files are. Absolute; required as soon as a plugin is enabled.
    pub directory: PathBuf,
    /// The names of the plugins to run.
    pub enabled: Vec<String>,
    /// Files that may be loaded; `None`: all that pass the other checks.
    pub allow: Option<Vec<Allowed>>,
    /// Public ed25519 keys in hex. Where there is one, a plugin file needs a signature by one of them.
    pub trusted_keys: Vec<String>,
    /// Settings by plugin name, in place of the plugin's own top-level section.
    pub settings: JsonMap,
    /// Whether the host runs on without a plugin that cannot be loaded. Default true.
    pub fail_open: FailOpen,
}

/// See [`PluginsConfig::fail_open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct FailOpen(pub bool);

impl Default for FailOpen {
    fn default() -> Self {
        Self(true)
    }
}

/// A plugin file that may be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// The plugin's name.
    pub name: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

impl PluginsConfig {
    /// Reads the section out of a whole configuration document. Absent: no plugins.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first wrong key.
    pub fn from_document(document: &JsonMap) -> Result<Self, ConfigError> {
        let Some(section) = document.get("plugins") else {
            return Ok(Self::default());
        };
        let config: Self = serde_path_to_error::deserialize(section).map_err(|error| {
            let path = error.path().to_string();
            let key = if path == "." {
                "plugins".into()
            } else {
                format!("plugins.{path}")
            };
            ConfigError::new(key, error.into_inner().to_string())
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.enabled.is_empty() && !self.directory.is_absolute() {
            return Err(ConfigError::new(
                "plugins.directory",
                format!(
                    "{:?} is not an absolute path; name the folder from the root",
                    self.directory
                ),
            ));
        }
        for (index, name) in self.enabled.iter().enumerate() {
            let key = || format!("plugins.enabled[{index}]");
            if !is_plugin_name(name) {
                return Err(ConfigError::new(
                    key(),
                    format!("{name:?} is no plugin name; allowed are a-z, 0-9 and -"),
                ));
            }
            if self.enabled[..index].contains(name) {
                return Err(ConfigError::new(key(), format!("'{name}' is listed twice")));
            }
        }
        for (index, allowed) in self.allow.iter().flatten().enumerate() {
            if decode_hex::<32>(&allowed.sha256).is_none() {
                return Err(ConfigError::new(
                    format!("plugins.allow[{index}].sha256"),
                    "must be 64 hex digits",
                ));
            }
        }
        for (index, key) in self.trusted_keys.iter().enumerate() {
            if decode_hex::<32>(key).is_none() {
                return Err(ConfigError::new(
                    format!("plugins.trusted_keys[{index}]"),
                    "must be 64 hex digits",
                ));
            }
            if !cfg!(feature = "signatures") {
                return Err(ConfigError::new(
                    "plugins.trusted_keys",
                    "this host is built without signatures",
                ));
            }
        }
        match self
            .settings
            .iter()
            .find(|(name, _)| !self.enabled.contains(name))
        {
            Some((name, _)) => Err(ConfigError::new(
                format!("plugins.settings.{name}"),
                "no plugin of this name is enabled",
            )),
            None => Ok(()),
        }
    }

    /// The configuration of one plugin with `${NAME}` references resolved: its entry under `settings`, else its
    /// top-level section, else an empty object.
    ///
    /// # Errors
    /// [`ConfigError`] for a section that is no object, or an unresolved reference.
    pub fn section_of(&self, plugin: &str, section: &str, document: &JsonMap) -> Result<Value, ConfigError> {
        let (key, found) = match self.settings.get(plugin) {
            Some(value) => (format!("plugins.settings.{plugin}"), Some(value)),
            None => (section.to_owned(), document.get(section)),
        };
        match found {
            None | Some(Value::Null) => Ok(Value::Object(JsonMap::new())),
            Some(value @ Value::Object(_)) => expand(value, &key, &|name| std::env::var(name).ok()),
            Some(_) => Err(ConfigError::new(key, "must be a section of keys and values")),
        }
    }
}

fn is_plugin_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Exactly `N` bytes in hex, either case.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(plugins: Value) -> Result<PluginsConfig, ConfigError> {
        PluginsConfig::from_document(json!({ "plugins": plugins }).as_object().unwrap())
    }

    #[test]
    fn an_absent_section_means_no_plugins_and_fail_open() {
        let config = PluginsConfig::from_document(&JsonMap::new()).unwrap();
        assert!(config.enabled.is_empty() && config.fail_open.0);
    }

    #[test]
    fn each_fault_names_its_key() {
        let key = |plugins| read(plugins).unwrap_err().key;
        assert_eq!(key(json!({"directry": "/x"})), "plugins.directry");
        assert_eq!(
            key(json!({"enabled": ["a"], "directory": "plugins"})),
            "plugins.directory"
        );
        assert_eq!(
            key(json!({"enabled": ["../a"], "directory": "/x"})),
            "plugins.enabled[0]"
        );
        assert_eq!(
            key(json!({"enabled": ["a", "a"], "directory": "/x"})),
            "plugins.enabled[1]"
        );
        assert_eq!(
            key(json!({"allow": [{"name": "a", "sha256": "zz"}]})),
            "plugins.allow[0].sha256"
        );
        assert_eq!(key(json!({"settings": {"a": {}}})), "plugins.settings.a");
        assert_eq!(key(json!({"fail_open": 1})), "plugins.fail_open");
        assert_eq!(key(json!(5)), "plugins");
        assert_eq!(key(json!({"trusted_keys": ["zz"]})), "plugins.trusted_keys[0]");
    }

    #[test]
    fn a_plugins_section_is_one_of_keys_and_values() {
        let document = json!({"a_section": [1]});
        let document = document.as_object().unwrap();
        let error = PluginsConfig::default()
            .section_of("a", "a_section", document)
            .unwrap_err();
        assert_eq!(error.key, "a_section");
    }

    #[test]
    fn settings_take_the_place_of_the_top_level_section() {
        let document = json!({
            "plugins": {"directory": "/x", "enabled": ["a"], "settings": {"a": {"from": "settings"}}},
            "a_section": {"from": "top"},
        });
        let document = document.as_object().unwrap();
        let config = PluginsConfig::from_document(document).unwrap();
        assert_eq!(
            config.section_of("a", "a_section", document).unwrap(),
            json!({"from": "settings"})
        );
        assert_eq!(
            config.section_of("b", "a_section", document).unwrap(),
            json!({"from": "top"})
        );
        assert_eq!(config.section_of("b", "none", document).unwrap(), json!({}));
    }
}
