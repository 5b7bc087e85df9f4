//! Files that are replaced whole: after a crash there is the old one or the new one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file, which only its owner may read from its beginning on.
///
/// # Errors
/// What the file system says; the file is then as it was.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
