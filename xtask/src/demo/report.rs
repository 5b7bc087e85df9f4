//! What the demo says in the end.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use vectorizer_tests::TestError;
use vectorizer_tests::nexus::{Edge, Nexus, Node};
use vectorizer_tests::oracle::Findings;
use vectorizer_tests::vectorizer::Vectorizer;

use vectorizer_tests::scrape::Scrape;

const LAG: &str = "vectorizer_nexus_lag_seconds";
const HOOK: &str = "vectorizer_plugin_call_duration_seconds{call=\"notify\"}";
/// Neighbourhoods shown.
const SHOWN: usize = 4;
/// Texts closer than this are copies of each other.
const NEAR_COPY: f64 = 0.8;
/// Differences shown.
const DIFFERENCES: usize = 10;

/// Prints what is in the graph.
pub(crate) fn print(
    host: &Vectorizer,
    nexus: &Nexus,
    findings: &Findings,
    scrape: &Scrape,
) -> Result<(), TestError> {
    let status = host.status()?;
    println!("\nDocuments in the store      {:>8}", findings.documents);
    println!("Document nodes in the graph {:>8}", findings.nodes);
    println!("SIMILAR_TO edges that hold  {:>8}", findings.similar_to);
    println!(
        "Nexus                       {}",
        status["nexus"]["version"].as_str().unwrap_or("?")
    );
    println!(
        "From insert to node         p50 {:.0} ms, p99 {:.0} ms",
        scrape.quantile(LAG, 0.5) * 1e3,
        scrape.quantile(LAG, 0.99) * 1e3
    );
    println!(
        "A write pays for the hook   p50 {:.1} us, p99 {:.1} us a batch",
        scrape.quantile(HOOK, 0.5) * 1e6,
        scrape.quantile(HOOK, 0.99) * 1e6
    );
    println!("Differences store <-> graph {:>8}", findings.mismatches.len());
    for mismatch in findings.mismatches.iter().take(DIFFERENCES) {
        println!("  {mismatch}");
    }
    neighbourhoods(&nexus.documents()?, &nexus.similar()?);
    Ok(())
}

/// Shows the documents whose closest neighbour is of another source: those are the links worth seeing.
fn neighbourhoods(nodes: &[Node], edges: &[Edge]) {
    let by_key: HashMap<&str, &Node> = nodes.iter().map(|node| (node.key.as_str(), node)).collect();
    let mut by_source: HashMap<&str, Vec<&Edge>> = HashMap::new();
    for edge in edges.iter().filter(|edge| edge.active) {
        by_source.entry(&edge.source).or_default().push(edge);
    }
    let origin = |key: &str| {
        let node = by_key.get(key)?;
        node.properties
            .get("source")
            .or_else(|| node.properties.get("file_path"))
            .and_then(Value::as_str)
    };
    let mut interesting: Vec<(f64, &str, Vec<&Edge>)> = Vec::new();
    for (source, mut neighbours) in by_source {
        neighbours.retain(|edge| origin(&edge.target) != origin(source));
        neighbours.sort_by(|one, other| other.score.unwrap_or(0.0).total_cmp(&one.score.unwrap_or(0.0)));
        // Copies of one text say nothing.
        let closest = neighbours.first().and_then(|edge| edge.score).unwrap_or(0.0);
        if neighbours.len() >= 2 && closest < NEAR_COPY {
            interesting.push((closest, source, neighbours));
        }
    }
    interesting.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    let mut shown: Vec<&str> = Vec::new();
    let mut neighbourhoods = 0;
    println!("\nSome neighbourhoods (score, document):");
    for (_, source, neighbours) in interesting {
        let from = origin(source).unwrap_or_default();
        if shown.contains(&from) {
            continue;
        }
        shown.push(from);
        shown.extend(neighbours.iter().filter_map(|edge| origin(&edge.target)));
        neighbourhoods += 1;
        println!("  {}", name(by_key.get(source).copied()));
        for edge in neighbours.iter().take(3) {
            println!(
                "    {:.2}  {}",
                edge.score.unwrap_or(0.0),
                name(by_key.get(edge.target.as_str()).copied())
            );
        }
        if neighbourhoods == SHOWN {
            break;
        }
    }
}

fn name(node: Option<&Node>) -> String {
    let text = |name: &str| {
        node.and_then(|node| node.properties.get(name))
            .and_then(Value::as_str)
    };
    let title = text("title").or_else(|| text("vector_id")).unwrap_or("?");
    match node
        .and_then(|node| node.properties.get("chunk_index"))
        .and_then(Value::as_u64)
    {
        Some(chunk) => format!("{title}, part {}", chunk + 1),
        None => title.to_owned(),
    }
}

/// Writes the figures.
pub(crate) fn write(file: &Path, findings: &Findings, scrape: &Scrape) -> Result<(), TestError> {
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    let report = json!({
        "documents": findings.documents,
        "graph": {"documents": findings.nodes, "similar_to": findings.similar_to},
        "lag_ms": {"p50": rounded(scrape.quantile(LAG, 0.5) * 1e3), "p99": rounded(scrape.quantile(LAG, 0.99) * 1e3)},
        "hook_us": {"p50": rounded(scrape.quantile(HOOK, 0.5) * 1e6), "p99": rounded(scrape.quantile(HOOK, 0.99) * 1e6)},
        "mismatches": findings.mismatches.len(),
    });
    std::fs::write(file, format!("{report:#}\n")).map_err(|error| TestError::File {
        path: file.display().to_string(),
        reason: error.to_string(),
    })
}
