//! The configuration file: one YAML document with the server's own section, `plugins`, and a section for each plugin.
//!
//! ```yaml
//! server: { bind: 127.0.0.1:15002, data_dir: /var/lib/vectorizer, log: { format: json, filter: info } }
//! plugins: { directory: /usr/lib/vectorizer/plugins, enabled: [nexus] }
//! nexus_integration: { nexus_url: http://127.0.0.1:15474 }
//! ```
//!
//! Invariants:
//! - A key that nobody reads is refused, since it may be a typing error of one that matters.
//! - All faults are told at once: a file is a [`Draft`] until everyone who reads it has looked at it.
//! - No message holds the value of a secret.

use std::path::Path;

use serde_json::Value;
use vectorizer_host_shim::PluginsConfig;
use vectorizer_host_shim::config::{ConfigError, ConfigFault, Section, expand, is_plugin_name};
use vectorizer_plugin_api::model::JsonMap;

use crate::config::ServerConfig;
use crate::logging::LogConfig;
use crate::sidecar::UpstreamUrl;

/// Sections that the server reads.
const OWN: [&str; 2] = ["server", "plugins"];

/// Plugins whose section is known whether or not they are enabled and can be loaded.
const KNOWN_PLUGINS: [(&str, &str); 1] = [("nexus", "nexus_integration")];

/// Why a configuration file cannot be served with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read, or is no YAML document of sections.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Keys or values are wrong.
    #[error("configuration: {0}")]
    Wrong(#[from] ConfigError),
}

/// A configuration file that can be served with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The section `server`.
    pub server: ServerConfig,
    /// The section `plugins`.
    pub plugins: PluginsConfig,
    /// All sections, references to the environment unresolved.
    pub document: JsonMap,
}

impl Settings {
    /// The keys of `server` and `plugins` in which `other` differs, as `server.bind`: what a running server does not
    /// take over.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let server = self.server.differences(&other.server).into_iter();
        let plugins = self.plugins.differences(&other.plugins).into_iter();
        server
            .map(|key| format!("server.{key}"))
            .chain(plugins.map(|key| format!("plugins.{key}")))
            .collect()
    }
}

/// What is said at the start of the program and not in the file.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The Vectorizer that the server stands in front of.
    pub upstream: Option<UpstreamUrl>,
}

/// A configuration file, as far as it can be read, and what is wrong with it.
#[derive(Debug)]
pub struct Draft {
    server: Section<ServerConfig>,
    plugins: Section<PluginsConfig>,
    document: JsonMap,
    /// Beside those of the two sections.
    faults: Vec<ConfigFault>,
}

impl Draft {
    /// Reads a file; what was said at the start of the program wins over it.
    ///
    /// # Errors
    /// [`SettingsError::Unreadable`].
    pub fn read(file: &Path, said: &Said) -> Result<Self, SettingsError> {
        let unreadable = |reason: String| SettingsError::Unreadable {
            file: file.display().to_string(),
            reason,
        };
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
        // The library's message would show the lines around the fault, which may hold a secret.
        let mut draft =
            Self::parse(&text).map_err(|error| unreadable(error.without_snippet().to_string()))?;
        if let Some(url) = &said.upstream {
            draft.server.config.upstream.url = Some(url.clone());
        }
        Ok(draft)
    }

    fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        let document = serde_saphyr::from_str::<Option<JsonMap>>(text)?.unwrap_or_default();
        let environment = |name: &str| std::env::var(name).ok();
        let mut server: Section<ServerConfig> = Section::read("server", &document, &|value, key| {
            expand(value, key, &environment)
        });
        for fault in server.config.faults() {
            // What rests on a default in place of a key with a fault is none.
            if fault.settings().iter().all(|setting| server.is_read(setting)) {
                server.faults.push(ConfigFault::from(&fault));
            }
        }
        Ok(Self {
            server,
            plugins: PluginsConfig::read(&document),
            document,
            faults: Vec::new(),
        })
    }

    /// All sections, references to the environment unresolved.
    #[must_use]
    pub fn document(&self) -> &JsonMap {
        &self.document
    }

    /// The section `plugins`, as far as it could be read.
    #[must_use]
    pub fn plugins(&self) -> &PluginsConfig {
        &self.plugins.config
    }

    /// Where data is kept.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.server.config.data_dir
    }

    /// What is logged, as far as it could be read.
    #[must_use]
    pub fn log(&self) -> &LogConfig {
        &self.server.config.log
    }

    /// The section `plugins`, to load plugins with: with none, where it is not known for sure which files may be
    /// loaded, or where they may keep their data.
    #[must_use]
    pub fn loadable(&self) -> PluginsConfig {
        if self.plugins.faults.is_empty() && self.server.is_read("data_dir") {
            self.plugins.config.clone()
        } else {
            PluginsConfig::default()
        }
    }

    /// Adds faults that others found.
    pub fn add(&mut self, faults: impl IntoIterator<Item = ConfigFault>) {
        self.faults.extend(faults);
    }

    /// Looks for sections that nobody reads. `loaded` are the plugins whose file could be read, with their sections;
    /// while there is another that is enabled, every section may be its own.
    pub fn check_sections(&mut self, loaded: &[(&str, &str)]) {
        let enabled = self.enabled();
        let running = loaded.iter().filter(|(plugin, _)| enabled.contains(plugin));
        let readers: Vec<&(&str, &str)> = KNOWN_PLUGINS.iter().chain(running).collect();
        let is_known = |plugin: &&str| readers.iter().any(|(name, _)| name == plugin);
        if !enabled.iter().all(is_known) {
            return;
        }
        let mut known = OWN.to_vec();
        for (_, section) in readers {
            if !known.contains(section) {
                known.push(section);
            }
        }
        let reason = format!("unknown section; known are {}", known.join(", "));
        let unknown = self.document.keys().filter(|key| !known.contains(&key.as_str()));
        let faults: Vec<ConfigFault> = unknown.map(|key| ConfigFault::new(key, &reason)).collect();
        self.faults.extend(faults);
    }

    /// The names in `plugins.enabled` that a plugin can have, whatever else is wrong there.
    fn enabled(&self) -> Vec<&str> {
        let plugins = self.document.get("plugins");
        let names = match plugins.and_then(|plugins| plugins.get("enabled")) {
            Some(Value::Array(names)) => names,
            Some(name) => std::slice::from_ref(name),
            None => &[],
        };
        let names = names.iter().filter_map(Value::as_str);
        names.filter(|name| is_plugin_name(name)).collect()
    }

    /// The settings, if nothing is wrong.
    ///
    /// # Errors
    /// [`SettingsError::Wrong`] with everything that was found.
    pub fn finish(self) -> Result<Settings, SettingsError> {
        let faults = [self.server.faults, self.plugins.faults, self.faults].concat();
        ConfigError::refuse(faults)?;
        Ok(Settings {
            server: self.server.config,
            plugins: self.plugins.config,
            document: self.document,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        Draft::parse(text).unwrap()
    }

    fn keys(draft: Draft) -> Vec<String> {
        match draft.finish() {
            Ok(_) => Vec::new(),
            Err(SettingsError::Wrong(error)) => {
                error.faults().iter().map(|fault| fault.key.clone()).collect()
            }
            Err(SettingsError::Unreadable { reason, .. }) => panic!("{reason}"),
        }
    }

    fn file(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = Draft::read(file.path(), &Said::default())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(file.path().to_str().unwrap()), "{error}");
        error
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert!(draft("").finish().unwrap().document.is_empty());
        let settings = draft("server:\nplugins:\n").finish().unwrap();
        assert_eq!(settings.server.bind.port(), 15002);
        assert!(settings.plugins.enabled.is_empty());
    }

    #[test]
    fn wrong_keys_are_named() {
        for (text, key) in [
            ("server: {bnd: x}", "server.bnd"),
            ("server: {bind: nowhere}", "server.bind"),
            ("server: {api_key: '${SURELY_UNSET_KEY}'}", "server.api_key"),
            ("server: [1]", "server"),
            ("server: {log: json}", "server.log"),
            ("server: {log: {format: xml}}", "server.log.format"),
            ("server: {log: {filter: 'a=loud'}}", "server.log.filter"),
            ("plugins: {enabeld: []}", "plugins.enabeld"),
        ] {
            assert_eq!(keys(draft(text)), [key]);
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut draft = draft(
            "server: {bnd: x, max_body_bytes: 0, user_api_keys: [1, '${SURELY_UNSET_KEY}', 2]}\n\
             plugins: {directory: relative, enabled: [nexus, nexus]}\nnexus_integraton: {}\nsurplus: 1\n",
        );
        draft.check_sections(&[]);
        draft.add([ConfigFault::new("nexus_integration.nexus_url", "missing")]);
        let mut keys = keys(draft);
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "nexus_integration.nexus_url",
                "nexus_integraton",
                "plugins.directory",
                "plugins.enabled[1]",
                "server.bnd",
                "server.max_body_bytes",
                "server.user_api_keys[0]",
                "server.user_api_keys[1]",
                "server.user_api_keys[2]",
                "surplus",
            ]
        );
    }

    #[test]
    fn each_key_of_a_section_within_a_section_has_a_fault_of_its_own() {
        let mut keys = keys(draft(
            "server: {log: {format: xml, filter: 'a=loud', colour: true}}",
        ));
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["server.log.colour", "server.log.filter", "server.log.format"]
        );
    }

    #[test]
    fn a_key_with_a_fault_is_no_fault_of_others() {
        let text = "server: {bind: '0.0.0.0:1', user_api_keys: [u], api_key: '${SURELY_UNSET_KEY}'}";
        assert_eq!(keys(draft(text)), ["server.api_key"]);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_its_text() {
        for text in [
            "server: {api_key: s3cret",
            "server:\n  api_key: s3cret\n bind: x\n",
            "server: {api_key: s3cret}\nserver: {api_key: s3cret}\n",
            "- s3cret\n- b",
            "s3cret",
            "api_key: s3cret\n\tbind: x",
            "server: {api_key: *s3cret}",
            "server: {api_key: !!int s3cret}",
        ] {
            let error = file(text);
            assert!(!error.contains("s3cret"), "{error}");
        }
        let absent = Draft::read(Path::new("/surely/absent.yml"), &Said::default()).unwrap_err();
        assert!(absent.to_string().contains("/surely/absent.yml: No such file"));
    }

    #[test]
    fn a_section_that_nobody_reads_is_refused() {
        let unread = |enabled: &str, loaded: &[(&str, &str)]| {
            let mut draft = draft(&format!(
                "plugins: {{directory: /x, enabled: [{enabled}]}}\nnexus_integration:\nprobe:\n"
            ));
            draft.check_sections(loaded);
            keys(draft)
        };
        assert_eq!(unread("", &[]), ["probe"]);
        assert_eq!(
            unread("nexus", &[]),
            ["probe"],
            "what nexus reads is known without it"
        );
        assert!(unread("probe", &[("probe", "probe")]).is_empty());
        assert!(unread("other", &[]).is_empty(), "it may be the other plugin's");
        assert_eq!(unread("other", &[("other", "o")]), ["probe"]);
        let keys = unread("Other", &[]);
        assert_eq!(keys, ["plugins.enabled[0]", "probe"], "no plugin has such a name");
        let keys = unread("other, 5", &[]);
        assert_eq!(keys, ["plugins.enabled[1]"], "the other plugin is still named");
        assert_eq!(
            unread("", &[("probe", "probe")]),
            ["probe"],
            "a plugin that is not enabled any more reads nothing at the next start"
        );
    }

    #[test]
    fn nothing_is_loaded_by_a_section_with_a_fault() {
        let enabled = |text: &str| draft(text).loadable().enabled;
        assert_eq!(enabled("plugins: {directory: /x, enabled: [nexus]}"), ["nexus"]);
        for text in [
            "plugins: {directory: /x, enabled: [nexus], allow: [{name: nexus, sha256: z}]}",
            "plugins: {directory: /x, enabled: [nexus]}\nserver: {data_dir: 5}",
        ] {
            assert!(enabled(text).is_empty(), "{text}");
        }
        let other_fault = "plugins: {directory: /x, enabled: [nexus]}\nserver: {bind: 5}";
        assert_eq!(enabled(other_fault), ["nexus"]);
    }

    #[test]
    fn keys_that_need_a_restart_are_named_by_their_section() {
        let settings = |text: &str| draft(text).finish().unwrap();
        let started = settings("server: {bind: '127.0.0.1:1'}\nnexus_integration: {a: 1}");
        let changed =
            settings("server: {bind: '127.0.0.1:2'}\nplugins: {fail_open: false}\nnexus_integration: {a: 2}");
        assert_eq!(
            started.differences(&changed),
            ["server.bind", "plugins.fail_open"]
        );
    }
}
