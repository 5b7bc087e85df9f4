//! The read-only first part of the edge stage: a batch's documents, the first search for neighbours of each, and what each should be
//! related to. It is done for a batch while the one before is still being written, since Nexus takes longer to write edges than the
//! store to search.
//!
//! What it finds may be older than the comparison by one batch, and loses nothing by that. The edge lane is the only one of
//! its kind and compares its batches in order, each with the states that all earlier ones left. Let `A` be a document that
//! was searched for ahead, and `X` one whose vector came or changed. The hint of that has [`Work::SPREAD`] in this stage, since
//! only a comparison that has it notes a vector as compared.
//!
//! - `X` compared on that hint before `A`, in an earlier batch or in the same one. A batch is claimed before it is searched, and
//!   what is compared before `A` was claimed before `A`'s search began; so the hint of that version of `X` was there, and the
//!   search saw it or a newer one. A newer version has a hint of its own, and comes under the other case.
//! - `X` compared on that hint after `A`. Its search finds `A`, and it looks at the edges that `A` has by then: if it enters
//!   them, leaves them or stands in them with another score, `A` is marked and compared once more.
//! - `A` itself changed after it was read: its hint came while it was at work, so it is claimed again, and the digest that its
//!   comparison left is that of an older vector.
//!
//! A document that goes is told by the commit that removes its state, to all that have an edge to it at that moment; see
//! `journal::commit`. Whether a neighbour's node is there is asked at the comparison, not here.
//!
//! The same holds for answers that are remembered ([`super::search_cache`]): they are used only while no hint has come for
//! their collection.

use std::collections::HashMap;
use std::sync::Arc;

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};

use super::context::Context;
use super::fault::StageFault;
use super::plan::{Found, Search};
use super::relations::{self, Derived};
use crate::journal::{Batch, Work};

/// A batch's documents by id, as the store has them.
pub(super) type Documents = Arc<HashMap<String, Document>>;

/// What the store says of a batch.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// `None`: the collection is gone, or no document of the batch has edges to be compared.
    pub(super) collection: Option<CollectionInfo>,
    /// The documents that are there.
    pub(super) documents: Documents,
    /// What the first search found for those whose edges are to be compared.
    pub(super) found: HashMap<Arc<str>, Found>,
    /// What those should be related to that ask for it.
    pub(super) derived: Derived,
}

/// Looks at the store for a batch. Writes nothing to the graph.
///
/// # Errors
/// `StageFault::Host`, `StageFault::Journal`, `StageFault::Task`.
pub(super) async fn look(context: &Arc<Context>, batch: &Batch) -> Result<Ahead, StageFault> {
    let (collection, documents) = {
        let batch = batch.clone();
        context.blocking(move |context| read(context, &batch)).await?
    };
    let derived = relations::derive(context, batch, &documents).await?;
    let Some(collection) = collection else {
        return Ok(Ahead {
            documents,
            derived,
            ..Ahead::default()
        });
    };
    let compared: Vec<_> = batch
        .claims
        .iter()
        .filter(|claim| claim.work.has(Work::EDGES) && documents.contains_key(claim.id.as_ref()))
        .cloned()
        .collect();
    let found = {
        let (collection, documents) = (collection.clone(), Arc::clone(&documents));
        context
            .side_by_side(compared, move |context, claims| {
                let search = Search::new(context, collection.clone())?;
                let mut found = Vec::with_capacity(claims.len());
                for claim in claims {
                    if let Some(document) = documents.get(claim.id.as_ref()) {
                        let first = search.first(&claim, document)?;
                        found.push((claim.id, first));
                    }
                }
                Ok(found)
            })
            .await?
    };
    Ok(Ahead {
        collection: Some(collection),
        documents,
        found: found.into_iter().collect(),
        derived,
    })
}

fn read(context: &Context, batch: &Batch) -> Result<(Option<CollectionInfo>, Documents), StageFault> {
    let asks = |work| batch.claims.iter().any(|claim| claim.work.has(work));
    let compares = asks(Work::EDGES);
    let collection = match compares {
        true => context.collection(&batch.collection)?,
        false => None,
    };
    if let Some(collection) = &collection {
        context.refresh_word_counts(collection)?;
    }
    let reads_texts = context
        .config()
        .similarity_of(&batch.collection)
        .method
        .reads_texts();
    let fields = Fields {
        vector: true,
        payload: asks(Work::RELATIONS) || compares && reads_texts,
    };
    let ids: Vec<Arc<str>> = batch.claims.iter().map(|claim| Arc::clone(&claim.id)).collect();
    let documents = context.documents(&batch.collection, &ids, fields)?;
    let documents = documents
        .into_iter()
        .map(|document| (document.id.clone(), document));
    Ok((collection, Arc::new(documents.collect())))
}
