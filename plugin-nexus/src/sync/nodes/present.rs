//! A document that is in the store, and what is to be done about its node.

use std::sync::Arc;

use serde_json::Value;
use vectorizer_plugin_api::model::{Document, JsonMap};

use super::super::context::Context;
use super::super::document::{Place, says};
use super::super::enrichment;
use super::super::fault::StageFault;
use super::super::fingerprint::{content_digest, fingerprint};
use super::write::Known;
use crate::journal::{Batch, Claim, DocumentState, Event, Outcome, StateChange, Work};

/// A document that is in the store.
pub(super) struct Present {
    pub(super) id: Arc<str>,
    pub(super) place: Place,
    pub(super) document: Document,
    pub(super) state: Option<DocumentState>,
    pub(super) fingerprint: u128,
    pub(super) access: u64,
    /// Digest of the payload and the vector.
    pub(super) content: u64,
    /// Whether the node has to say something else than it did.
    pub(super) changed: bool,
    /// Whether somebody else may have changed the node.
    pub(super) looked_at: bool,
    pub(super) left: Work,
}

impl Present {
    /// What subscribers may want to be told of it, once it is in the graph.
    pub(super) fn event(&self) -> Option<Event> {
        match &self.state {
            None => Some(Event::Inserted),
            Some(state) => (state.content != self.content).then_some(Event::Updated),
        }
    }

    /// The outcome where the node is right as it is.
    pub(super) fn unchanged(self) -> Outcome {
        let event = self.event();
        let state = match (&event, self.state) {
            (Some(_), Some(state)) => StateChange::Put(DocumentState {
                content: self.content,
                ..state
            }),
            _ => StateChange::Keep,
        };
        Outcome {
            event,
            ..Outcome::new(self.id, self.left, state)
        }
    }

    /// Whether the node, which somebody else may have changed, says still what was written last, and should.
    pub(super) fn is_intact(
        &self,
        desired: &JsonMap,
        known: Option<&Known>,
        epoch: u32,
        owns: impl Fn(&str) -> bool,
    ) -> bool {
        let state = self.state.as_ref().filter(|state| state.epoch == Some(epoch));
        let record = known.and_then(|known| known.record.as_ref());
        match (state, record) {
            (Some(state), Some(record)) if self.looked_at && !self.changed => {
                record.get("rev").and_then(Value::as_u64) == Some(state.rev) && says(record, desired, owns)
            }
            _ => false,
        }
    }
}

/// What there is to do about a document.
pub(super) fn assess(
    context: &Context,
    batch: &Batch,
    claim: &Claim,
    place: Place,
    document: Document,
    state: Option<DocumentState>,
) -> Result<Present, StageFault> {
    let likeness = context.likeness(&batch.collection, &document)?;
    let fingerprint = fingerprint(document.payload.as_ref());
    let content = content_digest(fingerprint, &document.vector);
    let access = context
        .deriver()
        .access(&batch.collection, document.payload.as_ref())
        .digest();
    let moved = state.as_ref().is_none_or(|state| {
        state.vector != Some(likeness) || context.deriver().isolates() && state.access != access
    });
    let reworded = state.as_ref().is_none_or(|state| {
        (state.fingerprint, state.copy_rules) != (fingerprint, context.rules_digest(&batch.collection))
    });
    // A vector may have a say in the document's domain.
    let changed = reworded || moved && context.deriver().heeds_vectors();
    // The node is what this stage sees to; edges wait for the next one.
    let edges = if claim.work.has(Work::SPREAD) || moved {
        Work::SPREAD
    } else if claim.work.has(Work::EDGES) {
        Work::EDGES
    } else {
        Work::NONE
    };
    let related = claim.work.has(Work::RELATIONS)
        || changed
            && (!context.deriver().is_idle()
                || context.journal.relations(&batch.document(&claim.id))?.is_some());
    let relations = if related { Work::RELATIONS } else { Work::NONE };
    let looked_at = claim.work.has(Work::LOOK);
    let look = if looked_at && !edges.and(relations).is_none() {
        Work::LOOK
    } else {
        Work::NONE
    };
    let enriches = context.config().enrichment.enabled && changed
        || enrichment::is_missing(context, document.payload.as_ref());
    let enrichment = match enriches {
        true => Work::ENRICHMENT,
        false => claim.work.within(Work::ENRICHMENT),
    };
    Ok(Present {
        id: Arc::clone(&claim.id),
        place,
        fingerprint,
        access,
        content,
        changed,
        looked_at,
        document,
        state,
        left: edges.and(relations).and(look).and(enrichment),
    })
}
