//! What a form costs: a scan cannot be told from a seek on three scratch nodes, but on the documents that are there.
//!
//! Only reads of absent keys are timed, so nothing is touched.

use std::time::{Duration, Instant};

use super::super::catalogue::limits::MAX_BRANCHES;
use super::super::catalogue::nodes::LookupForm;
use super::super::key::{DocumentKey, RunId};
use super::super::schema::NodeLabel;
use super::super::{Graph, GraphError};

/// Times each form is measured; the median counts.
const ROUNDS: usize = 3;

pub(super) enum Comparison {
    /// Looking up by parameter costs less than by literals.
    Less,
    /// It does not, or nobody can tell.
    NotLess(String),
}

/// Compares looking up by parameter with looking up by literals, on at least `from` documents.
pub(super) async fn parameters_cost_less(graph: &Graph, from: u64) -> Result<Comparison, GraphError> {
    let documents = graph.count_nodes(NodeLabel::Document).await?;
    if documents < from {
        return Ok(Comparison::NotLess(format!(
            "its cost shows from {from} documents on, there are {documents}"
        )));
    }
    if graph.session().is_paced() {
        return Ok(Comparison::NotLess(
            "its cost does not show while the rate of statements is limited".to_owned(),
        ));
    }
    let run = RunId::fresh()?;
    let keys = (0..MAX_BRANCHES)
        .map(|n| DocumentKey::new(run.as_str(), &n.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut by_literal = graph.clone();
    by_literal.forms.lookup = LookupForm::LiteralUnion;
    let mut by_parameter = graph.clone();
    by_parameter.forms.lookup = LookupForm::ParameterList;

    let literal = median(&by_literal, &keys).await?;
    // One look is enough where it scans; it may take most of a second.
    let first = time(&by_parameter, &keys).await?;
    if first > literal * 2 {
        return Ok(not_less(first, literal));
    }
    let parameter = median(&by_parameter, &keys).await?;
    if parameter <= literal {
        Ok(Comparison::Less)
    } else {
        Ok(not_less(parameter, literal))
    }
}

fn not_less(parameter: Duration, literal: Duration) -> Comparison {
    Comparison::NotLess(format!(
        "{MAX_BRANCHES} keys take {:.1} ms, by literals {:.1} ms",
        parameter.as_secs_f64() * 1e3,
        literal.as_secs_f64() * 1e3
    ))
}

async fn median(graph: &Graph, keys: &[DocumentKey]) -> Result<Duration, GraphError> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        times.push(time(graph, keys).await?);
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

async fn time(graph: &Graph, keys: &[DocumentKey]) -> Result<Duration, GraphError> {
    let start = Instant::now();
    graph.look_up(keys).await?;
    Ok(start.elapsed())
}
