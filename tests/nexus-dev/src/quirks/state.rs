//! What a server with quirks knows beside the graph, and how the two are kept in step.
//!
//! Invariants:
//! * after a start the graph holds exactly the properties that can still be read from the records;
//! * after each write the records hold what the graph holds, and explicit nulls on relationships besides, which the
//!   engine cannot keep;
//! * an element whose record was written over loses its properties in the graph at the same moment.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value as Json;

use super::catalog::Catalog;
use super::plan::Variable;
use super::records::Records;
use super::stale::StaleEntries;
use crate::error::NexusDevError;
use crate::graph::Graph;
use crate::graph::elements::{Element, Properties};
use crate::statement::error::CypherError;

/// Records, catalog and the elements that exist.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) records: Records,
    pub(crate) catalog: Catalog,
    pub(crate) stale: StaleEntries,
    live: HashSet<Element>,
}

impl State {
    /// Opens the state beside a graph and takes from the graph what the records have lost.
    ///
    /// # Errors
    /// [`NexusDevError::Quirks`] when the files cannot be used or the graph refuses.
    pub(crate) fn open(folder: Option<&Path>, graph: &Graph) -> Result<Self, NexusDevError> {
        let adopted = folder.is_some_and(|folder| !folder.join("quirks-catalog.json").exists());
        let mut state = Self {
            records: Records::open(folder)?,
            catalog: Catalog::open(folder)?,
            stale: StaleEntries::default(),
            live: HashSet::new(),
        };
        let refused = |error: CypherError| NexusDevError::Quirks {
            path: folder.unwrap_or(Path::new("")).to_path_buf(),
            reason: error.to_string(),
        };
        if adopted {
            state.follow_graph(graph).map_err(refused)?;
            return Ok(state);
        }
        for element in graph.elements() {
            state.live.insert(element);
            state.reveal(graph, element).map_err(refused)?;
        }
        Ok(state)
    }

    /// Whether a node or relationship exists.
    pub(crate) fn exists(&self, element: Element) -> bool {
        self.live.contains(&element)
    }

    /// Records what a row did to an element that its statement bound to a variable.
    ///
    /// # Errors
    /// Whatever the engine or the files refuse.
    pub(crate) fn settle(
        &mut self,
        graph: &Graph,
        element: Element,
        variable: &Variable,
    ) -> Result<(), CypherError> {
        let created = self.live.insert(element);
        if created {
            self.created(element)?;
        }
        let assigned = match created {
            true => &variable.on_create,
            false => &variable.on_match,
        };
        if !created && assigned.is_empty() && !variable.is_set {
            return Ok(());
        }
        let mut properties = graph.properties(element).unwrap_or_default();
        if variable.is_relationship {
            self.keep_nulls(element, &mut properties);
            for name in assigned {
                properties.entry(name.as_str()).or_insert(Json::Null);
            }
        } else if created {
            // MERGE writes a node with the properties of its pattern first, and the settings after that.
            let pattern = |(name, value): (&String, &Json)| {
                let named = variable.pattern.contains(name);
                named.then(|| (name.clone(), value.clone()))
            };
            let first: Properties = properties.iter().filter_map(pattern).collect();
            if !first.is_empty() && first != properties {
                self.store(graph, element, &first)?;
            }
        }
        self.store(graph, element, &properties)
    }

    /// Records the properties of a relationship after its deferred settings.
    ///
    /// # Errors
    /// Whatever the engine or the files refuse.
    pub(crate) fn settle_deferred(
        &mut self,
        graph: &Graph,
        relationship: Element,
        set: &[String],
    ) -> Result<(), CypherError> {
        let mut properties = graph.properties(relationship).unwrap_or_default();
        self.keep_nulls(relationship, &mut properties);
        properties.retain(|name, value| !(value.is_null() && set.contains(name)));
        self.store(graph, relationship, &properties)
    }

    /// Brings the records in step with a graph that changed in ways nobody followed.
    ///
    /// # Errors
    /// Whatever the engine or the files refuse.
    pub(crate) fn follow_graph(&mut self, graph: &Graph) -> Result<(), CypherError> {
        let elements = graph.elements();
        for element in &elements {
            if self.live.insert(*element) {
                self.created(*element)?;
            }
            let mut properties = graph.properties(*element).unwrap_or_default();
            self.keep_nulls(*element, &mut properties);
            if self.records.read(*element).unwrap_or_default() != properties {
                self.store(graph, *element, &properties)?;
            }
        }
        self.forget_all_but(elements)
    }

    /// Takes note that elements were deleted from the graph.
    ///
    /// # Errors
    /// Whatever the files refuse.
    pub(crate) fn forget_deleted(&mut self, graph: &Graph) -> Result<(), CypherError> {
        self.forget_all_but(graph.elements())
    }

    /// Takes note that a node was hollowed out.
    ///
    /// # Errors
    /// Whatever the files refuse.
    pub(crate) fn forget(&mut self, element: Element) -> Result<(), CypherError> {
        self.records.forget(element).map_err(unkept)
    }

    fn forget_all_but(&mut self, elements: Vec<Element>) -> Result<(), CypherError> {
        let live: HashSet<Element> = elements.into_iter().collect();
        for gone in self.live.difference(&live) {
            self.records.forget(*gone).map_err(unkept)?;
        }
        self.live = live;
        Ok(())
    }

    fn created(&mut self, element: Element) -> Result<(), CypherError> {
        match element {
            Element::Node(_) => self.catalog.count_created(1, 0),
            Element::Relationship(_) => self.catalog.count_created(0, 1),
        }
        // The engine may give an id again; Nexus does not.
        self.records.forget(element).map_err(unkept)
    }

    fn keep_nulls(&self, element: Element, properties: &mut Properties) {
        for (name, value) in self.records.read(element).unwrap_or_default() {
            if value.is_null() {
                properties.entry(name).or_insert(Json::Null);
            }
        }
    }

    fn store(&mut self, graph: &Graph, element: Element, properties: &Properties) -> Result<(), CypherError> {
        let lost = self.records.store(element, properties).map_err(unkept)?;
        for node in lost {
            let element = Element::Node(node);
            let before = graph.properties(element).unwrap_or_default();
            self.reveal(graph, element)?;
            if graph.properties(element).unwrap_or_default() != before {
                self.stale.insert(node, before);
            }
        }
        Ok(())
    }

    /// Makes the graph show what can be read of an element.
    fn reveal(&self, graph: &Graph, element: Element) -> Result<(), CypherError> {
        let mut readable = self.records.read(element).unwrap_or_default();
        readable.retain(|_, value| !value.is_null());
        graph.replace_properties(element, &readable)
    }
}

/// The failure of a file, as the failure of a statement.
pub(crate) fn unkept(error: NexusDevError) -> CypherError {
    CypherError::Execution(error.to_string())
}
