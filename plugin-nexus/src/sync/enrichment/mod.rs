//! The third stage: what the graph says of a document is merged into its payload, under `_nexus`.
//!
//! Invariants:
//! - only [`OURS`] is ever written, by the host's merge, so that nobody's edit is lost; a document that vanished meanwhile is none;
//! - nothing is written where the payload says it already: the fingerprint leaves `_nexus` out, so the change that the host
//!   tells of afterwards ends in the first stage, and no write comes round;
//! - a document is named to another only where everybody who may see the one may see the other.
//!
//! Reads the graph in three rounds a batch: the plugin's edges, those of others, the nodes of entities.

mod block;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use block::{Block, Domain, Entity, Related, Stored};
use serde_json::Value;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::{Fields, JsonMap};

use super::across::key;
use super::connection::Connection;
use super::context::{Context, now_text, unless_gone};
use super::fault::StageFault;
use super::lane::{Done, Failed};
use crate::graph::literal::Part;
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, DomainKey, EntityKey, ForeignEdge, Graph, Neighbour};
use crate::journal::{Batch, DocumentId, Outcome, StateChange, Work};
use crate::kill_point::kill_point;

/// The payload's field.
const OURS: &str = "_nexus";

/// Edges that documents own.
pub(super) const OWNED: [EdgeType; 5] = [
    EdgeType::SimilarTo,
    EdgeType::Mentions,
    EdgeType::BelongsTo,
    EdgeType::PartOf,
    EdgeType::Next,
];

/// A document that is in the store and in the graph.
struct Subject {
    id: Arc<str>,
    key: DocumentKey,
    access: u64,
    stored: Stored,
}

/// What a batch's documents have to do with.
#[derive(Default)]
struct Surroundings {
    owned: HashMap<String, Vec<Neighbour>>,
    foreign: HashMap<DocumentKey, Vec<ForeignEdge>>,
    entities: HashMap<EntityKey, JsonMap>,
}

/// Whether a payload says nothing of the graph, and should: it is new, or somebody replaced it.
pub(super) fn is_missing(context: &Context, payload: Option<&JsonMap>) -> bool {
    context.config.enrichment.enabled && !payload.is_some_and(|payload| payload.contains_key(OURS))
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
    let subjects = {
        let batch = batch.clone();
        context.blocking(move |context| survey(context, &batch)).await?
    };
    let around = read(context, &connection.graph, &subjects).await?;
    kill_point("enrich");
    let (batch_of, now) = (batch.clone(), now_text());
    let done = context
        .blocking(move |context| write(context, &batch_of, subjects, &around, &now))
        .await?;
    kill_point("enriched");
    Ok(done)
}

/// The documents of the batch that are in the store and in the graph. Blocks.
fn survey(context: &Context, batch: &Batch) -> Result<Vec<Subject>, StageFault> {
    if !context.config.enrichment.enabled {
        return Ok(Vec::new());
    }
    let ids: Vec<Arc<str>> = batch.claims.iter().map(|claim| Arc::clone(&claim.id)).collect();
    let mut subjects = Vec::with_capacity(ids.len());
    for document in context.documents(&batch.collection, &ids, Fields::PAYLOAD)? {
        let id = DocumentId::new(Arc::clone(&batch.collection), document.id.as_str());
        // Without a node there is nothing to be told yet; the first stage comes, and then this one.
        let Some(state) = context.journal.state(&id)? else {
            continue;
        };
        let payload = document.payload.unwrap_or_default();
        subjects.push(Subject {
            key: key(&id)?,
            id: id.id,
            access: state.access,
            stored: Stored::of(payload.get(OURS)),
        });
    }
    Ok(subjects)
}

async fn read(context: &Context, graph: &Graph, subjects: &[Subject]) -> Result<Surroundings, StageFault> {
    let mut around = Surroundings::default();
    if subjects.is_empty() {
        return Ok(around);
    }
    let keys: Vec<DocumentKey> = subjects.iter().map(|subject| subject.key.clone()).collect();
    for edge in graph.neighbours(&OWNED, &keys).await? {
        if edge.active == Some(true) {
            around.owned.entry(edge.source.clone()).or_default().push(edge);
        }
    }
    let types = context.foreign_types().await?;
    if !types.is_empty() {
        for edge in graph.foreign_edges(&types, &keys).await? {
            around.foreign.entry(edge.source.clone()).or_default().push(edge);
        }
    }
    let mentioned: BTreeSet<EntityKey> = around
        .owned
        .values()
        .flat_map(|edges| most_sure(edges, context.config.enrichment.max_entities))
        .filter_map(|edge| EntityKey::parse(&edge.target).ok())
        .collect();
    let mentioned: Vec<EntityKey> = mentioned.into_iter().collect();
    if !mentioned.is_empty() {
        around.entities = graph.read_nodes(&mentioned).await?;
    }
    Ok(around)
}

/// The edges to the entities that are named, those that are surest first.
fn most_sure(edges: &[Neighbour], most: usize) -> Vec<&Neighbour> {
    let mut mentions: Vec<&Neighbour> = edges
        .iter()
        .filter(|edge| edge.kind == EdgeType::Mentions)
        .collect();
    mentions.sort_by(|one, other| {
        weight(other)
            .total_cmp(&weight(one))
            .then_with(|| one.target.cmp(&other.target))
    });
    mentions.truncate(most);
    mentions
}

fn weight(edge: &Neighbour) -> f64 {
    edge.weight.as_f64().unwrap_or_default()
}

/// Merges what differs into the payloads. Blocks.
fn write(
    context: &Context,
    batch: &Batch,
    subjects: Vec<Subject>,
    around: &Surroundings,
    now: &str,
) -> Result<Done, StageFault> {
    let mut done = Done::default();
    let mut refused: BTreeMap<Arc<str>, String> = BTreeMap::new();
    for subject in subjects {
        let block = describe(context, &subject, around)?;
        let Some(patch) = subject.stored.patch(&block, now) else {
            done.unchanged += 1;
            continue;
        };
        let merged = context.host.merge_payload(&batch.collection, &subject.id, &patch);
        match unless_gone(merged) {
            Ok(Some(true)) => done.enriched += 1,
            Ok(Some(false) | None) => {}
            Err(fault) if fault.code == FaultCode::Invalid => {
                refused.insert(Arc::clone(&subject.id), fault.to_string());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    if done.enriched > 0
        && let Err(fault) = context.host.invalidate_cache(&batch.collection)
    {
        tracing::warn!(%fault, collection = %batch.collection, "the host's cached answers could not be dropped");
    }
    for claim in &batch.claims {
        let id = Arc::clone(&claim.id);
        match refused.remove(&claim.id) {
            Some(error) => done.failed.push(Failed { id, error }),
            None => done
                .outcomes
                .push(Outcome::new(id, Work::NONE, StateChange::Keep)),
        }
    }
    Ok(done)
}

/// What the graph says of one document.
fn describe(context: &Context, subject: &Subject, around: &Surroundings) -> Result<Block, StageFault> {
    let settings = &context.config.enrichment;
    let owned = around
        .owned
        .get(subject.key.as_str())
        .map_or(&[][..], Vec::as_slice);
    let foreign = around.foreign.get(&subject.key).map_or(&[][..], Vec::as_slice);
    let entities = most_sure(owned, settings.max_entities)
        .into_iter()
        .filter_map(|edge| {
            let node = around.entities.get(&EntityKey::parse(&edge.target).ok()?)?;
            let text = |name: &str| node.get(name).and_then(Value::as_str).map(str::to_owned);
            Some(Entity {
                name: text("name")?,
                kind: text("kind")?,
                confidence: weight(edge),
            })
        })
        .collect();
    Ok(Block {
        node_id: subject.key.as_str().to_owned(),
        domain: domain(context, owned),
        relationship_count: owned.len() + foreign.len(),
        entities,
        related_documents: related(context, subject, owned, foreign)?,
    })
}

/// The surest domain, and the way to it from the top.
fn domain(context: &Context, owned: &[Neighbour]) -> Option<Domain> {
    let surest = owned
        .iter()
        .filter(|edge| edge.kind == EdgeType::BelongsTo)
        .max_by(|one, other| {
            weight(one)
                .total_cmp(&weight(other))
                .then_with(|| other.target.cmp(&one.target))
        })?;
    let name = DomainKey::parse(&surest.target).ok()?.name()?;
    Some(Domain {
        path: context.deriver.domain_path(&name),
        name,
        confidence: weight(surest),
    })
}

/// The documents that may be named, the closest first.
fn related(
    context: &Context,
    subject: &Subject,
    owned: &[Neighbour],
    foreign: &[ForeignEdge],
) -> Result<Vec<Related>, StageFault> {
    let to_documents = |edge: &&Neighbour| matches!(edge.kind, EdgeType::SimilarTo | EdgeType::Next);
    let ours = owned.iter().filter(to_documents).filter_map(|edge| {
        let (Part::Text(collection), Part::Text(id)) = DocumentKey::parse(&edge.target).ok()?.parts().ok()?
        else {
            // An id too long to be read back from its key stays out of reach here.
            return None;
        };
        Some(Related {
            collection,
            id,
            kind: edge.kind.name().to_owned(),
            score: (edge.kind == EdgeType::SimilarTo).then(|| weight(edge)),
        })
    });
    let theirs = foreign.iter().filter_map(|edge| {
        let (collection, id) = edge.target.clone()?;
        Some(Related {
            collection,
            id,
            kind: edge.kind.clone(),
            score: None,
        })
    });
    // What people linked comes before what was computed.
    let mut all: Vec<Related> = theirs.chain(ours).collect();
    all.sort_by(Related::order);
    let mut named = Vec::new();
    for related in all {
        if named.len() == context.config.enrichment.max_related {
            break;
        }
        let document = DocumentId::new(related.collection.as_str(), related.id.as_str());
        let access = context.journal.state(&document)?.map(|state| state.access);
        if access.is_some_and(|access| access == 0 || access == subject.access) {
            named.push(related);
        }
    }
    Ok(named)
}
