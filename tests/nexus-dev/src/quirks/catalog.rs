//! Labels, relationship types and counters of Nexus 2.5 (section 3 of the dialect page).
//!
//! A database knows 64 labels. Later ones are accepted and silently lost: no node is ever found by them. Merely
//! naming a label in a read uses it up. The counters of `/stats` count what was ever created.
//!
//! Invariant: with a folder, the list on disk is as new as the last answer.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::medium::{failed, replace};
use crate::error::NexusDevError;
use crate::graph::GraphCounts;

/// How many labels a node's label bits can name.
const LABEL_LIMIT: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    labels: Vec<String>,
    types: Vec<String>,
    nodes_created: usize,
    relationships_created: usize,
}

/// What was ever used.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    path: Option<PathBuf>,
    known: Known,
    stored: Known,
}

impl Catalog {
    /// Reads the catalog of a folder; a missing file is an empty one.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the file cannot be read or understood.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, NexusDevError> {
        let Some(folder) = folder else {
            return Ok(Self::default());
        };
        let path = folder.join("quirks-catalog.json");
        let known: Known = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&path, &error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Known::default(),
            Err(error) => return Err(failed(&path, &error)),
        };
        Ok(Self {
            path: Some(path),
            stored: known.clone(),
            known,
        })
    }

    /// Uses a label and says whether nodes can be found by it.
    pub(crate) fn use_label(&mut self, label: &str) -> bool {
        number(&mut self.known.labels, label) < LABEL_LIMIT
    }

    /// Uses a relationship type.
    pub(crate) fn use_type(&mut self, name: &str) {
        number(&mut self.known.types, name);
    }

    /// Counts created elements.
    pub(crate) fn count_created(&mut self, nodes: usize, relationships: usize) {
        self.known.nodes_created += nodes;
        self.known.relationships_created += relationships;
    }

    /// The counters of `/stats`.
    pub(crate) fn labels(&self) -> &[String] {
        &self.known.labels
    }

    pub(crate) fn counts(&self) -> GraphCounts {
        GraphCounts {
            labels: self.known.labels.len(),
            types: self.known.types.len(),
            nodes: self.known.nodes_created,
            relationships: self.known.relationships_created,
        }
    }

    /// Stores what has changed.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the folder refuses.
    pub(crate) fn keep(&mut self) -> Result<(), NexusDevError> {
        let Some(path) = self.path.as_deref().filter(|_| self.known != self.stored) else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(&self.known).map_err(|error| failed(path, &error))?;
        replace(path, &bytes)?;
        self.stored = self.known.clone();
        Ok(())
    }
}

fn number(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_string());
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixty_fifth_label_is_lost_and_stays_so_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(Some(folder.path())).unwrap();
        let found: Vec<bool> = (0..66).map(|n| catalog.use_label(&format!("L{n}"))).collect();
        assert_eq!(found.iter().filter(|found| **found).count(), 64);
        assert!(catalog.use_label("L63") && !catalog.use_label("L64"));
        catalog.count_created(2, 1);
        catalog.keep().unwrap();
        let mut again = Catalog::open(Some(folder.path())).unwrap();
        assert!(!again.use_label("L64"));
        assert_eq!((again.counts().labels, again.counts().nodes), (66, 2));
    }
}
