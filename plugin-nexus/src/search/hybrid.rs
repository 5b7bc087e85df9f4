//! A search: vectors and the graph, made one list.
//!
//! ```text
//! subject -> vector of each collection -> host searches in turn -> what may be shown -> seeds
//!                                                                            |                |
//!                                                                            |     graph, within the time left -> what may be shown
//!                                                                            +---- fusion ----+
//! ```
//!
//! Invariant: once the store has answered, there is a result. Whatever the graph does, it costs the time that is left and no more, and the
//! answer says so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_plugin_api::model::{Document, Fields, JsonMap};
use vectorizer_plugin_api::{Fault, FaultCode};

use super::expand::{Reached, expand};
use super::fusion::{Fused, Ranked, fuse};
use super::request::{Search, Subject};
use super::visibility::Visibility;
use crate::api::ApiError;
use crate::graph::DomainKey;
use crate::journal::{DocumentId, JournalError, RelationKind};
use crate::payload::is_encrypted;
use crate::sync::{BreakerState, Context, StageFault};

/// Hits of one collection that are asked for at least: fusion needs more than is shown.
const LEAST_WIDTH: usize = 50;
/// So many times more where not all of them may be shown.
const FILTERED: usize = 4;
const MOST_WIDTH: usize = 2_000;
/// The share of the time left that the graph may take; the rest is for what comes after.
const GRAPH_SHARE: f64 = 0.8;

const VECTOR: &str = "vector";
const GRAPH: &str = "graph";

/// What is known of the documents that a search came upon.
type Payloads = HashMap<DocumentId, Option<JsonMap>>;

/// What was found by vectors.
struct Near {
    /// Best first.
    hits: Vec<(DocumentId, f64)>,
    payloads: Payloads,
    /// The document that was asked about.
    about: Option<DocumentId>,
}

/// What was found in the graph.
#[derive(Default)]
struct Around {
    reached: HashMap<DocumentId, Reached>,
    /// Why there is nothing, or not all.
    degraded: Option<String>,
}

/// Does a search.
///
/// # Errors
/// [`ApiError`] for what cannot be searched for, or a store that does not answer.
pub(super) async fn run(context: &Arc<Context>, search: Arc<Search>) -> Result<Value, ApiError> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(search.budget_ms);
    let near = {
        let (context, search) = (Arc::clone(context), Arc::clone(&search));
        tokio::task::spawn_blocking(move || near(&context, &search))
            .await
            .map_err(|error| ApiError::Unavailable(error.to_string()))??
    };
    let around = match search.weights.graph > 0.0 {
        true => around(context, &search, &near, deadline).await,
        false => Around::default(),
    };
    let context = Arc::clone(context);
    tokio::task::spawn_blocking(move || answer(&context, &search, near, around, begun))
        .await
        .map_err(|error| ApiError::Unavailable(error.to_string()))?
}

/// What is close, of what may be shown. Blocks.
fn near(context: &Context, search: &Search) -> Result<Near, ApiError> {
    let mut near = Near {
        hits: Vec::new(),
        payloads: HashMap::new(),
        about: None,
    };
    let visibility = visibility(context, search);
    let mut vector = None;
    if let Subject::Document(document) = &search.subject {
        let found = document_of(context, document)?;
        // One that may not be seen is none.
        let found =
            found.filter(|found| visibility.shows_to_reader(&document.collection, found.payload.as_ref()));
        let found = found.ok_or(ApiError::NotFound("there is no such document"))?;
        vector = Some(found.vector);
        near.about = Some(document.clone());
        near.payloads.insert(document.clone(), found.payload);
    }
    if !search.needs_vectors() {
        return Ok(near);
    }
    let width = width(context, search);
    let mut lists: Vec<Vec<(DocumentId, f64)>> = Vec::new();
    for (at, collection) in search.collections.iter().enumerate() {
        let vector = match (&search.subject, &vector) {
            (Subject::Vector(vector), _) | (_, Some(vector)) => vector.clone(),
            (Subject::Text(text), None) => embed(context, at, collection, text)?,
            (Subject::Document(_), None) => continue,
        };
        let hits = context
            .host
            .search(collection, &vector, width, Fields::PAYLOAD)
            .map_err(|fault| refused(at, collection, fault))?;
        let mut list = Vec::new();
        for hit in hits {
            let Document { id, payload, .. } = hit.document;
            let document = DocumentId::new(collection.as_str(), id);
            let is_asked_about = near.about.as_ref() == Some(&document);
            if !is_asked_about && shows(context, search, &document, payload.as_ref())? {
                list.push((document.clone(), f64::from(hit.score)));
                near.payloads.insert(document, payload);
            }
        }
        lists.push(list);
    }
    near.hits = merged(lists);
    near.hits.truncate(width);
    Ok(near)
}

/// Hits of several collections in one list: by rank, and by score among those of a rank, since scores of different metrics and models
/// are not of one scale.
fn merged(lists: Vec<Vec<(DocumentId, f64)>>) -> Vec<(DocumentId, f64)> {
    let mut ranked: Vec<(usize, DocumentId, f64)> = lists
        .into_iter()
        .flat_map(|list| list.into_iter().enumerate())
        .map(|(rank, (document, score))| (rank, document, score))
        .collect();
    ranked.sort_by(|one, other| {
        one.0
            .cmp(&other.0)
            .then_with(|| other.2.total_cmp(&one.2))
            .then_with(|| one.1.cmp(&other.1))
    });
    ranked
        .into_iter()
        .map(|(_, document, score)| (document, score))
        .collect()
}

fn visibility<'a>(context: &'a Context, search: &'a Search) -> Visibility<'a> {
    Visibility {
        permissions: &context.config.permissions,
        search,
    }
}

fn shows(
    context: &Context,
    search: &Search,
    document: &DocumentId,
    payload: Option<&JsonMap>,
) -> Result<bool, ApiError> {
    Ok(visibility(context, search).shows(&document.collection, payload)
        && is_of_domain(context, search, document)?)
}

/// Whether a document belongs to one of the domains that are asked for, or to a part of one.
fn is_of_domain(context: &Context, search: &Search, document: &DocumentId) -> Result<bool, JournalError> {
    let wanted = &search.filter.domains;
    if wanted.is_empty() {
        return Ok(true);
    }
    let relations = context.journal.relations(document)?.unwrap_or_default();
    Ok(relations
        .edges
        .iter()
        .filter(|edge| edge.kind == RelationKind::BelongsTo)
        .filter_map(|edge| DomainKey::parse(&edge.target).ok()?.name())
        .any(|name| {
            context
                .domain_path(&name)
                .iter()
                .any(|part| wanted.contains(part))
        }))
}

fn width(context: &Context, search: &Search) -> usize {
    let shown = search.offset + search.limit;
    let is_partial = search.filter != Default::default() || !context.config.permissions.is_ignored();
    let factor = if is_partial { FILTERED } else { 1 };
    ((2 * shown).max(LEAST_WIDTH) * factor).min(MOST_WIDTH)
}

fn document_of(context: &Context, document: &DocumentId) -> Result<Option<Document>, ApiError> {
    match context
        .host
        .get(&document.collection, &[&document.id], Fields::ALL)
    {
        Ok(mut found) => Ok(found.pop()),
        Err(fault) if fault.code == FaultCode::NotFound => Ok(None),
        Err(fault) => Err(ApiError::Store(fault)),
    }
}

fn embed(context: &Context, at: usize, collection: &str, text: &str) -> Result<Vec<f32>, ApiError> {
    context
        .host
        .embed(collection, text)
        .map_err(|fault| match fault.code {
            FaultCode::Invalid | FaultCode::Unsupported => ApiError::field(
                "text",
                format!("collection '{collection}' takes no texts: {}", fault.message),
            ),
            _ => refused(at, collection, fault),
        })
}

fn refused(at: usize, collection: &str, fault: Fault) -> ApiError {
    let field = format!("collections[{at}]");
    match fault.code {
        FaultCode::NotFound => ApiError::field(&field, "there is no such collection"),
        FaultCode::Invalid => {
            let reason = format!(
                "'{collection}' cannot be searched with this vector: {}",
                fault.message
            );
            ApiError::field(&field, reason)
        }
        _ => ApiError::Store(fault),
    }
}

/// What the graph leads to, within the time that is left.
async fn around(context: &Arc<Context>, search: &Search, near: &Near, deadline: Instant) -> Around {
    let degraded = |reason: String| Around {
        degraded: Some(reason),
        ..Around::default()
    };
    if !context.link.is_ready() {
        return degraded("Nexus is not ready".to_owned());
    }
    if context.breaker.report().state == BreakerState::Open {
        return degraded("Nexus does not do its work at present".to_owned());
    }
    let about = near.about.iter().map(|document| (document.clone(), 1.0));
    let best = near.hits.iter().take(search.expansion.seeds).enumerate();
    let best = best.map(|(at, (document, _))| (document.clone(), 1.0 / ((at + 1) as f64).sqrt()));
    let seeds: Vec<(DocumentId, f64)> = about.chain(best).collect();
    let left = deadline
        .saturating_duration_since(Instant::now())
        .mul_f64(GRAPH_SHARE);
    let work = async {
        let connection = context.link.ready().await;
        expand(context, &connection.graph, &seeds, &search.expansion).await
    };
    match tokio::time::timeout(left, work).await {
        Ok(Ok(reached)) => Around {
            reached,
            degraded: None,
        },
        Ok(Err(fault)) => {
            tracing::debug!(%fault, "a search goes without the graph");
            degraded(reason(&fault).to_owned())
        }
        Err(_) => degraded("Nexus did not answer in time".to_owned()),
    }
}

/// What a reader is told; the fault itself may name what is not theirs.
fn reason(fault: &StageFault) -> &'static str {
    match fault {
        StageFault::Link(_) => "Nexus is out of reach or overloaded",
        StageFault::Server(_) | StageFault::Rejected(_) => "Nexus answers wrongly",
        StageFault::Repeat | StageFault::Host(_) | StageFault::Journal(_) | StageFault::Task(_) => {
            "the graph could not be followed"
        }
    }
}

/// Fuses, and shows a page. Blocks.
fn answer(
    context: &Context,
    search: &Search,
    mut near: Near,
    around: Around,
    begun: Instant,
) -> Result<Value, ApiError> {
    let mut degraded = around.degraded;
    let mut linked: Vec<(DocumentId, f64)> = Vec::new();
    match fetch(context, search, &mut near, &around.reached) {
        Ok(()) => {
            for (document, reached) in &around.reached {
                let is_shown = near.payloads.contains_key(document) && near.about.as_ref() != Some(document);
                if is_shown {
                    linked.push((document.clone(), reached.worth));
                }
            }
        }
        Err(error) => {
            tracing::debug!(%error, "a search goes without the graph");
            degraded = Some("the documents that the graph leads to could not be read".to_owned());
        }
    }
    linked.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let mut lists = Vec::new();
    for (source, weight, hits) in [
        (VECTOR, search.weights.vector, near.hits),
        (GRAPH, search.weights.graph, linked),
    ] {
        if weight > 0.0 {
            lists.push(Ranked { source, weight, hits });
        }
    }
    let fused = fuse(search.fusion, &lists);
    let found = fused.len();
    let page = fused.into_iter().skip(search.offset).take(search.limit);
    let results: Vec<Value> = page
        .map(|fused| {
            show(
                search,
                &fused,
                &near.payloads,
                around.reached.get(&fused.document),
            )
        })
        .collect();
    Ok(json!({
        "results": results,
        "found": found,
        "degraded": degraded.is_some(),
        "degraded_reason": degraded,
        "took_ms": begun.elapsed().as_millis() as u64,
    }))
}

/// Reads documents that only the graph led to; those that may be shown are then known.
fn fetch(
    context: &Context,
    search: &Search,
    near: &mut Near,
    reached: &HashMap<DocumentId, Reached>,
) -> Result<(), ApiError> {
    let mut unread: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for document in reached
        .keys()
        .filter(|document| !near.payloads.contains_key(*document))
    {
        if search
            .collections
            .iter()
            .any(|name| *name == *document.collection)
        {
            let ids = unread.entry(&document.collection).or_default();
            ids.push(&document.id);
        }
    }
    for (collection, ids) in unread {
        let found = match context.host.get(collection, &ids, Fields::PAYLOAD) {
            Ok(found) => found,
            Err(fault) if fault.code == FaultCode::NotFound => continue,
            Err(fault) => return Err(ApiError::Store(fault)),
        };
        for Document { id, payload, .. } in found {
            let document = DocumentId::new(collection, id);
            if shows(context, search, &document, payload.as_ref())? {
                near.payloads.insert(document, payload);
            }
        }
    }
    Ok(())
}

fn show(search: &Search, fused: &Fused, payloads: &Payloads, reached: Option<&Reached>) -> Value {
    let document = &fused.document;
    let mut shown = json!({
        "collection": document.collection,
        "id": document.id,
        "score": fused.score,
    });
    let Some(fields) = shown.as_object_mut() else {
        return shown;
    };
    if search.with_payload {
        // Of an encrypted document, its name and no more.
        let payload = payloads.get(document).and_then(Option::as_ref);
        let readable = payload.filter(|payload| !is_encrypted(payload));
        fields.insert("payload".to_owned(), json!(readable));
    }
    if search.explain {
        let sources: Vec<Value> = fused
            .places
            .iter()
            .map(|place| {
                json!({
                    "source": place.source,
                    "rank": place.rank,
                    "score": place.score,
                    "share": place.share,
                })
            })
            .collect();
        let ways: Vec<Value> = reached
            .into_iter()
            .flat_map(|reached| &reached.ways)
            .map(|way| {
                json!({
                    "from": {"collection": way.from.collection, "id": way.from.id},
                    "type": way.kind,
                    "via": way.via,
                    "worth": way.worth,
                })
            })
            .collect();
        fields.insert("explain".to_owned(), json!({"sources": sources, "paths": ways}));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_take_turns_since_their_scores_are_of_different_scales() {
        let list = |collection: &str, scores: &[f64]| -> Vec<(DocumentId, f64)> {
            let hits = scores.iter().enumerate();
            hits.map(|(n, score)| (DocumentId::new(collection, n.to_string()), *score))
                .collect()
        };
        let merged = merged(vec![list("a", &[0.9, 0.8]), list("b", &[40.0, 30.0, 20.0])]);
        let names: Vec<String> = merged
            .iter()
            .map(|(document, _)| format!("{}{}", document.collection, document.id))
            .collect();
        assert_eq!(names, ["b0", "a0", "b1", "a1", "b2"]);
    }
}
