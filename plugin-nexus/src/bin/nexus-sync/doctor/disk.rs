//! Room on the disk that the journal is on.

use std::path::Path;

use super::check::Checkup;
use crate::configuration::Configuration;
use crate::figures;

const DISK: &str = "disk space";
/// Bytes below which the journal may soon fail.
const TOO_FEW: u64 = 64 << 20;
/// Bytes below which somebody should look.
const FEW: u64 = 1 << 30;

/// Room for the host's data.
pub(super) fn space(checkup: &mut Checkup, configuration: Option<&Configuration>) {
    let data_dir = match configuration.map(|configuration| &configuration.data_dir) {
        Some(Ok(data_dir)) => data_dir,
        Some(Err(reason)) => return checkup.skip(DISK, reason),
        None => return checkup.skip(DISK, "no readable --config says where data is kept"),
    };
    // The folder may be yet to be made.
    let there = data_dir.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("."));
    match rustix::fs::statvfs(there) {
        Err(error) => checkup.skip(DISK, format!("{}: {error}", there.display())),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let total = found.f_blocks.saturating_mul(found.f_frsize);
            judge(checkup, data_dir, free, total);
        }
    }
}

fn judge(checkup: &mut Checkup, data_dir: &Path, free: u64, total: u64) {
    let seen = format!(
        "{} of {} are free for {}",
        figures::bytes(free),
        figures::bytes(total),
        data_dir.display()
    );
    let advice = "make room: without it, changes wait in memory and the host may fail";
    match free {
        0..TOO_FEW => checkup.fail(DISK, seen, advice),
        TOO_FEW..FEW => checkup.warn(DISK, seen, advice),
        _ => checkup.ok(DISK, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Outcome;
    use super::*;

    #[test]
    fn little_room_is_told_in_time() {
        for (free, result) in [
            (0, Outcome::Failed),
            (TOO_FEW, Outcome::Warning),
            (FEW, Outcome::Ok),
        ] {
            let mut checkup = Checkup::default();
            judge(&mut checkup, Path::new("/d"), free, 1 << 40);
            assert_eq!(checkup.checks()[0].result, result, "{free}");
        }
    }
}
