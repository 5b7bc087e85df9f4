//! SIMILAR_TO against its definition after random churn, and what the edges cost.
//!
//! The real plugin in the real host, with its approximate index, and a real graph server: the embeddings of the folder are loaded,
//! then changed at random (inserts, moved vectors, new texts, deletes: three tenths of the documents), faster than the plugin
//! follows. Once it has nothing left to do, all active edges are read back by a full scan and compared with brute force over
//! the documents as they are then.

mod rig;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::agreement::{self, Agreement};
use vectorizer_tests::churn::{Change, Churn, Item};
use vectorizer_tests::data;

use vectorizer_plugin_nexus::payload::Text;
use vectorizer_plugin_nexus::similarity::TermVector;

use crate::options::Options;
use rig::Rig;

const SEED: u64 = 20_26;
const TOP_K: usize = 10;
/// Pairs that the methods with words look at.
const CANDIDATES: f64 = 0.3;
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How documents are compared, as this benchmark understands it.
struct Method {
    name: &'static str,
    reads_texts: bool,
    /// The least score of an edge. Low, so that nearly every document has a full list: the hardest case.
    threshold: f64,
    /// The least cosine of a pair.
    candidates: f64,
    /// The score of a pair with this cosine and this overlap of words.
    score: fn(f64, f64) -> f64,
}

const EMBEDDING: Method = Method {
    name: "embedding",
    reads_texts: false,
    threshold: 0.3,
    candidates: -1.0,
    score: |cosine, _| cosine,
};
const KEYWORD: Method = Method {
    name: "keyword",
    reads_texts: true,
    threshold: 0.05,
    candidates: CANDIDATES,
    score: |_, overlap| overlap,
};
const HYBRID: Method = Method {
    name: "hybrid",
    reads_texts: true,
    threshold: 0.3,
    candidates: CANDIDATES,
    score: |cosine, overlap| 0.6 * cosine.max(0.0) + 0.4 * overlap,
};

impl Method {
    fn settings(&self) -> Value {
        json!({
            "method": self.name,
            "top_k": TOP_K,
            "threshold": {"cosine": self.threshold},
            "keyword": {"threshold": self.threshold},
            "hybrid": {"threshold": self.threshold, "vector_weight": 0.6},
            "candidates": {"cosine": CANDIDATES},
        })
    }
}

/// What one run came to.
struct Outcome {
    agreement: Agreement,
    documents: usize,
    /// Documents in the churn that came, went, or changed in what is compared.
    concerned: usize,
    /// Edges written in the churn, retractions included.
    written: f64,
    load: Duration,
    churn: Duration,
}

pub(crate) fn run(options: &Options) -> Value {
    let folder = options.data();
    if !folder.join("domains_embeddings.f32").exists() {
        println!("notice: left out, no embeddings in {}", folder.display());
        return Value::Null;
    }
    let items: Vec<Item> = data::labelled(&folder)
        .unwrap()
        .into_iter()
        .map(|document| Item {
            id: document.id,
            vector: document.embedding,
            title: document.title,
            text: document.text,
        })
        .collect();
    println!(
        "{} documents (a third of them by words), top {TOP_K}, on {}\n",
        items.len(),
        rig::server_name()
    );
    println!(
        "| method | precision | recall | edges | edges written per changed document | ms per document loaded | ms per document changed |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let third: Vec<Item> = items.iter().step_by(3).cloned().collect();
    let embedding = measure(&EMBEDDING, items);
    let mut report = embedding.show(&EMBEDDING);
    let mut complaints = embedding.agreement.complaints;
    for method in [&KEYWORD, &HYBRID] {
        let outcome = measure(method, third.clone());
        report["methods"][method.name] = outcome.show(method);
        complaints.extend(outcome.agreement.complaints);
    }
    for complaint in complaints.iter().take(20) {
        println!("- {complaint}");
    }
    report
}

fn measure(method: &Method, items: Vec<Item>) -> Outcome {
    let rig = Rig::start(&method.settings());
    let mut churn = Churn::new(items, SEED);
    let documents = churn.living().len();

    let begun = Instant::now();
    let first: Vec<Item> = churn.living().values().cloned().collect();
    for part in first.chunks(100) {
        rig.insert(part);
    }
    rig.settle(PATIENCE);
    let load = begun.elapsed();

    let before = rig.edges_written();
    let begun = Instant::now();
    let mut concerned = 0;
    for _ in 0..documents * 3 / 10 {
        let change = churn.next_change();
        concerned += usize::from(change.concerns_vectors() || method.reads_texts);
        match change {
            Change::Insert(item) | Change::Move(item) | Change::Rewrite(item) => rig.insert(&[item]),
            Change::Delete(id) => rig.delete(&id),
        }
    }
    rig.settle(PATIENCE);
    let churned = begun.elapsed();
    let written = rig.edges_written() - before;
    let edges = rig.edges();
    // The word counts that the edges were made with are the plugin's own affair: they stand in its journal.
    let counts = rig.stop();

    let living: Vec<&Item> = churn.living().values().collect();
    let words: Vec<TermVector> = match &counts {
        Some(counts) => living
            .iter()
            .map(|item| TermVector::of(text(item), counts))
            .collect(),
        None => vec![TermVector::default(); living.len()],
    };
    let ids: Vec<&str> = living.iter().map(|item| item.id.as_str()).collect();
    let agreement = agreement::compare(
        &ids,
        TOP_K,
        method.threshold,
        agreement::tolerance(false),
        edges,
        |one, other| {
            let cosine = agreement::cosine(&living[one].vector, &living[other].vector);
            (cosine >= method.candidates)
                .then(|| (method.score)(cosine, f64::from(words[one].overlap(&words[other]))))
        },
    );
    Outcome {
        agreement,
        documents,
        concerned,
        written,
        load,
        churn: churned,
    }
}

fn text(item: &Item) -> Text<'_> {
    Text {
        title: &item.title,
        body: &item.text,
    }
}

impl Outcome {
    fn show(&self, method: &Method) -> Value {
        let method = method.name;
        let agreement = &self.agreement;
        let (precision, recall) = (agreement.precision(), agreement.recall());
        let per_change = self.written / self.concerned.max(1) as f64;
        let ms = |time: Duration, count: usize| time.as_secs_f64() * 1e3 / count.max(1) as f64;
        let (loaded, changed) = (ms(self.load, self.documents), ms(self.churn, self.concerned));
        println!(
            "| {method} | {precision:.4} | {recall:.4} | {} | {per_change:.1} | {loaded:.1} | {changed:.1} |",
            agreement.edges
        );
        json!({
            "precision": precision, "recall": recall, "edges": agreement.edges,
            "edges_wanted": agreement.wanted, "documents_changed": self.concerned,
            "edges_written_per_change": per_change, "ms_per_document_loaded": loaded, "ms_per_document_changed": changed,
        })
    }
}
