//! What a document should be related to, by its payload alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;
use vectorizer_plugin_api::model::{Document, JsonMap};

use super::super::fingerprint::{fingerprint, settings_digest, vector_digest};
use crate::access::Access;
use crate::config::{Collection, Config, Permissions, PermissionsMode, Structure, entry};
use crate::domains::{Assigned, Classifier, DomainError, Hierarchy, Knowledge, Membership, Subject};
use crate::entities::{CustomError, Entity, EntityExtractor};
use crate::graph::literal::LiteralError;
use crate::graph::schema::NodeLabel;
use crate::graph::{DomainKey, EntityKey, NodeKey, SourceKey};
use crate::journal::{RelationEdge, RelationKind, Thing};
use crate::payload::{is_encrypted, text};
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
pub struct Deriver {
    structure: Structure,
    permissions: Permissions,
    /// Replaced as a whole when there was something to learn.
    classifier: Option<RwLock<Arc<Classifier>>>,
    extractor: Option<EntityExtractor>,
    /// Which say where documents belong to.
    collections: Vec<Collection>,
    /// Of all settings but those of the classifier, which learns.
    digest: u64,
}

/// Rules that cannot be used. The check of the configuration refuses them before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// Of domains.
    #[error("nexus_integration.domains: {0}")]
    Domains(#[from] DomainError),
    /// Of entities.
    #[error("nexus_integration.entities.{0}")]
    Entities(#[from] CustomError),
}

impl Deriver {
    /// What the configuration asks for, with what was learned before.
    ///
    /// # Errors
    /// [`DeriveError`].
    pub(in crate::sync) fn new(config: &Config, knowledge: Knowledge) -> Result<Self, DeriveError> {
        let entities = &config.entities;
        let extractor = entities
            .enabled
            .then(|| EntityExtractor::new(entities))
            .transpose()?;
        let parts = [
            format!("{:?}{:?}", config.structure, config.permissions),
            format!("{:?}", extractor.as_ref().map(EntityExtractor::digest)),
        ];
        let domains = &config.domains;
        let classifier = domains
            .enabled
            .then(|| Classifier::new(domains, knowledge))
            .transpose()?;
        Ok(Self {
            structure: config.structure,
            permissions: config.permissions.clone(),
            classifier: classifier.map(|classifier| RwLock::new(Arc::new(classifier))),
            extractor,
            collections: config.collections.clone(),
            digest: settings_digest(parts.iter().map(String::as_str)),
        })
    }

    /// The classifier that knows this; `None` where that makes no difference.
    pub(in crate::sync) fn taught(&self, knowledge: Knowledge) -> Option<Classifier> {
        let present = self.classifier()?;
        let taught = present.taught(knowledge);
        (taught.digest() != present.digest()).then_some(taught)
    }

    /// Classifies by this one from now on.
    pub(in crate::sync) fn adopt(&self, taught: Classifier) {
        if let Some(classifier) = &self.classifier {
            *classifier.write() = Arc::new(taught);
        }
    }

    fn classifier(&self) -> Option<Arc<Classifier>> {
        self.classifier
            .as_ref()
            .map(|classifier| Arc::clone(&classifier.read()))
    }

    /// Whether the vector of a document has a say in its domain.
    pub(in crate::sync) fn heeds_vectors(&self) -> bool {
        self.classifier()
            .is_some_and(|classifier| classifier.has_learned())
    }

    /// The domain that a payload is labelled with.
    pub(in crate::sync) fn label(&self, payload: Option<&JsonMap>) -> Option<String> {
        self.classifier()?.label(payload).map(str::to_owned)
    }

    /// Whether there is a domain of this name.
    pub(crate) fn knows_domain(&self, name: &str) -> bool {
        self.classifier().is_some_and(|classifier| classifier.knows(name))
    }

    /// All domains, each with the one that holds it.
    pub(crate) fn domain_tree(&self) -> BTreeMap<String, Option<String>> {
        let Some(classifier) = self.classifier() else {
            return BTreeMap::new();
        };
        let hierarchy = classifier.hierarchy();
        let names = hierarchy.names();
        names
            .map(|name| (name.to_owned(), hierarchy.parent(name).map(str::to_owned)))
            .collect()
    }

    /// The domains from the top down to this one; itself alone where it is not known any more.
    pub(in crate::sync) fn domain_path(&self, name: &str) -> Vec<String> {
        let classifier = self.classifier();
        let known = classifier
            .iter()
            .flat_map(|classifier| classifier.hierarchy().ancestors(name));
        let mut path: Vec<String> = known.map(str::to_owned).collect();
        if path.is_empty() {
            path.push(name.to_owned());
        }
        path.reverse();
        path
    }

    /// Whether no document is related to anything.
    pub(in crate::sync) fn is_idle(&self) -> bool {
        !self.structure.sources && self.classifier.is_none() && self.extractor.is_none()
    }

    /// Whether chunks are linked in reading order.
    pub(super) fn links_chunks(&self) -> bool {
        self.structure.sources && self.structure.next
    }

    /// Whether documents that not everybody may see are kept apart from others.
    pub(in crate::sync) fn isolates(&self) -> bool {
        self.permissions.mode == PermissionsMode::Isolate
    }

    /// Who may see a document.
    pub(in crate::sync) fn access(&self, collection: &str, payload: Option<&JsonMap>) -> Access {
        Access::of(&self.permissions, collection, payload)
    }

    /// Changes with the settings that count for a collection, and with what was learned.
    pub(in crate::sync) fn digest(&self, collection: &str) -> u64 {
        let learned = self.classifier().map_or(0, |classifier| classifier.digest());
        let assigned = self.assigned(collection).map_or(0, |Assigned { domain, only }| {
            settings_digest([domain, if only { "only" } else { "else" }].into_iter())
        });
        self.digest.rotate_left(1) ^ learned ^ assigned.rotate_left(2)
    }

    /// Where the settings of a collection say that its documents belong to.
    fn assigned(&self, collection: &str) -> Option<Assigned<'_>> {
        entry(&self.collections, collection)?.assigned()
    }

    /// The domains of a document; none where nothing is classified, or its payload is encrypted and says nothing.
    pub(crate) fn domains(&self, collection: &str, document: &Document) -> Vec<Membership> {
        let payload = document.payload.as_ref();
        let Some(classifier) = self.classifier() else {
            return Vec::new();
        };
        if payload.is_some_and(is_encrypted) {
            return Vec::new();
        }
        classifier.classify(&Subject {
            collection,
            id: &document.id,
            payload,
            vector: &document.vector,
            assigned: self.assigned(collection),
        })
    }

    /// Properties of a document's node besides those that are copied: its domain, and who may see it.
    pub(in crate::sync) fn properties(&self, collection: &str, document: &Document) -> JsonMap {
        let mut properties = JsonMap::new();
        let payload = document.payload.as_ref();
        if let Some(first) = self.domains(collection, document).into_iter().next() {
            properties.insert("domain".into(), first.domain.into());
        }
        let Access { principals, tenant } = self.access(collection, payload);
        if let Some(principals) = principals {
            properties.insert("acl".into(), principals.into_iter().collect::<Vec<_>>().into());
        }
        if let Some(tenant) = tenant {
            properties.insert("tenant".into(), tenant.into());
        }
        properties
    }

    /// Changes with everything that [`Deriver::relations`] looks at.
    pub(super) fn source_digest(&self, collection: &str, document: &Document) -> u128 {
        let vector = if self.heeds_vectors() {
            vector_digest(&document.vector)
        } else {
            0
        };
        let others = u128::from(self.digest(collection)) | u128::from(vector) << 64;
        fingerprint(document.payload.as_ref()).rotate_left(1) ^ others
    }

    /// What a document should be related to, apart from other chunks, and how many entities were left out since it mentions more
    /// than are kept.
    ///
    /// # Errors
    /// [`LiteralError`] where a name makes no key; not in practice.
    pub(super) fn relations(
        &self,
        collection: &str,
        document: &Document,
    ) -> Result<(Vec<Relation>, usize), LiteralError> {
        let (mut relations, mut skipped) = (Vec::new(), 0);
        let payload = document.payload.as_ref();
        if self.structure.sources
            && let Some(place) = place(&document.id, payload)
        {
            relations.push(part_of(collection, &place)?);
        }
        if let Some(classifier) = self.classifier() {
            for membership in self.domains(collection, document) {
                relations.push(belongs_to(&membership, classifier.hierarchy())?);
            }
        }
        if let (Some(extractor), Some(payload)) = (&self.extractor, payload) {
            let text = text(payload);
            let whole = format!("{}\n\n{}", text.title, text.body);
            // Where documents are kept apart, tenants share no entity.
            let tenant = self
                .access(collection, Some(payload))
                .tenant
                .filter(|_| self.isolates());
            let extraction = extractor.extract(&whole);
            skipped = extraction.skipped;
            for entity in &extraction.entities {
                relations.push(mentions(entity, tenant.as_deref())?);
            }
        }
        Ok((relations, skipped))
    }
}

fn belongs_to(membership: &Membership, hierarchy: &Hierarchy) -> Result<Relation, LiteralError> {
    let name = membership.domain.as_str();
    let key = DomainKey::new(name)?;
    let mut properties = JsonMap::new();
    properties.insert("name".into(), name.into());
    if let Some(parent) = hierarchy.parent(name) {
        properties.insert("parent".into(), parent.into());
    }
    Ok(Relation {
        kind: RelationKind::BelongsTo,
        thing: Thing {
            label: NodeLabel::Domain,
            key: key.as_str().to_owned(),
        },
        properties,
        confidence: membership.confidence,
        count: 0,
    })
}

fn mentions(entity: &Entity, tenant: Option<&str>) -> Result<Relation, LiteralError> {
    let name = match tenant {
        Some(tenant) => format!("{tenant}/{}", entity.key),
        None => entity.key.clone(),
    };
    let key = EntityKey::new(entity.kind.name(), &name)?;
    let mut properties = JsonMap::new();
    properties.insert("name".into(), entity.name.as_str().into());
    properties.insert("kind".into(), entity.kind.name().into());
    if let Some(tenant) = tenant {
        properties.insert("tenant".into(), tenant.into());
    }
    Ok(Relation {
        kind: RelationKind::Mentions,
        thing: Thing {
            label: NodeLabel::Entity,
            key: key.as_str().to_owned(),
        },
        properties,
        confidence: entity.confidence,
        count: entity.count,
    })
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
