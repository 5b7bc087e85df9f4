//! Writing, retracting, reading and counting edges.
//!
//! An edge belongs to its source, and there is one of a type for each pair. Retracting it deletes it where the server can;
//! elsewhere it is written with `active` 0, and whoever reads edges keeps the active ones.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::capabilities::RetractForm;
use super::edge::Edge;
use super::key::{DocumentKey, NodeKey};
use super::literal::SafeLiteral;
use super::nodes::literals;
use super::schema::{EdgeType, NodeLabel};
use super::write::{Refused, all_taken};
use super::{Graph, GraphError, bad_answer, catalogue};

/// An outgoing edge as the server holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Key of the node that owns the edge.
    pub source: String,
    /// The type.
    pub kind: EdgeType,
    /// Key of the node it leads to.
    pub target: String,
    /// The type's first property; null where the stored record has none.
    pub weight: Value,
    /// Whether the edge holds; `None` when the stored record does not say, so that it is none of ours, or was lost.
    pub active: Option<bool>,
}

/// A path of two edges as the server holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoHops {
    /// The edge from the node that was asked for.
    pub first: Neighbour,
    /// The edge from its neighbour.
    pub second: Neighbour,
}

/// A SIMILAR_TO edge as the server holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingSimilar {
    /// The document that owns the edge.
    pub source: DocumentKey,
    /// Its neighbour.
    pub target: DocumentKey,
    /// Similarity; `None` when the stored record has none, so the edge has to be written again.
    pub score: Option<f64>,
    /// Whether the edge holds; `None` when its record is lost.
    pub active: Option<bool>,
}

impl Graph {
    /// Writes the active ones of these edges and retracts the others, sorted by type and source, retractions first. Of two
    /// edges of a type for one pair the last wins; of a reverse type, the active one. Answers those that the server refuses.
    ///
    /// Edges of reverse types are retracted before all others, and written after them: whenever one holds, so does the edge that
    /// its document owns. So what a document owns tells all that there is of it, however far an earlier write came.
    ///
    /// The ends are looked up first, because servers differ in what they do about a missing one: Nexus fails in the middle
    /// of the batch, others leave the edge out without a word.
    ///
    /// # Errors
    ///
    /// [`GraphError::SelfEdge`] and [`GraphError::MissingEnds`] before anything is written; otherwise
    /// [`GraphError::Nexus`]. A part of the edges may have been written then.
    pub async fn write_edges(&self, edges: &[Edge]) -> Result<Vec<Refused>, GraphError> {
        if let Some(edge) = edges.iter().find(|edge| edge.ends()[0] == edge.ends()[1]) {
            return Err(GraphError::SelfEdge {
                key: edge.source.clone(),
            });
        }
        let mut order: Vec<usize> = (0..edges.len()).collect();
        let is_upsert = |edge: &Edge| edge.active || self.forms.retract == RetractForm::Soft;
        let place = |edge: &Edge| {
            let turn = match (edge.kind.leads_back(), edge.active) {
                (true, false) => 0,
                (false, _) => 1,
                (true, true) => 2,
            };
            (turn, is_upsert(edge), edge.kind)
        };
        order.sort_by_key(|at| (place(&edges[*at]), &edges[*at].source));
        let upserts = order.iter().map(|at| &edges[*at]);
        self.require_ends(upserts.filter(|edge| is_upsert(edge))).await?;

        let mut refused = Vec::new();
        for part in order.chunk_by(|one, other| place(&edges[*one]) == place(&edges[*other])) {
            let first = &edges[part[0]];
            let part_of = || part.iter().map(|at| &edges[*at]);
            let statements = if is_upsert(first) {
                let rows = part_of().map(|edge| (&edge.source, &edge.target, &edge.record));
                catalogue::edges::upsert_edges(first.kind, rows)?
            } else {
                let ends = part_of().map(|edge| (&edge.source, &edge.target));
                catalogue::edges::delete_edges(first.kind, ends)?
            };
            refused.extend(located(self.write(statements).await?, part));
        }
        Ok(refused)
    }

    async fn require_ends<'a>(&self, edges: impl Iterator<Item = &'a Edge>) -> Result<(), GraphError> {
        let mut ends: HashMap<NodeLabel, BTreeSet<&SafeLiteral>> = HashMap::new();
        for (label, key) in edges.flat_map(Edge::ends) {
            ends.entry(label).or_default().insert(key);
        }
        let mut missing = Vec::new();
        for (label, keys) in ends {
            let keys: Vec<&SafeLiteral> = keys.into_iter().collect();
            let mut found = HashSet::new();
            for statement in catalogue::nodes::look_up_nodes(self.forms.lookup, label, &keys) {
                for row in self.read(&statement, &["k", "rev", "fingerprint"]).await? {
                    found.extend(row.first().and_then(Value::as_str).map(str::to_owned));
                }
            }
            let absent = keys.into_iter().filter(|key| !found.contains(key.as_str()));
            missing.extend(absent.map(|key| key.as_str().to_owned()));
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort();
        Err(GraphError::MissingEnds { keys: missing })
    }

    /// Reads the outgoing edges of nodes, of some types that have these nodes' label as their source, retracted edges
    /// included. Edges to nodes that are gone are left out.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`], also when the server answers with sources that were not asked for.
    pub async fn neighbours<K: NodeKey>(
        &self,
        kinds: &[EdgeType],
        sources: &[K],
    ) -> Result<Vec<Neighbour>, GraphError> {
        let wanted: HashSet<&str> = sources.iter().map(NodeKey::as_str).collect();
        let mut found = Vec::new();
        for statement in catalogue::edges::neighbours(self.forms.hops, kinds, &literals(sources)) {
            for row in self.read(&statement, &["a", "t", "b", "w", "act"]).await? {
                let Ok([source, kind, target, weight, active]) = <[Value; 5]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row has not five values"));
                };
                let kind = kinds.iter().find(|known| kind == known.name());
                let source = source.as_str().filter(|text| wanted.contains(text));
                let (Some(source), Some(kind)) = (source, kind) else {
                    return Err(bad_answer(&statement, "an edge that was not asked for"));
                };
                let Some(target) = target.as_str() else { continue };
                found.push(Neighbour {
                    source: source.to_owned(),
                    kind: *kind,
                    target: target.to_owned(),
                    weight,
                    active: holds(&active),
                });
            }
        }
        Ok(found)
    }

    /// Walks two hops from nodes, every path, retracted edges included. Paths over nodes that are gone are left out.
    ///
    /// # Errors
    ///
    /// As [`Graph::neighbours`].
    pub async fn two_hops<K: NodeKey>(
        &self,
        first: EdgeType,
        second: EdgeType,
        sources: &[K],
    ) -> Result<Vec<TwoHops>, GraphError> {
        let wanted: HashSet<&str> = sources.iter().map(NodeKey::as_str).collect();
        let mut found = Vec::new();
        for statement in catalogue::edges::two_hops(self.forms.hops, first, second, &literals(sources)) {
            let columns = ["a", "b", "c", "w", "act", "w2", "act2"];
            for row in self.read(&statement, &columns).await? {
                let Ok([a, b, c, w, act, w2, act2]) = <[Value; 7]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row has not seven values"));
                };
                let Some(a) = a.as_str().filter(|text| wanted.contains(text)) else {
                    return Err(bad_answer(&statement, "a path that was not asked for"));
                };
                let (Some(b), Some(c)) = (b.as_str(), c.as_str()) else {
                    continue;
                };
                let edge = |kind, source: &str, target: &str, weight, active: &Value| Neighbour {
                    source: source.to_owned(),
                    kind,
                    target: target.to_owned(),
                    weight,
                    active: holds(active),
                };
                found.push(TwoHops {
                    first: edge(first, a, b, w, &act),
                    second: edge(second, b, c, w2, &act2),
                });
            }
        }
        Ok(found)
    }

    /// Reads the edges of a type that lead to nodes: by the incoming form where the server has a right one, else over the
    /// reverse type. Each is given as an edge of `kind`.
    ///
    /// A node that many others are closest to has as many edges coming in, all of them true. At most `most` of them are given for
    /// each node: those that hold before others, the heaviest first, ties by the source's key.
    ///
    /// # Errors
    ///
    /// [`GraphError::NoForm`] where the server has neither; otherwise as [`Graph::neighbours`].
    pub async fn incoming<K: NodeKey>(
        &self,
        kind: EdgeType,
        targets: &[K],
        most: usize,
    ) -> Result<Vec<Neighbour>, GraphError> {
        let Some(form) = self.forms.incoming else {
            let reverse = kind.reverse().ok_or(GraphError::NoForm {
                operation: "incoming_edges",
            })?;
            let mut edges = self.neighbours(&[reverse], targets).await?;
            for edge in &mut edges {
                std::mem::swap(&mut edge.source, &mut edge.target);
                edge.kind = kind;
            }
            return Ok(heaviest(edges, most));
        };
        let wanted: HashSet<&str> = targets.iter().map(NodeKey::as_str).collect();
        let mut found = Vec::new();
        for statement in catalogue::edges::incoming(form, kind, &literals(targets)) {
            for row in self.read(&statement, &["b", "a", "w", "act"]).await? {
                let Ok([target, source, weight, active]) = <[Value; 4]>::try_from(row) else {
                    return Err(bad_answer(&statement, "a row has not four values"));
                };
                let Some(target) = target.as_str().filter(|text| wanted.contains(text)) else {
                    return Err(bad_answer(&statement, "an edge that was not asked for"));
                };
                let Some(source) = source.as_str() else { continue };
                found.push(Neighbour {
                    source: source.to_owned(),
                    kind,
                    target: target.to_owned(),
                    weight,
                    active: holds(&active),
                });
            }
        }
        Ok(heaviest(found, most))
    }

    /// Reads the outgoing SIMILAR_TO edges of documents, retracted ones included. Edges to nodes that are no documents of
    /// ours are left out.
    ///
    /// # Errors
    ///
    /// As [`Graph::neighbours`].
    pub async fn outgoing_similar(
        &self,
        sources: &[DocumentKey],
    ) -> Result<Vec<OutgoingSimilar>, GraphError> {
        let edges = self.neighbours(&[EdgeType::SimilarTo], sources).await?;
        Ok(edges
            .into_iter()
            .filter_map(|edge| {
                Some(OutgoingSimilar {
                    source: DocumentKey::parse(&edge.source).ok()?,
                    target: DocumentKey::parse(&edge.target).ok()?,
                    score: edge.weight.as_f64(),
                    active: edge.active,
                })
            })
            .collect())
    }

    /// Deletes those SIMILAR_TO edges of these that are retracted, where the server can.
    ///
    /// # Errors
    ///
    /// [`GraphError::NoForm`] where it cannot; otherwise [`GraphError::Nexus`].
    pub async fn sweep_similar(&self, edges: &[(DocumentKey, DocumentKey)]) -> Result<(), GraphError> {
        if !self.forms.sweep {
            return Err(GraphError::NoForm {
                operation: "sweep_edges",
            });
        }
        let ends = edges
            .iter()
            .map(|(source, target)| (source.literal(), target.literal()));
        all_taken(
            self.write(catalogue::edges::sweep_edges(EdgeType::SimilarTo, ends)?)
                .await?,
        )
    }

    /// Counts the edges of a type, including retracted ones and those whose target is gone. Slow: it scans.
    ///
    /// # Errors
    ///
    /// [`GraphError::Nexus`].
    pub async fn count_edges(&self, kind: EdgeType) -> Result<u64, GraphError> {
        self.count(&catalogue::edges::count_edges(kind)).await
    }
}

/// Of the edges into each node the `most` best: those that hold, the heaviest first.
fn heaviest(mut edges: Vec<Neighbour>, most: usize) -> Vec<Neighbour> {
    let weight = |edge: &Neighbour| edge.weight.as_f64().unwrap_or(f64::NEG_INFINITY);
    edges.sort_by(|one, other| {
        one.target
            .cmp(&other.target)
            .then_with(|| (other.active == Some(true)).cmp(&(one.active == Some(true))))
            .then_with(|| weight(other).total_cmp(&weight(one)))
            .then_with(|| one.source.cmp(&other.source))
    });
    edges
        .chunk_by(|one, other| one.target == other.target)
        .flat_map(|of_one| of_one.iter().take(most).cloned())
        .collect()
}

/// Positions in a part as positions in the whole.
fn located(refused: Vec<Refused>, part: &[usize]) -> impl Iterator<Item = Refused> {
    refused.into_iter().map(|refused| Refused {
        row: part.get(refused.row).copied().unwrap_or(refused.row),
        ..refused
    })
}

fn holds(active: &Value) -> Option<bool> {
    match active {
        Value::Bool(holds) => Some(*holds),
        Value::Number(number) => Some(number.as_u64() == Some(1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_edges_into_a_node_the_heaviest_that_hold_are_given() {
        let edge = |source: &str, target: &str, weight: f64, active: bool| Neighbour {
            source: source.to_owned(),
            kind: EdgeType::SimilarTo,
            target: target.to_owned(),
            weight: weight.into(),
            active: Some(active),
        };
        let found = heaviest(
            vec![
                edge("a", "x", 0.1, true),
                edge("b", "x", 0.9, false),
                edge("c", "x", 0.5, true),
                edge("d", "x", 0.5, true),
                edge("e", "y", 0.2, true),
            ],
            3,
        );
        let sources: Vec<&str> = found.iter().map(|edge| edge.source.as_str()).collect();
        assert_eq!(sources, ["c", "d", "a", "e"]);
        assert!(heaviest(found, 0).is_empty());
    }
}
