//! Follows the graph from the best candidates, hop by hop, within the time that is left.
//!
//! Invariant: a document that may not be shown leads nowhere.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::expand::{Reached, expand};
use super::fusion::sort;
use super::request::Search;
use super::shown::{Shown, Terms};
use crate::journal::DocumentId;
use crate::sync::{BreakerState, Context, StageFault};

/// Of a hop's documents, those that the next goes on from at least.
const LEAST_FRONTIER: usize = 10;

/// What was found in the graph.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) reached: HashMap<DocumentId, Reached>,
    /// Why there is nothing, or not all.
    pub(super) degraded: Option<String>,
}

/// Why the graph cannot be asked at all; `None`: it can.
pub(super) fn obstacle(context: &Context) -> Option<&'static str> {
    if !context.link.is_ready() {
        Some("Nexus is not ready")
    } else if context.breaker.report().state == BreakerState::Open {
        Some("Nexus does not do its work at present")
    } else {
        None
    }
}

/// Follows the graph from `seeds`, each with its strength. Documents that come to be known on the way are put into `shown`.
pub(super) async fn follow(
    context: &Arc<Context>,
    search: &Arc<Search>,
    seeds: Vec<(DocumentId, f64)>,
    shown: &mut Shown,
    deadline: Instant,
) -> Around {
    let mut around = Around::default();
    if let Some(reason) = obstacle(context) {
        around.degraded = Some(reason.to_owned());
        return around;
    }
    // A hit is worth something by itself.
    for (document, strength) in &seeds {
        around.reached.entry(document.clone()).or_default().worth += strength;
    }
    let mut visited: HashSet<DocumentId> = seeds.iter().map(|(document, _)| document.clone()).collect();
    let mut frontier = seeds;
    for _ in 0..search.expansion.hops {
        if frontier.is_empty() {
            break;
        }
        let hop = async {
            let connection = context.link.ready().await;
            let found = expand(context, &connection.graph, &frontier, &search.expansion).await?;
            let unknown: Vec<DocumentId> = found.keys().filter(|to| !shown.has(to)).cloned().collect();
            let given = Arc::clone(search);
            let read = move |context: &Context| {
                let mut read = Shown::default();
                let terms = Terms::of(context, &given);
                Ok(read
                    .read(terms, &given.collections, unknown.iter())
                    .map(|()| read))
            };
            Ok::<_, StageFault>((found, context.blocking(read).await?))
        };
        match tokio::time::timeout_at(deadline.into(), hop).await {
            Ok(Ok((found, Ok(read)))) => {
                shown.join(read);
                frontier = around.take_in(found, shown, &mut visited, search.expansion.seeds);
            }
            Ok(Ok((_, Err(error)))) => {
                tracing::debug!(%error, "a search goes without the graph");
                around.degraded = Some("the documents that the graph leads to could not be read".to_owned());
                break;
            }
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "a search goes without the graph");
                around.degraded = Some(reason(&fault).to_owned());
                break;
            }
            Err(_) => {
                around.degraded = Some("Nexus did not answer in time".to_owned());
                break;
            }
        }
    }
    around
}

impl Around {
    /// Takes in what a hop found, and answers where the next goes on from.
    fn take_in(
        &mut self,
        found: HashMap<DocumentId, Reached>,
        shown: &Shown,
        visited: &mut HashSet<DocumentId>,
        seeds: usize,
    ) -> Vec<(DocumentId, f64)> {
        let mut next = Vec::new();
        for (document, reached) in found {
            if !shown.has(&document) {
                continue;
            }
            if visited.insert(document.clone()) {
                next.push((document.clone(), reached.worth));
            }
            self.reached.entry(document).or_default().join(reached);
        }
        sort(&mut next);
        next.truncate(seeds.max(LEAST_FRONTIER));
        next
    }
}

/// What a reader is told; the fault itself may name what is not theirs.
pub(super) fn reason(fault: &StageFault) -> &'static str {
    match fault {
        StageFault::Link(_) => "Nexus is out of reach or overloaded",
        StageFault::Server(_) | StageFault::Rejected(_) => "Nexus answers wrongly",
        StageFault::Repeat | StageFault::Host(_) | StageFault::Journal(_) | StageFault::Task(_) => {
            "the graph could not be followed"
        }
    }
}
