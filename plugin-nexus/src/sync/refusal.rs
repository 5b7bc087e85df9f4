//! Documents that fail by their own fault: how they looked before, and what the operator is told.
//!
//! A dead letter remembers which version of its document it is for, so that a comparison with the store does not revive it
//! for ever. That version is read before the last attempt, never after: a document that changes during the attempt then
//! differs from what is remembered, and is tried again.

use std::collections::HashMap;
use std::sync::Arc;

use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields};

use super::context::Context;
use super::fault::StageFault;
use super::fingerprint::fingerprint;
use crate::journal::{Batch, Fate, JournalError, Refusal, Seen, Verdict};

/// Which parts of a collection's documents a comparison looks at.
pub(super) fn compared_fields(collection: &CollectionInfo) -> Fields {
    Fields {
        vector: collection.exact_vectors,
        payload: true,
    }
}

/// A document in digests; it was read with [`compared_fields`].
pub(super) fn seen(context: &Context, collection: &str, document: &Document) -> Result<Seen, JournalError> {
    Ok(Seen {
        fingerprint: fingerprint(document.payload.as_ref()),
        vector: Some(context.likeness(collection, document)?),
        copy_rules: context.rules_digest(collection),
    })
}

/// How documents looked before their last attempt.
#[derive(Debug, Default)]
pub(super) struct Looks(HashMap<Arc<str>, Seen>);

impl Looks {
    /// Looks at those documents of a batch whose last attempt this is.
    ///
    /// # Errors
    /// `StageFault::Host`, `StageFault::Task`.
    pub(super) async fn before(context: &Arc<Context>, batch: &Batch) -> Result<Self, StageFault> {
        let ids: Vec<Arc<str>> = batch
            .claims
            .iter()
            .filter(|claim| context.journal.is_last_attempt(claim))
            .map(|claim| Arc::clone(&claim.id))
            .collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let name = Arc::clone(&batch.collection);
        context
            .blocking(move |context| {
                let Some(collection) = context.collection(&name)? else {
                    return Ok(Self::default());
                };
                let fields = compared_fields(&collection);
                let documents = context.documents(&name, &ids, fields)?;
                let looks = documents.iter().map(|document| {
                    let seen = seen(context, &name, document)?;
                    Ok((document.id.as_str().into(), seen))
                });
                Ok(Self(looks.collect::<Result<_, JournalError>>()?))
            })
            .await
    }

    /// A refusal of this document.
    pub(super) fn refusal(&self, id: &Arc<str>, cause: &str) -> Refusal {
        Refusal {
            id: Arc::clone(id),
            cause: cause.to_owned(),
            seen: self.0.get(id).copied(),
        }
    }
}

/// Tells log and metrics what became of refused documents.
pub(super) fn report(context: &Context, collection: &str, refusals: &[Refusal], verdicts: &[Verdict]) {
    for verdict in verdicts {
        let cause = refusals
            .iter()
            .find(|refusal| refusal.id == verdict.id)
            .map_or("", |refusal| &refusal.cause);
        context.metrics.sync.document_failed(collection, cause);
        let attempts = verdict.attempts;
        match verdict.fate {
            Fate::Anew => tracing::info!(
                collection,
                cause,
                "a document could not be brought into the graph and changed meanwhile; it is tried again now"
            ),
            Fate::Waits(wait) => tracing::warn!(
                collection,
                attempts,
                wait_ms = wait.as_millis() as u64,
                cause,
                "a document cannot be brought into the graph; it is tried again later"
            ),
            Fate::DeadLetter => {
                context.metrics.sync.dead_lettered(collection);
                tracing::warn!(
                    collection,
                    id = %verdict.id,
                    attempts,
                    cause,
                    "a document could not be brought into the graph and is a dead letter now; it is tried again when it \
                     changes or is replayed"
                );
            }
            Fate::NoRoom(wait) => tracing::warn!(
                collection,
                attempts,
                wait_ms = wait.as_millis() as u64,
                cause,
                "a document cannot be brought into the graph, and there is no room for another dead letter; it is tried \
                 again later"
            ),
        }
    }
}
