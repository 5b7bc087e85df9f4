//! What a batch's documents should be related to, derived before it is their turn: finding entities takes the processor longer
//! than anything else here, and waits for nobody.

use std::collections::HashMap;
use std::sync::Arc;

use vectorizer_plugin_api::model::Document;

use super::super::ahead::Documents;
use super::super::context::Context;
use super::super::fault::StageFault;
use super::derive::Relation;
use crate::graph::GraphError;
use crate::journal::{Batch, RelationKind, Work};

/// By id; see the [module](self).
#[derive(Debug, Default)]
pub(in crate::sync) struct Derived(HashMap<Arc<str>, (u128, Vec<Relation>)>);

impl Derived {
    /// The relations of a document, if they were derived from what has this digest ([`super::Deriver::source_digest`]).
    pub(super) fn take(&mut self, id: &str, derived_from: u128) -> Option<Vec<Relation>> {
        let (of, relations) = self.0.remove(id)?;
        (of == derived_from).then_some(relations)
    }
}

/// Derives the relations of those documents of a batch that ask for it, but for what was derived before.
///
/// # Errors
/// `StageFault::Journal`, `StageFault::Task`; `StageFault::Rejected` not in practice.
pub(in crate::sync) async fn derive(
    context: &Arc<Context>,
    batch: &Batch,
    documents: &Documents,
) -> Result<Derived, StageFault> {
    let wanted = batch
        .claims
        .iter()
        .filter(|claim| claim.work.has(Work::RELATIONS) && documents.contains_key(claim.id.as_ref()));
    let ids: Vec<_> = wanted.map(|claim| batch.document(&claim.id)).collect();
    if ids.is_empty() {
        return Ok(Derived::default());
    }
    let documents = Arc::clone(documents);
    let derived = context.side_by_side(ids, move |context, ids| {
        let mut derived = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(document) = documents.get(id.id.as_ref()) else {
                continue;
            };
            let from = context.deriver().source_digest(&id.collection, document);
            let before = context.journal.relations(&id)?;
            if before.is_none_or(|before| before.derived_from != from) {
                let relations = derive_one(context, &id.collection, document)?;
                derived.push((id.id, (from, relations)));
            }
        }
        Ok(derived)
    });
    Ok(Derived(derived.await?.into_iter().collect()))
}

/// What one document should be related to; counts what is left out.
///
/// # Errors
/// `StageFault::Rejected`; not in practice.
pub(super) fn derive_one(
    context: &Context,
    collection: &str,
    document: &Document,
) -> Result<Vec<Relation>, StageFault> {
    let derived = context.deriver().relations(collection, document);
    let (relations, skipped) = derived.map_err(GraphError::from)?;
    let entities = relations
        .iter()
        .filter(|relation| relation.kind == RelationKind::Mentions);
    let kinds = entities.filter_map(|relation| relation.properties.get("kind")?.as_str());
    context.metrics.sync.entities(collection, kinds, skipped);
    Ok(relations)
}
