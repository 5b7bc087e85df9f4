//! The nodes of things: entities, domains, sources. They are there before an edge to them is written, and go with their last
//! member.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vectorizer_plugin_api::model::JsonMap;

use super::super::context::{Context, now_micros};
use super::super::fault::StageFault;
use super::super::fingerprint::fingerprint;
use crate::graph::literal::LiteralError;
use crate::graph::schema::{EdgeType, NodeLabel};
use crate::graph::{
    DomainKey, Edge, EntityKey, Graph, GraphError, NodeKey, NodeWrite, RecordShape, SourceKey,
};
use crate::journal::{Thing, ThingState, Work};

/// Properties of things' nodes; others are not ours.
const OWN: [&str; 7] = ["name", "kind", "parent", "path", "collection", "tenant", "gc"];

/// Things that are in the graph, with the life of their nodes, and those that the server refuses.
#[derive(Debug, Default)]
pub(super) struct Ensured {
    pub(super) born: HashMap<Thing, u64>,
    pub(super) refused: HashMap<Thing, String>,
}

/// Writes the nodes of these things where they are not in the graph, or not as they should be.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn ensure(
    context: &Context,
    graph: &Graph,
    wanted: &BTreeMap<Thing, JsonMap>,
    epoch: u32,
) -> Result<Ensured, StageFault> {
    let mut ensured = Ensured::default();
    let mut unsure: BTreeMap<NodeLabel, Vec<Unsure<'_>>> = BTreeMap::new();
    for (thing, properties) in wanted {
        let state = context.journal.thing(thing)?;
        let trusted = state.as_ref().filter(|state| state.epoch == epoch);
        // The first document that mentions an entity names it; others may spell it otherwise.
        if let (Some(state), NodeLabel::Entity) = (trusted, thing.label) {
            ensured.born.insert(thing.clone(), state.born);
            continue;
        }
        let digest = (fingerprint(Some(properties)) >> 64) as u64;
        if let Some(state) = trusted.filter(|state| state.digest == digest) {
            ensured.born.insert(thing.clone(), state.born);
            continue;
        }
        unsure.entry(thing.label).or_default().push(Unsure {
            thing,
            properties,
            digest,
            state,
        });
    }
    for (label, unsure) in unsure {
        match label {
            NodeLabel::Entity => write(context, graph, unsure, epoch, EntityKey::parse, &mut ensured).await?,
            NodeLabel::Domain => {
                let domains: Vec<(String, Option<String>)> = unsure.iter().map(Unsure::domain).collect();
                write(context, graph, unsure, epoch, DomainKey::parse, &mut ensured).await?;
                arrange(graph, &domains).await?;
            }
            NodeLabel::Source => write(context, graph, unsure, epoch, SourceKey::parse, &mut ensured).await?,
            NodeLabel::Document | NodeLabel::Scratch => {}
        }
    }
    Ok(ensured)
}

/// A thing whose node may have to be written.
struct Unsure<'a> {
    thing: &'a Thing,
    properties: &'a JsonMap,
    digest: u64,
    state: Option<ThingState>,
}

impl Unsure<'_> {
    /// A domain's name, and that of the one that holds it.
    fn domain(&self) -> (String, Option<String>) {
        let text = |name| {
            self.properties
                .get(name)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        (text("name").unwrap_or_default(), text("parent"))
    }
}

/// Links domains with those that hold them, and no others any more.
async fn arrange(graph: &Graph, domains: &[(String, Option<String>)]) -> Result<(), StageFault> {
    let key = |name: &str| DomainKey::new(name).map_err(GraphError::from);
    let keys: Vec<DomainKey> = domains
        .iter()
        .map(|(name, _)| key(name))
        .collect::<Result<_, _>>()?;
    let mut edges = Vec::new();
    for held in graph.neighbours(&[EdgeType::SubdomainOf], &keys).await? {
        let parent = domains
            .iter()
            .zip(&keys)
            .find(|(_, key)| key.as_str() == held.source);
        let parent = parent.and_then(|((_, parent), _)| parent.as_deref());
        let stays = parent.is_some_and(|parent| key(parent).is_ok_and(|key| key.as_str() == held.target));
        if held.active == Some(true) && !stays {
            let (child, parent) = (DomainKey::parse(&held.source), DomainKey::parse(&held.target));
            let edge = Edge::subdomain_of(
                &child.map_err(GraphError::from)?,
                &parent.map_err(GraphError::from)?,
                false,
            );
            edges.push(edge.map_err(GraphError::from)?);
        }
    }
    for ((_, parent), child) in domains.iter().zip(&keys) {
        if let Some(parent) = parent {
            edges.push(Edge::subdomain_of(child, &key(parent)?, true).map_err(GraphError::from)?);
        }
    }
    graph.write_edges(&edges).await?;
    Ok(())
}

async fn write<K: NodeKey>(
    context: &Context,
    graph: &Graph,
    unsure: Vec<Unsure<'_>>,
    epoch: u32,
    parse: impl Fn(&str) -> Result<K, LiteralError>,
    ensured: &mut Ensured,
) -> Result<(), StageFault> {
    let keys: Vec<K> = unsure
        .iter()
        .map(|unsure| parse(&unsure.thing.key))
        .collect::<Result<_, _>>()
        .map_err(GraphError::from)?;
    let unknown: Vec<K> = unsure
        .iter()
        .zip(&keys)
        .filter(|(unsure, _)| unsure.state.as_ref().is_none_or(|state| state.epoch != epoch))
        .map(|(_, key)| key.clone())
        .collect();
    let found = match unknown.is_empty() {
        true => HashMap::new(),
        false => graph.read_nodes(&unknown).await?,
    };
    let (mut writes, mut states) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for (unsure, key) in unsure.iter().zip(&keys) {
        let trusted = unsure.state.as_ref().filter(|state| state.epoch == epoch);
        let stored = match trusted {
            Some(state) => Some(state.shape.clone()),
            None => found
                .get(key)
                .map(|record| RecordShape::of_stored(record, |name| OWN.contains(&name)))
                .transpose()
                .map_err(GraphError::from)?,
        };
        if stored.is_none() && unsure.state.is_some() {
            lost(context, unsure.thing)?;
        }
        let known = unsure.state.as_ref().filter(|_| stored.is_some());
        let write =
            NodeWrite::build(key.clone(), unsure.properties, stored.as_ref()).map_err(GraphError::from)?;
        states.push(ThingState {
            epoch,
            born: known.map_or_else(|| context.birth(), |state| state.born),
            digest: unsure.digest,
            shape: write.shape().clone(),
        });
        writes.push(write);
    }
    for refused in graph.upsert_nodes(&writes).await? {
        if let Some(unsure) = unsure.get(refused.row) {
            ensured
                .refused
                .insert(unsure.thing.clone(), refused.error.to_string());
        }
    }
    let taken = unsure
        .iter()
        .zip(&states)
        .filter(|(unsure, _)| !ensured.refused.contains_key(unsure.thing));
    context
        .journal
        .put_things(taken.clone().map(|(unsure, state)| (unsure.thing, state)))?;
    for (unsure, state) in taken {
        ensured.born.insert(unsure.thing.clone(), state.born);
    }
    Ok(())
}

/// The node of a thing is not in the graph although it was: its edges went with it, so all its members compare theirs.
///
/// # Errors
/// [`StageFault::Journal`].
pub(super) fn lost(context: &Context, thing: &Thing) -> Result<(), StageFault> {
    let mut members: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for member in context.journal.members(thing, None)? {
        let document = member?.document;
        members.entry(document.collection).or_default().push(document.id);
    }
    for (collection, ids) in members {
        context.journal.add_compared(
            &collection,
            ids.iter().map(AsRef::as_ref),
            Work::RELATIONS,
            now_micros(),
        )?;
    }
    Ok(())
}

/// Deletes the nodes of things, with all their edges.
///
/// # Errors
/// [`StageFault`].
pub(super) async fn delete(context: &Context, graph: &Graph, orphans: &[Thing]) -> Result<usize, StageFault> {
    let keys = |label| {
        let keys = orphans.iter().filter(move |thing| thing.label == label);
        keys.map(|thing| thing.key.as_str())
    };
    let entities: Vec<EntityKey> = keys(NodeLabel::Entity)
        .map(EntityKey::parse)
        .collect::<Result<_, _>>()
        .map_err(GraphError::from)?;
    let sources: Vec<SourceKey> = keys(NodeLabel::Source)
        .map(SourceKey::parse)
        .collect::<Result<_, _>>()
        .map_err(GraphError::from)?;
    let domains: Vec<DomainKey> = keys(NodeLabel::Domain)
        .map(DomainKey::parse)
        .collect::<Result<_, _>>()
        .map_err(GraphError::from)?;
    let mut deleted = 0;
    if !domains.is_empty() {
        deleted += graph.delete_nodes(&domains).await?;
    }
    if !entities.is_empty() {
        deleted += graph.delete_nodes(&entities).await?;
    }
    if !sources.is_empty() {
        deleted += graph.delete_nodes(&sources).await?;
    }
    context.journal.forget_things(orphans)?;
    Ok(deleted)
}
