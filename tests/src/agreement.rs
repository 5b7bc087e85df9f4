//! How well SIMILAR_TO edges agree with their definition: the out-edges of a document are the `top_k` others with the best
//! scores, none below the threshold. The scores come from comparing every document with every other.
//!
//! Near ties may stand in either order: scores closer than [`tolerance`] are one score.

use std::collections::HashMap;

use crate::TestError;
use crate::nexus::Nexus;
use crate::upstream;

/// Scores closer than this are one score: more where the store gives back rounded vectors, as a real Vectorizer does.
#[must_use]
pub fn tolerance(is_rounded: bool) -> f64 {
    if is_rounded || upstream::is_wanted() {
        2e-2
    } else {
        1e-3
    }
}

/// Active edges of a collection: by source id, target ids with the written score.
pub type Edges = HashMap<String, Vec<(String, f64)>>;

/// A document's name where documents of more than one collection are compared.
#[must_use]
pub fn name(collection: &str, id: &str) -> String {
    format!("{collection}: {id}")
}

/// Reads the active SIMILAR_TO edges between documents of a collection by a full scan. An edge to or from anywhere else
/// stands under its raw keys, and so is wrong.
///
/// # Errors
/// As [`Nexus::run`].
pub fn read(graph: &Nexus, collection: &str) -> Result<Edges, TestError> {
    read_named(graph, |of, id| (of == collection).then(|| id.to_owned()))
}

/// As [`read`], of all collections, under the documents' [`name`]s.
///
/// # Errors
/// As [`Nexus::run`].
pub fn read_all(graph: &Nexus) -> Result<Edges, TestError> {
    read_named(graph, |collection, id| Some(name(collection, id)))
}

fn read_named(graph: &Nexus, name: impl Fn(&str, &str) -> Option<String>) -> Result<Edges, TestError> {
    let text = |value: Option<&serde_json::Value>| Some(value?.as_str()?.to_owned());
    let names: HashMap<String, String> = graph
        .documents()?
        .into_iter()
        .filter_map(|node| {
            let collection = text(node.properties.get("collection"))?;
            let id = text(node.properties.get("vector_id"))?;
            Some((node.key, name(&collection, &id)?))
        })
        .collect();
    let name = |key: String| names.get(&key).cloned().unwrap_or(key);
    let mut edges = Edges::new();
    for edge in graph.similar()?.into_iter().filter(|edge| edge.active) {
        let score = edge.score.unwrap_or(f64::NAN);
        let (source, target) = (name(edge.source), name(edge.target));
        edges.entry(source).or_default().push((target, score));
    }
    Ok(edges)
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agreement {
    /// Edges in the graph.
    pub edges: usize,
    /// Of these, those that the definition has, with its score.
    pub right: usize,
    /// Edges that the definition has, however near ties are taken.
    pub wanted: usize,
    /// Of these, those in the graph; of near ties, any that fill the list.
    pub found: usize,
    /// What is wrong, each in a sentence.
    pub complaints: Vec<String>,
}

impl Agreement {
    /// The share of the edges in the graph that are right; 1 where there are none.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.right, self.edges)
    }

    /// The share of the wanted edges that are in the graph; 1 where none are wanted.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.found, self.wanted)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// Compares edges with the definition. Scores closer than `tolerance` are one score; `score` answers for two positions in `ids`; `None`: the two are no pair at all.
#[must_use]
pub fn compare(
    ids: &[&str],
    top_k: usize,
    threshold: f64,
    tolerance: f64,
    mut edges: Edges,
    score: impl Fn(usize, usize) -> Option<f64>,
) -> Agreement {
    let mut agreement = Agreement::default();
    for (at, id) in ids.iter().enumerate() {
        let truth: HashMap<&str, f64> = (0..ids.len())
            .filter(|other| *other != at)
            .filter_map(|other| Some((ids[other], score(at, other)?)))
            .collect();
        let own = edges.remove(*id).unwrap_or_default();
        agreement.add(id, top_k, threshold, tolerance, &truth, &own);
    }
    for (source, rest) in edges {
        agreement.edges += rest.len();
        agreement
            .complaints
            .push(format!("{source}: no document, but it has {} edges", rest.len()));
    }
    agreement
}

impl Agreement {
    fn add(
        &mut self,
        id: &str,
        top_k: usize,
        threshold: f64,
        tolerance: f64,
        truth: &HashMap<&str, f64>,
        own: &[(String, f64)],
    ) {
        let mut best: Vec<f64> = truth
            .values()
            .copied()
            .filter(|score| *score >= threshold)
            .collect();
        best.sort_by(|one, other| other.total_cmp(one));
        let entry = best.get(top_k.wrapping_sub(1)).copied().unwrap_or(threshold);
        let mut written: HashMap<&str, f64> = HashMap::new();
        let mut ties = 0;
        self.edges += own.len();
        for (target, score) in own {
            let fault = match truth.get(target.as_str()) {
                _ if written.insert(target, *score).is_some() => "is there twice".to_owned(),
                _ if written.len() > top_k => format!("is one too many, at most {top_k} may hold"),
                None => "leads to no document that it could".to_owned(),
                Some(truth)
                    if (truth - score)
                        .abs()
                        .partial_cmp(&tolerance)
                        .is_none_or(|order| order.is_gt()) =>
                {
                    format!("says {score}, it is {truth}")
                }
                Some(truth) if *truth < entry - tolerance => {
                    format!("({truth}) is not among the nearest (from {entry})")
                }
                Some(truth) => {
                    self.right += 1;
                    ties += usize::from(*truth <= entry + tolerance);
                    continue;
                }
            };
            self.complaints
                .push(format!("{id}: the edge to {target} {fault}"));
        }
        let least = best
            .iter()
            .filter(|score| **score > threshold + tolerance)
            .count()
            .min(top_k);
        let mut room = least;
        for (target, score) in truth.iter().filter(|(_, score)| **score > entry + tolerance) {
            room -= 1;
            if written.contains_key(target) {
                self.found += 1;
            } else {
                let fault =
                    format!("{id}: no edge to {target} ({score}), which is among the nearest (from {entry})");
                self.complaints.push(fault);
            }
        }
        self.wanted += least;
        self.found += ties.min(room);
        if ties < room {
            let fault = format!(
                "{id}: {} edges are missing from the end of its list (from {entry})",
                room - ties
            );
            self.complaints.push(fault);
        }
    }
}

/// The cosine of two vectors of unit length.
#[must_use]
pub fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let products = one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four documents on a line; the closer in number, the more similar.
    fn judge(edges: &[(&str, &str, f64)]) -> Agreement {
        let mut by_source = Edges::new();
        for (source, target, score) in edges {
            let list = by_source.entry((*source).to_owned()).or_default();
            list.push(((*target).to_owned(), *score));
        }
        let score =
            |one: usize, other: usize| Some(1.0 - 0.2 * one.abs_diff(other) as f64 - 0.01 * other as f64);
        compare(&["a", "b", "c", "d"], 1, 0.5, 1e-3, by_source, score)
    }

    const RIGHT: [(&str, &str, f64); 4] = [
        ("a", "b", 0.79),
        ("b", "a", 0.8),
        ("c", "b", 0.79),
        ("d", "c", 0.78),
    ];

    #[test]
    fn the_definition_agrees_with_itself() {
        let agreement = judge(&RIGHT);
        assert_eq!(
            (agreement.edges, agreement.right, agreement.complaints.len()),
            (4, 4, 0)
        );
    }

    #[test]
    fn each_fault_costs() {
        let with = |edge| judge(&[&RIGHT[1..], &[edge]].concat());
        assert_eq!(with(("a", "b", 0.7)).right, 3, "another score");
        assert_eq!(with(("a", "c", 0.58)).right, 3, "not the nearest");
        assert_eq!(with(("a", "a", 1.0)).right, 3, "itself");
        assert_eq!(with(("x", "a", 0.8)).precision(), 0.75, "an unknown source");
        assert_eq!(with(("a", "b", f64::NAN)).right, 3, "no score");
        let twice = judge(&[&RIGHT[..], &RIGHT[..1]].concat());
        assert_eq!((twice.edges, twice.right), (5, 4));
    }

    #[test]
    fn a_missing_edge_costs_recall_only() {
        let score = |_: usize, other: usize| Some(1.0 - 0.1 * other as f64);
        let agreement = compare(&["a", "b", "c", "d"], 2, 0.5, 1e-3, Edges::new(), score);
        assert_eq!(
            (agreement.precision(), agreement.recall(), agreement.wanted),
            (1.0, 0.0, 8)
        );
    }
}
