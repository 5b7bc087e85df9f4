//! Which plugin files a host loads: whose they are, who could have changed them, and what they hash to.
//!
//! Invariants:
//! - What was checked is what is loaded: the file is read once, and the checked bytes are what the system's loader
//!   gets (a sealed in-memory file).
//! - Nobody but root and the service user can write the file, its folder, or any folder above it.

mod image;
mod path;
#[cfg(feature = "signatures")]
mod signature;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use image::CheckedImage;

use crate::config::{PluginsConfig, decode_hex};

/// Why a plugin file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no such file, or it cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Not a regular file, or for the plugin directory not a folder.
    #[error("{path}: is not a {expected}")]
    Kind {
        /// The file or folder.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// Someone else owns it.
    #[error("{path}: belongs to uid {owner}; it must belong to root or to the service user (uid {service})")]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// As whom the host runs.
        service: u32,
    },
    /// Others may write it.
    #[error("{path}: mode {mode:04o} lets {who} write; run: chmod go-w {path}")]
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// `the group` or `everyone`.
        who: &'static str,
    },
    /// A link that leads out of the plugin directory.
    #[error("{path}: leads to {target}, outside of the plugin directory")]
    LeadsOut {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Too large to be a plugin.
    #[error("{path}: {size} bytes are more than a plugin may have ({limit})")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The largest size.
        limit: u64,
    },
    /// Not on the allow-list.
    #[error("{path}: sha256 {sha256} is not on the allow-list for '{plugin}' (plugins.allow)")]
    NotAllowed {
        /// The file.
        path: PathBuf,
        /// The plugin's name.
        plugin: String,
        /// The file's digest in hex.
        sha256: String,
    },
    /// No valid signature by a trusted key.
    #[error("{path}: {reason} (plugins.trusted_keys)")]
    Signature {
        /// The file.
        path: PathBuf,
        /// What is wrong with its signature.
        reason: String,
    },
}

/// Finds, checks and reads the file of one plugin.
///
/// # Errors
/// [`TrustError`], naming the file or folder and what to do.
pub fn check(config: &PluginsConfig, plugin: &str) -> Result<CheckedImage, TrustError> {
    check_file(config, plugin, &file_name(plugin))
}

/// As [`check`], for a file of the plugin directory that has another name: one that is looked at before it is put in place.
///
/// # Errors
/// As [`check`].
pub fn check_file(config: &PluginsConfig, plugin: &str, name: &str) -> Result<CheckedImage, TrustError> {
    let directory = path::trusted_directory(&config.directory)?;
    let (path, bytes) = path::trusted_file(&directory, name)?;
    allow(config, plugin, &path, &bytes)?;
    #[cfg(feature = "signatures")]
    signature::verify(config, &directory, &path, &bytes)?;
    Ok(CheckedImage::new(path, bytes))
}

/// The name of a plugin's file: `libvectorizer_plugin_nexus.so`.
#[must_use]
pub fn file_name(plugin: &str) -> String {
    format!("libvectorizer_plugin_{}.so", plugin.replace('-', "_"))
}

fn allow(config: &PluginsConfig, plugin: &str, path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    let Some(allowed) = &config.allow else {
        return Ok(());
    };
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let listed = allowed
        .iter()
        .any(|entry| entry.name == plugin && decode_hex::<32>(&entry.sha256) == Some(digest));
    if listed {
        return Ok(());
    }
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Err(TrustError::NotAllowed {
        path: path.to_owned(),
        plugin: plugin.to_owned(),
        sha256,
    })
}

#[cfg(test)]
mod tests;
