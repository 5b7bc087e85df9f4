//! The checked bytes of a plugin file, kept where nobody can change them any more.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::TrustError;

/// A plugin file's bytes after all checks.
#[derive(Debug)]
pub struct CheckedImage {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl CheckedImage {
    pub(super) fn new(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, bytes }
    }

    /// Where the bytes came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Puts the bytes into a sealed in-memory file and names the path by which this process can load it.
    ///
    /// The file stays open for ever: the system's loader knows libraries by their path, so the number of the file
    /// must not be used again.
    ///
    /// # Errors
    /// [`TrustError::Unreadable`] where the system cannot make such a file.
    pub fn seal(&self) -> Result<PathBuf, TrustError> {
        let failed = |reason: String| TrustError::Unreadable {
            path: self.path.clone(),
            reason,
        };
        let sealed = memfd_create(
            "vectorizer-plugin",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )
        .map_err(|error| failed(format!("memfd_create: {error}")))?;
        let mut file = File::from(sealed);
        file.write_all(&self.bytes)
            .map_err(|error| failed(error.to_string()))?;
        fcntl_add_seals(
            &file,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )
        .map_err(|error| failed(format!("sealing: {error}")))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let _ = file.into_raw_fd();
        Ok(path)
    }
}
