//! Where the demo keeps its files: a fresh folder, whose plugin directory the host can trust.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use vectorizer_tests::TestError;
use vectorizer_tests::build::target;

/// Makes the folder, empty.
pub(crate) fn fresh() -> Result<PathBuf, TestError> {
    let ours = target().join("demo");
    // Where the checkout lies below a folder that a group may write, the host would refuse plugins in it, rightly.
    let place = if is_private(&target()) {
        ours
    } else {
        std::env::temp_dir().join(format!("vectorizer-nexus-demo-{}", user()))
    };
    let failed = |error: std::io::Error| TestError::File {
        path: place.display().to_string(),
        reason: error.to_string(),
    };
    if place.exists() {
        fs::remove_dir_all(&place).map_err(failed)?;
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&place)
        .map_err(failed)?;
    place.canonicalize().map_err(failed)
}

/// Whether nobody but the owner can write to any folder on the way.
fn is_private(folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| {
        folder.ancestors().all(|step| {
            fs::metadata(step).is_ok_and(|metadata| {
                let mode = metadata.mode();
                mode & 0o022 == 0 || (mode & 0o1000 != 0 && metadata.uid() == 0)
            })
        })
    })
}

fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "user".into())
}
