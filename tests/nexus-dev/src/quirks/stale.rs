//! Index entries that outlive the properties they were made from (section 2 of the dialect page).
//!
//! When the record of a node is written over, its entries in the property indexes stay until the next start. A seek
//! still finds the node by its old values and returns it with nulls; everything that looks at properties does not.
//!
//! Invariant: without lost records there are no stale entries.

use serde_json::Value as Json;

use crate::graph::elements::Properties;

/// The former properties of nodes that lost them since the start.
#[derive(Debug, Default)]
pub(crate) struct StaleEntries {
    nodes: Vec<(u64, Properties)>,
}

impl StaleEntries {
    /// Adds a node with the properties it has just lost.
    pub(crate) fn insert(&mut self, node: u64, properties: Properties) {
        self.nodes.push((node, properties));
    }

    /// The nodes that a seek by this property and literal still finds.
    pub(crate) fn found(&self, property: &str, literal: &Json) -> Vec<u64> {
        let nodes = self.nodes.iter();
        nodes
            .filter(|(_, properties)| properties.get(property) == Some(literal))
            .map(|(node, _)| *node)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_found_by_the_values_it_had() {
        let mut stale = StaleEntries::default();
        stale.insert(4, json!({"key": "a", "n": 5}).as_object().unwrap().clone());
        assert_eq!(stale.found("key", &json!("a")), [4]);
        assert_eq!(stale.found("n", &json!(5)), [4]);
        assert!(stale.found("n", &json!("5")).is_empty() && stale.found("key", &json!("b")).is_empty());
    }
}
