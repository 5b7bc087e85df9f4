//! What a delivery says: which documents to look at.
//!
//! ```json
//! {"event_type": "relationship.created",
//!  "relationship": {"id": 7, "source": 1, "target": 2, "rel_type": "CITES", "properties": {}},
//!  "source_node": {"id": 1, "labels": ["Document"], "properties": {"collection": "c", "vector_id": "1"}},
//!  "target_node": {"id": 2, "labels": ["Document"], "properties": {"collection": "c", "vector_id": "2"}}}
//! ```
//!
//! `relationship.created`, `.updated` and `.deleted` have these parts, `node.updated` has `node` instead. Further fields are of no
//! interest. Nodes without the label `Document`, and documents without both names, are somebody else's.

use serde::Deserialize;
use serde_json::Value;

use crate::graph::schema::{EdgeType, NodeLabel};
use crate::strict_json::{self, Misfit};

/// Longest collection's name or id of a document, in bytes.
const LONGEST: usize = 1_024;

/// What happened in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphEvent {
    /// What about.
    pub touched: Touched,
    /// The documents that it concerns, by collection and id.
    pub documents: Vec<(String, String)>,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// A node.
    Node,
    /// An edge of a type that is the plugin's.
    OwnEdge,
    /// An edge of another type.
    ForeignEdge,
}

/// Why a delivery says nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct EventError {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl EventError {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

#[derive(Deserialize)]
struct Message {
    event_type: String,
    relationship: Option<Relationship>,
    source_node: Option<Node>,
    target_node: Option<Node>,
    node: Option<Node>,
}

#[derive(Deserialize)]
struct Relationship {
    rel_type: String,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    properties: serde_json::Map<String, Value>,
}

impl GraphEvent {
    /// Reads the body of a delivery.
    ///
    /// # Errors
    /// [`EventError`] with the field.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let message: Message = strict_json::parse(body).map_err(|Misfit { field, reason }| {
            EventError::new(field.unwrap_or_else(|| "body".to_owned()), reason)
        })?;
        let missing = |field: &str| EventError::new(field, "is missing");
        match message.event_type.as_str() {
            "relationship.created" | "relationship.updated" | "relationship.deleted" => {
                let relationship = message.relationship.ok_or_else(|| missing("relationship"))?;
                let source = message.source_node.ok_or_else(|| missing("source_node"))?;
                let target = message.target_node.ok_or_else(|| missing("target_node"))?;
                let is_ours = |kind: &EdgeType| kind.name() == relationship.rel_type;
                let touched = match EdgeType::ALL.iter().any(is_ours) {
                    true => Touched::OwnEdge,
                    false => Touched::ForeignEdge,
                };
                let mut documents = Vec::new();
                documents.extend(source.document("source_node")?);
                let end = target.document("target_node")?;
                // Nothing is told of edges that lead to a document, since they cannot be read.
                documents.extend(end.filter(|_| touched == Touched::OwnEdge));
                documents.dedup();
                Ok(Self { touched, documents })
            }
            "node.updated" => {
                let node = message.node.ok_or_else(|| missing("node"))?;
                Ok(Self {
                    touched: Touched::Node,
                    documents: node.document("node")?.into_iter().collect(),
                })
            }
            _ => Err(EventError::new(
                "event_type",
                "must be relationship.created, relationship.updated, relationship.deleted or node.updated",
            )),
        }
    }
}

impl Node {
    /// Which document the node shows, if it does.
    fn document(&self, field: &str) -> Result<Option<(String, String)>, EventError> {
        if !self
            .labels
            .iter()
            .any(|label| label == NodeLabel::Document.name())
        {
            return Ok(None);
        }
        let name = |name: &str| {
            let at = format!("{field}.properties.{name}");
            match self.properties.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) if (1..=LONGEST).contains(&text.len()) => Ok(Some(text.clone())),
                Some(Value::String(_)) => Err(EventError::new(at, format!("must have 1 to {LONGEST} bytes"))),
                Some(_) => Err(EventError::new(at, "must be a text")),
            }
        };
        Ok(name("collection")?.zip(name("vector_id")?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn document(collection: &str, id: &str) -> Value {
        json!({"id": 1, "labels": ["Document"], "properties": {"collection": collection, "vector_id": id, "title": "T"}})
    }

    fn relationship(kind: &str, target: Value) -> Value {
        json!({
            "event_type": "relationship.created",
            "relationship": {"id": 7, "source": 1, "target": 2, "rel_type": kind, "properties": {"since": 2020}},
            "source_node": document("c", "1"),
            "target_node": target,
            "sent_by": "somebody",
        })
    }

    fn parse(message: &Value) -> Result<GraphEvent, EventError> {
        GraphEvent::parse(message.to_string().as_bytes())
    }

    fn names(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter()
            .map(|(collection, id)| ((*collection).to_owned(), (*id).to_owned()))
            .collect()
    }

    #[test]
    fn an_event_names_the_documents_that_it_concerns() {
        let event = parse(&relationship("SIMILAR_TO", document("d", "2"))).unwrap();
        assert_eq!(event.touched, Touched::OwnEdge);
        assert_eq!(event.documents, names(&[("c", "1"), ("d", "2")]));
        let event = parse(&relationship("CITES", document("d", "2"))).unwrap();
        assert_eq!(event.touched, Touched::ForeignEdge);
        assert_eq!(
            event.documents,
            names(&[("c", "1")]),
            "an edge of others is told of at its source"
        );
        let event = parse(&relationship("SIMILAR_TO", document("c", "1"))).unwrap();
        assert_eq!(event.touched, Touched::OwnEdge);
        assert_eq!(event.documents, names(&[("c", "1")]));
        let event = parse(&json!({"event_type": "node.updated", "node": document("c", "1")})).unwrap();
        assert_eq!(event.touched, Touched::Node);
        assert_eq!(event.documents, names(&[("c", "1")]));
    }

    #[test]
    fn nodes_that_are_no_documents_of_ours_are_passed_over() {
        for other in [
            json!({"id": 2}),
            json!({"id": 2, "labels": ["Entity"], "properties": {"collection": 7}}),
            json!({"id": 2, "labels": ["Document"], "properties": {"collection": "c"}}),
            json!({"id": 2, "labels": ["Document"], "properties": {"collection": "c", "vector_id": null}}),
        ] {
            let event = parse(&relationship("SIMILAR_TO", other.clone())).unwrap();
            assert_eq!(event.documents, names(&[("c", "1")]), "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let mut no_target = relationship("CITES", document("c", "2"));
        no_target.as_object_mut().unwrap().remove("target_node");
        let mut no_type = relationship("CITES", document("c", "2"));
        no_type["relationship"]
            .as_object_mut()
            .unwrap()
            .remove("rel_type");
        let long = "x".repeat(LONGEST + 1);
        for (message, field) in [
            (json!([]), "body"),
            (json!({}), "body"),
            (json!({"event_type": 7}), "event_type"),
            (
                json!({"event_type": "node.created", "node": document("c", "1")}),
                "event_type",
            ),
            (json!({"event_type": "node.updated"}), "node"),
            (json!({"event_type": "relationship.deleted"}), "relationship"),
            (no_target, "target_node"),
            (no_type, "relationship"),
            (
                relationship(
                    "CITES",
                    json!({"labels": ["Document"], "properties": {"collection": "c", "vector_id": 7}}),
                ),
                "target_node.properties.vector_id",
            ),
            (
                relationship("CITES", document("", "1")),
                "target_node.properties.collection",
            ),
            (
                relationship("CITES", document("c", &long)),
                "target_node.properties.vector_id",
            ),
            (
                relationship("CITES", json!({"labels": "Document"})),
                "target_node.labels",
            ),
        ] {
            assert_eq!(parse(&message).unwrap_err().field, field, "{message}");
        }
        for body in [&b""[..], b"{", b"\xff\xfe", br#"{"event_type":"node.updated"} x"#] {
            assert!(GraphEvent::parse(body).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = GraphEvent::parse(&body);
        }
    }
}
