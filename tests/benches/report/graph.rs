//! The graph server of a measurement, and reading it by ways of its own.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::Server;

/// Its name in the report.
pub(crate) fn name() -> String {
    match Kind::measured() {
        Kind::Real => std::env::var("NEXUS_SERVER_BIN").unwrap_or_default(),
        _ => "nexus-dev".to_owned(),
    }
}

/// Starts a fresh one; its data go below `folder`.
pub(crate) fn start(folder: &Path, port: Option<u16>) -> Server {
    Nexus::start(Kind::measured(), &Artifacts::of(Profile::Release), folder, port).unwrap()
}

/// How many documents' nodes there are.
pub(crate) fn count(url: &str) -> u64 {
    let rows = Nexus::new(url)
        .run("MATCH (d:Document) RETURN count(d) AS n", &json!({}))
        .unwrap();
    rows[0][0].as_u64().unwrap()
}

/// How many edges between documents hold.
pub(crate) fn edges(url: &str) -> usize {
    let edges = Nexus::new(url).similar().unwrap();
    edges.iter().filter(|edge| edge.active).count()
}

/// The keys of all nodes, by the documents' ids.
pub(crate) fn keys(url: &str) -> HashMap<String, String> {
    let nodes = Nexus::new(url).documents().unwrap();
    nodes
        .into_iter()
        .filter_map(|node| Some((node.properties.get("vector_id")?.as_str()?.to_owned(), node.key)))
        .collect()
}
