//! Deleting nodes: mark, check the set, delete by mark, verify.
//!
//! Invariants: nothing is deleted that was not asked for, because the marked set is read before it
//! is deleted and the mark is new for every run; a deletion counts only when an independent read
//! finds nothing of it.

use std::collections::HashSet;

use serde_json::Value;

use super::catalogue::limits::MAX_BRANCHES;
use super::catalogue::nodes::{delete_tagged, list_tagged, tag_nodes};
use super::key::{NodeKey, RunId};
use super::write::all_taken;
use super::{Graph, GraphError};

/// Nodes of one run. Every deleted node scans all relationships of the server, so a run is kept
/// short enough for the request timeout.
const RUN_SIZE: usize = MAX_BRANCHES;

impl Graph {
    /// Deletes nodes with all their edges. Absent ones are fine. Answers how many were there.
    ///
    /// After an error the nodes may be there, gone, or there with a mark. A mark makes the
    /// record longer: read it back before writing such a node again.
    ///
    /// # Errors
    ///
    /// [`GraphError::WrongSetTagged`] and [`GraphError::NotDeleted`] when the server does not do
    /// what it says; otherwise [`GraphError::Nexus`].
    pub async fn delete_nodes<K: NodeKey>(&self, keys: &[K]) -> Result<usize, GraphError> {
        let mut deleted = 0;
        for chunk in keys.chunks(RUN_SIZE) {
            deleted += self.delete_run(chunk).await?;
        }
        Ok(deleted)
    }

    async fn delete_run<K: NodeKey>(&self, keys: &[K]) -> Result<usize, GraphError> {
        let run = RunId::fresh()?;
        all_taken(self.write(tag_nodes(keys, &run)?).await?)?;

        let list = list_tagged(K::LABEL, &run);
        let marked = self.read(&list, &["k"]).await?;
        if !marked.is_empty() {
            let wanted: HashSet<&str> = keys.iter().map(NodeKey::as_str).collect();
            let is_wanted = |row: &&Vec<Value>| {
                row.first()
                    .and_then(Value::as_str)
                    .is_some_and(|key| wanted.contains(key))
            };
            let strangers = marked.len() - marked.iter().filter(is_wanted).count();
            if strangers > 0 {
                return Err(GraphError::WrongSetTagged { strangers });
            }
            self.session.run(&delete_tagged(K::LABEL, &run)).await?;
        }

        // By key and not by mark: it also finds what was never marked.
        let left = self.look_up(keys).await?.len();
        if left > 0 {
            return Err(GraphError::NotDeleted { left });
        }
        Ok(marked.len())
    }
}
