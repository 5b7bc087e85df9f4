//! What the graph says of documents, in their payloads.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::sync::{ENRICHMENT_KEY, is_reserved_property};

/// An entry of `enrichment.mapped:`: a property of a document's node that others set, and the payload's field that it goes to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// The property: a name of letters, digits and `_`, and none that the plugin sets.
    pub property: String,
    /// The payload's field, at its root. Default: the property's name.
    #[serde(default)]
    pub field: Option<String>,
    /// Which side is right where both changed. Default `store`.
    #[serde(default)]
    pub on_conflict: Side,
}

/// One of the two that a value can be changed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The payload.
    #[default]
    Store,
    /// The node.
    Graph,
}

impl Side {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Graph => "graph",
        }
    }
}

impl Mapped {
    /// The payload's field.
    #[must_use]
    pub fn field(&self) -> &str {
        self.field.as_deref().unwrap_or(&self.property)
    }

    fn check(&self, key: &str, copied: &BTreeSet<String>, faults: &mut Faults) {
        let Self {
            property,
            field: _,
            on_conflict: _,
        } = self;
        let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        let is_name = property.len() <= LONGEST_NAME
            && property.bytes().next().is_some_and(first)
            && property.bytes().all(|byte| first(byte) || byte.is_ascii_digit());
        if !is_name {
            faults.add(
                &format!("{key}.property"),
                "must be a name of 1 to 64 letters, digits and _, and not begin with a digit",
            );
        } else if is_reserved_property(property) || copied.contains(property) {
            faults.add(
                &format!("{key}.property"),
                &format!("{property} is set by the plugin; the store decides about it"),
            );
        }
        let field = self.field();
        if field.is_empty() || field.len() > LONGEST_FIELD || field == ENRICHMENT_KEY {
            faults.add(
                &format!("{key}.field"),
                "must be a name of 1 to 256 bytes, and not _nexus",
            );
        }
    }
}

const LONGEST_NAME: usize = 64;
const LONGEST_FIELD: usize = 256;
const MOST_MAPPED: u64 = 32;

/// `enrichment:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Enrichment {
    /// Whether payloads get a `_nexus` object. Default false: nobody's payloads are touched unasked.
    pub enabled: bool,
    /// Entities that are named, those mentioned most first; 0 to 256. Default 20.
    pub max_entities: usize,
    /// Related documents that are named, the closest first; 0 to 256. Default 10.
    pub max_related: usize,
    /// Properties of documents' nodes that others set and that go into the payload; up to 32. Default none.
    pub mapped: Vec<Mapped>,
}

impl Default for Enrichment {
    fn default() -> Self {
        Self {
            enabled: false,
            max_entities: 20,
            max_related: 10,
            mapped: Vec::new(),
        }
    }
}

impl Enrichment {
    /// `copied` are the properties that are copied from payloads.
    pub(super) fn check(&self, key: &str, copied: &BTreeSet<String>, faults: &mut Faults) {
        let Self {
            enabled: _,
            max_entities,
            max_related,
            ref mapped,
        } = *self;
        faults.range(&format!("{key}.mapped"), mapped.len() as u64, 0, MOST_MAPPED);
        let (mut properties, mut fields) = (BTreeSet::new(), BTreeSet::new());
        for (at, rule) in mapped.iter().enumerate() {
            let key = format!("{key}.mapped[{at}]");
            rule.check(&key, copied, faults);
            if !properties.insert(&rule.property) {
                faults.add(&format!("{key}.property"), "is mapped twice");
            }
            if !fields.insert(rule.field()) {
                faults.add(&format!("{key}.field"), "is the field of another property, too");
            }
        }
        faults.range(&format!("{key}.max_entities"), max_entities as u64, 0, 256);
        faults.range(&format!("{key}.max_related"), max_related as u64, 0, 256);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Config;
    use super::*;

    fn read(mapped: Value) -> Result<Config, super::super::ConfigError> {
        let section =
            json!({"nexus_url": "http://127.0.0.1:1", "enrichment": {"enabled": true, "mapped": mapped}});
        Config::from_json(&section.to_string())
    }

    #[test]
    fn a_property_goes_to_the_field_of_its_name_unless_another_is_given() {
        let config = read(json!([
            {"property": "reviewed_by"},
            {"property": "risk", "field": "risk level", "on_conflict": "graph"},
        ]));
        let mapped = config.unwrap().enrichment.mapped;
        let shown: Vec<_> = mapped
            .iter()
            .map(|rule| (rule.field(), rule.on_conflict))
            .collect();
        assert_eq!(shown, [("reviewed_by", Side::Store), ("risk level", Side::Graph)]);
    }

    #[test]
    fn what_the_plugin_sets_itself_and_what_is_no_name_cannot_be_mapped() {
        for (mapped, expected) in [
            (
                json!([{"property": "title"}]),
                "[0].property: title is set by the plugin",
            ),
            (
                json!([{"property": "rev"}]),
                "[0].property: rev is set by the plugin",
            ),
            (json!([{"property": ""}]), "[0].property: must be a name"),
            (json!([{"property": "a`b"}]), "[0].property: must be a name"),
            (json!([{"property": "1a"}]), "[0].property: must be a name"),
            (
                json!([{"property": "a", "field": "_nexus"}]),
                "[0].field: must be a name",
            ),
            (
                json!([{"property": "a", "field": ""}]),
                "[0].field: must be a name",
            ),
            (
                json!([{"property": "a"}, {"property": "a", "field": "b"}]),
                "[1].property: is mapped twice",
            ),
            (
                json!([{"property": "a"}, {"property": "b", "field": "a"}]),
                "[1].field: is the field of",
            ),
        ] {
            let error = read(mapped.clone()).unwrap_err().to_string();
            let expected = format!("nexus_integration.enrichment.mapped{expected}");
            assert!(error.starts_with(&expected), "{mapped}: {error}");
        }
    }
}
