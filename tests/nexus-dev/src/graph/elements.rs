//! Single nodes and relationships by their id, past the query language.
//!
//! For what statements cannot say: reading an element as it is stored, taking properties away from one that has lost
//! them, and deleting by id. Nothing in the ordinary way of a statement comes here.
//!
//! Invariant: every change holds the write lock, like a writing statement.

use std::sync::atomic::Ordering;

use grafeo_common::types::{EdgeId, NodeId};
use grafeo_common::utils::error::Error as EngineError;
use serde_json::{Map, Value as Json};

use super::Graph;
use crate::answer::value;
use crate::statement::error::CypherError;

/// A node or a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    /// A node with its id.
    Node(u64),
    /// A relationship with its id.
    Relationship(u64),
}

/// Properties by name.
pub(crate) type Properties = Map<String, Json>;

impl Graph {
    /// The stored properties of an element, `None` when there is no such element.
    pub(crate) fn properties(&self, element: Element) -> Option<Properties> {
        let json = |(key, stored): (&grafeo_common::types::PropertyKey, &grafeo_common::types::Value)| {
            (key.as_str().to_string(), value::property(stored))
        };
        match element {
            Element::Node(id) => {
                let node = self.engine.get_node(NodeId(id))?;
                Some(node.properties.iter().map(json).collect())
            }
            Element::Relationship(id) => {
                let edge = self.engine.get_edge(EdgeId(id))?;
                Some(edge.properties.iter().map(json).collect())
            }
        }
    }

    /// Every node and relationship there is.
    pub(crate) fn elements(&self) -> Vec<Element> {
        let nodes = self.engine.iter_nodes().map(|node| Element::Node(node.id.0));
        let edges = self
            .engine
            .iter_edges()
            .map(|edge| Element::Relationship(edge.id.0));
        nodes.chain(edges).collect()
    }

    /// Whether a relationship begins (`true, _`) or ends (`_, true`) at this node.
    pub(crate) fn attached(&self, node: u64) -> (bool, bool) {
        let begins = self
            .engine
            .iter_edges()
            .any(|edge| edge.src.0 == node && edge.dst.0 != node);
        let ends = !self.engine.store().edges_to(NodeId(node)).is_empty();
        (begins, ends)
    }

    /// Makes the stored properties of an element exactly these.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn replace_properties(
        &self,
        element: Element,
        properties: &Properties,
    ) -> Result<(), CypherError> {
        let Some(old) = self.properties(element) else {
            return Ok(());
        };
        for key in old.keys().filter(|key| !properties.contains_key(*key)) {
            self.set_property(element, key, &Json::Null)?;
        }
        for (key, value) in properties
            .iter()
            .filter(|(key, value)| old.get(*key) != Some(*value))
        {
            self.set_property(element, key, value)?;
        }
        Ok(())
    }

    /// Sets one property; null removes it.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn set_property(&self, element: Element, key: &str, json: &Json) -> Result<(), CypherError> {
        let _guard = self.write()?;
        self.changed.store(true, Ordering::Release);
        match (element, json) {
            (Element::Node(id), Json::Null) => self.engine.remove_node_property(NodeId(id), key).map(drop),
            (Element::Relationship(id), Json::Null) => {
                self.engine.remove_edge_property(EdgeId(id), key).map(drop)
            }
            (Element::Node(id), json) => {
                self.engine
                    .set_node_property(NodeId(id), key, value::to_engine(json))
            }
            (Element::Relationship(id), json) => {
                self.engine
                    .set_edge_property(EdgeId(id), key, value::to_engine(json))
            }
        }
        .map_err(|error| refused(&error))
    }

    /// Adds a label to a node.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn add_label(&self, node: u64, label: &str) -> Result<(), CypherError> {
        let _guard = self.write()?;
        self.changed.store(true, Ordering::Release);
        self.engine
            .add_node_label(NodeId(node), label)
            .map(drop)
            .map_err(|error| refused(&error))
    }

    /// Takes all labels and properties from a node, so that only its relationships are left of it.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn hollow_node(&self, node: u64) -> Result<(), CypherError> {
        self.replace_properties(Element::Node(node), &Properties::new())?;
        let _guard = self.write()?;
        for label in self.engine.get_node_labels(NodeId(node)).unwrap_or_default() {
            self.engine
                .remove_node_label(NodeId(node), &label)
                .map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// Deletes a node that has no relationships.
    ///
    /// # Errors
    /// Whatever the engine refuses; a node with relationships, for one.
    pub(crate) fn delete_node(&self, node: u64) -> Result<(), CypherError> {
        let _guard = self.write()?;
        self.changed.store(true, Ordering::Release);
        self.engine
            .delete_node(NodeId(node))
            .map(drop)
            .map_err(|error| refused(&error))
    }

    /// Deletes nodes and every relationship at them.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn detach_delete(&self, nodes: &[u64]) -> Result<(), CypherError> {
        let doomed: std::collections::HashSet<u64> = nodes.iter().copied().collect();
        {
            let _guard = self.write()?;
            self.changed.store(true, Ordering::Release);
            let edges: Vec<EdgeId> = self
                .engine
                .iter_edges()
                .filter(|edge| doomed.contains(&edge.src.0) || doomed.contains(&edge.dst.0))
                .map(|edge| edge.id)
                .collect();
            for edge in edges {
                self.engine.delete_edge(edge).map_err(|error| refused(&error))?;
            }
        }
        doomed.into_iter().try_for_each(|node| self.delete_node(node))
    }
}

fn refused(error: &EngineError) -> CypherError {
    CypherError::from_engine(error)
}
