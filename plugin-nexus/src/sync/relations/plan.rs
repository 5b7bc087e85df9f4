//! What has to change about the relations of a batch's documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use vectorizer_plugin_api::model::Document;

use super::super::ahead::Documents;
use super::super::context::Context;
use super::super::fault::StageFault;
use super::super::neighbours::SEEN_IN_GRAPH;
use super::chain;
use super::derive::Relation;
use super::derived::{Derived, derive_one};
use super::members::Members;
use super::rows::{self, edge_type, relation_kind};
use super::things::{self, Ensured};
use crate::graph::literal::Part;
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, Edge, Graph, GraphError};
use crate::journal::{
    Batch, DocumentId, RelationEdge, RelationKind, Relations, RelationsChange, StateHead, Thing, Work,
};

/// What the plan of one document comes to.
#[derive(Debug)]
pub(in crate::sync) struct RelationPlan {
    /// Edges to be written, retracted ones first; in both directions where the type has a reverse.
    pub(in crate::sync) edges: Vec<Edge>,
    /// Relations that are asserted, and those that are retracted.
    pub(in crate::sync) asserted: Vec<RelationEdge>,
    /// See [`RelationPlan::asserted`].
    pub(in crate::sync) retracted: Vec<RelationEdge>,
    /// What the journal has to remember.
    pub(in crate::sync) change: RelationsChange,
}

/// What the plans of a batch come to.
#[derive(Debug, Default)]
pub(in crate::sync) struct Related {
    /// By document.
    pub(in crate::sync) plans: HashMap<Arc<str>, RelationPlan>,
    /// Documents whose relations cannot be written, with the reason.
    pub(in crate::sync) failed: HashMap<Arc<str>, String>,
    /// Things to be deleted once the edges are written.
    orphans: Vec<Thing>,
    /// Documents of the collection whose relations change with those of the batch.
    pub(in crate::sync) marks: BTreeSet<Arc<str>>,
}

impl Related {
    /// Deletes the things that lose their last member. Only then the batch may count as done.
    ///
    /// # Errors
    /// [`StageFault`].
    pub(in crate::sync) async fn delete_orphans(
        &self,
        context: &Context,
        graph: &Graph,
    ) -> Result<(), StageFault> {
        if !self.orphans.is_empty() {
            things::delete(context, graph, &self.orphans).await?;
        }
        Ok(())
    }

    /// The graph has no nodes with these keys. Forgets those things of the batch that are called so, and tells their members.
    ///
    /// # Errors
    /// [`StageFault::Journal`].
    pub(in crate::sync) fn lost_things(
        &self,
        context: &Context,
        missing: &[String],
    ) -> Result<(), StageFault> {
        let relations = self
            .plans
            .values()
            .flat_map(|plan| plan.asserted.iter().chain(&plan.retracted));
        let lost: BTreeSet<Thing> = relations
            .filter_map(RelationEdge::thing)
            .filter(|thing| missing.contains(&thing.key))
            .collect();
        for thing in &lost {
            things::lost(context, thing)?;
        }
        context.journal.forget_things(&lost)?;
        Ok(())
    }
}

/// A document of the batch, before the graph was asked.
#[derive(Debug)]
struct Draft {
    document: DocumentId,
    key: DocumentKey,
    /// The life of its node; `None`: it is gone, and its node with it.
    born: Option<u64>,
    /// What the journal remembers.
    before: Option<Relations>,
    /// Whether that is what the graph holds.
    trusted: bool,
    /// Whether somebody else may have changed them meanwhile.
    looked_at: bool,
    derived_from: u128,
    wanted: Wanted,
}

/// What a document should be related to.
#[derive(Debug)]
enum Wanted {
    /// To what it is related to already, but for the chunk that follows.
    Same(Vec<RelationEdge>),
    /// To this.
    New(Vec<Relation>),
}

impl Draft {
    fn remembered(&self) -> &[RelationEdge] {
        self.before.as_ref().map_or(&[], |before| &before.edges)
    }
}

/// Plans the relations of those documents of a batch that ask for it. Writes the nodes of new things, and nothing else.
///
/// # Errors
/// [`StageFault`].
pub(in crate::sync) async fn plan(
    context: &Arc<Context>,
    graph: &Graph,
    batch: &Batch,
    documents: Documents,
    derived: Derived,
    epoch: u32,
) -> Result<Related, StageFault> {
    let wanted = batch
        .claims
        .iter()
        .filter(|claim| claim.work.has(Work::RELATIONS));
    let ids: Vec<Arc<str>> = wanted.map(|claim| Arc::clone(&claim.id)).collect();
    if ids.is_empty() {
        return Ok(Related::default());
    }
    let drafts = {
        let batch = batch.clone();
        context
            .blocking(move |context| survey(context, &batch, ids, documents, derived, epoch))
            .await?
    };
    let held = held(graph, &drafts).await?;
    let mut things = BTreeMap::new();
    for draft in &drafts {
        if let Wanted::New(relations) = &draft.wanted {
            for relation in relations {
                things
                    .entry(relation.thing.clone())
                    .or_insert_with(|| relation.properties.clone());
            }
        }
    }
    let ensured = things::ensure(context, graph, &things, epoch).await?;
    context
        .blocking(move |context| finish(context, drafts, held, &ensured, epoch))
        .await
}

/// Derives what `documents`, as the store has them, should be related to, and reads the journal. Blocks.
fn survey(
    context: &Context,
    batch: &Batch,
    ids: Vec<Arc<str>>,
    documents: Documents,
    mut derived: Derived,
    epoch: u32,
) -> Result<Vec<Draft>, StageFault> {
    let looked_at = batch.claims.iter().filter(|claim| claim.work.has(Work::LOOK));
    let looked_at: BTreeSet<&Arc<str>> = looked_at.map(|claim| &claim.id).collect();
    let mut drafts = Vec::with_capacity(ids.len());
    for id in ids {
        let document = batch.document(&id);
        let state = context.journal.head(&document)?;
        let before = context.journal.relations(&document)?;
        let key = DocumentKey::new(&batch.collection, &id).map_err(GraphError::from)?;
        let draft = match (documents.get(id.as_ref()), state) {
            (Some(found), Some(state)) => {
                let draft = describe(context, document, key, found, &state, before, &mut derived, epoch)?;
                Draft {
                    looked_at: looked_at.contains(&id),
                    ..draft
                }
            }
            (None, None) => Draft {
                document,
                key,
                born: None,
                before,
                trusted: true,
                looked_at: false,
                derived_from: 0,
                wanted: Wanted::New(Vec::new()),
            },
            // It came or went meanwhile: the first stage knows what to do.
            _ => continue,
        };
        drafts.push(draft);
    }
    let intents: Vec<(DocumentId, Relations)> = drafts.iter().filter_map(intent).collect();
    if !intents.is_empty() {
        context.journal.intend(&intents)?;
    }
    Ok(drafts)
}

/// What has to be noted before nodes are made for a document.
fn intent(draft: &Draft) -> Option<(DocumentId, Relations)> {
    let (Wanted::New(wanted), Some(born)) = (&draft.wanted, draft.born) else {
        return None;
    };
    let mut edges = draft.remembered().to_vec();
    for relation in wanted {
        let edge = relation.edge(0);
        if !edges
            .iter()
            .any(|known| (known.kind, &known.target, known.count) == (edge.kind, &edge.target, edge.count))
        {
            edges.push(edge);
        }
    }
    (edges.len() > draft.remembered().len()).then(|| {
        let relations = Relations {
            epoch: None,
            born,
            derived_from: 0,
            edges,
        };
        (draft.document.clone(), relations)
    })
}

#[allow(clippy::too_many_arguments, reason = "one document's case, in its parts")]
fn describe(
    context: &Context,
    document: DocumentId,
    key: DocumentKey,
    found: &Document,
    state: &StateHead,
    before: Option<Relations>,
    derived: &mut Derived,
    epoch: u32,
) -> Result<Draft, StageFault> {
    let trusted = match &before {
        Some(before) => before.epoch == Some(epoch) && before.born == state.born,
        // None were ever written, unless the journal met the node when it was there already.
        None => state.edges_epoch == Some(epoch),
    };
    let derived_from = context.deriver().source_digest(&document.collection, found);
    let wanted = match &before {
        Some(before) if trusted && before.derived_from == derived_from && stand(context, &before.edges)? => {
            let edges = before.edges.iter().filter(|edge| edge.kind != RelationKind::Next);
            Wanted::Same(edges.cloned().collect())
        }
        _ => Wanted::New(match derived.take(&document.id, derived_from) {
            Some(relations) => relations,
            None => derive_one(context, &document.collection, found)?,
        }),
    };
    Ok(Draft {
        document,
        key,
        born: Some(state.born),
        before,
        trusted,
        looked_at: false,
        derived_from,
        wanted,
    })
}

/// Whether the things these edges lead to are still the ones they were written to.
fn stand(context: &Context, edges: &[RelationEdge]) -> Result<bool, StageFault> {
    for edge in edges {
        if let Some(thing) = edge.thing()
            && context
                .journal
                .thing(&thing)?
                .is_none_or(|state| state.born != edge.target_born)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The active relations that the graph holds of those documents whose remembered ones are not relied upon, or may have been
/// changed by others.
async fn held(graph: &Graph, drafts: &[Draft]) -> Result<HashMap<String, Vec<RelationEdge>>, StageFault> {
    let unknown: Vec<DocumentKey> = drafts
        .iter()
        .filter(|draft| !draft.trusted || draft.looked_at)
        .map(|draft| draft.key.clone())
        .collect();
    if unknown.is_empty() {
        return Ok(HashMap::new());
    }
    let mut held: HashMap<String, Vec<RelationEdge>> = HashMap::new();
    for edge in graph.neighbours(&rows::TYPES, &unknown).await? {
        let Some(kind) = relation_kind(edge.kind).filter(|_| edge.active == Some(true)) else {
            continue;
        };
        let target = match kind {
            RelationKind::Next => match DocumentKey::parse(&edge.target)
                .ok()
                .and_then(|key| key.parts().ok())
            {
                Some((_, Part::Text(id))) => id,
                // An id too long to be read back from its key stays out of reach here.
                _ => continue,
            },
            _ => edge.target,
        };
        held.entry(edge.source).or_default().push(RelationEdge {
            kind,
            target,
            target_born: SEEN_IN_GRAPH,
            confidence: edge.weight.as_f64().unwrap_or_default() as f32,
            count: 0,
        });
    }
    Ok(held)
}

/// Compares what is wanted with what is there. Blocks.
fn finish(
    context: &Context,
    drafts: Vec<Draft>,
    mut held: HashMap<String, Vec<RelationEdge>>,
    ensured: &Ensured,
    epoch: u32,
) -> Result<Related, StageFault> {
    let mut related = Related::default();
    let mut members = Members::default();
    let mut settled = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let id = &draft.document.id;
        let edges = match &draft.wanted {
            Wanted::Same(edges) => edges.clone(),
            Wanted::New(relations) => {
                let refused = relations
                    .iter()
                    .find_map(|relation| ensured.refused.get(&relation.thing));
                if let Some(error) = refused {
                    related.failed.insert(Arc::clone(id), error.clone());
                    continue;
                }
                relations
                    .iter()
                    .filter_map(|relation| Some(relation.edge(*ensured.born.get(&relation.thing)?)))
                    .collect()
            }
        };
        // Where what is remembered is not relied upon, it may have been noted for an attempt that did not come to its end.
        let anew = !draft.trusted || draft.before.as_ref().map(|before| before.born) != draft.born;
        members.change(&draft.document, draft.remembered(), &edges, anew);
        settled.push((draft, edges));
    }
    let orphans = members.orphans(&context.journal)?;
    for (draft, mut edges) in settled {
        if context.deriver().links_chunks() && draft.born.is_some() {
            edges.extend(chain::next(&context.journal, &members, &draft.document, &edges)?);
        }
        let held = held.remove(draft.key.as_str()).unwrap_or_default();
        let plan = compare(context, &draft, edges, held, &orphans, epoch)?;
        related.plans.insert(Arc::clone(&draft.document.id), plan);
    }
    related.orphans = orphans;
    if context.deriver().links_chunks() {
        related.marks = members.preceding(&context.journal)?;
    }
    Ok(related)
}

/// One document: `desired` against what is remembered, or what the graph holds where that is not relied upon.
fn compare(
    context: &Context,
    draft: &Draft,
    desired: Vec<RelationEdge>,
    held: Vec<RelationEdge>,
    orphans: &[Thing],
    epoch: u32,
) -> Result<RelationPlan, StageFault> {
    let remembered = draft.remembered();
    let known = match (draft.trusted, draft.looked_at) {
        (true, false) => remembered.to_vec(),
        (true, true) => as_it_is(held, remembered),
        (false, _) => with_remembered(held, draft),
    };
    let collection = &draft.document.collection;
    let (mut asserted, mut retracted) = (Vec::new(), Vec::new());
    if draft.born.is_some() {
        let holds = |edge: &&RelationEdge| !draft.trusted || !known.iter().any(|known| is_same(known, edge));
        asserted = desired.iter().filter(holds).cloned().collect();
        for edge in &known {
            let stays = desired
                .iter()
                .any(|other| (other.kind, &other.target) == (edge.kind, &edge.target));
            // The edges of a thing go with its node.
            let goes = edge.thing().is_some_and(|thing| orphans.contains(&thing));
            if !stays && !goes && target_stands(context, collection, edge)? {
                retracted.push(edge.clone());
            }
        }
    }
    let mut edges = Vec::new();
    for (relations, active) in [(&retracted, false), (&asserted, true)] {
        for relation in relations {
            edges.extend(rows::edges(collection, &draft.key, relation, active)?);
        }
    }
    let after = draft.born.map(|born| Relations {
        epoch: Some(epoch),
        born,
        derived_from: draft.derived_from,
        edges: desired,
    });
    Ok(RelationPlan {
        edges,
        asserted,
        retracted,
        change: RelationsChange {
            before: remembered.to_vec(),
            after,
        },
    })
}

/// What the graph holds, where others may have changed it: of what is remembered, that which is still there.
fn as_it_is(mut held: Vec<RelationEdge>, remembered: &[RelationEdge]) -> Vec<RelationEdge> {
    for edge in &mut held {
        let same = |other: &&RelationEdge| (other.kind, &other.target) == (edge.kind, &edge.target);
        if let Some(written) = remembered.iter().find(same) {
            // Of the others the weight is not a confidence. What is written is rounded.
            let weighs = matches!(edge.kind, RelationKind::Mentions | RelationKind::BelongsTo);
            let is_off = (edge.confidence - written.confidence).abs() > 2.0 * CONFIDENCE_TOLERANCE;
            let confidence = if weighs && is_off {
                edge.confidence
            } else {
                written.confidence
            };
            *edge = RelationEdge {
                confidence,
                ..written.clone()
            };
        }
    }
    held
}

/// What the graph holds of a document's own edges, and what it may hold only in the other direction: an edge that was refused half
/// way.
fn with_remembered(mut held: Vec<RelationEdge>, draft: &Draft) -> Vec<RelationEdge> {
    let same_life = draft.before.as_ref().map(|before| before.born) == draft.born;
    for edge in draft.remembered().iter().filter(|_| same_life) {
        if !held
            .iter()
            .any(|held| (held.kind, &held.target) == (edge.kind, &edge.target))
        {
            held.push(edge.clone());
        }
    }
    held
}

/// Confidences closer than this are one.
const CONFIDENCE_TOLERANCE: f32 = 5e-4;

fn is_same(known: &RelationEdge, wanted: &RelationEdge) -> bool {
    (known.kind, &known.target, known.target_born, known.count)
        == (wanted.kind, &wanted.target, wanted.target_born, wanted.count)
        && (known.confidence - wanted.confidence).abs() <= CONFIDENCE_TOLERANCE
}

/// Whether the node at the other end is still the one that the edge was written to; else the edge went with it.
fn target_stands(context: &Context, collection: &Arc<str>, edge: &RelationEdge) -> Result<bool, StageFault> {
    let born = match edge.thing() {
        Some(thing) => context.journal.thing(&thing)?.map(|state| state.born),
        None => {
            let document = DocumentId::new(Arc::clone(collection), edge.target.as_str());
            context.journal.head(&document)?.map(|state| state.born)
        }
    };
    // Of an edge that was read from the graph both ends are there.
    Ok(edge.target_born == SEEN_IN_GRAPH || born == Some(edge.target_born))
}

/// The keys of an edge's ends, for what reads them back.
pub(super) fn expected(collection: &str, edge: &RelationEdge) -> Result<(EdgeType, String), StageFault> {
    let key = match edge.kind {
        RelationKind::Next => DocumentKey::new(collection, &edge.target)
            .map_err(GraphError::from)?
            .as_str()
            .to_owned(),
        _ => edge.target.clone(),
    };
    Ok((edge_type(edge.kind), key))
}
