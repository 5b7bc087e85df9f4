//! Which indexes were declared.
//!
//! The engine forgets its property indexes when the process dies and knows them by property alone, without a label.
//! This list is what makes `CREATE INDEX` idempotent or an error, and what is declared again after every start.
//!
//! Invariant: with a folder, the list on disk is at least as new as the last answer that declared or dropped an index
//! (write to a new file, sync, rename, sync the folder).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::NexusDevError;

const FILE: &str = "indexes.json";

/// One declared index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) label: String,
    pub(crate) property: String,
}

/// The declared indexes, kept in a file when the graph is persistent.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    folder: Option<PathBuf>,
    declared: BTreeSet<Index>,
}

impl Indexes {
    /// Reads the list of a persistent graph; a missing file is an empty list.
    ///
    /// # Errors
    /// [`NexusDevError::Indexes`] when the file cannot be read or is not a list of indexes.
    pub(crate) fn load(folder: &Path) -> Result<Self, NexusDevError> {
        let path = folder.join(FILE);
        let failed = |reason: String| NexusDevError::Indexes {
            path: path.clone(),
            reason,
        };
        let declared = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(failed(error.to_string())),
        };
        Ok(Self {
            folder: Some(folder.to_path_buf()),
            declared,
        })
    }

    /// Every property that has an index on some label.
    pub(crate) fn properties(&self) -> BTreeSet<&str> {
        self.declared
            .iter()
            .map(|index| index.property.as_str())
            .collect()
    }

    /// Whether this very index is declared.
    pub(crate) fn contains(&self, index: &Index) -> bool {
        self.declared.contains(index)
    }

    /// Adds an index and stores the list.
    ///
    /// # Errors
    /// [`NexusDevError::Indexes`] when the list cannot be stored; the index is then not declared.
    pub(crate) fn insert(&mut self, index: Index) -> Result<(), NexusDevError> {
        self.declared.insert(index.clone());
        self.store().inspect_err(|_| {
            self.declared.remove(&index);
        })
    }

    /// Removes an index and stores the list.
    ///
    /// # Errors
    /// [`NexusDevError::Indexes`] when the list cannot be stored; the index then stays declared.
    pub(crate) fn remove(&mut self, index: &Index) -> Result<(), NexusDevError> {
        self.declared.remove(index);
        self.store().inspect_err(|_| {
            self.declared.insert(index.clone());
        })
    }

    fn store(&self) -> Result<(), NexusDevError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(FILE);
        let write = || -> std::io::Result<()> {
            let new = folder.join(format!("{FILE}.new"));
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&self.declared)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| NexusDevError::Indexes {
            path: path.clone(),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(label: &str, property: &str) -> Index {
        Index {
            label: label.to_string(),
            property: property.to_string(),
        }
    }

    #[test]
    fn declared_indexes_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut indexes = Indexes::load(folder.path()).unwrap();
        indexes.insert(index("Document", "key")).unwrap();
        indexes.insert(index("Entity", "key")).unwrap();
        indexes.insert(index("Document", "gc")).unwrap();
        indexes.remove(&index("Document", "gc")).unwrap();
        let again = Indexes::load(folder.path()).unwrap();
        assert_eq!(again.properties().into_iter().collect::<Vec<_>>(), ["key"]);
        assert!(again.contains(&index("Entity", "key")) && !again.contains(&index("Document", "gc")));
    }

    #[test]
    fn a_damaged_list_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "[{\"label\":").unwrap();
        let error = Indexes::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(FILE), "{error}");
    }

    #[test]
    fn an_index_that_cannot_be_stored_is_not_declared() {
        let folder = tempfile::tempdir().unwrap();
        let mut indexes = Indexes::load(folder.path()).unwrap();
        drop(folder);
        assert!(indexes.insert(index("Document", "key")).is_err());
        assert!(!indexes.contains(&index("Document", "key")));
    }
}
