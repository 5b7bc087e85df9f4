//! Collections on disk: one file, rewritten whole at each save.
//!
//! What was deleted since the last save is still there, and can be loaded: the reason for the gate.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::collection::Collection;

pub(crate) struct Disk {
    file: PathBuf,
}

impl Disk {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            file: folder.join("collections.json"),
        })
    }

    /// The names of all collections at the last save.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.read()?.into_keys().collect())
    }

    pub(crate) fn load(&self, name: &str) -> io::Result<Option<Collection>> {
        let found = self.read()?.remove(name);
        Ok(found.map(Collection::from_json).transpose()?)
    }

    /// Writes all collections, and forgets those that are not among them.
    pub(crate) fn save(&self, collections: &BTreeMap<String, Value>) -> io::Result<()> {
        let unfinished = self.file.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(collections)?)?;
        fs::rename(unfinished, &self.file)
    }

    fn read(&self) -> io::Result<BTreeMap<String, Value>> {
        match fs::read(&self.file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }
}
