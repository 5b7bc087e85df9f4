//! What a document should be related to, by its payload alone.

use serde_json::Value;
use vectorizer_plugin_api::model::{Document, JsonMap};

use super::super::fingerprint::{fingerprint, settings_digest};
use crate::config::Config;
use crate::config::Structure;
use crate::graph::literal::LiteralError;
use crate::graph::schema::NodeLabel;
use crate::graph::{NodeKey, SourceKey};
use crate::journal::{RelationEdge, RelationKind, Thing};
use crate::structure::{Place, place};

/// One thing that a document should be related to.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sync) struct Relation {
    /// How.
    pub(in crate::sync) kind: RelationKind,
    /// To what.
    pub(in crate::sync) thing: Thing,
    /// The properties of the thing's node, without its key.
    pub(in crate::sync) properties: JsonMap,
    /// The confidence, from 0 to 1.
    pub(in crate::sync) confidence: f32,
    /// How often it is mentioned, or the chunk's position.
    pub(in crate::sync) count: u64,
}

impl Relation {
    /// The edge to the thing's present life.
    pub(super) fn edge(&self, target_born: u64) -> RelationEdge {
        RelationEdge {
            kind: self.kind,
            target: self.thing.key.clone(),
            target_born,
            confidence: self.confidence,
            count: self.count,
        }
    }
}

/// Derives relations by the configured rules.
#[derive(Debug)]
pub(in crate::sync) struct Deriver {
    structure: Structure,
}

impl Deriver {
    /// What the configuration asks for.
    pub(in crate::sync) fn new(config: &Config) -> Self {
        Self {
            structure: config.structure,
        }
    }

    /// Whether no document is related to anything.
    pub(in crate::sync) fn is_idle(&self) -> bool {
        !self.structure.sources
    }

    /// Whether chunks are linked in reading order.
    pub(super) fn links_chunks(&self) -> bool {
        self.structure.sources && self.structure.next
    }

    /// Changes with the settings.
    pub(in crate::sync) fn digest(&self) -> u64 {
        let Structure { sources, next } = self.structure;
        settings_digest(["structure", yes_or_no(sources), yes_or_no(next)].into_iter())
    }

    /// Changes with everything that [`Deriver::relations`] looks at.
    pub(super) fn source_digest(&self, document: &Document) -> u128 {
        let settings = u128::from(self.digest());
        fingerprint(document.payload.as_ref()).rotate_left(1) ^ settings
    }

    /// What a document should be related to, apart from other chunks.
    ///
    /// # Errors
    /// [`LiteralError`] where a name makes no key; not in practice.
    pub(super) fn relations(
        &self,
        collection: &str,
        document: &Document,
    ) -> Result<Vec<Relation>, LiteralError> {
        let mut relations = Vec::new();
        let payload = document.payload.as_ref();
        if self.structure.sources
            && let Some(place) = place(&document.id, payload)
        {
            relations.push(part_of(collection, &place)?);
        }
        Ok(relations)
    }
}

fn part_of(collection: &str, place: &Place) -> Result<Relation, LiteralError> {
    let key = SourceKey::new(collection, &place.source)?;
    let properties = [("collection", collection), ("path", &place.path)]
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .into_iter()
        .collect();
    Ok(Relation {
        kind: RelationKind::PartOf,
        thing: Thing {
            label: NodeLabel::Source,
            key: key.as_str().to_owned(),
        },
        properties,
        confidence: 0.0,
        count: place.index,
    })
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
