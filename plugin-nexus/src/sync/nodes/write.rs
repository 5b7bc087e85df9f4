//! Nodes that have to be written, or looked at since somebody else may have changed them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use vectorizer_plugin_api::model::JsonMap;

use super::super::ACTOR;
use super::super::connection::Connection;
use super::super::context::{Context, now_text};
use super::super::document::{Version, properties};
use super::super::fault::StageFault;
use super::super::fingerprint::fingerprint_text;
use super::super::lane::{Done, Failed};
use super::super::poller;
use super::super::verify::verify_nodes;
use super::mark_sources;
use super::present::Present;
use crate::graph::verify::WrittenNode;
use crate::graph::{DocumentKey, Graph, GraphError, NodeVersion, NodeWrite, RecordShape};
use crate::journal::{Batch, DocumentState, Outcome, Stage, StateChange, Work};
use crate::kill_point::kill_point;

/// Writes the nodes of documents that are in the store, where that is necessary.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn write(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
    present: Vec<Present>,
    done: &mut Done,
) -> Result<(), StageFault> {
    let epoch = context.journal.epoch();
    let rules = context.rules_digest(&batch.collection);
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
            &context.copy_rules(),
            context
                .deriver()
                .properties(&batch.collection, &document.document),
            &version,
        );
        if document.is_intact(&desired, known.as_ref(), epoch, |name| {
            context.copy_rules().owns(name)
        }) {
            done.unchanged += 1;
            done.outcomes.push(document.unchanged());
            continue;
        }
        if document.looked_at && !document.changed && known.is_some() {
            let details = json!({"collection": batch.collection, "id": document.id, "kept": "store"});
            context.audit_log.record(ACTOR, "node.restored", &details);
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
    let (chosen, how) = connection.sample(Stage::Nodes, kept.len(), context.config().verify.sample);
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
pub(super) struct Known {
    shape: RecordShape,
    pub(super) rev: u64,
    /// The record itself, where it was read from the graph.
    pub(super) record: Option<JsonMap>,
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
                    shape: RecordShape::of_stored(record, |name| context.copy_rules().owns(name))
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
