//! Nexus's API key from a file of its own, and warnings of keys that others may read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Environment;
use crate::config::{Config, ConfigError};
use crate::nexus::ApiKey;

/// Longest key in bytes.
const LONGEST: u64 = 8 * 1024;
/// Rights of others than the owner and the group.
const OTHERS: u32 = 0o007;

/// The configuration with the key from its file, where there is one.
///
/// # Errors
/// [`ConfigError`] where the file holds no key.
pub(super) fn with_api_key(mut config: Config) -> Result<Config, ConfigError> {
    if let Some(path) = &config.api_key_file {
        let key = read(path).map_err(|reason| {
            ConfigError::of_key("api_key_file", &format!("'{}' {reason}", path.display()))
        })?;
        config.api_key = Some(key);
    }
    Ok(config)
}

fn read(path: &Path) -> Result<ApiKey, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(format!(
            "may be used by everybody (mode {:o}); take that away: chmod o= on it",
            mode & 0o777
        ));
    }
    let mut text = String::new();
    file.take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    match key {
        "" => Err("is empty".to_owned()),
        key if key.len() as u64 > LONGEST || key.contains(['\n', '\r']) => {
            Err("must hold the key in its only line".to_owned())
        }
        key => Ok(ApiKey::new(key)),
    }
}

/// Warns of a key that stands in the configuration file itself.
pub(super) fn warn_of_literals(config: &Config) {
    let literal = |key: &ApiKey| !key.is_empty() && !key.is_held_by(Environment::holds);
    if config.api_key_file.is_none() && config.api_key.as_ref().is_some_and(literal) {
        tracing::warn!(
            "nexus_integration.api_key stands in the configuration file; better refer to the environment, as ${{NEXUS_API_KEY}}, or use api_key_file"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_read_from_a_file_that_is_not_for_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let section = json!({"nexus_url": "http://h", "api_key_file": path});
        let read = || with_api_key(Config::from_section(section.clone()).unwrap());
        let fault = || read().unwrap_err().to_string();
        assert!(fault().contains("nexus_integration.api_key_file: ") && fault().contains("cannot be read"));
        for (text, mode, told) in [
            ("nx_zq7\n", 0o644, "may be used by everybody (mode 644)"),
            ("", 0o600, "is empty"),
            ("nx_zq7\nmore", 0o600, "only line"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(fault().contains(told), "{}", fault());
            assert!(!fault().contains("zq7"));
        }
        for text in ["nx_zq7", "nx_zq7\n", "nx_zq7\r\n"] {
            fs::write(&path, text).unwrap();
            assert_eq!(read().unwrap().api_key, Some(ApiKey::new("nx_zq7")));
        }
    }
}
