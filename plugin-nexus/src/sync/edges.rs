//! The second stage: bring the SIMILAR_TO edges that a batch's documents own in line with their vectors.
//!
//! For a document whose vector is new ([`Work::SPREAD`]) it also finds the documents whose own lists change with it: those
//! it enters, and those that have it in their list now. They are marked, and compare for themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use vectorizer_plugin_api::model::{Document, Fields};

use super::connection::Connection;
use super::context::{Context, now_micros, now_text};
use super::fault::StageFault;
use super::lane::{Done, Failed};
use super::neighbours::SEEN_IN_GRAPH;
use super::plan::{Plan, Search};
use super::verify::verify_edges;
use crate::graph::capabilities::RetractForm;
use crate::graph::literal::{LiteralError, Part};
use crate::graph::verify::WrittenEdges;
use crate::graph::{DocumentKey, Edge, Graph, GraphError};
use crate::journal::{Batch, DocumentId, EdgeState, Outcome, Stage, StateChange, Work};
use crate::kill_point::kill_point;
use crate::nexus::FaultClass;

/// How the neighbours of this stage are found, as it stands in the graph.
const METHOD: &str = "embedding";

/// Active edges by source, as the graph has them.
type Edges = HashMap<Arc<str>, Vec<EdgeState>>;

/// Runs the stage.
///
/// # Errors
/// [`StageFault`]; nothing of the batch counts as done then.
pub(super) async fn run(
    context: &Arc<Context>,
    connection: &Connection,
    batch: &Batch,
) -> Result<Done, StageFault> {
    let epoch = context.journal.epoch();
    let unknown = unknown_edges(context, &connection.graph, batch, epoch).await?;
    let (mut done, plans) = {
        let batch = batch.clone();
        context
            .blocking(move |context| compare(context, &batch, unknown))
            .await?
    };

    let rows = rows(&batch.collection, &plans)?;
    kill_point("send-edges");
    let refused = write(context, connection, batch, &plans, &rows).await?;
    kill_point("sent-edges");
    let kept: Vec<&Plan> = plans
        .iter()
        .filter(|plan| !refused.contains_key(&plan.id))
        .collect();
    let (chosen, _) = connection.sample(Stage::Edges, kept.len());
    let sample: Vec<(WrittenEdges, Vec<Edge>)> = chosen
        .into_iter()
        .map(|at| {
            let plan = kept[at];
            let edges = rows.iter().filter(|row| row.source == plan.id);
            Ok((
                written(&batch.collection, plan)?,
                edges.map(|row| row.edge.clone()).collect(),
            ))
        })
        .collect::<Result<_, StageFault>>()?;
    verify_edges(context, &connection.graph, sample).await?;
    kill_point("verified-edges");

    for Plan {
        id,
        mut state,
        vector,
        diff,
        marks,
    } in plans
    {
        if let Some(error) = refused.get(&id) {
            let error = error.clone();
            done.failed.push(Failed { id, error });
            continue;
        }
        done.asserted += diff.assert.len();
        done.retracted += diff.retract.len();
        let targets = |edges: &[EdgeState]| {
            edges
                .iter()
                .map(|edge| edge.target.clone())
                .collect::<BTreeSet<_>>()
        };
        let (before, after) = (targets(&state.edges), targets(&diff.edges));
        state.edges = diff.edges;
        state.edges_epoch = Some(epoch);
        state.vector = Some(vector);
        done.outcomes.push(Outcome {
            id,
            left: Work::NONE,
            state: StateChange::Put(state),
            lost: before.difference(&after).cloned().collect(),
            // All of them: after a crash some may be missing in the reverse index.
            gained: after.into_iter().collect(),
            relations: None,
            parted: Vec::new(),
        });
        done.marks
            .extend(marks.into_iter().map(|id| (id.into(), Work::EDGES)));
    }
    Ok(done)
}

/// Reads the edges of those documents whose remembered ones are not of this epoch.
async fn unknown_edges(
    context: &Arc<Context>,
    graph: &Graph,
    batch: &Batch,
    epoch: u32,
) -> Result<Edges, StageFault> {
    let mut ids = BTreeMap::new();
    for claim in &batch.claims {
        let document = batch.document(&claim.id);
        let state = context.journal.state(&document)?;
        if state.is_some_and(|state| state.edges_epoch != Some(epoch)) {
            ids.insert(key(&batch.collection, &claim.id)?, Arc::clone(&claim.id));
        }
    }
    let mut edges: Edges = ids.values().map(|id| (Arc::clone(id), Vec::new())).collect();
    if ids.is_empty() {
        return Ok(edges);
    }
    let keys: Vec<DocumentKey> = ids.keys().cloned().collect();
    for edge in graph
        .outgoing_similar(&keys)
        .await?
        .into_iter()
        .filter(|edge| edge.active == Some(true))
    {
        let Some(source) = ids.get(&edge.source) else {
            continue;
        };
        // A target whose id is too long to be read back from its key stays out of reach here.
        let Ok((_, Part::Text(target))) = edge.target.parts() else {
            continue;
        };
        let document = DocumentId::new(Arc::clone(&batch.collection), target.as_str());
        let target_born = context
            .journal
            .state(&document)?
            .map_or(SEEN_IN_GRAPH, |state| state.born);
        // The score as a number that no real one equals, where the stored record has none: it is written again.
        let score = edge.score.map_or(f32::NEG_INFINITY, |score| score as f32);
        edges.entry(Arc::clone(source)).or_default().push(EdgeState {
            target,
            target_born,
            score,
        });
    }
    Ok(edges)
}

fn key(collection: &str, id: &str) -> Result<DocumentKey, StageFault> {
    DocumentKey::new(collection, id)
        .map_err(|error: LiteralError| StageFault::Rejected(GraphError::from(error)))
}

/// Searches the neighbours of each document and compares them with its edges. Blocks.
fn compare(context: &Context, batch: &Batch, mut unknown: Edges) -> Result<(Done, Vec<Plan>), StageFault> {
    let mut done = Done::default();
    let mut plans = Vec::new();
    let ids: Vec<Arc<str>> = batch.claims.iter().map(|claim| Arc::clone(&claim.id)).collect();
    let documents = context.documents(&batch.collection, &ids, Fields::VECTOR)?;
    let mut documents: HashMap<String, Document> = documents
        .into_iter()
        .map(|document| (document.id.clone(), document))
        .collect();
    let collection = context.collection(&batch.collection)?;
    let search = collection.map(|collection| Search::new(context, collection));

    for claim in &batch.claims {
        let id = batch.document(&claim.id);
        let state = context.journal.state(&id)?;
        match (documents.remove(claim.id.as_ref()), state, &search) {
            (Some(document), Some(mut state), Some(search)) => {
                if let Some(edges) = unknown.remove(&claim.id) {
                    state.edges = edges;
                }
                plans.push(search.plan(claim, &id, document, state)?);
            }
            // Gone meanwhile, or its node was lost: the first stage knows what to do.
            _ => done.outcomes.push(Outcome::new(
                Arc::clone(&claim.id),
                claim.work.and(Work::NODE),
                StateChange::Keep,
            )),
        }
    }
    // Edges of one source, and of sources written together, lie together in the server's file.
    plans.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    Ok((done, plans))
}

/// An edge to be sent, and whose it is.
struct Row {
    source: Arc<str>,
    edge: Edge,
}

/// What has to be sent, retractions first: then no document ever shows more edges than it may have.
fn rows(collection: &str, plans: &[Plan]) -> Result<Vec<Row>, StageFault> {
    let now = now_text();
    let mut rows = Vec::new();
    for plan in plans {
        let source = key(collection, &plan.id)?;
        let retract = plan.diff.retract.iter().map(|edge| (edge, false));
        for (edge, active) in retract.chain(plan.diff.assert.iter().map(|edge| (edge, true))) {
            let target = key(collection, &edge.target)?;
            let edge = Edge::similar(&source, &target, written_score(edge.score), METHOD, &now, active);
            rows.push(Row {
                source: Arc::clone(&plan.id),
                edge: edge.map_err(GraphError::from)?,
            });
        }
    }
    Ok(rows)
}

/// Sends the edges; answers the documents whose edges the server refuses.
async fn write(
    context: &Context,
    connection: &Connection,
    batch: &Batch,
    plans: &[Plan],
    rows: &[Row],
) -> Result<HashMap<Arc<str>, String>, StageFault> {
    let retracts = plans.iter().any(|plan| !plan.diff.retract.is_empty());
    if retracts && connection.graph.forms().retract == RetractForm::Soft {
        context.journal.set_retracted(true)?;
    }
    let edges: Vec<Edge> = rows.iter().map(|row| row.edge.clone()).collect();
    let refused = match connection.graph.write_edges(&edges).await {
        Ok(refused) => refused,
        Err(GraphError::MissingEnds { keys }) => {
            write_again(context, batch, plans, &keys)?;
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

/// A document's edges as they should read now.
fn written(collection: &str, plan: &Plan) -> Result<WrittenEdges, StageFault> {
    Ok(WrittenEdges {
        source: key(collection, &plan.id)?,
        active: plan
            .diff
            .edges
            .iter()
            .map(|edge| Ok((key(collection, &edge.target)?, written_score(edge.score))))
            .collect::<Result<_, StageFault>>()?,
        retracted: plan
            .diff
            .retract
            .iter()
            .map(|edge| key(collection, &edge.target))
            .collect::<Result<_, StageFault>>()?,
    })
}

/// Six decimals: more is noise of the index, and fewer digits leave more of the record's width to its padding.
fn written_score(score: f32) -> f64 {
    if score.is_finite() {
        (f64::from(score) * 1e6).round() / 1e6
    } else {
        0.0
    }
}

/// Nodes that the journal has a state of are not in the graph. Forgets the states and asks for the nodes again.
fn write_again(
    context: &Context,
    batch: &Batch,
    plans: &[Plan],
    missing: &[String],
) -> Result<(), StageFault> {
    let is_missing = |id: &str| -> Result<bool, StageFault> {
        let key = key(&batch.collection, id)?;
        Ok(missing.iter().any(|missing| missing == key.as_str()))
    };
    let mut lost: BTreeSet<Arc<str>> = BTreeSet::new();
    for plan in plans {
        if is_missing(&plan.id)? {
            lost.insert(Arc::clone(&plan.id));
        }
        for edge in plan.diff.assert.iter().chain(&plan.diff.retract) {
            if is_missing(&edge.target)? {
                lost.insert(edge.target.as_str().into());
            }
        }
    }
    let lost: Vec<Arc<str>> = lost.into_iter().collect();
    tracing::warn!(
        collection = %batch.collection,
        lost = lost.len(),
        "nodes are missing in the graph that were there before; they are written again"
    );
    context.journal.forget(&batch.collection, &lost)?;
    context.journal.add(
        &batch.collection,
        lost.iter().map(AsRef::as_ref),
        Work::ALL,
        now_micros(),
    )?;
    Ok(())
}
