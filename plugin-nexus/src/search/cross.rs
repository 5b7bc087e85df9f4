//! A search over several domains: every domain has its say, whatever model its collections are embedded with.
//!
//! ```text
//! collections of all dimensions -> hybrid search -> domains, weights -> some of each, then the best -> links between them
//! ```
//!
//! Invariants: a document counts for the domain that is asked for and holds it, the innermost where several do; where none are asked for,
//! for the topmost that it belongs to. Collections that take no texts are passed over, unless they are named.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{self, DomainOf, Group, Hit, Links, Outcome};
use super::candidates::{MOST_WIDTH, width};
use super::fusion::{self, Fused};
use super::hybrid::{self, Found, find};
use super::links;
use super::request::{CrossDomain, Shape};
use super::shown::{Terms, domains};
use crate::api::ApiError;
use crate::sync::Context;

/// Collections that are searched at most.
const MOST_COLLECTIONS: usize = 100;
/// Hits of each collection that are asked for at least: some domains may be far down.
const LEAST_WIDTH: usize = 200;

/// A document that was found, and the domain it counts for; `None`: it belongs to none.
pub(super) struct Placed {
    pub(super) fused: Fused,
    pub(super) domain: Option<String>,
    path: Vec<String>,
}

/// Does a search over several domains.
///
/// # Errors
/// [`ApiError`] for what cannot be searched for, or a store that does not answer.
pub(super) async fn run(
    context: &Arc<Context>,
    request: CrossDomain,
) -> Result<answer::CrossDomain, ApiError> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(request.search.budget_ms);
    let (request, mut degraded) = context
        .blocking(move |context| Ok(collect(context, request)))
        .await??;
    if request.search.collections.is_empty() {
        let links = request.links.then(Links::default);
        return Ok(answer(&request, Vec::new(), links, &degraded, begun));
    }
    let search = Arc::new(request.search.clone());
    let lenient = !request.names_collections;
    let (mut wide, most) = (width(context, &search).max(LEAST_WIDTH), MOST_WIDTH);
    let (found, chosen) = loop {
        let found = find(context, &search, wide, lenient, begun).await?;
        let asked = request.clone();
        let place = move |context: &Context| Ok(place(context, &asked, found));
        let (found, placed) = context.blocking(place).await??;
        let poor = |domain: &String| {
            let of_it = placed
                .iter()
                .filter(|placed| placed.domain.as_ref() == Some(domain));
            of_it.count() < request.least
        };
        let goes_on = found.is_cut && wide < most && Instant::now() < deadline;
        if goes_on && request.domains.iter().any(poor) {
            wide = most;
            continue;
        }
        break (found, choose(&request, placed));
    };
    degraded.extend(found.degraded.iter().cloned());
    let links = match request.links {
        true => {
            let links = links::between(context, &search.expansion.types, &chosen, deadline).await;
            Some(links.unwrap_or_else(|reason| {
                degraded.push(reason);
                Links::default()
            }))
        }
        false => None,
    };
    degraded.dedup();
    let shown = chosen
        .iter()
        .map(|placed| Hit {
            placed: Some(DomainOf {
                domain: placed.domain.clone(),
                domain_path: placed.path.clone(),
            }),
            ..hybrid::show(&search, &placed.fused, &found)
        })
        .collect();
    Ok(answer(&request, shown, links, &degraded, begun))
}

/// Finds the collections, and tells why there are not all. Blocks.
fn collect(context: &Context, mut request: CrossDomain) -> Result<(CrossDomain, Vec<String>), ApiError> {
    let mut degraded = Vec::new();
    let mut names = request.search.collections.clone();
    if !request.names_collections {
        let visibility = Terms::of(context, &request.search).visibility();
        let all = context.host.collections().map_err(ApiError::Store)?;
        names = all
            .into_iter()
            .map(|collection| collection.name)
            .filter(|name| context.config().syncs(name) && visibility.shows_collection(name))
            .collect();
        names.sort();
    }
    names.retain(|name| !request.without_collections.contains(name));
    if names.len() > MOST_COLLECTIONS {
        degraded.push(format!(
            "only the first {MOST_COLLECTIONS} of {} collections were searched; name those you need",
            names.len()
        ));
        names.truncate(MOST_COLLECTIONS);
    }
    request.search.collections = names;
    request.search.filter.domains = request.domains.iter().cloned().collect();
    request.search.filter.without_domains = request.without_domains.clone();
    Ok((request, degraded))
}

/// Says which domain each document counts for, and weighs it by that. Blocks.
fn place(
    context: &Context,
    request: &CrossDomain,
    mut found: Found,
) -> Result<(Found, Vec<Placed>), ApiError> {
    let mut placed = Vec::with_capacity(found.fused.len());
    for mut fused in std::mem::take(&mut found.fused) {
        let paths = domains(context, &fused.document)?;
        let (domain, path) = counted_for(&request.domains, paths);
        let weight = path
            .iter()
            .rev()
            .find_map(|name| request.domain_weights.get(name))
            .copied()
            .unwrap_or(1.0);
        fused.score *= weight;
        for place in &mut fused.places {
            place.share *= weight;
        }
        placed.push(Placed { fused, domain, path });
    }
    placed.sort_by(best_first);
    Ok((found, placed))
}

fn best_first(one: &Placed, other: &Placed) -> Ordering {
    let (one, other) = (&one.fused, &other.fused);
    fusion::best_first((&one.document, one.score), (&other.document, other.score))
}

/// The domain that a document with these domains counts for, and the path to its own one.
fn counted_for(asked: &[String], paths: Vec<Vec<String>>) -> (Option<String>, Vec<String>) {
    for path in &paths {
        let counted = match asked {
            [] => path.first(),
            asked => path.iter().rev().find(|part| asked.contains(part)),
        };
        if let Some(counted) = counted {
            return (Some(counted.clone()), path.clone());
        }
    }
    (None, Vec::new())
}

/// The results that are shown, best first: of each domain so many, as far as there are any, and then the best.
fn choose(request: &CrossDomain, placed: Vec<Placed>) -> Vec<Placed> {
    let limit = request.search.limit;
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    if request.shape == Shape::Grouped {
        return placed
            .into_iter()
            .filter(|placed| {
                let count = counts.entry(placed.domain.clone()).or_default();
                *count += 1;
                *count <= limit
            })
            .collect();
    }
    let (mut chosen, mut others) = (Vec::new(), Vec::new());
    for placed in placed {
        let count = counts.entry(placed.domain.clone()).or_default();
        *count += 1;
        if *count <= request.least && placed.domain.is_some() {
            chosen.push(placed);
        } else {
            others.push(placed);
        }
    }
    // Where there are more domains than places, the best of each come first.
    chosen.truncate(limit);
    let room = limit - chosen.len();
    chosen.extend(others.into_iter().take(room));
    chosen.sort_by(best_first);
    chosen
}

fn answer(
    request: &CrossDomain,
    shown: Vec<Hit>,
    links: Option<Links>,
    degraded: &[String],
    begun: Instant,
) -> answer::CrossDomain {
    let (results, groups) = match request.shape {
        Shape::Merged => (Some(shown), None),
        Shape::Grouped => (None, Some(grouped(shown))),
    };
    answer::CrossDomain {
        results,
        groups,
        links,
        outcome: Outcome::of(degraded, begun),
    }
}

/// By domain, in the order of their best.
fn grouped(shown: Vec<Hit>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for hit in shown {
        let domain = hit.placed.as_ref().and_then(|placed| placed.domain.clone());
        match groups.iter_mut().find(|group| group.domain == domain) {
            Some(group) => group.results.push(hit),
            None => groups.push(Group {
                domain,
                results: vec![hit],
            }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::journal::DocumentId;

    fn placed(id: &str, domain: &str, score: f64) -> Placed {
        Placed {
            fused: Fused {
                document: DocumentId::new("c", id),
                score,
                places: Vec::new(),
            },
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
            path: Vec::new(),
        }
    }

    fn chosen(body: &Value, placed: Vec<Placed>) -> Vec<String> {
        let request = CrossDomain::parse(body.to_string().as_bytes(), true, |_| true).unwrap();
        choose(&request, placed)
            .into_iter()
            .map(|placed| placed.fused.document.id.to_string())
            .collect()
    }

    #[test]
    fn every_domain_has_its_say_and_the_rest_goes_to_the_best() {
        let found = || {
            vec![
                placed("l1", "legal", 0.9),
                placed("l2", "legal", 0.8),
                placed("l3", "legal", 0.7),
                placed("n1", "", 0.6),
                placed("f1", "financial", 0.2),
                placed("f2", "financial", 0.1),
            ]
        };
        let body = |least: usize| json!({"text": "x", "limit": 4, "min_per_domain": least});
        assert_eq!(chosen(&body(0), found()), ["l1", "l2", "l3", "n1"]);
        assert_eq!(chosen(&body(1), found()), ["l1", "l2", "l3", "f1"]);
        assert_eq!(chosen(&body(2), found()), ["l1", "l2", "f1", "f2"]);
        let grouped = json!({"text": "x", "limit": 2, "results": "grouped"});
        assert_eq!(chosen(&grouped, found()), ["l1", "l2", "n1", "f1", "f2"]);
    }

    #[test]
    fn a_document_counts_for_the_innermost_domain_that_is_asked_for() {
        let path = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let paths = || vec![path(&["legal", "contracts", "leases"]), path(&["financial"])];
        let counted = |asked: &[&str]| counted_for(&path(asked), paths()).0;
        assert_eq!(counted(&[]).as_deref(), Some("legal"));
        assert_eq!(counted(&["legal", "contracts"]).as_deref(), Some("contracts"));
        assert_eq!(counted(&["financial"]).as_deref(), Some("financial"));
        assert_eq!(counted(&["hr"]), None);
    }
}
