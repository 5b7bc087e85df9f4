//! What a node says of a document.
//!
//! A node always has the properties below; further ones are copied from the payload by the configured allow-list, from the
//! payload's root or its `metadata`, where they are plain values of a bounded size. An encrypted payload gives a node
//! without copied properties. Text and embeddings are not copied.

use std::collections::BTreeSet;

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::fingerprint::{fingerprint_text, settings_digest};
use crate::graph::{Bucket, DocumentKey};
use crate::payload::{field, is_encrypted};

/// Properties that the plugin sets itself.
const OWN: [&str; 11] = [
    "key",
    "bucket",
    "collection",
    "vector_id",
    "rev",
    "fingerprint",
    "synced_at",
    "domain",
    "acl",
    "tenant",
    "_pad",
];
/// And the one that marks a node for deletion.
const GC: &str = "gc";

/// Longest text that is copied, in bytes.
const MAX_TEXT: usize = 2_048;
/// Most items of a list that is copied.
const MAX_ITEMS: usize = 64;

/// Whether the allow-list must not name this property.
#[must_use]
pub fn is_reserved_property(name: &str) -> bool {
    OWN.contains(&name) || name == GC || name.starts_with("_nexus")
}

/// Which properties are copied from payloads.
#[derive(Debug, Clone)]
pub struct CopyRules {
    names: BTreeSet<String>,
    digest: u64,
}

impl CopyRules {
    /// Rules that copy these properties.
    pub fn new(names: BTreeSet<String>) -> Self {
        let digest = settings_digest(names.iter().map(String::as_str));
        Self { names, digest }
    }

    /// Changes with the rules.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether a property found on a node is one of the plugin's.
    pub fn owns(&self, name: &str) -> bool {
        is_reserved_property(name) || self.names.contains(name)
    }

    fn copy(&self, payload: &JsonMap, properties: &mut JsonMap) {
        if is_encrypted(payload) {
            return;
        }
        for name in &self.names {
            if let Some(value) = field(payload, name).filter(|value| is_plain(value)) {
                properties.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A document's place in the graph.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The node's key.
    pub(super) key: DocumentKey,
    /// The node's bucket.
    pub(super) bucket: Bucket,
}

/// The properties a node should have, without its key: copied ones, `derived` ones, and the plugin's own.
pub(super) fn properties(
    collection: &str,
    id: &str,
    place: &Place,
    payload: Option<&JsonMap>,
    rules: &CopyRules,
    derived: JsonMap,
    version: &Version<'_>,
) -> JsonMap {
    let mut properties = derived;
    if let Some(payload) = payload {
        rules.copy(payload, &mut properties);
    }
    let own = [
        ("bucket", Value::from(place.bucket.as_str())),
        ("collection", Value::from(collection)),
        ("vector_id", Value::from(id)),
        ("rev", Value::from(version.rev)),
        ("fingerprint", Value::from(fingerprint_text(version.fingerprint))),
        ("synced_at", Value::from(version.synced_at)),
    ];
    properties.extend(own.map(|(name, value)| (name.to_owned(), value)));
    properties
}

/// Which version of a document a node shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version<'a> {
    /// Counts the writes of the node.
    pub(super) rev: u64,
    /// Digest of the payload.
    pub(super) fingerprint: u128,
    /// When it was written: RFC 3339, UTC.
    pub(super) synced_at: &'a str,
}

/// Properties that change with each write.
const OF_A_WRITE: [&str; 3] = ["rev", "synced_at", "_pad"];

/// Whether a property is what the document gave its node, rather than the node's name or the time of its writing.
pub(super) fn counts_as_content(name: &str) -> bool {
    !OF_A_WRITE.contains(&name) && name != "key" && name != GC
}

/// Whether a stored record says what it should, and nothing beside that under a name of the plugin's.
pub(super) fn says(record: &JsonMap, desired: &JsonMap, owns: impl Fn(&str) -> bool) -> bool {
    let as_desired = desired
        .iter()
        .filter(|(name, _)| counts_as_content(name))
        .all(|(name, value)| record.get(name).is_some_and(|stored| is_same(stored, value)));
    let beside = record.iter().any(|(name, value)| {
        counts_as_content(name) && owns(name) && !value.is_null() && !desired.contains_key(name)
    });
    as_desired && !beside
}

/// Nexus gives back some numbers of a list with another last digit (`contracts/nexus-dialect.md` section 3).
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().map(|one| one as f32) == other.as_f64().map(|other| other as f32)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        _ => one == other,
    }
}

pub(super) fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_TEXT,
        Value::Bool(_) | Value::Number(_) => true,
        Value::Array(items) => items.len() <= MAX_ITEMS && items.iter().all(is_scalar),
        Value::Null | Value::Object(_) => false,
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && is_plain(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn copied(payload: Value) -> JsonMap {
        let rules = CopyRules::new(["title", "tags", "n"].map(str::to_owned).into());
        let place = Place {
            key: DocumentKey::new("c", "1").unwrap(),
            bucket: Bucket::of("c", "1").unwrap(),
        };
        let version = Version {
            rev: 7,
            fingerprint: 255,
            synced_at: "2026-01-01T00:00:00Z",
        };
        properties(
            "c",
            "1",
            &place,
            payload.as_object(),
            &rules,
            JsonMap::new(),
            &version,
        )
    }

    #[test]
    fn a_record_that_somebody_changed_does_not_say_what_it_should() {
        let record = |value: Value| value.as_object().cloned().unwrap();
        let desired = record(json!({"title": "T", "n": 0.1, "l": [1, 0.25], "rev": 3, "synced_at": "now"}));
        let owns = |name: &str| ["title", "n", "l", "author"].contains(&name);
        let same = |value: Value| says(&record(value), &desired, owns);
        assert!(same(
            json!({"key": "k", "title": "T", "n": 0.1, "l": [1, 0.25], "rev": 2, "synced_at": "then", "_pad": "  ", "gc": "x"})
        ));
        // A last digit is Nexus's own; a property of somebody else's name is somebody else's; null is nothing.
        assert!(same(
            json!({"title": "T", "n": 0.100_000_000_000_000_02, "l": [1.0, 0.25], "reviewed": true, "author": null})
        ));
        for changed in [
            json!({"title": "U", "n": 0.1, "l": [1, 0.25]}),
            json!({"title": "T", "n": 0.1}),
            json!({"title": "T", "n": 0.1, "l": [1, 0.25, 2]}),
            json!({"title": "T", "n": "0.1", "l": [1, 0.25]}),
            json!({"title": "T", "n": 0.1, "l": [1, 0.25], "author": "somebody"}),
        ] {
            assert!(!same(changed.clone()), "{changed}");
        }
    }

    #[test]
    fn listed_properties_come_from_the_root_or_the_metadata() {
        let node = copied(
            json!({"title": "T", "metadata": {"title": "other", "n": 2.5}, "content": "text", "tags": ["a", 1]}),
        );
        assert_eq!(node["title"], "T");
        assert_eq!(node["n"], 2.5);
        assert_eq!(node["tags"], json!(["a", 1]));
        assert!(!node.contains_key("content") && !node.contains_key("metadata"));
        assert_eq!(node["fingerprint"], "000000000000000000000000000000ff");
    }

    #[test]
    fn what_is_large_or_nested_is_left_out() {
        let node = copied(json!({"title": "x".repeat(3_000), "tags": [["a"]], "n": {"a": 1}}));
        for name in ["title", "tags", "n"] {
            assert!(!node.contains_key(name), "{name}");
        }
    }

    #[test]
    fn an_encrypted_payload_gives_a_bare_node() {
        let node = copied(
            json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d", "title": "leaked"}),
        );
        assert!(!node.contains_key("title"));
    }
}
