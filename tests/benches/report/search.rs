//! How long searches take, and how long the text index takes to show a change, through a real host and its own store.
//!
//! The documents are the labelled ones of the shared data, each several times with another word and a vector beside its own; the questions
//! are their titles. One client, one question after the other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::data::{self, Labelled};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

use crate::figure::{Findings, quantile};
use crate::options::Options;

const PATIENCE: Duration = Duration::from_secs(1_800);
const HYBRID: &str = "/api/v1/search/hybrid";
const CROSS: &str = "/api/v1/search/cross-domain";

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let Some(folder) = data::shared() else {
        findings.note("the shared data are not there: nothing was measured");
        return findings;
    };
    let documents = data::labelled(&folder).unwrap();
    let count = options.scale.pick(1_000, 10_000);
    for kind in Kind::restartable() {
        if matches!(kind, Kind::Dev | Kind::Real) {
            measure(options, &mut findings, kind, &documents, count);
        }
    }
    findings.note(format!(
        "{count} documents of 384 components in two collections, one client"
    ));
    findings
}

fn measure(options: &Options, findings: &mut Findings, kind: Kind, documents: &[Labelled], count: usize) {
    let (folder, nexus_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let artifacts = Artifacts::of(Profile::Release);
    let nexus = Nexus::start(kind, &artifacts, nexus_folder.path(), None).unwrap();
    let section = json!({"nexus_url": nexus.url});
    let host = HostFolder::new(folder.path(), &artifacts, 0, &json!({}), &section).unwrap();
    let server = host.start().unwrap();
    let client = Vectorizer::new(&server.url);
    fill(&client, documents, count);
    client.settle(PATIENCE).unwrap();
    client.settle_texts(PATIENCE).unwrap();

    let name = match kind {
        Kind::Real => "Nexus",
        _ => "nexus-dev",
    };
    let questions = options.scale.pick(30, 300);
    let weights = |vector: f64, lexical: f64, graph: f64| json!({"weights": {"vector": vector, "lexical": lexical, "graph": graph}});
    for (form, path, more) in [
        ("vectors", HYBRID, weights(1.0, 0.0, 0.0)),
        ("words", HYBRID, weights(0.0, 1.0, 0.0)),
        ("hybrid", HYBRID, json!({})),
        ("hybrid, 3 hops", HYBRID, json!({"graph": {"hops": 3}})),
        ("cross-domain", CROSS, json!({"min_per_domain": 2})),
    ] {
        let mut times: Vec<u64> = (0..questions)
            .map(|n| {
                let document = &documents[n * 7 % documents.len()];
                let mut body =
                    json!({"text": document.title, "vector": document.embedding, "budget_ms": 10_000});
                if path == HYBRID {
                    body["collections"] = json!(["a", "b"]);
                }
                body.as_object_mut()
                    .unwrap()
                    .extend(more.as_object().unwrap().clone());
                let begun = Instant::now();
                let answer = client.call("POST", path, Some(&body)).unwrap();
                assert_eq!(answer["degraded"], false, "{answer}");
                micros(begun)
            })
            .collect();
        findings.add(
            format!("{name}: {form}, p50"),
            "ms",
            quantile(&mut times, 0.5) / 1e3,
            None,
        );
        findings.add(
            format!("{name}: {form}, p95"),
            "ms",
            quantile(&mut times, 0.95) / 1e3,
            None,
        );
    }
    let mut lags: Vec<u64> = (0..options.scale.pick(5, 40))
        .map(|n| lag(&client, documents, n))
        .collect();
    findings.add(
        format!("{name}: change to found by its words, p50"),
        "ms",
        quantile(&mut lags, 0.5) / 1e3,
        None,
    );
    findings.add(
        format!("{name}: change to found by its words, p95"),
        "ms",
        quantile(&mut lags, 0.95) / 1e3,
        None,
    );
    server.stop().unwrap();
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros() as u64
}

/// Every other document into each of two collections.
fn fill(client: &Vectorizer, documents: &[Labelled], count: usize) {
    for collection in ["a", "b"] {
        client.create(collection, data::DIMENSION, "Cosine").unwrap();
    }
    let all: Vec<usize> = (0..count).collect();
    for part in all.chunks(500) {
        for (half, collection) in ["a", "b"].into_iter().enumerate() {
            let rows: Vec<(String, Vec<f32>, Value)> = part
                .iter()
                .filter(|n| **n % 2 == half)
                .map(|n| {
                    let (document, copy) = (&documents[n % documents.len()], n / documents.len());
                    let beside =
                        |(at, value): (usize, &f32)| value + 0.01 * ((n * 31 + at * 17) as f32).sin();
                    let vector = document.embedding.iter().enumerate().map(beside).collect();
                    let payload =
                        json!({"title": document.title, "content": format!("{} copy{copy}", document.text)});
                    (format!("d{n}"), vector, payload)
                })
                .collect();
            client.insert(collection, &rows).unwrap();
        }
    }
}

/// From the answer to an insert until the document is found by a word that only it has.
fn lag(client: &Vectorizer, documents: &[Labelled], n: usize) -> u64 {
    let word = format!("unheardof{n}");
    let payload = json!({"content": format!("A text with {word}.")});
    let row = (format!("new{n}"), documents[n].embedding.clone(), payload);
    client.insert("a", &[row]).unwrap();
    let begun = Instant::now();
    let body = json!({"text": word, "collections": ["a"], "weights": {"vector": 0, "graph": 0}});
    wait_until("it is found", PATIENCE, || {
        Ok(client.call("POST", HYBRID, Some(&body))?["found"] == 1)
    })
    .unwrap();
    micros(begun)
}
