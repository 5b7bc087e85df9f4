//! Storages in a folder: one generation in force, at times its successor, and what had to be put aside.
//!
//! ```text
//! journal/
//!   lock                    held while a process uses the journal
//!   current                 the number of the generation in force
//!   generation-7/           a sled database
//!   quarantine-6-<time>/    one that could not be read, with the reason in `why.txt`
//! ```
//!
//! `current` is replaced by a rename, so that one generation is in force at any time. Generations beside it are left over
//! from an interrupted change and are removed. The newest [`KEPT`] quarantined ones are kept.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::sled::SledStorage;
use super::{Medium, Opened, Storage, StorageError};
use crate::journal::JournalError;

const LOCK: &str = "lock";
const CURRENT: &str = "current";
const NEXT: &str = "current.new";
const GENERATION: &str = "generation-";
const QUARANTINE: &str = "quarantine-";
const WHY: &str = "why.txt";
/// Quarantined generations that are kept.
const KEPT: usize = 2;

/// See the [module](self).
#[derive(Debug)]
pub(in crate::journal) struct Folder {
    path: PathBuf,
    current: Mutex<u64>,
    /// Held for as long as this lives.
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process; makes it where there is none.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Open`].
    pub(in crate::journal) fn take(path: &Path) -> Result<Self, JournalError> {
        let open = |error: io::Error| JournalError::Open {
            folder: path.to_owned(),
            reason: error.to_string(),
        };
        make_private(path).map_err(open)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(open)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked {
                    folder: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(open(error)),
        }
        let folder = Self {
            path: path.to_owned(),
            current: Mutex::new(0),
            _lock: lock,
        };
        *folder.current.lock() = folder.read_current().map_err(open)?;
        folder.sweep();
        Ok(folder)
    }

    /// The generation in force: the one that is named, else the newest there is, else 0 for none.
    fn read_current(&self) -> io::Result<u64> {
        let named = match fs::read_to_string(self.path.join(CURRENT)) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Not UTF-8: as good as not there.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(error),
        };
        let there = self.numbers(GENERATION)?;
        Ok(named
            .filter(|number| there.contains(number))
            .or_else(|| there.into_iter().max())
            .unwrap_or(0))
    }

    /// The numbers of the sub-folders whose names begin so.
    fn numbers(&self, prefix: &str) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let number = number.map(|rest| rest.split('-').next().unwrap_or(rest));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.path.join(format!("{GENERATION}{number}"))
    }

    fn create(&self, number: u64) -> Result<Arc<dyn Storage>, StorageError> {
        let path = self.generation(number);
        remove(&path).map_err(|error| StorageError::io(&error))?;
        make_private(&path).map_err(|error| StorageError::io(&error))?;
        Ok(Arc::new(SledStorage::open(&path)?))
    }

    fn name_current(&self, number: u64) -> io::Result<()> {
        let next = self.path.join(NEXT);
        let mut file = File::create(&next)?;
        writeln!(file, "{number}")?;
        file.sync_all()?;
        fs::rename(&next, self.path.join(CURRENT))?;
        // The rename itself is durable once the folder is.
        File::open(&self.path)?.sync_all()?;
        *self.current.lock() = number;
        Ok(())
    }

    fn put_aside(&self, number: u64, reason: &str) -> io::Result<()> {
        let from = self.generation(number);
        if !from.exists() {
            return Ok(());
        }
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let to = self.path.join(format!("{QUARANTINE}{number}-{time}"));
        fs::rename(&from, &to)?;
        // For a person; nothing depends on it.
        let _ = fs::write(to.join(WHY), format!("{reason}\n"));
        Ok(())
    }

    fn sweep_quarantine(&self) -> io::Result<()> {
        let mut numbers = self.numbers(QUARANTINE)?;
        numbers.sort_unstable();
        let old = numbers.len().saturating_sub(KEPT);
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_old = numbers[..old]
                .iter()
                .any(|number| name.starts_with(&format!("{QUARANTINE}{number}-")));
            if is_old {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Medium for Folder {
    fn open(&self) -> Result<Opened, StorageError> {
        let number = *self.current.lock();
        if number > 0 && self.generation(number).exists() {
            let storage = Arc::new(SledStorage::open(&self.generation(number))?);
            return Ok(Opened {
                storage,
                is_new: false,
            });
        }
        let first = number + 1;
        make_private(&self.path).map_err(|error| StorageError::io(&error))?;
        let storage = self.create(first)?;
        self.name_current(first)
            .map_err(|error| StorageError::io(&error))?;
        Ok(Opened {
            storage,
            is_new: true,
        })
    }

    fn successor(&self) -> Result<Arc<dyn Storage>, StorageError> {
        self.create(*self.current.lock() + 1)
    }

    fn promote(&self) -> Result<(), StorageError> {
        let next = *self.current.lock() + 1;
        self.name_current(next).map_err(|error| StorageError::io(&error))
    }

    fn sweep(&self) {
        let current = *self.current.lock();
        let swept = self.numbers(GENERATION).and_then(|numbers| {
            for number in numbers.into_iter().filter(|number| *number != current) {
                remove(&self.generation(number))?;
            }
            self.sweep_quarantine()
        });
        if let Err(error) = swept {
            tracing::warn!(%error, "what is left of an older journal cannot be removed");
        }
    }

    fn quarantine(&self, reason: &str) -> Result<Arc<dyn Storage>, StorageError> {
        let io = |error: io::Error| StorageError::io(&error);
        let number = *self.current.lock();
        make_private(&self.path).map_err(io)?;
        self.put_aside(number, reason).map_err(io)?;
        let storage = self.create(number + 1)?;
        self.name_current(number + 1).map_err(io)?;
        self.sweep();
        Ok(storage)
    }

    fn is_there(&self) -> bool {
        self.path.join(LOCK).exists() && self.generation(*self.current.lock()).join("db").exists()
    }

    fn free_bytes(&self) -> Option<u64> {
        let volume = rustix::fs::statvfs(&self.path).ok()?;
        Some(volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

/// Makes a folder that only the service user may read.
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
