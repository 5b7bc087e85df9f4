//! Searches against relevance judgements: each source alone, and all together with the defaults.
//!
//! The real plugin in the real host over a real graph server. Only the development half of the queries is asked, so that the defaults can
//! be chosen by it and judged by the other.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::data;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::Server;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

use crate::options::Options;

const SETS: [&str; 2] = ["wiki-qa", "finance-qa"];
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Results that are asked for.
const DEPTH: usize = 100;

/// What is measured: the weights of vectors, words and the graph.
const FORMS: [(&str, Option<[f64; 3]>); 5] = [
    ("vector", Some([1.0, 0.0, 0.0])),
    ("lexical", Some([0.0, 1.0, 0.0])),
    ("graph", Some([0.0, 0.0, 1.0])),
    // With the defaults, and with these but without the graph.
    ("hybrid", None),
    ("without_graph", Some([1.0, 1.5, 0.0])),
];

struct Query {
    id: String,
    text: String,
    vector: Vec<f32>,
}

/// Both servers, filled with one set.
struct Rig {
    client: Vectorizer,
    _host: Server,
    _nexus: Server,
    _folder: tempfile::TempDir,
}

pub(crate) fn run(options: &Options) -> Value {
    let mut report = Map::new();
    for set in SETS {
        let folder = options.data().join("retrieval").join(set);
        if !folder.join("qrels.tsv").exists() {
            eprintln!("notice: {} is not there and left out", folder.display());
            continue;
        }
        let rig = Rig::start(&folder);
        let queries = queries(&folder);
        let judgements = judgements(&folder);
        println!("{set}: {} queries of the development half", queries.len());
        let mut forms = Map::new();
        for (form, weights) in FORMS {
            let scores = rig.score(&queries, &judgements, weights);
            println!("  {form:13} {scores}");
            forms.insert(form.to_owned(), scores);
        }
        report.insert(set.to_owned(), Value::Object(forms));
    }
    Value::Object(report)
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn embeddings(path: &Path) -> Vec<Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let (floats, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    let floats: Vec<f32> = floats.iter().map(|float| f32::from_le_bytes(*float)).collect();
    floats.chunks(data::DIMENSION).map(<[f32]>::to_vec).collect()
}

fn queries(folder: &Path) -> Vec<Query> {
    let vectors = embeddings(&folder.join("queries_embeddings.f32"));
    rows(&folder.join("queries.jsonl"))
        .into_iter()
        .zip(vectors)
        .filter(|(row, _)| row["split"] == "dev")
        .map(|(row, vector)| Query {
            id: row["id"].as_str().unwrap().to_owned(),
            text: row["text"].as_str().unwrap().to_owned(),
            vector,
        })
        .collect()
}

/// The relevance of documents, by query.
fn judgements(folder: &Path) -> HashMap<String, HashMap<String, f64>> {
    let mut all: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv"))
        .unwrap()
        .lines()
        .skip(1)
    {
        let [query, document, relevance] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        all.entry(query.to_owned())
            .or_default()
            .insert(document.to_owned(), relevance.parse().unwrap());
    }
    all
}

impl Rig {
    fn start(set: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::of(Profile::Release);
        let kind = Kind::measured();
        let nexus = Nexus::start(kind, &artifacts, folder.path(), None).unwrap();
        let section = json!({"nexus_url": nexus.url});
        let host = HostFolder::new(folder.path(), &artifacts, 0, &json!({}), &section).unwrap();
        let host = host.start().unwrap();
        let client = Vectorizer::new(&host.url);
        client.create("documents", data::DIMENSION, "Cosine").unwrap();
        let vectors = embeddings(&set.join("docs_embeddings.f32"));
        let documents: Vec<(String, Vec<f32>, Value)> = rows(&set.join("docs.jsonl"))
            .into_iter()
            .zip(vectors)
            .map(|(row, vector)| {
                let id = row["id"].as_str().unwrap().to_owned();
                let mut payload = json!({"title": row["title"], "content": row["text"]});
                // Paragraphs of one report.
                if row["context"].is_string() {
                    payload["parent_id"] = row["context"].clone();
                }
                (id, vector, payload)
            })
            .collect();
        for part in documents.chunks(500) {
            client.insert("documents", part).unwrap();
        }
        client.settle(PATIENCE).unwrap();
        client.settle_texts(PATIENCE).unwrap();
        Self {
            client,
            _host: host,
            _nexus: nexus,
            _folder: folder,
        }
    }

    fn search(&self, query: &Query, weights: Option<[f64; 3]>) -> Vec<String> {
        let mut body = json!({
            "text": query.text, "vector": query.vector, "collections": ["documents"], "limit": DEPTH, "budget_ms": 10_000,
        });
        if let Some([vector, lexical, graph]) = weights {
            body["weights"] = json!({"vector": vector, "lexical": lexical, "graph": graph});
        }
        // For trying other settings out.
        if let Ok(more) = std::env::var("SEARCH") {
            let more: Map<String, Value> = serde_json::from_str(&more).unwrap();
            body.as_object_mut().unwrap().extend(more);
        }
        let answer = self
            .client
            .call("POST", "/api/v1/search/hybrid", Some(&body))
            .unwrap();
        assert_eq!(answer["degraded"], false, "{answer}");
        let results = answer["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| result["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn score(
        &self,
        queries: &[Query],
        judgements: &HashMap<String, HashMap<String, f64>>,
        weights: Option<[f64; 3]>,
    ) -> Value {
        let (mut ndcg, mut recall, mut mrr) = (0.0, 0.0, 0.0);
        let mut times = Vec::new();
        for query in queries {
            let begun = Instant::now();
            let found = self.search(query, weights);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            let relevant = &judgements[&query.id];
            let gain = |id: &String| relevant.get(id).copied().unwrap_or_default();
            ndcg += discounted(found.iter().take(10).map(gain)) / ideal(relevant);
            let hit = found.iter().take(20).filter(|id| gain(id) > 0.0).count();
            recall += hit as f64 / relevant.values().filter(|gain| **gain > 0.0).count().max(1) as f64;
            let first = found.iter().position(|id| gain(id) > 0.0);
            mrr += first.map_or(0.0, |at| 1.0 / (at + 1) as f64);
        }
        times.sort_by(f64::total_cmp);
        let count = queries.len() as f64;
        let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        json!({
            "ndcg10": rounded(ndcg / count),
            "recall20": rounded(recall / count),
            "mrr": rounded(mrr / count),
            "p50_ms": rounded(quantile(0.5)),
            "p95_ms": rounded(quantile(0.95)),
        })
    }
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    gains
        .enumerate()
        .map(|(at, gain)| gain / ((at + 2) as f64).log2())
        .sum()
}

fn ideal(relevant: &HashMap<String, f64>) -> f64 {
    let mut gains: Vec<f64> = relevant.values().copied().collect();
    gains.sort_by(|one, other| other.total_cmp(one));
    discounted(gains.into_iter().take(10)).max(f64::MIN_POSITIVE)
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
