//! Deletes the nodes of entities, domains and sources that no document is related to, after the journal has lost who was.
//!
//! As a rule such a node goes with its last member. But what was a member when the journal was lost, and is no more when
//! everything is compared, leaves nobody to see to it. So the comparison of everything with the whole graph is followed by a sweep:
//! the labels are listed page by page, and what has no member is deleted.
//!
//! Invariants:
//! - it is the edge lane that sweeps, between its batches and while no document waits: so nobody makes a member meanwhile, and
//!   all documents that the comparison found have theirs;
//! - only nodes that look in every property as the plugin writes them are its own ([`is_own`]).

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::super::context::Context;
use super::super::fault::StageFault;
use super::things;
use crate::graph::schema::NodeLabel;
use crate::graph::{DomainKey, EntityKey, Graph, JsonMap, NodeKey, SourceKey};
use crate::journal::Thing;

/// Nodes that are listed at a time.
const PAGE: usize = 2_000;

/// What is listed, in this order.
const LABELS: [NodeLabel; 3] = [NodeLabel::Entity, NodeLabel::Domain, NodeLabel::Source];

/// How far the sweep has come.
#[derive(Debug, Default, Clone)]
struct Cursor {
    /// Position in [`LABELS`].
    label: usize,
    after: String,
}

/// Asks for sweeps, and does them.
#[derive(Debug, Default)]
pub struct OrphanSweep {
    asked: AtomicBool,
    cursor: Mutex<Cursor>,
}

impl OrphanSweep {
    /// Asks for a sweep, from the beginning.
    pub(in crate::sync) fn ask(&self) {
        *self.cursor.lock() = Cursor::default();
        self.asked.store(true, Ordering::Release);
    }

    /// Whether there is one to be done.
    pub(crate) fn is_pending(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Does one page. For the edge lane only.
    ///
    /// # Errors
    /// [`StageFault`]; the page is done again then.
    pub(in crate::sync) async fn page(&self, context: &Context, graph: &Graph) -> Result<(), StageFault> {
        let cursor = self.cursor.lock().clone();
        let Some(label) = LABELS.get(cursor.label) else {
            self.asked.store(false, Ordering::Release);
            return Ok(());
        };
        let page = graph.page(*label, &cursor.after, PAGE).await?;
        let next = match page.last() {
            Some((last, _)) if page.len() == PAGE => Cursor {
                after: last.clone(),
                ..cursor
            },
            _ => Cursor {
                label: cursor.label + 1,
                after: String::new(),
            },
        };
        let mut orphans = Vec::new();
        for (key, _) in page.into_iter().filter(|(key, node)| is_own(*label, key, node)) {
            let thing = Thing { label: *label, key };
            if !context.journal.has_members(&thing, &Default::default())? {
                orphans.push(thing);
            }
        }
        if !orphans.is_empty() {
            let deleted = things::delete(context, graph, &orphans).await?;
            tracing::info!(
                label = label.name(),
                deleted,
                "nodes that no document is related to are deleted"
            );
        }
        *self.cursor.lock() = next;
        Ok(())
    }
}

/// Whether a node is one that the plugin makes: its properties are those that its key is made of.
fn is_own(label: NodeLabel, key: &str, node: &JsonMap) -> bool {
    let text = |name: &str| {
        node.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    match label {
        NodeLabel::Entity => {
            // The name in the key is the normal form of the one in the node.
            let kind = EntityKey::new(text("kind"), "x").ok();
            let kind = kind
                .as_ref()
                .and_then(|of_kind| of_kind.as_str().strip_suffix('x'));
            EntityKey::parse(key).is_ok()
                && !text("name").is_empty()
                && kind.is_some_and(|kind| key.starts_with(kind))
        }
        NodeLabel::Domain => DomainKey::new(text("name")).is_ok_and(|own| own.as_str() == key),
        NodeLabel::Source => {
            SourceKey::new(text("collection"), text("path")).is_ok_and(|own| own.as_str() == key)
        }
        NodeLabel::Document | NodeLabel::Scratch => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_nodes_that_look_as_the_plugin_writes_them_are_its_own() {
        let own = |label, key: &str, node: Value| is_own(label, key, node.as_object().unwrap());
        let email = EntityKey::new("email", "a@example.com").unwrap();
        assert!(own(
            NodeLabel::Entity,
            email.as_str(),
            json!({"kind": "email", "name": "A@example.com"})
        ));
        for strange in [
            json!({"kind": "person", "name": "A"}),
            json!({"kind": "email"}),
            json!({"name": "A"}),
            json!({"kind": 7, "name": "A"}),
        ] {
            assert!(
                !own(NodeLabel::Entity, email.as_str(), strange.clone()),
                "{strange}"
            );
        }
        assert!(!own(
            NodeLabel::Entity,
            "somebody's",
            json!({"kind": "email", "name": "A"})
        ));
        assert!(own(NodeLabel::Domain, "legal", json!({"name": "legal"})));
        assert!(!own(NodeLabel::Domain, "legal", json!({"name": "hr"})));
        let source = SourceKey::new("c", "a b.md").unwrap();
        assert!(own(
            NodeLabel::Source,
            source.as_str(),
            json!({"collection": "c", "path": "a b.md"})
        ));
        assert!(!own(
            NodeLabel::Source,
            source.as_str(),
            json!({"collection": "d", "path": "a b.md"})
        ));
    }
}
