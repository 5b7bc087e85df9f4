//! Real documents with real embeddings, against neighbours that somebody else computed.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::json;
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::data;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::upstream;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

const TOP_K: usize = 10;
const THRESHOLD: f64 = 0.3;
/// Near ties may stand in either order.
const TIE: f32 = 1e-3;

#[test]
fn the_edges_of_real_documents_are_their_exact_neighbours() {
    let Some(folder) = data::shared() else { return };
    let documents = data::labelled(&folder).unwrap();
    let truth = data::truth(&folder, documents.len()).unwrap();
    let row: HashMap<&str, usize> = documents
        .iter()
        .enumerate()
        .map(|(row, document)| (document.id.as_str(), row))
        .collect();

    for kind in Kind::restartable() {
        let place = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::of(Profile::Dev);
        let nexus = Nexus::start(kind, &artifacts, place.path(), None).unwrap();
        let section = json!({
            "nexus_url": nexus.url,
            "similarity": {"top_k": TOP_K, "threshold": {"cosine": THRESHOLD}},
        });
        let host = HostFolder::new(place.path(), &artifacts, 0, &json!({}), &section).unwrap();
        let server = host.start().unwrap();
        let client = Vectorizer::new(&server.url);
        client.create("domains", data::DIMENSION, "Cosine").unwrap();
        for batch in documents.chunks(100) {
            let batch: Vec<_> = batch
                .iter()
                .map(|d| {
                    (
                        d.id.clone(),
                        d.embedding.clone(),
                        json!({"title": d.title, "doc_type": d.label}),
                    )
                })
                .collect();
            client.insert("domains", &batch).unwrap();
        }
        client.settle(Duration::from_secs(600)).unwrap();

        let graph = Nexus::new(&nexus.url);
        let ids: HashMap<String, usize> = graph
            .documents()
            .unwrap()
            .into_iter()
            .map(|node| (node.key, row[node.properties["vector_id"].as_str().unwrap()]))
            .collect();
        assert_eq!(ids.len(), documents.len());
        let mut found: Vec<HashSet<usize>> = vec![HashSet::new(); documents.len()];
        for edge in graph.similar().unwrap().into_iter().filter(|edge| edge.active) {
            assert!(
                found[ids[&edge.source]].insert(ids[&edge.target]),
                "an edge twice"
            );
        }
        let (mut right, mut written, mut wanted, mut hit) = (0, 0, 0, 0);
        for (neighbours, found) in truth.iter().zip(&found) {
            let entry = neighbours[TOP_K - 1].1.max(THRESHOLD as f32);
            let near: HashSet<usize> = neighbours
                .iter()
                .filter(|(_, score)| *score >= entry - TIE)
                .map(|(row, _)| *row)
                .collect();
            let must: Vec<usize> = neighbours
                .iter()
                .filter(|(_, score)| *score > entry + TIE)
                .map(|(row, _)| *row)
                .collect();
            written += found.len();
            right += found.intersection(&near).count();
            wanted += must.len();
            hit += must.iter().filter(|row| found.contains(row)).count();
        }
        let (precision, recall) = (right as f64 / written as f64, hit as f64 / wanted as f64);
        println!("{kind:?}: {written} edges, precision {precision:.4}, recall {recall:.4}");
        assert!(written > documents.len());
        // Of rounded vectors a near tie may come out on the other side of what is taken for one here.
        let least = if upstream::is_wanted() { 0.999 } else { 1.0 };
        assert!(
            precision >= least && recall >= 0.98,
            "precision {precision}, recall {recall}"
        );
        assert!(server.stop().unwrap().success());
        nexus.stop().unwrap();
    }
}
