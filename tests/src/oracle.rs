//! Whether a graph says what the store says: every document has its node with its properties, every node a document, and
//! the edges are the exact nearest neighbours, computed here by comparing every vector with every other.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::TestError;
use crate::nexus::{Edge, Nexus, Node};
use crate::vectorizer::{Document, Vectorizer};

/// Scores closer than this are one score.
const TOLERANCE: f64 = 1e-3;

/// The settings the graph was made with.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// Most edges of a document.
    pub top_k: usize,
    /// Least score of an edge.
    pub threshold: f64,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Documents in the store.
    pub documents: usize,
    /// Document nodes in the graph.
    pub nodes: usize,
    /// Edges that hold.
    pub similar_to: usize,
    /// Differences, each in a sentence.
    pub mismatches: Vec<String>,
}

/// Compares all collections of the store with the whole graph.
///
/// # Errors
/// [`TestError`] where either cannot be read.
pub fn compare(store: &Vectorizer, graph: &Nexus, expect: Expectation) -> Result<Findings, TestError> {
    let mut findings = Findings::default();
    let nodes = graph.documents()?;
    findings.nodes = nodes.len();
    let mut by_place: HashMap<(String, String), &Node> = HashMap::new();
    let mut places: HashMap<&str, (String, String)> = HashMap::new();
    for node in &nodes {
        let text = |name: &str| {
            node.properties
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let place = (text("collection"), text("vector_id"));
        places.insert(&node.key, place.clone());
        if let Some(twin) = by_place.insert(place, node) {
            findings.mismatches.push(format!(
                "node {} is there twice, as {:?} and {:?}",
                node.key, twin.properties, node.properties
            ));
        }
    }

    let mut edges: HashMap<(String, String), Vec<(String, f64)>> = HashMap::new();
    for edge in graph.similar()?.into_iter().filter(|edge| edge.active) {
        findings.similar_to += 1;
        place_edge(&edge, &places, &mut edges, &mut findings);
    }

    for (collection, metric) in store.collections()? {
        let documents = store.documents(&collection)?;
        findings.documents += documents.len();
        for document in &documents {
            match by_place.remove(&(collection.clone(), document.id.clone())) {
                Some(node) => compare_properties(document, node, &mut findings),
                None => findings
                    .mismatches
                    .push(format!("{collection}/{}: no node", document.id)),
            }
        }
        compare_edges(
            &collection,
            &metric,
            &documents,
            &mut edges,
            expect,
            &mut findings,
        );
    }
    for node in by_place.values() {
        findings
            .mismatches
            .push(format!("node {}: no document", node.key));
    }
    for (place, rest) in edges.iter().filter(|(_, rest)| !rest.is_empty()) {
        findings.mismatches.push(format!(
            "{}/{}: {} edges of no document",
            place.0,
            place.1,
            rest.len()
        ));
    }
    Ok(findings)
}

fn place_edge(
    edge: &Edge,
    places: &HashMap<&str, (String, String)>,
    edges: &mut HashMap<(String, String), Vec<(String, f64)>>,
    findings: &mut Findings,
) {
    match (
        places.get(edge.source.as_str()),
        places.get(edge.target.as_str()),
        edge.score,
    ) {
        (Some(source), Some(target), Some(score)) if source.0 == target.0 => {
            edges
                .entry(source.clone())
                .or_default()
                .push((target.1.clone(), score));
        }
        _ => findings
            .mismatches
            .push(format!("edge {} -> {} leads nowhere", edge.source, edge.target)),
    }
}

/// Properties that the plugin copies by default, against the payload; both ways.
fn compare_properties(document: &Document, node: &Node, findings: &mut Findings) {
    for name in [
        "title",
        "doc_type",
        "file_path",
        "chunk_index",
        "parent_id",
        "source",
    ] {
        let wanted = document
            .payload
            .get(name)
            .or_else(|| document.payload["metadata"].get(name));
        let wanted = wanted.filter(|value| value.is_string() || value.is_number() || value.is_boolean());
        let found = node.properties.get(name).filter(|value| !value.is_null());
        if wanted != found {
            findings.mismatches.push(format!(
                "node {}: {name} is {found:?}, the store says {wanted:?}",
                node.key
            ));
        }
    }
}

fn compare_edges(
    collection: &str,
    metric: &str,
    documents: &[Document],
    edges: &mut HashMap<(String, String), Vec<(String, f64)>>,
    expect: Expectation,
    findings: &mut Findings,
) {
    let metric = Metric::of(metric);
    let vectors: Vec<Vec<f32>> = documents
        .iter()
        .map(|document| metric.prepare(&document.vector))
        .collect();
    for (document, vector) in documents.iter().zip(&vectors) {
        let truth: BTreeMap<&str, f64> = documents
            .iter()
            .zip(&vectors)
            .filter(|(other, _)| other.id != document.id)
            .map(|(other, theirs)| (other.id.as_str(), metric.score(vector, theirs)))
            .collect();
        let mut best: Vec<f64> = truth
            .values()
            .copied()
            .filter(|score| *score >= expect.threshold)
            .collect();
        best.sort_by(|one, other| other.total_cmp(one));
        let entry = best
            .get(expect.top_k.wrapping_sub(1))
            .copied()
            .unwrap_or(expect.threshold);

        let found = edges
            .remove(&(collection.to_owned(), document.id.clone()))
            .unwrap_or_default();
        let mut complain = |what: String| {
            findings
                .mismatches
                .push(format!("{collection}/{}: {what}", document.id));
        };
        if found.len() > expect.top_k {
            complain(format!(
                "{} edges, at most {} may hold",
                found.len(),
                expect.top_k
            ));
        }
        for (target, written) in &found {
            match truth.get(target.as_str()) {
                None => complain(format!("an edge to {target}, which is not in the collection")),
                Some(score) if (score - written).abs() > TOLERANCE => {
                    complain(format!("the edge to {target} says {written}, it is {score}"));
                }
                Some(score) if *score < entry - TOLERANCE => {
                    complain(format!(
                        "an edge to {target} ({score}), which is not among the nearest ({entry})"
                    ));
                }
                Some(_) => {}
            }
        }
        let found: HashSet<&str> = found.iter().map(|(target, _)| target.as_str()).collect();
        for (target, score) in truth {
            if score > entry + TOLERANCE && !found.contains(target) {
                complain(format!(
                    "no edge to {target} ({score}), which is among the nearest ({entry})"
                ));
            }
        }
    }
}

/// The store's scores, by `contracts/vectorizer.md` section 2.
#[derive(Debug, Clone, Copy)]
enum Metric {
    Cosine,
    Euclidean,
    Dot,
}

impl Metric {
    fn of(name: &str) -> Self {
        match name.to_lowercase().as_str() {
            "euclidean" => Self::Euclidean,
            "dotproduct" | "dot" => Self::Dot,
            _ => Self::Cosine,
        }
    }

    /// The vector, under cosine its direction: then a score is one product.
    fn prepare(self, vector: &[f32]) -> Vec<f32> {
        let norm = match self {
            Self::Cosine => vector.iter().map(|a| a * a).sum::<f32>().sqrt(),
            Self::Euclidean | Self::Dot => 1.0,
        };
        vector.iter().map(|a| a / norm.max(f32::MIN_POSITIVE)).collect()
    }

    fn score(self, one: &[f32], other: &[f32]) -> f64 {
        let pairs = || one.iter().zip(other);
        let dot = || f64::from(pairs().map(|(a, b)| a * b).sum::<f32>());
        match self {
            Self::Cosine => dot(),
            Self::Euclidean => {
                1.0 / (1.0 + f64::from(pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f32>()).sqrt())
            }
            Self::Dot => 1.0 / (1.0 + (-dot()).exp()),
        }
    }
}
