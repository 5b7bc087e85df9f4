//! The configuration file: one YAML document with the server's own section, `plugins`, and a section for each plugin.
//!
//! ```yaml
//! server: { bind: 127.0.0.1:15002, data_dir: /var/lib/vectorizer }
//! plugins: { directory: /usr/lib/vectorizer/plugins, enabled: [nexus] }
//! nexus_integration: { nexus_url: http://127.0.0.1:15474 }
//! ```
//!
//! A key that nobody reads is refused, since it may be a typing error of one that matters.

use std::path::Path;

use serde_json::Value;
use vectorizer_host_shim::config::expand;
use vectorizer_plugin_api::model::JsonMap;

use crate::config::ServerConfig;

/// Sections that are known whether or not a plugin that reads them is loaded.
const KNOWN: [&str; 3] = ["server", "plugins", "nexus_integration"];

/// Why a configuration file cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A key or value is wrong.
    #[error("configuration: {key}: {reason}")]
    Key {
        /// The key's path.
        key: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

/// A configuration file, read.
#[derive(Debug)]
pub struct Settings {
    /// The section `server`.
    pub server: ServerConfig,
    /// All sections, references to the environment unresolved.
    pub document: JsonMap,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// [`SettingsError`]; the message never holds the value of a secret.
    pub fn read(file: &Path) -> Result<Self, SettingsError> {
        let unreadable = |reason: String| SettingsError::Unreadable {
            file: file.display().to_string(),
            reason,
        };
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&text).map_err(|error| match error {
            SettingsError::Unreadable { reason, .. } => unreadable(reason),
            error @ SettingsError::Key { .. } => error,
        })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let document: Option<JsonMap> =
            serde_saphyr::from_str(text).map_err(|error| SettingsError::Unreadable {
                file: String::new(),
                reason: error.to_string(),
            })?;
        let document = document.unwrap_or_default();
        let section = match document.get("server") {
            None | Some(Value::Null) => Value::Object(JsonMap::new()),
            Some(section) => {
                expand(section, "server", &|name| std::env::var(name).ok()).map_err(|error| {
                    SettingsError::Key {
                        key: error.key,
                        reason: error.reason,
                    }
                })?
            }
        };
        let server: ServerConfig = serde_path_to_error::deserialize(section).map_err(|error| {
            let path = error.path().to_string();
            let key = if path == "." {
                "server".to_owned()
            } else {
                format!("server.{path}")
            };
            SettingsError::Key {
                key,
                reason: error.into_inner().to_string(),
            }
        })?;
        server.validate().map_err(|error| SettingsError::Key {
            key: "server".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { server, document })
    }

    /// Refuses sections that neither the server nor one of these plugins' `sections` is.
    ///
    /// # Errors
    /// [`SettingsError::Key`] naming the first one.
    pub fn check_sections(&self, sections: &[&str]) -> Result<(), SettingsError> {
        let unknown = self
            .document
            .keys()
            .find(|key| !KNOWN.contains(&key.as_str()) && !sections.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => Err(SettingsError::Key {
                key: key.clone(),
                reason: format!(
                    "unknown section; known are {} and those of loaded plugins",
                    KNOWN.join(", ")
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Settings::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert!(Settings::parse("").unwrap().document.is_empty());
        assert_eq!(Settings::parse("server:\n").unwrap().server.bind.port(), 15002);
    }

    #[test]
    fn wrong_keys_are_named() {
        assert!(fault("server: {bnd: x}").contains("server.bnd"));
        assert!(fault("server: {bind: nowhere}").contains("server.bind"));
        assert!(fault("server: {api_key: '${SURELY_UNSET_KEY}'}").contains("server.api_key"));
        assert!(fault("server: [").len() > 10);
        assert!(fault("- a\n- b").len() > 10, "a list is no document");
    }

    #[test]
    fn a_section_that_nobody_reads_is_refused() {
        let settings = Settings::parse("nexus_integraton: {}\n").unwrap();
        assert!(
            settings
                .check_sections(&[])
                .unwrap_err()
                .to_string()
                .contains("nexus_integraton")
        );
        settings.check_sections(&["nexus_integraton"]).unwrap();
    }
}
