//! Memory of this process, and room that a folder takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes in a MiB.
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// Memory that this process has now, in MiB.
pub(crate) fn resident() -> f64 {
    of_status("VmRSS:")
}

/// The most that it ever had, in MiB.
pub(crate) fn peak() -> f64 {
    of_status("VmHWM:")
}

fn of_status(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<f64>().ok())
        .map_or(f64::NAN, |kib| kib / 1024.0)
}

/// What the files below a folder take.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    /// Blocks on the disk, in MiB.
    pub(crate) allocated: f64,
    /// Lengths added up, in MiB.
    pub(crate) lengths: f64,
}

/// What `folder` takes now. Files that go meanwhile do not count.
pub(crate) fn room(folder: &Path) -> Room {
    let mut room = Room::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let below = self::room(&entry.path());
            room.allocated += below.allocated;
            room.lengths += below.lengths;
        } else {
            room.allocated += metadata.blocks() as f64 * 512.0 / MIB;
            room.lengths += metadata.len() as f64 / MIB;
        }
    }
    room
}
