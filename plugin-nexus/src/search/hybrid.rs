//! A search: vectors, words and the graph, made one list.
//!
//! ```text
//! candidates (vectors, words) -> the best of them -> graph, within the time left
//!           |                                          |
//!           +------------------ fusion ----------------+
//! ```
//!
//! Invariant: once the store has answered, there is a result. Whatever the text index and the graph do, it costs the time that is left
//! and no more, and the answer says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{self, Explanation, Hit, Outcome, Share, Way};
use super::candidates::{Candidates, candidates, width};
use super::expand::Reached;
use super::follow::{Around, follow};
use super::fusion::{Fused, Fusion, Normalisation, Ranked, fuse, sort};
use super::request::{Search, Weights};
use super::shown::Shown;
use crate::api::ApiError;
use crate::journal::DocumentId;
use crate::sync::Context;

/// The share of the time left that the graph may take; the rest is for what comes after.
const GRAPH_SHARE: f64 = 0.8;

const VECTOR: &str = "vector";
const LEXICAL: &str = "lexical";
const GRAPH: &str = "graph";

/// What a search found, before it is put on pages.
pub(super) struct Found {
    /// Best first.
    pub(super) fused: Vec<Fused>,
    pub(super) shown: Shown,
    pub(super) reached: HashMap<DocumentId, Reached>,
    pub(super) degraded: Vec<String>,
    /// Whether vectors or words may have more to offer.
    pub(super) is_cut: bool,
}

/// Does a search.
///
/// # Errors
/// [`ApiError`] for what cannot be searched for, or a store that does not answer.
pub(super) async fn run(context: &Arc<Context>, search: Arc<Search>) -> Result<answer::Hybrid, ApiError> {
    let begun = Instant::now();
    let width = width(context, &search);
    let found = find(context, &search, width, false, begun).await?;
    let page = found.fused.iter().skip(search.offset).take(search.limit);
    Ok(answer::Hybrid {
        results: page.map(|fused| show(&search, fused, &found)).collect(),
        found: found.fused.len(),
        outcome: Outcome::of(&found.degraded, begun),
    })
}

/// Finds candidates, follows the graph from them, and fuses all of it.
///
/// # Errors
/// [`ApiError`] for what cannot be searched for, or a store that does not answer.
pub(super) async fn find(
    context: &Arc<Context>,
    search: &Arc<Search>,
    width: usize,
    lenient: bool,
    begun: Instant,
) -> Result<Found, ApiError> {
    let deadline = begun + Duration::from_millis(search.budget_ms);
    let mut candidates = candidates(context, search, width, lenient, deadline).await?;
    let around = match search.weights.graph > 0.0 {
        true => {
            let seeds = seeds(search, &candidates);
            let left = deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + left.mul_f64(GRAPH_SHARE);
            let around = follow(context, search, seeds, &mut candidates.shown, until).await;
            context
                .metrics
                .search
                .followed(left.saturating_sub(deadline.saturating_duration_since(Instant::now())));
            around
        }
        false => Around::default(),
    };
    let fused = fuse(search.fusion, &lists(search.weights, &candidates, Some(&around)));
    let Candidates {
        shown,
        mut degraded,
        is_cut,
        ..
    } = candidates;
    degraded.extend(around.degraded);
    Ok(Found {
        fused,
        shown,
        reached: around.reached,
        degraded,
        is_cut,
    })
}

/// Where the graph is followed from: the document that was asked about, and the best candidates, each the stronger the higher it stands.
fn seeds(search: &Search, candidates: &Candidates) -> Vec<(DocumentId, f64)> {
    let weights = match search.weights {
        // Candidates that do not count themselves.
        Weights { vector, lexical, .. } if vector + lexical == 0.0 => Weights::default(),
        weights => weights,
    };
    let best = fuse(
        Fusion::WeightedSum(Normalisation::MinMax),
        &lists(weights, candidates, None),
    );
    let best = best.into_iter().take(search.expansion.seeds).enumerate();
    let best = best.map(|(at, fused)| (fused.document, 1.0 / ((at + 1) as f64).sqrt()));
    let about = candidates.about.iter().map(|document| (document.clone(), 1.0));
    about.chain(best).collect()
}

/// The lists to be fused.
fn lists(weights: Weights, candidates: &Candidates, around: Option<&Around>) -> Vec<Ranked> {
    let mut lists: Vec<Ranked> = candidates
        .vector
        .iter()
        .map(|hits| Ranked {
            source: VECTOR,
            weight: weights.vector,
            hits: hits.clone(),
        })
        .collect();
    lists.push(Ranked {
        source: LEXICAL,
        weight: weights.lexical,
        hits: candidates.lexical.clone(),
    });
    if let Some(around) = around {
        let reached = around.reached.iter();
        let mut hits: Vec<(DocumentId, f64)> = reached
            .filter(|(document, _)| {
                candidates.shown.has(document) && candidates.about.as_ref() != Some(document)
            })
            .map(|(document, reached)| (document.clone(), reached.worth))
            .collect();
        sort(&mut hits);
        lists.push(Ranked {
            source: GRAPH,
            weight: weights.graph,
            hits,
        });
    }
    lists.retain(|list| list.weight > 0.0);
    lists
}

/// A result, as readers see it.
pub(super) fn show(search: &Search, fused: &Fused, found: &Found) -> Hit {
    let document = &fused.document;
    Hit {
        document: document.into(),
        score: fused.score,
        payload: search.with_payload.then(|| found.shown.payload(document)),
        explain: search.explain.then(|| explain(fused, found)),
        placed: None,
    }
}

fn explain(fused: &Fused, found: &Found) -> Explanation {
    let sources = fused.places.iter().map(|place| Share {
        source: place.source,
        rank: place.rank,
        score: place.score,
        share: place.share,
    });
    let ways = found.reached.get(&fused.document).map(|reached| &reached.ways);
    let paths = ways.into_iter().flatten().map(|way| Way {
        from: (&way.from).into(),
        kind: way.kind.clone(),
        via: way.via.clone(),
        worth: way.worth,
    });
    Explanation {
        sources: sources.collect(),
        paths: paths.collect(),
    }
}
