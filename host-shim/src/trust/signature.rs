//! Detached ed25519 signatures: `<file>.sig` holds the 64 raw bytes of a signature over the whole file.

use std::path::Path;

use ed25519_dalek::{Signature, VerifyingKey};

use super::{TrustError, path};
use crate::config::{PluginsConfig, decode_hex};

/// Verifies the signature where the configuration names trusted keys.
pub(super) fn verify(
    config: &PluginsConfig,
    directory: &Path,
    file: &Path,
    bytes: &[u8],
) -> Result<(), TrustError> {
    if config.trusted_keys.is_empty() {
        return Ok(());
    }
    let refuse = |reason: &str| TrustError::Signature {
        path: file.to_owned(),
        reason: reason.to_owned(),
    };
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| refuse("its name is not UTF-8"))?;
    let (_, signature) = path::trusted_file(directory, &format!("{name}.sig"))
        .map_err(|error| refuse(&format!("no usable signature: {error}")))?;
    let signature = Signature::from_slice(&signature).map_err(|_| refuse("the signature is not 64 bytes"))?;
    let trusted = config
        .trusted_keys
        .iter()
        .filter_map(|key| VerifyingKey::from_bytes(&decode_hex::<32>(key)?).ok())
        .any(|key| key.verify_strict(bytes, &signature).is_ok());
    if trusted {
        Ok(())
    } else {
        Err(refuse("the signature is by none of the trusted keys"))
    }
}
