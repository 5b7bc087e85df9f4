//! What depends on a document: the documents that edges of other people's types lead from, to it and to its dependents.
//!
//! Nexus lists edges at the node they lead away from only (`contracts/nexus-dialect.md` section 8). So all edges of the types in question
//! are read once, and walked backwards here.
//!
//! Invariants: each dependent is there once, by its shortest way; one that may not be seen is none, and leads nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{self, Outcome};
use super::expand::known;
use super::follow::{obstacle, reason};
use super::request::Impact;
use super::shown::{Shown, Terms, start};
use crate::api::ApiError;
use crate::graph::ForeignEdge;
use crate::journal::DocumentId;
use crate::sync::{Context, StageFault};

/// Edges of a type that are read at most.
const MOST_EDGES: usize = 50_000;
/// Documents that are looked at on the way, at most.
const MOST_VISITED: usize = 10_000;

/// A document that depends on another.
struct Dependent {
    document: DocumentId,
    /// What it depends on directly.
    on: DocumentId,
    kind: String,
    hops: usize,
}

/// Answers what depends on a document.
///
/// # Errors
/// [`ApiError`], where there is no such document for this reader, or the store does not answer.
pub(super) async fn run(context: &Arc<Context>, request: Impact) -> Result<answer::Impact, ApiError> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(request.budget_ms);
    let request = Arc::new(request);
    let about = vec![request.document.clone()];
    let (collections, shown) = start(context, &request.reader, about).await?;
    let mut notes = Vec::new();
    let edges = match obstacle(context) {
        Some(reason) => Err(reason.to_owned()),
        None => match tokio::time::timeout_at(deadline.into(), read(context, &request)).await {
            Ok(Ok(edges)) => Ok(edges),
            Ok(Err(fault)) => Err(reason(&fault).to_owned()),
            Err(_) => Err("Nexus did not answer in time".to_owned()),
        },
    };
    let edges = edges.unwrap_or_else(|reason| {
        notes.push(reason);
        Vec::new()
    });
    if edges.iter().any(|(_, is_cut)| *is_cut) {
        notes.push(format!(
            "of some types there are more than {MOST_EDGES} edges; those beyond were not looked at"
        ));
    }
    let edges: Vec<ForeignEdge> = edges.into_iter().flat_map(|(edges, _)| edges).collect();
    let asked = Arc::clone(&request);
    let walk = move |context: &Context| Ok(walk(context, &asked, &collections, shown, edges));
    let (dependents, is_whole) = context.blocking(walk).await??;
    if !is_whole {
        notes.push(format!(
            "more than {MOST_VISITED} documents depend on it; the search ended there"
        ));
    }
    let mut by_type: BTreeMap<String, usize> = BTreeMap::new();
    for dependent in &dependents {
        *by_type.entry(dependent.kind.clone()).or_default() += 1;
    }
    let results = dependents
        .iter()
        .take(request.limit)
        .map(|dependent| answer::Dependent {
            document: (&dependent.document).into(),
            hops: dependent.hops,
            kind: dependent.kind.clone(),
            depends_on: (&dependent.on).into(),
        });
    Ok(answer::Impact {
        results: results.collect(),
        found: dependents.len(),
        by_type,
        outcome: Outcome::of(&notes, begun),
    })
}

/// The edges of each type, and whether there are more.
async fn read(context: &Context, request: &Impact) -> Result<Vec<(Vec<ForeignEdge>, bool)>, StageFault> {
    let types = match request.types.as_slice() {
        [] => context.foreign_types().await?,
        named => known(context, named).await?,
    };
    let connection = context.link.ready().await;
    let mut found = Vec::with_capacity(types.len());
    for kind in types {
        let edges = connection.graph.scan_foreign(&kind, MOST_EDGES).await?;
        let is_cut = edges.len() == MOST_EDGES;
        found.push((edges, is_cut));
    }
    Ok(found)
}

/// Walks the edges backwards. Answers the dependents, the nearest first, and whether these are all. Blocks.
fn walk(
    context: &Context,
    request: &Impact,
    collections: &[String],
    mut shown: Shown,
    edges: Vec<ForeignEdge>,
) -> Result<(Vec<Dependent>, bool), ApiError> {
    let terms = Terms::of_reader(context, &request.reader);
    let mut back: HashMap<DocumentId, BTreeSet<(DocumentId, String)>> = HashMap::new();
    for edge in edges {
        if let (Some((collection, id)), Some(target)) = (edge.source.names(), edge.target) {
            let source = DocumentId::new(collection, id);
            let target = DocumentId::new(target.0, target.1);
            back.entry(target).or_default().insert((source, edge.kind));
        }
    }
    let mut visited: HashSet<DocumentId> = [request.document.clone()].into();
    let mut dependents = Vec::new();
    let mut frontier = vec![request.document.clone()];
    for hops in 1..=request.hops {
        let mut reached = Vec::new();
        for on in &frontier {
            for (document, kind) in back.get(on).into_iter().flatten() {
                if visited.len() >= MOST_VISITED {
                    return Ok((dependents, false));
                }
                if visited.insert(document.clone()) {
                    reached.push(Dependent {
                        document: document.clone(),
                        on: on.clone(),
                        kind: kind.clone(),
                        hops,
                    });
                }
            }
        }
        shown.read(terms, collections, reached.iter().map(|found| &found.document))?;
        reached.retain(|found| shown.has(&found.document));
        reached.sort_by(|one, other| (&one.kind, &one.document).cmp(&(&other.kind, &other.document)));
        frontier = reached.iter().map(|found| found.document.clone()).collect();
        dependents.append(&mut reached);
        if frontier.is_empty() {
            break;
        }
    }
    Ok((dependents, true))
}
