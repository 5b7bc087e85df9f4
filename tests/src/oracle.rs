//! Whether a graph says what the store says: every document has its node with its properties, every node a document, and
//! the edges are the exact nearest neighbours, computed here by comparing every vector with every other.

use std::collections::HashMap;

use serde_json::Value;

use crate::TestError;
use crate::agreement;
use crate::nexus::{Edge, Nexus, Node};
use crate::vectorizer::{Document, Vectorizer};

/// The settings the graph was made with.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// Most edges of a document.
    pub top_k: usize,
    /// Least score of an edge.
    pub threshold: f64,
    /// Whether the store gives back rounded vectors.
    pub rounded: bool,
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
    let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
    let own: agreement::Edges = ids
        .iter()
        .filter_map(|id| {
            let place = (collection.to_owned(), (*id).to_owned());
            Some(((*id).to_owned(), edges.remove(&place)?))
        })
        .collect();
    let agreement = agreement::compare(
        &ids,
        expect.top_k,
        expect.threshold,
        agreement::tolerance(expect.rounded),
        own,
        |one, other| Some(metric.score(&vectors[one], &vectors[other])),
    );
    let complaints = agreement.complaints.into_iter();
    findings
        .mismatches
        .extend(complaints.map(|what| format!("{collection}/{what}")));
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
