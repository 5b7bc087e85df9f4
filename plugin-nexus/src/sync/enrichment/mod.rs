//! The third stage: what the graph says of a document is merged into its payload, under `_nexus`.
//!
//! Invariants:
//! - only [`OURS`] is written, and fields that the configuration maps to properties of nodes, by the host's merge and, for the latter,
//!   under the condition that they are as they were read: nobody's edit is lost. A document that vanished meanwhile is no fault;
//! - nothing is written where the payload says it already: the fingerprint leaves `_nexus` out, so the change that the host
//!   tells of afterwards ends in the first stage, and no write comes round;
//! - a document is named to another only where everybody who may see the one may see the other.
//!
//! The plugin's own edges are the journal's to know ([`owned`]). The graph is read in two rounds a batch: the edges of others, with what
//! the journal is not sure of and the documents' own nodes where properties are [`mapped`]; and the names of entities that are not
//! remembered ([`names`]).

mod block;
mod mapped;
mod names;
mod owned;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use block::{Block, Domain, Entity, Related, Stored};
use mapped::Settled;
pub(in crate::sync) use names::EntityNames;
use names::Name;
use serde_json::json;
use vectorizer_plugin_api::FaultCode;
use vectorizer_plugin_api::model::{Fields, JsonMap, Merge};

use super::ACTOR;
use super::across::key;
use super::connection::Connection;
use super::context::{Context, now_micros, now_text, unless_gone};
use super::fault::StageFault;
use super::fingerprint::ENRICHMENT_KEY;
use super::lane::{Done, Failed};
use crate::config::Mapped;
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, DomainKey, EntityKey, ForeignEdge, Graph, Neighbour};
use crate::journal::{Batch, DocumentId, Outcome, StateChange, Work};
use crate::kill_point::kill_point;
use crate::payload::is_encrypted;

const OURS: &str = ENRICHMENT_KEY;

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
    /// The plugin's own edges; `None`: the graph has to be asked.
    owned: Option<Vec<Neighbour>>,
    /// The payload's fields that properties go to.
    fields: JsonMap,
    /// Whether they may: nothing goes into an encrypted payload in the clear.
    is_open: bool,
}

/// What a batch's documents have to do with.
#[derive(Default)]
struct Surroundings {
    owned: HashMap<String, Vec<Neighbour>>,
    foreign: HashMap<DocumentKey, Vec<ForeignEdge>>,
    entities: HashMap<EntityKey, Name>,
    /// The documents' own nodes, where properties of theirs are mapped.
    nodes: HashMap<DocumentKey, JsonMap>,
}

/// Whether a payload says nothing of the graph, and should: it is new, or somebody replaced it.
pub(super) fn is_missing(context: &Context, payload: Option<&JsonMap>) -> bool {
    context.config().enrichment.enabled && !payload.is_some_and(|payload| payload.contains_key(OURS))
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
    let mut subjects = {
        let batch = batch.clone();
        context.blocking(move |context| survey(context, &batch)).await?
    };
    let around = read(context, &connection.graph, &mut subjects).await?;
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
    if !context.config().enrichment.enabled {
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
        let key = key(&id)?;
        subjects.push(Subject {
            owned: owned::remembered(context, &id, &key, &state)?,
            key,
            id: id.id,
            access: state.access,
            stored: Stored::of(payload.get(OURS)),
            is_open: !is_encrypted(&payload),
            fields: fields(&context.config().enrichment.mapped, payload),
        });
    }
    Ok(subjects)
}

/// Of a payload.
fn fields(rules: &[Mapped], mut payload: JsonMap) -> JsonMap {
    let found = rules.iter().filter_map(|rule| payload.remove_entry(rule.field()));
    found.collect()
}

async fn read(
    context: &Context,
    graph: &Graph,
    subjects: &mut [Subject],
) -> Result<Surroundings, StageFault> {
    let mut around = Surroundings::default();
    if subjects.is_empty() {
        return Ok(around);
    }
    let keys: Vec<DocumentKey> = subjects.iter().map(|subject| subject.key.clone()).collect();
    let mut unsure = Vec::new();
    for subject in subjects {
        match subject.owned.take() {
            Some(edges) => drop(around.owned.insert(subject.key.as_str().to_owned(), edges)),
            None => unsure.push(subject.key.clone()),
        }
    }
    // Without keys or types, nothing is sent.
    let own = async { Ok::<_, StageFault>(graph.neighbours(&OWNED, &unsure).await?) };
    let foreign = async {
        let types = context.foreign_types().await?;
        Ok::<_, StageFault>(graph.foreign_edges(&types, &keys).await?)
    };
    let nodes = async {
        match context.config().enrichment.mapped.is_empty() {
            true => Ok::<_, StageFault>(HashMap::new()),
            false => Ok(graph.read_nodes(&keys).await?),
        }
    };
    let (own, foreign, nodes) = tokio::try_join!(own, foreign, nodes)?;
    around.nodes = nodes;
    for edge in own.into_iter().filter(|edge| edge.active == Some(true)) {
        around.owned.entry(edge.source.clone()).or_default().push(edge);
    }
    for edge in foreign {
        around.foreign.entry(edge.source.clone()).or_default().push(edge);
    }
    let mentioned: BTreeSet<EntityKey> = around
        .owned
        .values()
        .flat_map(|edges| most_sure(edges, context.config().enrichment.max_entities))
        .filter_map(|edge| EntityKey::parse(&edge.target).ok())
        .collect();
    around.entities = context.entity_names.of(graph, mentioned).await?;
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
    let config = context.config();
    let mut done = Done::default();
    let mut refused: BTreeMap<Arc<str>, String> = BTreeMap::new();
    let mut again: BTreeSet<Arc<str>> = BTreeSet::new();
    let metrics = &context.metrics.enrichment;
    let since: HashMap<Arc<str>, u64> = batch
        .claims
        .iter()
        .map(|claim| (Arc::clone(&claim.id), claim.since_micros))
        .collect();
    let count = |result| metrics.payload(&batch.collection, result);
    // They were gone before they were looked at.
    for _ in subjects.len()..batch.claims.len() {
        count("gone");
    }
    for subject in subjects {
        let mut block = describe(context, &subject, around)?;
        let settled = settle(&config.enrichment.mapped, &subject, around);
        block.mapped = settled.bases;
        let Some(mut patch) = subject.stored.patch(&block, now) else {
            done.unchanged += 1;
            count("unchanged");
            continue;
        };
        patch.extend(settled.changes);
        let (collection, id) = (&batch.collection, &subject.id);
        // Without fields of others in it, nothing can be overwritten.
        let merged = match settled.expected.is_empty() {
            true => context
                .host
                .merge_payload(collection, id, &patch)
                .map(|merged| match merged {
                    true => Merge::Merged,
                    false => Merge::Gone,
                }),
            false => context
                .host
                .merge_payload_if(collection, id, &settled.expected, &patch),
        };
        match unless_gone(merged) {
            Ok(Some(Merge::Merged)) => {
                done.enriched += 1;
                count("merged");
                if let Some(since) = since.get(&subject.id) {
                    let lag = now_micros().saturating_sub(*since);
                    metrics.shown_after(Duration::from_micros(lag));
                }
                for rule in settled.conflicts {
                    write_down(context, collection, id, rule);
                }
            }
            // Somebody was faster: what is there now is looked at.
            Ok(Some(Merge::Differs)) => {
                again.insert(Arc::clone(id));
            }
            Ok(Some(Merge::Gone) | None) => count("gone"),
            Err(fault) if matches!(fault.code, FaultCode::Invalid | FaultCode::Unsupported) => {
                refused.insert(Arc::clone(id), fault.to_string());
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
            None => {
                let left = match again.contains(&id) {
                    true => Work::ENRICHMENT,
                    false => Work::NONE,
                };
                done.outcomes.push(Outcome::new(id, left, StateChange::Keep));
            }
        }
    }
    Ok(done)
}

/// What goes into the payload of what others set on the document's node.
fn settle<'a>(rules: &'a [Mapped], subject: &Subject, around: &Surroundings) -> Settled<'a> {
    let bases = subject.stored.mapped();
    match around.nodes.get(&subject.key) {
        Some(node) if subject.is_open => mapped::settle(rules, node, &subject.fields, &bases),
        // What cannot be read did not change; what is not mapped any more is forgotten.
        _ => {
            let known = |name: &String| rules.iter().any(|rule| rule.field() == name);
            Settled {
                bases: bases.into_iter().filter(|(name, _)| known(name)).collect(),
                ..Settled::default()
            }
        }
    }
}

fn write_down(context: &Context, collection: &str, id: &str, rule: &Mapped) {
    context.metrics.enrichment.conflict(rule.on_conflict.name());
    let details = json!({
        "collection": collection,
        "id": id,
        "property": rule.property,
        "field": rule.field(),
        "kept": rule.on_conflict.name(),
    });
    context.audit_log.record(ACTOR, "property.conflict", &details);
}

/// What the graph says of one document.
fn describe(context: &Context, subject: &Subject, around: &Surroundings) -> Result<Block, StageFault> {
    let settings = &context.config().enrichment;
    let owned = around
        .owned
        .get(subject.key.as_str())
        .map_or(&[][..], Vec::as_slice);
    let foreign = around.foreign.get(&subject.key).map_or(&[][..], Vec::as_slice);
    let entities = most_sure(owned, settings.max_entities)
        .into_iter()
        .filter_map(|edge| {
            let entity = around.entities.get(&EntityKey::parse(&edge.target).ok()?)?;
            Some(Entity {
                name: entity.name.clone(),
                kind: entity.kind.clone(),
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
        mapped: JsonMap::new(),
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
        path: context.deriver().domain_path(&name),
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
        // An id too long to be read back from its key stays out of reach here.
        let (collection, id) = DocumentKey::parse(&edge.target).ok()?.names()?;
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
        if named.len() == context.config().enrichment.max_related {
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
