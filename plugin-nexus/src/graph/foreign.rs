//! Edges that others made between our documents and anything else, by types that the plugin does not use. They are read, never
//! written.

use std::collections::HashSet;

use serde_json::Value;

use super::key::DocumentKey;
use super::nodes::literals;
use super::schema::EdgeType;
use super::{Graph, GraphError, Statement, bad_answer, catalogue};

/// Types that are looked at, at most: each is a branch a document.
const MOST_TYPES: usize = 32;
/// Longest name of a type, in bytes.
const LONGEST: usize = 64;

/// The name of an edge type that is not the plugin's: `[A-Za-z_][A-Za-z0-9_]*`, as the server's grammar has it
/// (`contracts/nexus-dialect.md` section 3), so that a statement may hold it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForeignType(String);

impl ForeignType {
    /// A type of this name; `None` for one of the plugin's, and for one that no statement may hold.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = name.bytes();
        let begins = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_ours = EdgeType::ALL.iter().any(|kind| kind.name() == name);
        (begins && goes_on && name.len() <= LONGEST && !is_ours).then(|| Self(name.to_owned()))
    }

    /// The foreign ones among a server's types, in the order of their names; the first 32 of them.
    #[must_use]
    pub fn among(names: &[String]) -> Vec<Self> {
        let mut types: Vec<Self> = names.iter().filter_map(|name| Self::new(name)).collect();
        types.sort_unstable();
        types.dedup();
        types.truncate(MOST_TYPES);
        types
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An edge that somebody else made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignEdge {
    /// The document that it leads away from.
    pub source: DocumentKey,
    /// Its type.
    pub kind: String,
    /// Collection and id of the document that it leads to; `None`: it leads to something else.
    pub target: Option<(String, String)>,
}

impl Graph {
    /// Reads the edges of these types that lead away from documents. Those to nodes that are gone are left out.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also where the server answers with edges that were not asked for.
    pub async fn foreign_edges(
        &self,
        types: &[ForeignType],
        sources: &[DocumentKey],
    ) -> Result<Vec<ForeignEdge>, GraphError> {
        let wanted: HashSet<&DocumentKey> = sources.iter().collect();
        let mut found = Vec::new();
        for statement in catalogue::edges::foreign_edges(self.forms.hops, types, &literals(sources)) {
            for row in self.read(&statement, &COLUMNS).await? {
                let edge = ForeignEdge::read(&statement, row)?;
                let asked = |edge: &ForeignEdge| {
                    wanted.contains(&edge.source) && types.iter().any(|known| known.as_str() == edge.kind)
                };
                match edge {
                    Some(edge) if asked(&edge) => found.push(edge),
                    Some(_) => return Err(bad_answer(&statement, "an edge that was not asked for")),
                    None => {}
                }
            }
        }
        Ok(found)
    }

    /// All edges of a type that lead away from documents, `most` of them at most. Scans the label.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn scan_foreign(
        &self,
        kind: &ForeignType,
        most: usize,
    ) -> Result<Vec<ForeignEdge>, GraphError> {
        let statement = catalogue::edges::scan_foreign(kind, most);
        let mut found = Vec::new();
        for row in self.read(&statement, &COLUMNS).await? {
            found.extend(ForeignEdge::read(&statement, row)?);
        }
        Ok(found)
    }
}

const COLUMNS: [&str; 5] = ["a", "t", "k", "c", "i"];

impl ForeignEdge {
    /// Reads a row; `None` for an edge of a node that is no document of ours, or to one that is gone.
    fn read(statement: &Statement, row: Vec<Value>) -> Result<Option<Self>, GraphError> {
        let Ok([source, kind, key, collection, id]) = <[Value; 5]>::try_from(row) else {
            return Err(bad_answer(statement, "a row has not five values"));
        };
        if [&key, &collection, &id].iter().all(|value| value.is_null()) {
            return Ok(None);
        }
        let source = source.as_str().and_then(|text| DocumentKey::parse(text).ok());
        let (Some(source), Value::String(kind)) = (source, kind) else {
            return Ok(None);
        };
        let target = match (key, collection, id) {
            (Value::String(key), Value::String(collection), Value::String(id)) => {
                let is_ours = DocumentKey::new(&collection, &id).is_ok_and(|own| own.as_str() == key);
                is_ours.then_some((collection, id))
            }
            _ => None,
        };
        Ok(Some(Self { source, kind, target }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_the_grammar_that_is_not_ours_is_a_foreign_type() {
        for name in ["CITES", "_x", "a1", &"A".repeat(64)] {
            assert_eq!(ForeignType::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            "1A",
            "A-B",
            "A B",
            "A'",
            "A]->(b)",
            "Ä",
            "SIMILAR_TO",
            "VZ_CANARY",
            &"A".repeat(65),
        ] {
            assert_eq!(ForeignType::new(name), None, "{name}");
        }
    }
}
