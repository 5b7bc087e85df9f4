//! What the graph says of documents, in their payloads.

use serde::Deserialize;

use super::Faults;

/// `enrichment:`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enrichment {
    /// Whether payloads get a `_nexus` object. Default false: nobody's payloads are touched unasked.
    pub enabled: bool,
    /// Entities that are named, those mentioned most first; 0 to 256. Default 20.
    pub max_entities: usize,
    /// Related documents that are named, the closest first; 0 to 256. Default 10.
    pub max_related: usize,
}

impl Default for Enrichment {
    fn default() -> Self {
        Self {
            enabled: false,
            max_entities: 20,
            max_related: 10,
        }
    }
}

impl Enrichment {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            enabled: _,
            max_entities,
            max_related,
        } = *self;
        faults.range(&format!("{key}.max_entities"), max_entities as u64, 0, 256);
        faults.range(&format!("{key}.max_related"), max_related as u64, 0, 256);
    }
}
