//! The `_nexus` object of a payload.
//!
//! ```json
//! {
//!   "node_id": "contracts/lease-1",
//!   "synced_at": "2026-01-01T00:00:00.000Z",
//!   "sync_status": "synced",
//!   "version": 3,
//!   "domain": {"name": "leases", "path": ["legal", "leases"], "confidence": 0.91},
//!   "relationship_count": 12,
//!   "entities": [{"name": "Acme Ltd", "kind": "organisation", "confidence": 0.9}],
//!   "related_documents": [{"collection": "contracts", "id": "lease-2", "type": "SIMILAR_TO", "score": 0.83}]
//! }
//! ```
//!
//! `mapped` is there where properties of nodes are mapped ([`super::mapped`]). `version` counts the writes, `synced_at` is the time of the last; neither is a difference by itself.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::{Value, json};
use vectorizer_plugin_api::model::JsonMap;

use super::OURS;

const VERSION: &str = "version";
const SYNCED_AT: &str = "synced_at";
const MAPPED: &str = "mapped";
const SYNC_STATUS: &str = "sync_status";

/// What the graph says of a document.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Block {
    /// The key of its node.
    pub(super) node_id: String,
    /// The surest one; null: none.
    pub(super) domain: Option<Domain>,
    /// Edges that lead away from it, those of others included.
    pub(super) relationship_count: usize,
    /// What it mentions, the surest first.
    pub(super) entities: Vec<Entity>,
    /// Documents that its edges lead to: first those that others linked, then by score.
    pub(super) related_documents: Vec<Related>,
    /// What was taken from the properties of its node by now, by the payload's fields.
    #[serde(skip)]
    pub(super) mapped: JsonMap,
}

/// A field of knowledge.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Domain {
    pub(super) name: String,
    /// From the top down to it.
    pub(super) path: Vec<String>,
    pub(super) confidence: f64,
}

/// Something that is mentioned.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entity {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) confidence: f64,
}

/// A document at the other end of an edge.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Related {
    pub(super) collection: String,
    pub(super) id: String,
    /// The edge's type.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Where the type has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<f64>,
}

impl Related {
    /// Those that others linked, then similar ones by score, then those that follow; ties by name, so that the same graph gives the
    /// same list.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let rank = |related: &Self| match (related.kind.as_str(), related.score) {
            ("NEXT", _) => 2,
            (_, Some(_)) | ("SIMILAR_TO", None) => 1,
            _ => 0,
        };
        let score = |related: &Self| related.score.unwrap_or_default();
        rank(self)
            .cmp(&rank(other))
            .then_with(|| score(other).total_cmp(&score(self)))
            .then_with(|| {
                let name = |related: &Self| {
                    (
                        related.kind.clone(),
                        related.collection.clone(),
                        related.id.clone(),
                    )
                };
                name(self).cmp(&name(other))
            })
    }
}

/// What a payload says already.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    said: JsonMap,
    version: u64,
}

impl Stored {
    /// Of the payload's field. What is there and is no object says nothing.
    pub(super) fn of(field: Option<&Value>) -> Self {
        let said = field.and_then(Value::as_object).cloned().unwrap_or_default();
        let version = said.get(VERSION).and_then(Value::as_u64).unwrap_or_default();
        Self { said, version }
    }

    /// What was taken from the properties of the node.
    pub(super) fn mapped(&self) -> JsonMap {
        let mapped = self.said.get(MAPPED).and_then(Value::as_object);
        mapped.cloned().unwrap_or_default()
    }

    /// What has to be merged into the payload (RFC 7396); `None`: it says so already.
    pub(super) fn patch(&self, block: &Block, now: &str) -> Option<JsonMap> {
        let Ok(Value::Object(mut ours)) = serde_json::to_value(block) else {
            return None;
        };
        ours.insert(SYNC_STATUS.to_owned(), "synced".into());
        let is_said = ours
            .iter()
            .all(|(name, value)| self.said.get(name).unwrap_or(&Value::Null) == value);
        let mapped = self.mapped();
        if is_said && mapped == block.mapped {
            return None;
        }
        if mapped != block.mapped {
            let gone = mapped.keys().filter(|name| !block.mapped.contains_key(*name));
            let gone = gone.map(|name| (name.clone(), Value::Null));
            let merged: JsonMap = block.mapped.clone().into_iter().chain(gone).collect();
            ours.insert(MAPPED.to_owned(), Value::Object(merged));
        }
        ours.insert(SYNCED_AT.to_owned(), now.into());
        ours.insert(VERSION.to_owned(), json!(self.version.saturating_add(1)));
        Some(JsonMap::from_iter([(OURS.to_owned(), Value::Object(ours))]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related(kind: &str, id: &str, score: Option<f64>) -> Related {
        Related {
            collection: "c".into(),
            id: id.into(),
            kind: kind.into(),
            score,
        }
    }

    fn block() -> Block {
        Block {
            node_id: "c/1".into(),
            domain: None,
            relationship_count: 1,
            entities: Vec::new(),
            related_documents: vec![related("SIMILAR_TO", "2", Some(0.5))],
            mapped: JsonMap::new(),
        }
    }

    #[test]
    fn what_is_said_already_is_not_written_again() {
        let first = Stored::of(None).patch(&block(), "t1").unwrap();
        assert_eq!(first[OURS]["version"], 1);
        assert_eq!(first[OURS]["synced_at"], "t1");
        // As a store keeps it: nulls of a merge patch are taken away.
        let mut kept = first[OURS].clone();
        kept.as_object_mut().unwrap().remove("domain");
        let stored = Stored::of(Some(&kept));
        assert!(stored.patch(&block(), "t2").is_none());
        let other = Block {
            relationship_count: 2,
            ..block()
        };
        let second = stored.patch(&other, "t2").unwrap();
        assert_eq!(
            (&second[OURS]["version"], &second[OURS]["synced_at"]),
            (&json!(2), &json!("t2"))
        );
    }

    #[test]
    fn what_is_not_mapped_any_more_is_taken_out() {
        let mapped = |value: Value| value.as_object().cloned().unwrap();
        let now = Block {
            mapped: mapped(json!({"a": 1, "c": 3})),
            ..block()
        };
        let before = json!({"mapped": {"a": 1, "b": 2}});
        let patch = Stored::of(Some(&before)).patch(&now, "t").unwrap();
        assert_eq!(patch[OURS]["mapped"], json!({"a": 1, "b": null, "c": 3}));
    }

    #[test]
    fn a_domain_that_is_lost_is_taken_out_of_the_payload() {
        let stored = Stored::of(Some(&json!({"domain": {"name": "legal"}, "version": 7})));
        let patch = stored.patch(&block(), "t").unwrap();
        assert_eq!(
            (&patch[OURS]["domain"], &patch[OURS]["version"]),
            (&Value::Null, &json!(8))
        );
    }

    #[test]
    fn whatever_stands_in_the_place_of_the_object_is_overwritten() {
        for nonsense in [
            json!(7),
            json!("x"),
            json!([1]),
            json!(null),
            json!({"version": "x"}),
        ] {
            let patch = Stored::of(Some(&nonsense)).patch(&block(), "t").unwrap();
            assert_eq!(patch[OURS]["version"], 1, "{nonsense}");
        }
    }

    #[test]
    fn what_people_linked_comes_first_then_the_closest() {
        let mut all = [
            related("NEXT", "5", None),
            related("SIMILAR_TO", "4", Some(0.1)),
            related("SIMILAR_TO", "3", Some(0.9)),
            related("CITES", "2", None),
            related("CITES", "1", None),
        ];
        all.sort_by(Related::order);
        let ids: Vec<&str> = all.iter().map(|related| related.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    }
}
