//! The first stage: bring the nodes of a batch in line with the store.
//!
//! A document that is gone loses its node, and with it all edges; those who had it among their nearest compare theirs
//! again. One that is there is written where its payload, the copy rules or the knowledge of its record changed. Where
//! the journal has no state of this epoch, the record's width is read from the graph first, since a record must never
//! shrink.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use vectorizer_plugin_api::model::{Document, Fields, JsonMap};

use super::connection::Connection;
use super::context::{Context, now_text};
use super::document::{Place, Version, properties, says};
use super::enrichment;
use super::fault::StageFault;
use super::fingerprint::{content_digest, fingerprint, fingerprint_text};
use super::lane::{Done, Failed};
use super::poller;
use super::verify::verify_nodes;
use crate::audit_log;
use crate::graph::literal::LiteralError;
use crate::graph::verify::WrittenNode;
use crate::graph::{Bucket, DocumentKey, Graph, GraphError, NodeVersion, NodeWrite, RecordShape};
use crate::journal::{Batch, Claim, DocumentId, DocumentState, Event, Outcome, Stage, StateChange, Work};
use crate::kill_point::kill_point;

/// A document that is in the store.
struct Present {
    id: Arc<str>,
    place: Place,
    document: Document,
    state: Option<DocumentState>,
    fingerprint: u128,
    access: u64,
    /// Digest of the payload and the vector.
    content: u64,
    /// Whether the node has to say something else than it did.
    changed: bool,
    /// Whether somebody else may have changed the node.
    looked_at: bool,
    left: Work,
}

impl Present {
    /// What subscribers may want to be told of it, once it is in the graph.
    fn event(&self) -> Option<Event> {
        match &self.state {
            None => Some(Event::Inserted),
            Some(state) => (state.content != self.content).then_some(Event::Updated),
        }
    }

    /// The outcome where the node is right as it is.
    fn unchanged(self) -> Outcome {
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
    fn is_intact(
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

/// A document that is not.
struct Gone {
    id: Arc<str>,
    key: DocumentKey,
    state: Option<DocumentState>,
}

/// Runs the stage.
///
/// # Errors
/// [`StageFault`]; nothing of the batch counts as done then.
pub(super) async fn run(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
) -> Result<Done, StageFault> {
    let mut done = Done::default();
    if !context.config.syncs(&batch.collection) {
        done.outcomes = batch.claims.iter().map(|claim| all_done(&claim.id)).collect();
        return Ok(done);
    }
    let (present, gone) = survey(context, batch, &mut done).await?;
    tell_of_access(context, batch, &present, &mut done)?;
    remove(context, connection, batch, gone, &mut done).await?;
    write(context, connection, batch, present, &mut done).await?;
    Ok(done)
}

fn all_done(id: &Arc<str>) -> Outcome {
    Outcome::new(Arc::clone(id), Work::NONE, StateChange::Keep)
}

/// Looks the batch up in the store and the journal.
async fn survey(
    context: &Arc<Context>,
    batch: &Batch,
    done: &mut Done,
) -> Result<(Vec<Present>, Vec<Gone>), StageFault> {
    let ids: Vec<Arc<str>> = batch.claims.iter().map(|claim| Arc::clone(&claim.id)).collect();
    let collection = Arc::clone(&batch.collection);
    let documents = context
        .blocking(move |context| context.documents(&collection, &ids, Fields::ALL))
        .await?;
    let mut documents: HashMap<String, Document> = documents
        .into_iter()
        .map(|document| (document.id.clone(), document))
        .collect();

    let (mut present, mut gone) = (Vec::new(), Vec::new());
    for claim in &batch.claims {
        let place = match place(&batch.collection, &claim.id) {
            Ok(place) => place,
            Err(error) => {
                done.failed.push(Failed {
                    id: Arc::clone(&claim.id),
                    error: error.to_string(),
                });
                continue;
            }
        };
        let state = context.journal.state(&batch.document(&claim.id))?;
        match documents.remove(claim.id.as_ref()) {
            Some(document) => present.push(assess(context, batch, claim, place, document, state)?),
            None => gone.push(Gone {
                id: Arc::clone(&claim.id),
                key: place.key,
                state,
            }),
        }
    }
    Ok((present, gone))
}

fn place(collection: &str, id: &str) -> Result<Place, LiteralError> {
    Ok(Place {
        key: DocumentKey::new(collection, id)?,
        bucket: Bucket::of(collection, id)?,
    })
}

fn assess(
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
        .deriver
        .access(&batch.collection, document.payload.as_ref())
        .digest();
    let moved = state.as_ref().is_none_or(|state| {
        state.vector != Some(likeness) || context.deriver.isolates() && state.access != access
    });
    let reworded = state
        .as_ref()
        .is_none_or(|state| (state.fingerprint, state.copy_rules) != (fingerprint, context.rules_digest()));
    // A vector may have a say in the document's domain.
    let changed = reworded || moved && context.deriver.heeds_vectors();
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
            && (!context.deriver.is_idle()
                || context.journal.relations(&batch.document(&claim.id))?.is_some());
    let relations = if related { Work::RELATIONS } else { Work::NONE };
    let looked_at = claim.work.has(Work::LOOK);
    let look = if looked_at && !edges.and(relations).is_none() {
        Work::LOOK
    } else {
        Work::NONE
    };
    let enriches = context.config.enrichment.enabled && changed
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

/// Documents that are not seen by the same people any more are not named to the same documents.
fn tell_of_access(
    context: &Context,
    batch: &Batch,
    present: &[Present],
    done: &mut Done,
) -> Result<(), StageFault> {
    if !context.config.enrichment.enabled {
        return Ok(());
    }
    let moved = |document: &&Present| {
        let before = document.state.as_ref().map(|state| state.access);
        before.is_some_and(|access| access != document.access)
    };
    for document in present.iter().filter(moved) {
        mark_sources(context, &batch.document(&document.id), Work::ENRICHMENT, done)?;
    }
    Ok(())
}

/// Finds this work for the documents, also of other collections, that have an edge to one.
fn mark_sources(
    context: &Context,
    document: &DocumentId,
    work: Work,
    done: &mut Done,
) -> Result<(), StageFault> {
    let beside = context.journal.sources(document)?.into_iter();
    let beside = beside.map(|source| DocumentId::new(Arc::clone(&document.collection), source));
    let across = context.journal.sources_across(document)?;
    done.marks
        .extend(beside.chain(across).map(|source| (source, work)));
    Ok(())
}

async fn remove(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
    gone: Vec<Gone>,
    done: &mut Done,
) -> Result<(), StageFault> {
    if gone.is_empty() {
        return Ok(());
    }
    let keys: Vec<DocumentKey> = gone.iter().map(|document| document.key.clone()).collect();
    kill_point("delete");
    done.deleted += connection.graph.delete_nodes(&keys).await?;
    connection.mark_written();
    kill_point("deleted");
    for Gone { id, state, .. } in gone {
        let is_known = state.is_some();
        let lost = state
            .into_iter()
            .flat_map(|state| state.edges)
            .map(|edge| edge.target)
            .collect();
        // Its edges went with the node; what it was related to may be an orphan now, and the edge stage sees to that.
        let left = match context.journal.relations(&batch.document(&id))? {
            Some(_) => Work::RELATIONS,
            None => Work::NONE,
        };
        let mut outcome = Outcome::new(id, left, StateChange::Remove);
        outcome.event = is_known.then_some(Event::Deleted);
        outcome.lost = lost;
        done.outcomes.push(outcome);
    }
    Ok(())
}

async fn write(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
    present: Vec<Present>,
    done: &mut Done,
) -> Result<(), StageFault> {
    let epoch = context.journal.epoch();
    let rules = context.rules_digest();
    let (unchanged, changed): (Vec<_>, Vec<_>) = present.into_iter().partition(|document| {
        !document.changed
            && !document.looked_at
            && document
                .state
                .as_ref()
                .is_some_and(|state| state.epoch == Some(epoch))
    });
    for document in unchanged {
        done.unchanged += 1;
        done.outcomes.push(document.unchanged());
    }

    let stored = stored_records(context, &connection.graph, &changed, epoch).await?;
    let synced_at = now_text();
    let mut writes = Vec::with_capacity(changed.len());
    for mut document in changed {
        let known = match stored.get(document.place.key.as_str()) {
            // Of this epoch: the journal knows.
            None => document.state.as_ref().map(|state| Known {
                shape: state.shape.clone(),
                rev: state.rev,
                record: None,
            }),
            Some(found) => found.clone(),
        };
        if document.looked_at && known.is_none() && document.state.is_some() {
            // Somebody deleted it, and with it the edges of those that had it among their nearest.
            document.left = document.left.and(Work::SPREAD).and(Work::RELATIONS);
            mark_sources(context, &batch.document(&document.id), Work::EDGES, done)?;
        }
        let rev = known
            .as_ref()
            .map_or(0, |known| known.rev)
            .max(document.state.as_ref().map_or(0, |s| s.rev))
            + 1;
        let version = Version {
            rev,
            fingerprint: document.fingerprint,
            synced_at: &synced_at,
        };
        let desired = properties(
            &batch.collection,
            &document.id,
            &document.place,
            document.document.payload.as_ref(),
            &context.copy_rules,
            context.deriver.properties(&batch.collection, &document.document),
            &version,
        );
        if document.is_intact(&desired, known.as_ref(), epoch, |name| {
            context.copy_rules.owns(name)
        }) {
            done.unchanged += 1;
            done.outcomes.push(document.unchanged());
            continue;
        }
        if document.looked_at && !document.changed && known.is_some() {
            let details = json!({"collection": batch.collection, "id": document.id, "kept": "store"});
            context
                .audit_log
                .record(audit_log::SELF, "node.restored", &details);
        }
        match NodeWrite::build(
            document.place.key.clone(),
            &desired,
            known.as_ref().map(|known| &known.shape),
        ) {
            Ok(write) => {
                let state = next_state(
                    context,
                    &document,
                    known.is_some(),
                    epoch,
                    rules,
                    rev,
                    write.shape().clone(),
                );
                writes.push((write, document, state));
            }
            Err(error) => {
                done.failed.push(Failed {
                    id: document.id,
                    error: error.to_string(),
                });
            }
        }
    }
    let rows: Vec<NodeWrite> = writes.iter().map(|(write, ..)| write.clone()).collect();
    kill_point("send-nodes");
    let refused = connection.graph.upsert_nodes(&rows).await?;
    kill_point("sent-nodes");
    let refused: HashMap<usize, String> = refused
        .into_iter()
        .map(|refused| (refused.row, refused.error.to_string()))
        .collect();
    let kept: Vec<usize> = (0..writes.len())
        .filter(|row| !refused.contains_key(row))
        .collect();
    let (chosen, how) = connection.sample(Stage::Nodes, kept.len());
    let sample: Vec<(NodeWrite, WrittenNode)> = chosen
        .into_iter()
        .map(|at| {
            let (write, document, (state, _)) = &writes[kept[at]];
            let written = WrittenNode {
                key: write.key().clone(),
                bucket: document.place.bucket.clone(),
                version: NodeVersion {
                    rev: Some(state.rev),
                    fingerprint: Some(fingerprint_text(state.fingerprint)),
                },
            };
            (write.clone(), written)
        })
        .collect();
    verify_nodes(context, &connection.graph, sample, how).await?;
    kill_point("verified-nodes");
    for (row, (write, document, (state, lost))) in writes.into_iter().enumerate() {
        if let Some(error) = refused.get(&row) {
            done.failed.push(Failed {
                id: document.id,
                error: error.clone(),
            });
            continue;
        }
        if poller::is_on(context) {
            context.seen.wrote(write.key(), write.record().props());
        }
        done.written.push(Arc::clone(&document.id));
        let event = document.event();
        let mut outcome = Outcome::new(document.id, document.left, StateChange::Put(state));
        outcome.event = event;
        outcome.lost = lost;
        done.outcomes.push(outcome);
    }
    Ok(())
}

/// What is known of a stored record.
#[derive(Debug, Clone)]
struct Known {
    shape: RecordShape,
    rev: u64,
    /// The record itself, where it was read from the graph.
    record: Option<JsonMap>,
}

/// Reads the records of all documents whose state is not of this epoch: by key, `None` for those without a node.
async fn stored_records(
    context: &Arc<Context>,
    graph: &Graph,
    documents: &[Present],
    epoch: u32,
) -> Result<BTreeMap<String, Option<Known>>, StageFault> {
    let keys: Vec<DocumentKey> = documents
        .iter()
        .filter(|document| {
            document.looked_at
                || document
                    .state
                    .as_ref()
                    .is_none_or(|state| state.epoch != Some(epoch))
        })
        .map(|document| document.place.key.clone())
        .collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = graph.read_nodes(&keys).await?;
    keys.into_iter()
        .map(|key| {
            let known = match found.get(&key) {
                Some(record) => Some(Known {
                    shape: RecordShape::of_stored(record, |name| context.copy_rules.owns(name))
                        .map_err(|error| StageFault::from(GraphError::from(error)))?,
                    rev: record.get("rev").and_then(Value::as_u64).unwrap_or(0),
                    record: Some(record.clone()),
                }),
                None => None,
            };
            Ok((key.as_str().to_owned(), known))
        })
        .collect()
}

/// The state after the write, and the targets of edges that went with a lost node.
fn next_state(
    context: &Context,
    document: &Present,
    exists: bool,
    epoch: u32,
    copy_rules: u64,
    rev: u64,
    shape: RecordShape,
) -> (DocumentState, Vec<String>) {
    let fresh = |edges_epoch| DocumentState {
        epoch: Some(epoch),
        edges_epoch,
        rev,
        born: context.birth(),
        fingerprint: document.fingerprint,
        copy_rules,
        vector: None,
        shape: shape.clone(),
        edges: Vec::new(),
        access: document.access,
        content: document.content,
    };
    match (&document.state, exists) {
        (Some(state), true) => {
            let kept = DocumentState {
                epoch: Some(epoch),
                rev,
                fingerprint: document.fingerprint,
                copy_rules,
                shape: shape.clone(),
                access: document.access,
                content: document.content,
                ..state.clone()
            };
            (kept, Vec::new())
        }
        // The journal lost the state: the node may have edges nobody remembers.
        (None, true) => (fresh(None), Vec::new()),
        // A new node has none, and the old one's went with it.
        (before, false) => {
            let lost = before
                .iter()
                .flat_map(|state| &state.edges)
                .map(|edge| edge.target.clone())
                .collect();
            (fresh(Some(epoch)), lost)
        }
    }
}
