//! Edges of types that are not ours, by scans: which documents have others than before.
//!
//! A scan costs what a count of the type's edges costs (`contracts/nexus-dialect.md` section 8), and finds all that changed at once,
//! where a look at every document would take a branch each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::super::connection::Connection;
use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use crate::graph::DocumentKey;
use crate::graph::literal::Part;
use crate::journal::Work;

/// Edges of a type that are looked at, at most.
const MOST_EDGES: usize = 200_000;

/// What documents had at the last scan, as a digest each; those without such edges are left out.
#[derive(Debug, Default)]
pub(super) struct ForeignEdges {
    known: BTreeMap<DocumentKey, u64>,
    /// Whether it was told that not all are looked at.
    told: bool,
}

impl ForeignEdges {
    /// Scans, and hints the documents that have others than at the last scan; at the first one all that have any. Answers how
    /// many.
    ///
    /// # Errors
    /// [`StageFault`].
    pub(super) async fn scan(
        &mut self,
        context: &Arc<Context>,
        connection: &Connection,
    ) -> Result<usize, StageFault> {
        let mut now: BTreeMap<DocumentKey, u64> = BTreeMap::new();
        for kind in context.foreign_types().await? {
            let edges = connection.graph.scan_foreign(&kind, MOST_EDGES).await?;
            if edges.len() == MOST_EDGES && !std::mem::replace(&mut self.told, true) {
                tracing::warn!(
                    kind = kind.as_str(),
                    most = MOST_EDGES,
                    "not all edges of a type are looked at"
                );
            }
            for edge in edges {
                let mut hasher = DefaultHasher::new();
                (&edge.kind, &edge.target).hash(&mut hasher);
                // Whatever their order.
                let sum = now.entry(edge.source).or_default();
                *sum = sum.wrapping_add(hasher.finish());
            }
        }
        let mut changed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut tell = |key: &DocumentKey| {
            if let Ok((Part::Text(collection), Part::Text(id))) = key.parts() {
                changed.entry(collection).or_default().push(id);
            }
        };
        let mut before = std::mem::take(&mut self.known);
        for (key, digest) in &now {
            match before.entry(key.clone()) {
                Entry::Occupied(entry) if *entry.get() == *digest => drop(entry.remove()),
                Entry::Occupied(entry) => {
                    entry.remove();
                    tell(key);
                }
                Entry::Vacant(_) => tell(key),
            }
        }
        before.keys().for_each(&mut tell);
        self.known = now;
        let mut found = 0;
        for (collection, ids) in changed {
            if context.config().syncs(&collection) {
                found += ids.len();
                let ids = ids.iter().map(String::as_str);
                context
                    .journal
                    .add_compared(&collection, ids, Work::ENRICHMENT, now_micros())?;
            }
        }
        Ok(found)
    }
}
