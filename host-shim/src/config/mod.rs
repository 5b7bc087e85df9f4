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
//!
//! All faults are told at once, each with its key, what was found there, and what is allowed.

mod expand;
mod fault;
mod section;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

pub use expand::expand;
pub use fault::{ConfigError, ConfigFault};
pub use section::{Resolve, Section};

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
    /// Reads the section out of a whole configuration document, as far as it can be read. Absent: no plugins.
    #[must_use]
    pub fn read(document: &JsonMap) -> Section<Self> {
        let mut section = Section::read("plugins", document, &|value, _| Ok(value.clone()));
        let faults = Self::check(&section);
        section.faults.extend(faults);
        section
    }

    /// As [`PluginsConfig::read`], for a section without faults.
    ///
    /// # Errors
    /// [`ConfigError`] with all faults.
    pub fn from_document(document: &JsonMap) -> Result<Self, ConfigError> {
        let Section { config, faults, .. } = Self::read(document);
        ConfigError::refuse(faults)?;
        Ok(config)
    }

    /// What the types do not say. A list with a fault of type is empty here, and has no fault of value.
    fn check(section: &Section<Self>) -> Vec<ConfigFault> {
        let Self {
            directory,
            enabled,
            allow,
            trusted_keys,
            settings,
            fail_open: _,
        } = &section.config;
        let mut faults = Vec::new();
        let mut add =
            |key: &str, reason: &str| faults.push(ConfigFault::new(format!("plugins.{key}"), reason));
        if section.is_read("directory") && !enabled.is_empty() && !directory.is_absolute() {
            let reason = format!("{directory:?} is not an absolute path; name the folder from the root");
            add("directory", &reason);
        }
        for (index, name) in enabled.iter().enumerate() {
            let key = format!("enabled[{index}]");
            if !is_plugin_name(name) {
                add(
                    &key,
                    &format!("{name:?} is no plugin name; allowed are a-z, 0-9 and -"),
                );
            } else if enabled[..index].contains(name) {
                add(&key, &format!("'{name}' is listed twice; once is enough"));
            }
        }
        for (index, Allowed { name: _, sha256 }) in allow.iter().flatten().enumerate() {
            if decode_hex::<32>(sha256).is_none() {
                add(
                    &format!("allow[{index}].sha256"),
                    &format!("{sha256:?} is no SHA-256; it must be 64 hex digits"),
                );
            }
        }
        for (index, key) in trusted_keys.iter().enumerate() {
            if decode_hex::<32>(key).is_none() {
                add(
                    &format!("trusted_keys[{index}]"),
                    &format!("{key:?} is no public key; it must be 64 hex digits"),
                );
            }
        }
        if !cfg!(feature = "signatures") && !trusted_keys.is_empty() {
            add(
                "trusted_keys",
                "this host is built without signatures; leave it out",
            );
        }
        for name in settings.keys() {
            if section.is_read("enabled") && !enabled.contains(name) {
                add(
                    &format!("settings.{name}"),
                    "no plugin of this name is enabled; name it in plugins.enabled",
                );
            }
        }
        faults
    }

    /// The keys in which `other` differs, but for `settings`: those a running plugin takes over.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            directory,
            enabled,
            allow,
            trusted_keys,
            settings: _,
            fail_open,
        } = self;
        let differs = [
            ("directory", *directory != other.directory),
            ("enabled", *enabled != other.enabled),
            ("allow", *allow != other.allow),
            ("trusted_keys", *trusted_keys != other.trusted_keys),
            ("fail_open", *fail_open != other.fail_open),
        ];
        let differing = differs.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(key, _)| key).collect()
    }

    /// The configuration of one plugin with `${NAME}` references resolved: its entry under `settings`, else its
    /// top-level section, else an empty object.
    ///
    /// # Errors
    /// [`ConfigError`] for a section that is no object, or with all unresolved references.
    pub fn section_of(&self, plugin: &str, section: &str, document: &JsonMap) -> Result<Value, ConfigError> {
        let (key, found) = match self.settings.get(plugin) {
            Some(value) => (format!("plugins.settings.{plugin}"), Some(value)),
            None => (section.to_owned(), document.get(section)),
        };
        match found {
            None | Some(Value::Null) => Ok(Value::Object(JsonMap::new())),
            Some(value @ Value::Object(_)) => expand(value, &key, &|name| std::env::var(name).ok()),
            Some(_) => Err(ConfigFault::new(key, "must be a section of keys and values").into()),
        }
    }
}

/// Whether a plugin can have this name: a-z, 0-9 and -, at least one.
#[must_use]
pub fn is_plugin_name(name: &str) -> bool {
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

    fn keys(plugins: Value) -> Vec<String> {
        let faults = read(plugins).unwrap_err().into_faults();
        faults.into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn each_fault_names_its_key() {
        for (plugins, key) in [
            (json!({"directry": "/x"}), "plugins.directry"),
            (
                json!({"enabled": ["a"], "directory": "plugins"}),
                "plugins.directory",
            ),
            (
                json!({"enabled": ["../a"], "directory": "/x"}),
                "plugins.enabled[0]",
            ),
            (
                json!({"enabled": ["a", "a"], "directory": "/x"}),
                "plugins.enabled[1]",
            ),
            (
                json!({"allow": [{"name": "a", "sha256": "zz"}]}),
                "plugins.allow[0].sha256",
            ),
            (json!({"settings": {"a": {}}}), "plugins.settings.a"),
            (json!({"fail_open": 1}), "plugins.fail_open"),
            (json!(5), "plugins"),
        ] {
            assert_eq!(keys(plugins), [key]);
        }
        assert_eq!(
            keys(json!({"trusted_keys": ["zz"]}))[0],
            "plugins.trusted_keys[0]"
        );
    }

    #[test]
    fn all_faults_are_told_at_once_with_what_was_found() {
        let error = read(json!({
            "directory": "relative",
            "enabled": ["A b", "a", "a"],
            "allow": [{"name": "a", "sha256": "zz"}, {"name": "a", "sha256": "0"}],
            "settings": {"absent": {}},
            "fail_open": "perhaps",
            "fail_opn": true,
        }))
        .unwrap_err();
        let told = error.to_string();
        for part in [
            "plugins.directory: \"relative\"",
            "plugins.enabled[0]: \"A b\"",
            "plugins.enabled[2]: 'a'",
            "plugins.allow[0].sha256: \"zz\"",
            "plugins.allow[1].sha256: \"0\"",
            "plugins.settings.absent: ",
            "plugins.fail_open: invalid type: string \"perhaps\", expected a boolean",
            "plugins.fail_opn: unknown field `fail_opn`, expected one of `directory`, ",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert_eq!(error.faults().len(), 8, "{told}");
    }

    #[test]
    fn a_key_that_cannot_be_read_is_no_fault_of_those_that_need_it() {
        let faulty = json!({"enabled": "a", "settings": {"a": {}}, "directory": "relative"});
        assert_eq!(keys(faulty), ["plugins.enabled"]);
        assert_eq!(
            keys(json!({"enabled": ["a"], "directory": 5})),
            ["plugins.directory"]
        );
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let sha256 = "0".repeat(64);
        let before = read(json!({"directory": "/x", "enabled": ["a"]})).unwrap();
        let after = read(json!({
            "directory": "/y",
            "enabled": ["a", "b"],
            "fail_open": false,
            "allow": [{"name": "a", "sha256": sha256}],
            "settings": {"a": {"n": 1}},
        }));
        assert_eq!(
            before.differences(&after.unwrap()),
            ["directory", "enabled", "allow", "fail_open"]
        );
        assert!(before.differences(&before).is_empty());
    }

    #[test]
    fn a_plugins_section_is_one_of_keys_and_values() {
        let document = json!({"a_section": [1]});
        let document = document.as_object().unwrap();
        let error = PluginsConfig::default()
            .section_of("a", "a_section", document)
            .unwrap_err();
        assert_eq!(error.faults()[0].key, "a_section");
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
