//! How one document has to do with another: a shortest way over the graph, looked for from both ends.
//!
//! A step is an edge of SIMILAR_TO, an entity or a source that both documents have to do with, or an edge of a type that is named. Whichever
//! way an edge leads, it links its ends; the answer tells steps that go against it.
//!
//! Invariants: a document that may not be seen is no step; of each hop the strongest documents are followed, and where there are more the
//! answer is not `exhaustive`: there may be a shorter way, or one at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{self, Outcome};
use super::expand::{Reached, Way, expand};
use super::follow::{obstacle, reason};
use super::fusion::sort;
use super::request::{Expansion, Path};
use super::shown::{Shown, Terms, start};
use crate::api::ApiError;
use crate::journal::DocumentId;
use crate::sync::{Context, StageFault};

/// Documents that each hop goes on from at most.
const FRONTIER: usize = 100;
/// Documents that one entity or source leads to, at most.
const FAN_OUT: usize = 200;

/// What was reached from one of the two ends.
struct Side {
    /// Each document with the step that led to it; `None`: it is the end itself.
    steps: HashMap<DocumentId, Option<Way>>,
    /// The strongest first.
    frontier: Vec<(DocumentId, f64)>,
}

impl Side {
    fn of(end: &DocumentId) -> Self {
        Self {
            steps: [(end.clone(), None)].into(),
            frontier: vec![(end.clone(), 1.0)],
        }
    }

    /// The steps that lead from the end to `document`.
    fn way_to(&self, document: &DocumentId) -> Vec<(Way, DocumentId)> {
        let mut way = Vec::new();
        let mut at = document.clone();
        while let Some(Some(step)) = self.steps.get(&at) {
            let from = step.from.clone();
            way.push((step.clone(), at));
            at = from;
        }
        way.reverse();
        way
    }
}

/// Answers how two documents have to do with each other.
///
/// # Errors
/// [`ApiError`], where there are no such documents for this reader, or the store does not answer.
pub(super) async fn run(context: &Arc<Context>, request: Path) -> Result<answer::Path, ApiError> {
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(request.budget_ms);
    let request = Arc::new(request);
    let ends = vec![request.from.clone(), request.to.clone()];
    let (collections, shown) = start(context, &request.reader, ends).await?;
    let mut notes = Vec::new();
    let (mut way, mut exhaustive) = (None, false);
    match obstacle(context) {
        Some(reason) => notes.push(reason.to_owned()),
        None => {
            let walk = meet(context, &request, &collections, shown);
            match tokio::time::timeout_at(deadline.into(), walk).await {
                Ok(Ok(found)) => (way, exhaustive) = found,
                Ok(Err(fault)) => notes.push(reason(&fault).to_owned()),
                Err(_) => notes.push("Nexus did not answer in time".to_owned()),
            }
        }
    }
    let steps: Option<Vec<answer::Step>> = way.map(|way| way.iter().map(Step::show).collect());
    Ok(answer::Path {
        found: steps.is_some(),
        hops: steps.as_ref().map(Vec::len),
        steps,
        exhaustive,
        outcome: Outcome::of(&notes, begun),
    })
}

/// One step of a way.
struct Step {
    from: DocumentId,
    to: DocumentId,
    kind: String,
    via: Option<String>,
    /// Whether it goes against the edge.
    reversed: bool,
}

impl Step {
    fn show(&self) -> answer::Step {
        answer::Step {
            from: (&self.from).into(),
            to: (&self.to).into(),
            kind: self.kind.clone(),
            via: self.via.clone(),
            reversed: self.reversed,
        }
    }
}

/// Walks from both ends in turn until they meet. Answers the way, and whether everything was followed.
async fn meet(
    context: &Arc<Context>,
    request: &Arc<Path>,
    collections: &Arc<[String]>,
    mut shown: Shown,
) -> Result<(Option<Vec<Step>>, bool), StageFault> {
    let (mut near, mut far) = (Side::of(&request.from), Side::of(&request.to));
    if request.from == request.to {
        return Ok((Some(Vec::new()), true));
    }
    let mut is_whole = true;
    for _ in 0..request.hops {
        // From the side that has less to look at.
        let from_near = !near.frontier.is_empty()
            && (far.frontier.is_empty() || near.frontier.len() <= far.frontier.len());
        let (side, other) = match from_near {
            true => (&mut near, &far),
            false => (&mut far, &near),
        };
        if side.frontier.is_empty() {
            break;
        }
        let reached = hop(context, request, collections, &side.frontier, &mut shown).await?;
        let mut next: Vec<(DocumentId, f64)> = Vec::new();
        for (document, Reached { worth, ways }) in reached {
            let Some(way) = ways.into_iter().next() else {
                continue;
            };
            if !side.steps.contains_key(&document) {
                side.steps.insert(document.clone(), Some(way));
                next.push((document, worth));
            }
        }
        sort(&mut next);
        let met = next
            .iter()
            .find(|(document, _)| other.steps.contains_key(document));
        if let Some((document, _)) = met {
            let document = document.clone();
            return Ok((Some(joined(&near, &far, &document)), is_whole));
        }
        is_whole &= next.len() <= FRONTIER;
        next.truncate(FRONTIER);
        side.frontier = next;
    }
    Ok((None, is_whole))
}

/// One hop, of what may be shown.
async fn hop(
    context: &Arc<Context>,
    request: &Arc<Path>,
    collections: &Arc<[String]>,
    frontier: &[(DocumentId, f64)],
    shown: &mut Shown,
) -> Result<HashMap<DocumentId, Reached>, StageFault> {
    let expansion = Expansion {
        similar: true,
        mentions: true,
        parts: true,
        types: request.types.clone(),
        hops: 1,
        seeds: FRONTIER,
        fan_out: FAN_OUT,
        spread: 1.0,
    };
    let connection = context.link.ready().await;
    let mut reached = expand(context, &connection.graph, frontier, &expansion).await?;
    let unknown: Vec<DocumentId> = reached.keys().filter(|to| !shown.has(to)).cloned().collect();
    let (request, collections) = (Arc::clone(request), Arc::clone(collections));
    let read = move |context: &Context| {
        let mut read = Shown::default();
        let terms = Terms::of_reader(context, &request.reader);
        Ok(read.read(terms, &collections, unknown.iter()).map(|()| read))
    };
    match context.blocking(read).await? {
        Ok(read) => shown.join(read),
        Err(ApiError::Store(fault)) => return Err(StageFault::Host(fault)),
        Err(error) => {
            tracing::debug!(%error, "a way could not be followed");
            return Err(StageFault::Repeat);
        }
    }
    reached.retain(|document, _| shown.has(document));
    Ok(reached)
}

/// The way from one end to the other over a document that both reached.
fn joined(near: &Side, far: &Side, document: &DocumentId) -> Vec<Step> {
    let there = near.way_to(document).into_iter().map(|(way, to)| Step {
        from: way.from,
        to,
        kind: way.kind,
        via: way.via,
        reversed: false,
    });
    let back = far.way_to(document).into_iter().rev().map(|(way, from)| Step {
        from,
        to: way.from,
        kind: way.kind,
        // A thing that both have to do with has no direction.
        reversed: way.via.is_none(),
        via: way.via,
    });
    there.chain(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str) -> DocumentId {
        DocumentId::new("c", id)
    }

    fn side(end: &str, steps: &[(&str, &str, Option<&str>)]) -> Side {
        let mut side = Side::of(&document(end));
        for (from, to, via) in steps {
            let way = Way {
                from: document(from),
                kind: "T".to_owned(),
                via: via.map(str::to_owned),
                worth: 1.0,
            };
            side.steps.insert(document(to), Some(way));
        }
        side
    }

    #[test]
    fn two_half_ways_are_one_and_tell_which_steps_go_against_their_edges() {
        let near = side("a", &[("a", "b", None)]);
        let far = side("d", &[("d", "c", Some("thing")), ("c", "b", None)]);
        let steps: Vec<(String, String, bool)> = joined(&near, &far, &document("b"))
            .into_iter()
            .map(|step| (step.from.id.to_string(), step.to.id.to_string(), step.reversed))
            .collect();
        let step = |from: &str, to: &str, reversed| (from.to_owned(), to.to_owned(), reversed);
        assert_eq!(
            steps,
            [step("a", "b", false), step("b", "c", true), step("c", "d", false)]
        );
    }
}
