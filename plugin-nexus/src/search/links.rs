//! What links results of different domains: entities that they share, and edges between them.
//!
//! Invariant: only what is shown anyway is named: both ends of a link are results.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::answer::{LinkingEdge, Links, NamedOfDomain, SharedEntity};
use super::cross::Placed;
use super::expand::known;
use super::follow::{obstacle, reason};
use crate::graph::schema::EdgeType;
use crate::graph::{DocumentKey, ForeignType};
use crate::journal::DocumentId;
use crate::sync::{Context, StageFault};

/// Links of a kind that are told at most.
const MOST_LINKS: usize = 100;

/// Finds the links between results; a reason where they cannot be told in time.
pub(super) async fn between(
    context: &Arc<Context>,
    types: &[ForeignType],
    results: &[Placed],
    deadline: Instant,
) -> Result<Links, String> {
    if let Some(reason) = obstacle(context) {
        return Err(reason.to_owned());
    }
    let mut by_key: HashMap<String, &Placed> = HashMap::new();
    let mut keys = Vec::new();
    for placed in results {
        let document = &placed.fused.document;
        if let Ok(key) = DocumentKey::new(&document.collection, &document.id) {
            by_key.insert(key.as_str().to_owned(), placed);
            keys.push(key);
        }
    }
    let read = async {
        let connection = context.link.ready().await;
        let graph = &connection.graph;
        let kinds = [EdgeType::SimilarTo, EdgeType::Mentions];
        let own = async { Ok::<_, StageFault>(graph.neighbours(&kinds, &keys).await?) };
        let foreign = async {
            let types = known(context, types).await?;
            Ok(graph.foreign_edges(&types, &keys).await?)
        };
        tokio::try_join!(own, foreign)
    };
    let (own, foreign) = match tokio::time::timeout_at(deadline.into(), read).await {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) => return Err(reason(&fault).to_owned()),
        Err(_) => return Err("Nexus did not answer in time".to_owned()),
    };
    let mut entities: BTreeMap<String, Vec<&Placed>> = BTreeMap::new();
    let mut edges = Vec::new();
    for edge in own.into_iter().filter(|edge| edge.active == Some(true)) {
        let Some(from) = by_key.get(&edge.source) else {
            continue;
        };
        match edge.kind {
            EdgeType::Mentions => entities.entry(edge.target).or_default().push(from),
            kind => {
                if let Some(to) = by_key.get(&edge.target)
                    && from.domain != to.domain
                {
                    edges.push((from, to, kind.name().to_owned(), edge.weight.as_f64()));
                }
            }
        }
    }
    let by_name: HashMap<&DocumentId, &Placed> = results
        .iter()
        .map(|placed| (&placed.fused.document, placed))
        .collect();
    for edge in foreign {
        let to = edge
            .target
            .map(|(collection, id)| DocumentId::new(collection, id));
        if let (Some(from), Some(to)) = (
            by_key.get(edge.source.as_str()),
            to.and_then(|to| by_name.get(&to)),
        ) && from.domain != to.domain
        {
            edges.push((from, to, edge.kind, None));
        }
    }
    let mut shared: Vec<(String, Vec<&Placed>)> = entities
        .into_iter()
        .filter(|(_, placed)| {
            let domains: BTreeSet<_> = placed.iter().map(|placed| &placed.domain).collect();
            domains.len() > 1
        })
        .collect();
    shared.sort_by(|one, other| other.1.len().cmp(&one.1.len()).then_with(|| one.0.cmp(&other.0)));
    edges.sort_by(|one, other| {
        let order = |edge: &(&&Placed, &&Placed, String, Option<f64>)| {
            (
                edge.0.fused.document.clone(),
                edge.2.clone(),
                edge.1.fused.document.clone(),
            )
        };
        order(one).cmp(&order(other))
    });
    let entities = shared
        .into_iter()
        .take(MOST_LINKS)
        .map(|(entity, placed)| SharedEntity {
            entity,
            documents: placed.into_iter().map(named).collect(),
        });
    let edges = edges
        .into_iter()
        .take(MOST_LINKS)
        .map(|(from, to, kind, weight)| LinkingEdge {
            from: named(from),
            to: named(to),
            kind,
            weight,
        });
    Ok(Links {
        entities: entities.collect(),
        edges: edges.collect(),
    })
}

fn named(placed: &Placed) -> NamedOfDomain {
    NamedOfDomain {
        document: (&placed.fused.document).into(),
        domain: placed.domain.clone(),
    }
}
