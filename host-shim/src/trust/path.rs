//! Ownership and permissions along a path.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::TrustError;

/// Far above any plugin; keeps a mistaken path from filling memory.
const LARGEST: u64 = 1 << 30;

/// Resolves the plugin directory and checks it and every folder above it.
pub(super) fn trusted_directory(directory: &Path) -> Result<PathBuf, TrustError> {
    let resolved = fs::canonicalize(directory).map_err(|error| unreadable(directory, &error))?;
    let metadata = fs::metadata(&resolved).map_err(|error| unreadable(&resolved, &error))?;
    if !metadata.is_dir() {
        return Err(TrustError::Kind {
            path: resolved,
            expected: "folder",
        });
    }
    check(&resolved, &metadata)?;
    for parent in resolved.ancestors().skip(1) {
        let metadata = fs::metadata(parent).map_err(|error| unreadable(parent, &error))?;
        if !is_shared_by_root(&metadata) {
            check(parent, &metadata)?;
        }
    }
    Ok(resolved)
}

/// Checks and reads a file of the (resolved, trusted) directory. A link may only lead to another file there.
pub(super) fn trusted_file(directory: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), TrustError> {
    let path = directory.join(name);
    let resolved = fs::canonicalize(&path).map_err(|error| unreadable(&path, &error))?;
    if resolved.parent() != Some(directory) {
        return Err(TrustError::LeadsOut {
            path,
            target: resolved,
        });
    }
    // From here on the open file is asked, not the path; it could be another one by now, but not a link.
    let mut file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&resolved)
        .map_err(|error| unreadable(&resolved, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&resolved, &error))?;
    if !metadata.is_file() {
        return Err(TrustError::Kind {
            path: resolved,
            expected: "regular file",
        });
    }
    check(&resolved, &metadata)?;
    if metadata.len() > LARGEST {
        return Err(TrustError::TooLarge {
            path: resolved,
            size: metadata.len(),
            limit: LARGEST,
        });
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&resolved, &error))?;
    Ok((resolved, bytes))
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), TrustError> {
    let service = geteuid().as_raw();
    let owner = metadata.uid();
    if owner != 0 && owner != service {
        return Err(TrustError::Owner {
            path: path.to_owned(),
            owner,
            service,
        });
    }
    let mode = metadata.mode() & 0o7777;
    let who = if mode & 0o002 != 0 {
        "everyone"
    } else if mode & 0o020 != 0 {
        "the group"
    } else {
        return Ok(());
    };
    Err(TrustError::Writable {
        path: path.to_owned(),
        mode,
        who,
    })
}

/// A sticky folder of root, as `/tmp`: all may add to it, but nobody can replace what belongs to another, so what
/// lies below it is as safe as its own owner and mode say.
fn is_shared_by_root(metadata: &Metadata) -> bool {
    metadata.uid() == 0 && metadata.mode() & 0o1000 != 0
}

fn unreadable(path: &Path, error: &std::io::Error) -> TrustError {
    TrustError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_folder_and_a_file_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.so");
        fs::write(&file, b"x").unwrap();
        let expected = |error: TrustError| match error {
            TrustError::Kind { expected, .. } => expected,
            other => panic!("{other}"),
        };
        assert_eq!(expected(trusted_directory(&file).unwrap_err()), "folder");
        let absent = trusted_directory(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(absent, TrustError::Unreadable { .. }), "{absent}");
        fs::create_dir(folder.path().join("inner.so")).unwrap();
        let resolved = fs::canonicalize(folder.path()).unwrap();
        let error = trusted_file(&resolved, "inner.so").unwrap_err();
        assert_eq!(expected(error), "regular file");
        let absent = trusted_file(&resolved, "absent.so").unwrap_err();
        assert!(matches!(absent, TrustError::Unreadable { .. }), "{absent}");
    }
}
