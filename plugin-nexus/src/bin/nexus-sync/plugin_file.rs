//! A plugin file: whose it is, what it was built with, and whether a host loads it.
//!
//! # Nothing of it runs
//!
//! The handshake record is a static of fixed layout in an ELF section of its own, `.vzplugin`. It is read from the file's bytes, by the
//! code that the host reads it with ([`read_handshake`]); the system's loader, which would run initialisers, is not involved. So a file may
//! be looked at that nobody trusts yet. What cannot be told this way is whether the layout of the ABI's types is the host's: the host
//! compares that when it loads the file, and `GET /api/v1/plugins` tells of it.
//!
//! The trust checks are the host's own too, for the user that runs this program: run it as the user that the host runs as.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use vectorizer_host_shim::PluginsConfig;
use vectorizer_host_shim::trust::{check_file, file_name};
use vectorizer_plugin_api::handshake::Handshake;
use vectorizer_plugin_api::library::read_handshake;

use crate::configuration::PLUGIN;

/// Bytes of a file at most: what the host reads.
const LONGEST: u64 = 1 << 30;

/// What is known of a file.
#[derive(Debug, Serialize)]
pub(crate) struct PluginFile {
    /// Where it is.
    pub(crate) file: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// Their digest.
    pub(crate) sha256: String,
    /// The number of the user that it belongs to.
    pub(crate) owner: u32,
    /// Its permissions.
    pub(crate) mode: String,
    /// What it was built with, where that can be read.
    pub(crate) handshake: Option<Handshake>,
    /// Why it cannot, or why a host built as this program would not load it.
    pub(crate) refusal: Option<String>,
    /// What is remarkable about it.
    pub(crate) remarks: Vec<String>,
    /// Why it is not trusted.
    pub(crate) distrust: Option<String>,
    /// As which user that was asked.
    pub(crate) checked_as: u32,
}

impl PluginFile {
    /// Looks at a file. `config` says what a host asks of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn look(path: &Path, config: &PluginsConfig) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("is not a regular file".to_owned());
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > LONGEST {
            return Err(format!(
                "has more than the {LONGEST} bytes that a plugin may have"
            ));
        }
        let (handshake, refusal, remarks) = understood(&bytes);
        let plugin = handshake
            .as_ref()
            .map_or(PLUGIN, |handshake| handshake.name.as_str());
        Ok(Self {
            file: path.display().to_string(),
            size: bytes.len() as u64,
            sha256: Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            owner: metadata.uid(),
            mode: format!("{:04o}", metadata.mode() & 0o7777),
            distrust: distrust(path, plugin, config),
            checked_as: rustix::process::geteuid().as_raw(),
            handshake,
            refusal,
            remarks,
        })
    }

    /// Whether a host would load it.
    pub(crate) fn is_fine(&self) -> bool {
        self.refusal.is_none() && self.distrust.is_none()
    }
}

/// What the bytes say, why they are not enough, and what is remarkable about them.
fn understood(bytes: &[u8]) -> (Option<Handshake>, Option<String>, Vec<String>) {
    let handshake = match read_handshake(bytes) {
        Ok(handshake) => handshake,
        Err(error) => return (None, Some(error.to_string()), Vec::new()),
    };
    // A host is not here to be asked, so what this program was built with stands for it: both come from one release.
    let own = Handshake::own("nexus-sync", env!("CARGO_PKG_VERSION"));
    match own.accept(&handshake) {
        Ok(remarks) => {
            let remarks = remarks.iter().map(ToString::to_string).collect();
            (Some(handshake), None, remarks)
        }
        Err(refusal) => (Some(handshake), Some(refusal.to_string()), Vec::new()),
    }
}

/// Why the host would not trust the file.
fn distrust(path: &Path, plugin: &str, config: &PluginsConfig) -> Option<String> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Some("the file's name is not UTF-8".to_owned());
    };
    let config = PluginsConfig {
        directory: folder_of(path),
        ..config.clone()
    };
    if let Err(error) = check_file(&config, plugin, name) {
        return Some(error.to_string());
    }
    let expected = file_name(plugin);
    // A link's target may have another name.
    (name != expected).then(|| format!("the host looks for '{expected}', not for '{name}'"))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => fs::canonicalize(".").unwrap_or_else(|_| PathBuf::from(".")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use vectorizer_plugin_api::handshake::SECTION;
    use vectorizer_plugin_api::private::encode;

    use super::*;

    /// A shared library that holds nothing but a record, as far as ELF goes.
    pub(crate) fn image(record: &[u8]) -> Vec<u8> {
        let names = format!("\0{SECTION}\0.shstrtab\0");
        let (record_at, names_at) = (64, 64 + record.len());
        let sections_at = (names_at + names.len()).next_multiple_of(8);
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        for half in [3_u16, 62] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1_u32.to_le_bytes());
        for word in [0, 0, sections_at as u64] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 0, 64, 3, 2] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(record);
        bytes.extend(names.as_bytes());
        bytes.resize(sections_at, 0);
        let mut section = |name: u32, kind: u32, at: usize, len: usize| {
            bytes.extend(name.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            for word in [0, 0, at as u64, len as u64, 0, 1, 0] {
                bytes.extend(word.to_le_bytes());
            }
        };
        section(0, 0, 0, 0);
        section(1, 1, record_at, record.len());
        section(2 + SECTION.len() as u32, 3, names_at, names.len());
        bytes
    }

    /// The record of a plugin that this program's host would load.
    pub(crate) fn record() -> Vec<u8> {
        encode("unwind", PLUGIN, "9.9.9", "nexus_integration").to_vec()
    }

    /// A folder with a plugin in it.
    pub(crate) struct Place {
        pub(crate) folder: tempfile::TempDir,
    }

    impl Place {
        pub(crate) fn with(bytes: &[u8]) -> Self {
            let place = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            fs::create_dir(place.plugins()).unwrap();
            fs::write(place.file(), bytes).unwrap();
            mode(&place.plugins(), 0o755);
            mode(&place.file(), 0o644);
            place
        }

        pub(crate) fn plugins(&self) -> PathBuf {
            self.folder.path().join("plugins")
        }

        pub(crate) fn file(&self) -> PathBuf {
            self.plugins().join("libvectorizer_plugin_nexus.so")
        }

        fn look(&self) -> PluginFile {
            PluginFile::look(&self.file(), &PluginsConfig::default()).unwrap()
        }
    }

    pub(crate) fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_good_file_is_told_whole() {
        let place = Place::with(&image(&record()));
        let seen = place.look();
        assert!(seen.is_fine(), "{seen:?}");
        let handshake = seen.handshake.unwrap();
        assert_eq!(
            (handshake.name.as_str(), handshake.version.as_str()),
            ("nexus", "9.9.9")
        );
        assert_eq!((seen.mode.as_str(), seen.sha256.len()), ("0644", 64));
    }

    #[test]
    fn what_is_no_plugin_is_told_and_nothing_panics() {
        let good = image(&record());
        for (bytes, words) in [
            (b"#!/bin/sh\n".to_vec(), "not a shared library"),
            (image(b"short"), "has 5 bytes"),
            (image(&[b'x'; 320]), "magic"),
            (good[..good.len() - 70].to_vec(), "not a"),
        ] {
            let seen = Place::with(&bytes).look();
            let refusal = seen.refusal.unwrap();
            assert!(refusal.contains(words), "{words}: {refusal}");
        }
        let mut other = record();
        other[16] = 9;
        assert!(
            Place::with(&image(&other))
                .look()
                .refusal
                .unwrap()
                .contains("upgrade the host")
        );
    }

    #[test]
    fn trust_is_the_hosts() {
        let place = Place::with(&image(&record()));
        mode(&place.plugins(), 0o777);
        let distrust = place.look().distrust.unwrap();
        assert!(
            distrust.contains("lets everyone write; run: chmod go-w"),
            "{distrust}"
        );
        mode(&place.plugins(), 0o755);
        let renamed = place.plugins().join("new.so");
        fs::rename(place.file(), &renamed).unwrap();
        let seen = PluginFile::look(&renamed, &PluginsConfig::default()).unwrap();
        assert!(
            seen.distrust
                .unwrap()
                .contains("the host looks for 'libvectorizer_plugin_nexus.so'")
        );
        assert!(PluginFile::look(&place.file(), &PluginsConfig::default()).is_err());
        assert!(PluginFile::look(&place.plugins(), &PluginsConfig::default()).is_err());
    }
}
