//! How nodes of ours looked last: a digest of their properties each, in memory.
//!
//! The first stage notes what it writes, the poller what it reads. A node that looks otherwise than noted was changed by somebody
//! else. After a start nothing is noted, and what is read first counts as right: what changed before is the business of comparisons.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::super::document::counts_as_content;
use crate::graph::DocumentKey;

/// Nodes that are remembered, some 40 bytes of memory each; of further ones changes are not noticed.
const MOST: usize = 2_000_000;

/// How nodes of ours looked last, as a digest of their properties each.
#[derive(Debug, Default)]
pub struct SeenNodes {
    /// Properties of ours.
    ours: Mutex<HashMap<u64, u64>>,
    /// Properties of others that go into payloads, of the nodes that have any.
    mapped: Mutex<HashMap<u64, u64>>,
}

impl SeenNodes {
    /// A node was written so.
    pub(in crate::sync) fn wrote(&self, key: &DocumentKey, properties: &JsonMap) {
        let digest = digest(properties, |_| true);
        self.insert(name_of(key), digest);
    }

    /// Whether a node that is read looks otherwise than it did. `owns` says which properties are the plugin's. It is noted anew
    /// the next time.
    pub(super) fn differs(&self, key: &DocumentKey, record: &JsonMap, owns: impl Fn(&str) -> bool) -> bool {
        let (name, digest) = (name_of(key), digest(record, owns));
        let known = self.ours.lock().get(&name).copied();
        match known {
            Some(known) if known != digest => {
                self.ours.lock().remove(&name);
                true
            }
            Some(_) => false,
            None => {
                self.insert(name, digest);
                false
            }
        }
    }

    /// Whether a node that is read has other properties that go into the payload than it had. What is read first after a start counts
    /// as changed, where there is something.
    pub(super) fn differs_mapped(
        &self,
        key: &DocumentKey,
        record: &JsonMap,
        mapped: impl Fn(&str) -> bool,
    ) -> bool {
        let (name, digest) = (name_of(key), digest(record, mapped));
        let mut all = self.mapped.lock();
        let before = match digest {
            0 => all.remove(&name),
            digest if all.len() < MOST || all.contains_key(&name) => all.insert(name, digest),
            _ => return true,
        };
        before.unwrap_or_default() != digest
    }

    fn insert(&self, name: u64, digest: u64) {
        let mut all = self.ours.lock();
        if all.len() < MOST || all.contains_key(&name) {
            all.insert(name, digest);
        }
    }
}

fn name_of(key: &DocumentKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.as_str().hash(&mut hasher);
    hasher.finish()
}

/// Of the properties that the document gave the node, whatever their order.
fn digest(properties: &JsonMap, owns: impl Fn(&str) -> bool) -> u64 {
    let content = properties
        .iter()
        .filter(|(name, value)| counts_as_content(name) && owns(name) && !value.is_null());
    content.fold(0, |sum: u64, (name, value)| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hash(value, &mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

/// Numbers as `f32`: Nexus gives back some with another last digit.
fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default() as f32;
            // Both zeros are one.
            (number + 0.0).to_bits().hash(hasher);
        }
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        other => other.to_string().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> JsonMap {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_node_that_somebody_changed_is_noticed_once_and_our_own_writes_are_not() {
        let seen = SeenNodes::default();
        let key = DocumentKey::new("c", "1").unwrap();
        let owns = |name: &str| name != "theirs";
        let differs = |value: Value| seen.differs(&key, &record(value), owns);
        seen.wrote(&key, &record(json!({"title": "T", "n": 0.1, "rev": 1})));
        assert!(!differs(
            json!({"title": "T", "n": 0.100_000_000_000_000_02, "rev": 1, "_pad": "  ", "theirs": 1, "gone": null})
        ));
        assert!(!differs(json!({"title": "T", "n": 0.1, "rev": 2, "theirs": 2})));
        assert!(differs(json!({"title": "U", "n": 0.1, "rev": 1})));
        assert!(
            !differs(json!({"title": "U", "n": 0.1, "rev": 1})),
            "it is looked at already"
        );
        seen.wrote(&key, &record(json!({"title": "V"})));
        assert!(!differs(json!({"title": "V"})));
        assert!(differs(json!({"title": "V", "author": "somebody"})));
    }

    #[test]
    fn a_property_that_goes_into_the_payload_is_noticed_when_it_comes_changes_and_goes() {
        let seen = SeenNodes::default();
        let key = DocumentKey::new("c", "1").unwrap();
        let differs =
            |value: Value| seen.differs_mapped(&key, &record(value), |name: &str| name == "reviewed");
        for (value, expected) in [
            (json!({"title": "T"}), false),
            (json!({"title": "T", "reviewed": "ann"}), true),
            (json!({"title": "U", "reviewed": "ann"}), false),
            (json!({"title": "U", "reviewed": "bob"}), true),
            (json!({"title": "U", "reviewed": null}), true),
            (json!({"title": "U"}), false),
        ] {
            assert_eq!(differs(value.clone()), expected, "{value}");
        }
    }
}
