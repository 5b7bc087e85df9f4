//! SIMILAR_TO against its definition after random churn, and what the edges cost.
//!
//! The real plugin in the real host, with its approximate index, and a real graph server: the embeddings of the folder are loaded,
//! then changed at random (inserts, moved vectors, new texts, deletes: three tenths of the documents), faster than the plugin
//! follows. Once it has nothing left to do, all active edges are read back by a full scan and compared with brute force over
//! the vectors as they are then.

mod rig;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::agreement::{self, Agreement};
use vectorizer_tests::churn::{Change, Churn, Item};
use vectorizer_tests::data;

use crate::options::Options;
use rig::Rig;

const SEED: u64 = 20_26;
const TOP_K: usize = 10;
/// Low, so that nearly every document has a full list: the hardest case.
const THRESHOLD: f64 = 0.3;
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What one run came to.
struct Outcome {
    agreement: Agreement,
    documents: usize,
    /// Documents whose vector came, changed or went in the churn.
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
    let server = rig::server_name();
    println!(
        "{} documents, top {TOP_K} from {THRESHOLD}, on {server}\n",
        items.len()
    );
    println!(
        "| method | precision | recall | edges | edges written per changed document | ms per document loaded | ms per document changed |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let outcome = measure(items);
    let report = outcome.show("embedding");
    for complaint in outcome.agreement.complaints.iter().take(10) {
        println!("- {complaint}");
    }
    report
}

fn measure(items: Vec<Item>) -> Outcome {
    let similarity = json!({"top_k": TOP_K, "threshold": {"cosine": THRESHOLD}});
    let rig = Rig::start(&similarity);
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
        concerned += usize::from(change.concerns_vectors());
        match change {
            Change::Insert(item) | Change::Move(item) | Change::Rewrite(item) => rig.insert(&[item]),
            Change::Delete(id) => rig.delete(&id),
        }
    }
    rig.settle(PATIENCE);
    let churned = begun.elapsed();
    let written = rig.edges_written() - before;

    let living: Vec<&Item> = churn.living().values().collect();
    let ids: Vec<&str> = living.iter().map(|item| item.id.as_str()).collect();
    let agreement = agreement::compare(&ids, TOP_K, THRESHOLD, rig.edges(), |one, other| {
        Some(agreement::cosine(&living[one].vector, &living[other].vector))
    });
    Outcome {
        agreement,
        documents,
        concerned,
        written,
        load,
        churn: churned,
    }
}

impl Outcome {
    fn show(&self, method: &str) -> Value {
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
