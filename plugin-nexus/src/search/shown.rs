//! The documents that a search came upon and may show, with their payloads.
//!
//! Invariant: what is not in here takes no part in the answer, whatever led to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use vectorizer_plugin_api::model::{Document, Fields, JsonMap};

use super::request::{Filter, Reader, Search};
use super::visibility::Visibility;
use crate::api::ApiError;
use crate::graph::DomainKey;
use crate::journal::{DocumentId, JournalError, RelationKind};
use crate::payload::is_encrypted;
use crate::sync::{Context, unless_gone};

/// What decides whether a document is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) context: &'a Context,
    pub(super) reader: &'a Reader,
    /// `None`: any document will do.
    pub(super) filter: Option<&'a Filter>,
}

impl<'a> Terms<'a> {
    pub(super) fn of(context: &'a Context, search: &'a Search) -> Self {
        Self {
            context,
            reader: &search.reader,
            filter: Some(&search.filter),
        }
    }

    /// Of all that a reader may see.
    pub(super) fn of_reader(context: &'a Context, reader: &'a Reader) -> Self {
        Self {
            context,
            reader,
            filter: None,
        }
    }

    pub(super) fn visibility(&self) -> Visibility<'a> {
        Visibility {
            config: self.context.config(),
            reader: self.reader,
            filter: self.filter,
        }
    }

    /// Whether a document may be shown, as far as its payload and its domains say.
    fn show(&self, document: &DocumentId, payload: Option<&JsonMap>) -> Result<bool, ApiError> {
        Ok(self.visibility().shows(&document.collection, payload) && self.is_of_domain(document)?)
    }

    /// Whether a document belongs to one of the domains that are asked for, or to a part of one, and to none that is not wanted.
    fn is_of_domain(&self, document: &DocumentId) -> Result<bool, JournalError> {
        let Some(filter) = self.filter else {
            return Ok(true);
        };
        let (wanted, unwanted) = (&filter.domains, &filter.without_domains);
        if wanted.is_empty() && unwanted.is_empty() {
            return Ok(true);
        }
        let domains = domains(self.context, document)?;
        let is_in = |names: &BTreeSet<String>| domains.iter().flatten().any(|name| names.contains(name));
        Ok((wanted.is_empty() || is_in(wanted)) && !is_in(unwanted))
    }
}

/// The domains that a document belongs to, each with those that hold it, from the top; the surest first.
pub(super) fn domains(context: &Context, document: &DocumentId) -> Result<Vec<Vec<String>>, JournalError> {
    let relations = context.journal.relations(document)?.unwrap_or_default();
    let mut edges: Vec<_> = relations
        .edges
        .into_iter()
        .filter(|edge| edge.kind == RelationKind::BelongsTo)
        .collect();
    edges.sort_by(|one, other| {
        other
            .confidence
            .total_cmp(&one.confidence)
            .then_with(|| one.target.cmp(&other.target))
    });
    let names = edges
        .iter()
        .filter_map(|edge| DomainKey::parse(&edge.target).ok()?.name());
    Ok(names.map(|name| context.domain_path(&name)).collect())
}

/// The collections that the graph has documents of. Blocks.
pub(super) fn synced(context: &Context) -> Result<Vec<String>, ApiError> {
    let mut collections = context.journal.collections()?;
    collections.retain(|name| context.config().syncs(name));
    Ok(collections.into_iter().collect())
}

/// The collections that may be looked into on behalf of a reader, and these documents, each of which the reader must be able to see.
///
/// # Errors
/// [`ApiError::NotFound`] where one of them is not there for this reader.
pub(super) async fn start(
    context: &Arc<Context>,
    reader: &Reader,
    documents: Vec<DocumentId>,
) -> Result<(Arc<[String]>, Shown), ApiError> {
    let reader = reader.clone();
    let read = move |context: &Context| {
        let collections = synced(context)?;
        let mut shown = Shown::default();
        shown.read(Terms::of_reader(context, &reader), &collections, documents.iter())?;
        match documents.iter().all(|document| shown.has(document)) {
            true => Ok((collections.into(), shown)),
            false => Err(ApiError::NotFound("there is no such document")),
        }
    };
    context.blocking(move |context| Ok(read(context))).await?
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Shown {
    payloads: HashMap<DocumentId, Option<JsonMap>>,
}

impl Shown {
    pub(super) fn has(&self, document: &DocumentId) -> bool {
        self.payloads.contains_key(document)
    }

    /// Takes a document in if it may be shown. Answers whether it may.
    pub(super) fn admit(
        &mut self,
        terms: Terms<'_>,
        document: &DocumentId,
        payload: Option<JsonMap>,
    ) -> Result<bool, ApiError> {
        let shows = terms.show(document, payload.as_ref())?;
        if shows {
            self.payloads.insert(document.clone(), payload);
        }
        Ok(shows)
    }

    /// Reads those of the documents that are in one of these collections and not known yet. Blocks.
    pub(super) fn read<'a>(
        &mut self,
        terms: Terms<'_>,
        collections: &[String],
        documents: impl Iterator<Item = &'a DocumentId>,
    ) -> Result<(), ApiError> {
        let mut unread: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for document in documents {
            if !self.has(document) && collections.iter().any(|name| *name == *document.collection) {
                let ids = unread.entry(&document.collection).or_default();
                ids.insert(&document.id);
            }
        }
        for (collection, ids) in unread {
            let ids: Vec<&str> = ids.into_iter().collect();
            let found = terms.context.host.get(collection, &ids, Fields::PAYLOAD);
            let found = unless_gone(found).map_err(ApiError::Store)?;
            for Document { id, payload, .. } in found.unwrap_or_default() {
                self.admit(terms, &DocumentId::new(collection, id), payload)?;
            }
        }
        Ok(())
    }

    /// Takes in what was read apart.
    pub(super) fn join(&mut self, other: Self) {
        self.payloads.extend(other.payloads);
    }

    /// A document's payload as it is shown: of an encrypted one, nothing.
    pub(super) fn payload(&self, document: &DocumentId) -> Value {
        let payload = self.payloads.get(document).and_then(Option::as_ref);
        json!(payload.filter(|payload| !is_encrypted(payload)))
    }
}
