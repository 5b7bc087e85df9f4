//! The second stage: bring the edges that a batch's documents own in line with the store: SIMILAR_TO with their vectors, and
//! the other relations ([`super::relations`]) with their payloads.
//!
//! For a document whose vector is new ([`Work::SPREAD`]) it also finds the documents whose own lists change with it: those
//! it enters, and those that have it in their list now. They are marked, and compare for themselves.

mod rows;
mod unknown;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(super) use rows::written_score;
use rows::{Row, similar_rows, written};
use unknown::{Edges, unknown_edges, write_again};
use vectorizer_plugin_api::model::CollectionInfo;

use super::across::{AcrossSearch, key};
use super::ahead::{Ahead, Documents};
use super::connection::Connection;
use super::context::Context;
use super::fault::StageFault;
use super::lane::{Done, Failed};
use super::plan::{Found, Plan, Search};
use super::relations::{self, Related, RelationPlan, edge_type};
use super::verify::verify_edges;
use crate::graph::capabilities::RetractForm;
use crate::graph::schema::EdgeType;
use crate::graph::verify::WrittenEdges;
use crate::graph::{DocumentKey, Edge, GraphError};
use crate::journal::{Across, AcrossChange, Batch, DocumentId, EdgeState, Outcome, Stage, StateChange, Work};
use crate::kill_point::kill_point;
use crate::nexus::FaultClass;

/// Runs the stage, with what was found for the batch ahead.
///
/// # Errors
/// [`StageFault`]; nothing of the batch counts as done then.
pub(super) async fn run(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
    ahead: Ahead,
) -> Result<Done, StageFault> {
    let epoch = context.journal.epoch();
    let unknown = unknown_edges(context, &connection.graph, batch, epoch).await?;
    let Ahead {
        collection,
        documents,
        found,
        derived,
    } = ahead;
    let plans = compare(context, batch, collection, &documents, found, unknown).await?;

    let mut related = relations::plan(context, &connection.graph, batch, documents, derived, epoch).await?;
    let method = context.config().similarity_of(&batch.collection).method.name();
    let mut rows = similar_rows(batch, method, &plans)?;
    for (id, plan) in &related.plans {
        rows.extend(plan.edges.iter().map(|edge| Row {
            source: Arc::clone(id),
            edge: edge.clone(),
        }));
    }
    kill_point("send-edges");
    let mut refused = write(context, connection, batch, &plans, &related, &rows).await?;
    refused.extend(std::mem::take(&mut related.failed));
    kill_point("sent-edges");
    let kept: Vec<&Plan> = plans
        .iter()
        .filter(|plan| !refused.contains_key(&plan.id))
        .collect();
    let (chosen, _) = connection.sample(Stage::Edges, kept.len(), context.config().verify.sample);
    let sample: Vec<(WrittenEdges, Vec<Edge>)> = chosen
        .into_iter()
        .map(|at| {
            let plan = kept[at];
            let edges = rows
                .iter()
                .filter(|row| row.source == plan.id && row.edge.kind() == EdgeType::SimilarTo);
            Ok((written(batch, plan)?, edges.map(|row| row.edge.clone()).collect()))
        })
        .collect::<Result<_, StageFault>>()?;
    verify_edges(context, &connection.graph, sample).await?;
    verify_relations(context, connection, batch, &related, &refused).await?;
    kill_point("verified-edges");
    related.delete_orphans(context, &connection.graph).await?;
    let enriches = context.config().enrichment.enabled;
    Ok(settle(batch, plans, related, &refused, epoch, enriches))
}

/// Reads a sample of the other relations back.
async fn verify_relations(
    context: &Context,
    connection: &Connection,
    batch: &Batch,
    related: &Related,
    refused: &HashMap<Arc<str>, String>,
) -> Result<(), StageFault> {
    let written: Vec<(&Arc<str>, &RelationPlan)> = related
        .plans
        .iter()
        .filter(|(id, plan)| !plan.edges.is_empty() && !refused.contains_key(*id))
        .collect();
    let (chosen, _) = connection.sample(Stage::Edges, written.len(), context.config().verify.sample);
    let sample: Vec<(DocumentKey, &RelationPlan)> = chosen
        .into_iter()
        .map(|at| Ok((key(&batch.document(written[at].0))?, written[at].1)))
        .collect::<Result<_, StageFault>>()?;
    relations::verify(context, &connection.graph, &batch.collection, &sample).await
}

/// What became of each document of the batch.
fn settle(
    batch: &Batch,
    plans: Vec<Plan>,
    mut related: Related,
    refused: &HashMap<Arc<str>, String>,
    epoch: u32,
    enriches: bool,
) -> Done {
    let mut done = Done::default();
    let mut plans: HashMap<Arc<str>, Plan> = plans
        .into_iter()
        .map(|plan| (Arc::clone(&plan.id), plan))
        .collect();
    for claim in &batch.claims {
        let id = Arc::clone(&claim.id);
        let (similar, relations) = (plans.remove(&id), related.plans.remove(&id));
        if let Some(error) = refused.get(&id) {
            let error = error.clone();
            done.failed.push(Failed { id, error });
            continue;
        }
        let undone = claim.work.has(Work::EDGES) && similar.is_none()
            || claim.work.has(Work::RELATIONS) && relations.is_none();
        let moved = similar
            .as_ref()
            .is_some_and(|plan| plan.asserted() + plan.retracted() > 0)
            || relations.as_ref().is_some_and(|plan| !plan.edges.is_empty());
        let left = match enriches && moved {
            true => Work::ENRICHMENT,
            false => claim.work.within(Work::ENRICHMENT),
        };
        let mut outcome = Outcome::new(id, left, StateChange::Keep);
        if undone {
            // Gone meanwhile, or its node was lost: the first stage knows what to do.
            outcome.left = claim.work.and(Work::NODE);
        }
        if let Some(plan) = relations {
            for relation in &plan.asserted {
                *done.asserted.entry(edge_type(relation.kind)).or_default() += 1;
            }
            for relation in &plan.retracted {
                *done.retracted.entry(edge_type(relation.kind)).or_default() += 1;
            }
            outcome.relations = Some(plan.change);
        }
        if let Some(plan) = similar {
            *done.asserted.entry(EdgeType::SimilarTo).or_default() += plan.asserted();
            *done.retracted.entry(EdgeType::SimilarTo).or_default() += plan.retracted();
            let marks = plan.marks.iter().map(|id| batch.document(&id.as_str().into()));
            let across = plan.across.iter().flat_map(|across| across.marks.iter().cloned());
            done.marks.extend(marks.chain(across).map(|id| (id, Work::EDGES)));
            similar_outcome(&mut outcome, plan, epoch);
        }
        done.outcomes.push(outcome);
    }
    let marks = related
        .marks
        .iter()
        .map(|id| (batch.document(id), Work::RELATIONS));
    done.marks.extend(marks);
    done
}

/// What a document's SIMILAR_TO edges are now.
fn similar_outcome(outcome: &mut Outcome, plan: Plan, epoch: u32) {
    let Plan {
        mut state,
        likeness,
        diff,
        across,
        ..
    } = plan;
    let targets = |edges: &[EdgeState]| {
        edges
            .iter()
            .map(|edge| edge.target.clone())
            .collect::<BTreeSet<_>>()
    };
    let (before, after) = (targets(&state.edges), targets(&diff.edges));
    state.edges = diff.edges;
    state.edges_epoch = Some(epoch);
    state.vector = likeness;
    outcome.state = StateChange::Put(state);
    outcome.across = across.map(|across| AcrossChange {
        after: Across {
            epoch: Some(epoch),
            ..across.change.after
        },
        ..across.change
    });
    outcome.lost = before.difference(&after).cloned().collect();
    // All of them: after a crash some may be missing in the reverse index.
    outcome.gained = after.into_iter().collect();
}

/// Compares each document's neighbours with its edges. Documents that are gone meanwhile, or whose node was lost, are left out.
async fn compare(
    context: &Arc<Context>,
    batch: &Batch,
    collection: Option<CollectionInfo>,
    documents: &Documents,
    mut found: HashMap<Arc<str>, Found>,
    mut unknown: Edges,
) -> Result<Vec<Plan>, StageFault> {
    let Some(collection) = collection else {
        return Ok(Vec::new());
    };
    let items: Vec<_> = batch
        .claims
        .iter()
        .filter_map(|claim| {
            let found = found.remove(&claim.id)?;
            Some((claim.clone(), found, unknown.remove(&claim.id)))
        })
        .collect();
    let documents = Arc::clone(documents);
    let mut plans: Vec<Plan> = context
        .side_by_side(items, move |context, items| {
            let search = Search::new(context, collection.clone())?;
            let across = AcrossSearch::new(context, &collection)?;
            let mut plans = Vec::with_capacity(items.len());
            for (claim, found, held) in items {
                let id = DocumentId::new(collection.name.as_str(), Arc::clone(&claim.id));
                let state = context.journal.state(&id)?;
                if let (Some(document), Some(state)) = (documents.get(claim.id.as_ref()), state) {
                    plans.push(search.plan(&claim, &id, document, state, held, found, across.as_ref())?);
                }
            }
            Ok(plans)
        })
        .await?;
    // Edges of one source, and of sources written together, lie together in the server's file.
    plans.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok(plans)
}

/// Sends the edges; answers the documents whose edges the server refuses.
async fn write(
    context: &Context,
    connection: &Connection,
    batch: &Batch,
    plans: &[Plan],
    related: &Related,
    rows: &[Row],
) -> Result<HashMap<Arc<str>, String>, StageFault> {
    let retracts = plans.iter().any(|plan| plan.retracted() > 0)
        || related.plans.values().any(|plan| !plan.retracted.is_empty());
    if retracts && connection.graph.forms().retract == RetractForm::Soft {
        context.journal.set_retracted(true)?;
    }
    let edges: Vec<Edge> = rows.iter().map(|row| row.edge.clone()).collect();
    let refused = match connection.graph.write_edges(&edges).await {
        Ok(refused) => refused,
        Err(GraphError::MissingEnds { keys }) => {
            write_again(context, batch, plans, related, &keys)?;
            return Err(StageFault::Repeat);
        }
        Err(error) => return Err(error.into()),
    };
    // An end went between the look-up and the write: its document has news, and so has this one.
    if refused
        .iter()
        .any(|refused| refused.error.class() == FaultClass::MissingEndpoint)
    {
        context.journal.distrust(batch)?;
        return Err(StageFault::Repeat);
    }
    Ok(refused
        .into_iter()
        .filter_map(|refused| {
            Some((
                Arc::clone(&rows.get(refused.row)?.source),
                refused.error.to_string(),
            ))
        })
        .collect())
}
