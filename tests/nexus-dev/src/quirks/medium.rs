//! Bytes that are kept in memory and, with a folder, in a file as well.
//!
//! Invariant: when a write returns, the operating system has it, so a killed process loses nothing. Nothing is synced:
//! this models a server whose own file is a memory map.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::NexusDevError;

/// A growing array of bytes. What was never written reads as zero.
#[derive(Debug, Default)]
pub(crate) struct Medium {
    bytes: Vec<u8>,
    backing: Option<(PathBuf, File)>,
}

impl Medium {
    /// Opens or creates the file; without a path the bytes live in memory only.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the file cannot be opened or read.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, NexusDevError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let open = || -> std::io::Result<Self> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Self {
                bytes,
                backing: Some((path.to_path_buf(), file)),
            })
        };
        open().map_err(|error| failed(path, &error))
    }

    /// Writes at an offset, growing when needed.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the file refuses.
    pub(crate) fn write(&mut self, offset: usize, data: &[u8]) -> Result<(), NexusDevError> {
        let end = offset + data.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(data);
        let Some((path, file)) = &mut self.backing else {
            return Ok(());
        };
        let mut write = || -> std::io::Result<()> {
            file.seek(SeekFrom::Start(u64::try_from(offset).unwrap_or(u64::MAX)))?;
            file.write_all(data)
        };
        write().map_err(|error| failed(path, &error))
    }

    /// `N` bytes from an offset.
    pub(crate) fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut array = [0; N];
        if let Some(rest) = self.bytes.get(offset..) {
            let known = rest.len().min(N);
            array[..known].copy_from_slice(&rest[..known]);
        }
        array
    }

    /// `length` bytes from an offset, as far as they were ever written.
    pub(crate) fn slice(&self, offset: usize, length: usize) -> &[u8] {
        let end = offset.saturating_add(length).min(self.bytes.len());
        self.bytes.get(offset..end).unwrap_or_default()
    }

    /// How many bytes were written so far, counted from the start.
    pub(crate) fn written(&self) -> usize {
        self.bytes.len()
    }
}

/// Replaces a small file as a whole: written beside it, then renamed.
///
/// # Errors
/// [`NexusDevError::Quirks`] when the folder refuses.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), NexusDevError> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        fs::write(&new, bytes)?;
        fs::rename(&new, path)
    };
    write().map_err(|error| failed(path, &error))
}

/// The error for a file of the quirks.
pub(crate) fn failed(path: &Path, error: &dyn std::fmt::Display) -> NexusDevError {
    NexusDevError::Quirks {
        path: path.to_path_buf(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_the_rest_is_zero() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let mut medium = Medium::open(Some(&path)).unwrap();
        medium.write(5, b"abc").unwrap();
        medium.write(6, b"X").unwrap();
        let again = Medium::open(Some(&path)).unwrap();
        assert_eq!(again.slice(0, 20), b"\0\0\0\0\0aXc");
        assert_eq!(again.array::<4>(6), *b"Xc\0\0");
        assert_eq!(again.array::<2>(100), [0, 0]);
    }
}
