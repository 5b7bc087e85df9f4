//! Domains: rules, vectors, and both combined, on sources that were taught and on sources that were not.
//!
//! *In distribution*: taught from `--train`, or from every second document, and scored on the others. *Unseen source*: for each source,
//! taught without any document of it and scored on all of them; this is the figure that counts, since sources can be told
//! apart by style. The built-in rules were never written from these texts, so they have but one figure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};
use vectorizer_plugin_nexus::config::Domains;
use vectorizer_plugin_nexus::domains::{Classifier, Example, Knowledge, Subject, VectorModel};

use vectorizer_tests::data::{self, Labelled};

use crate::options::Options;

/// Equal parts of the confidence in which it is compared with the truth.
const BINS: usize = 10;

struct Document {
    labelled: Labelled,
    payload: Map<String, Value>,
}

/// How a document is classified.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Rules,
    Vectors,
    Combined,
}

const WAYS: [(&str, Way); 3] = [
    ("rules", Way::Rules),
    ("vectors", Way::Vectors),
    ("combined", Way::Combined),
];

/// Documents with the domain they were given and how sure.
type Scored<'a> = Vec<(&'a Document, String, f32)>;

pub(crate) fn run(options: &Options) -> Value {
    let scored = read(&options.data());
    let taught = options.train.as_deref().map(read);
    let order: BTreeMap<&str, usize> = {
        let ids: BTreeSet<&str> = scored
            .iter()
            .map(|document| document.labelled.id.as_str())
            .collect();
        ids.into_iter().enumerate().map(|(at, id)| (id, at)).collect()
    };
    let teaches = |document: &Document| order[document.labelled.id.as_str()].is_multiple_of(2);
    let teachers: Vec<&Document> = match &taught {
        Some(taught) => taught.iter().collect(),
        None => scored.iter().filter(|document| teaches(document)).collect(),
    };
    let pupils: Vec<&Document> = match &taught {
        Some(_) => scored.iter().collect(),
        None => scored.iter().filter(|document| !teaches(document)).collect(),
    };
    println!(
        "{} documents teach, {} are scored\n",
        teachers.len(),
        pupils.len()
    );

    let sources: BTreeSet<&str> = scored
        .iter()
        .map(|document| document.labelled.source.as_str())
        .collect();
    let whole = learned(&teachers, None);
    let without: BTreeMap<&str, Taught> = sources
        .iter()
        .map(|source| (*source, learned(&teachers, Some(source))))
        .collect();
    let mut report = Map::new();
    println!("| way | accuracy | macro-F1 | calibration error | accuracy on unseen sources | documents/s |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut details = Vec::new();
    for (name, way) in WAYS {
        let begun = Instant::now();
        let known = classify(&whole, way, &pupils);
        let speed = pupils.len() as f64 / begun.elapsed().as_secs_f64();
        let unseen: Scored<'_> = sources
            .iter()
            .flat_map(|source| {
                let of_source: Vec<&Document> = scored
                    .iter()
                    .filter(|document| document.labelled.source == *source)
                    .collect();
                classify(&without[source], way, &of_source)
            })
            .collect();
        let (accuracy, macro_f1, unseen_accuracy) = (accuracy(&known), macro_f1(&known), accuracy(&unseen));
        println!(
            "| {name} | {accuracy:.3} | {macro_f1:.3} | {:.3} | {unseen_accuracy:.3} | {speed:.0} |",
            calibration_error(&known)
        );
        report.insert(
            name.to_owned(),
            json!({"accuracy": accuracy, "macro_f1": macro_f1, "unseen_source_accuracy": unseen_accuracy}),
        );
        details.push((name, known, unseen));
    }
    let (_, known, unseen) = details.last().unwrap();
    println!(
        "\ncombined, confusion (rows: the truth; columns: the answer; known sources, then unseen ones)\n"
    );
    confusion(known);
    println!();
    confusion(unseen);
    println!(
        "\naccuracy by unseen source\n\n| source | documents | rules | vectors | combined |\n| --- | --- | --- | --- | --- |"
    );
    for source in sources {
        let of = |scored: &Scored<'_>| {
            let own = scored
                .iter()
                .filter(|(document, ..)| document.labelled.source == source);
            let own: Scored<'_> = own
                .map(|(document, answer, sure)| (*document, answer.clone(), *sure))
                .collect();
            (own.len(), accuracy(&own))
        };
        let all: Vec<(usize, f64)> = details.iter().map(|(_, _, unseen)| of(unseen)).collect();
        println!(
            "| {source} | {} | {:.3} | {:.3} | {:.3} |",
            all[0].0, all[0].1, all[1].1, all[2].1
        );
    }
    Value::Object(report)
}

/// The classifiers of each way.
struct Taught {
    model: VectorModel,
    rules: Classifier,
    combined: Classifier,
}

fn learned(teachers: &[&Document], without: Option<&str>) -> Taught {
    let examples: Vec<Example<'_>> = teachers
        .iter()
        .filter(|document| Some(document.labelled.source.as_str()) != without)
        .map(|document| Example {
            domain: &document.labelled.label,
            vector: &document.labelled.embedding,
        })
        .collect();
    let model = VectorModel::train(&examples).unwrap();
    let settings = Domains {
        min_confidence: 0.0,
        max_domains: 1,
        ..Domains::default()
    };
    let knowledge = Knowledge {
        model: Some(model.clone()),
        ..Knowledge::default()
    };
    Taught {
        rules: Classifier::new(&settings, Knowledge::default()).unwrap(),
        combined: Classifier::new(&settings, knowledge).unwrap(),
        model,
    }
}

fn classify<'a>(taught: &Taught, way: Way, documents: &[&'a Document]) -> Scored<'a> {
    documents
        .iter()
        .map(|document| {
            let subject = Subject {
                collection: "documents",
                id: &document.labelled.id,
                payload: Some(&document.payload),
                vector: &document.labelled.embedding,
                assigned: None,
            };
            let (domain, confidence) = match way {
                Way::Vectors => {
                    let verdict = taught.model.classify(&document.labelled.embedding).unwrap();
                    let best = verdict
                        .probabilities
                        .into_iter()
                        .max_by(|one, other| one.1.total_cmp(&other.1));
                    best.unwrap()
                }
                Way::Rules => first(&taught.rules, &subject),
                Way::Combined => first(&taught.combined, &subject),
            };
            (*document, domain, confidence)
        })
        .collect()
}

fn first(classifier: &Classifier, subject: &Subject<'_>) -> (String, f32) {
    let found = classifier.classify(subject).swap_remove(0);
    (found.domain, found.confidence)
}

fn accuracy(scored: &Scored<'_>) -> f64 {
    let right = scored
        .iter()
        .filter(|(document, answer, _)| document.labelled.label == *answer)
        .count();
    right as f64 / scored.len().max(1) as f64
}

fn macro_f1(scored: &Scored<'_>) -> f64 {
    let labels: BTreeSet<&str> = scored
        .iter()
        .map(|(document, ..)| document.labelled.label.as_str())
        .collect();
    let f1 = |label: &&str| {
        let truly = scored
            .iter()
            .filter(|(document, ..)| document.labelled.label == *label)
            .count() as f64;
        let said = scored.iter().filter(|(_, answer, _)| answer == label).count() as f64;
        let both = scored
            .iter()
            .filter(|(document, answer, _)| document.labelled.label == *label && answer == label)
            .count() as f64;
        2.0 * both / (truly + said).max(1.0)
    };
    labels.iter().map(f1).sum::<f64>() / labels.len() as f64
}

/// The expected calibration error: how far, on average, the confidence is from the share of right answers.
fn calibration_error(scored: &Scored<'_>) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); BINS];
    for (document, answer, sure) in scored {
        let bin = &mut bins[((sure * BINS as f32) as usize).min(BINS - 1)];
        bin.0 += 1.0;
        bin.1 += f64::from(*sure);
        bin.2 += f64::from(u8::from(document.labelled.label == *answer));
    }
    bins.iter()
        .map(|(_, sure, right): &(f64, f64, f64)| (sure - right).abs())
        .sum::<f64>()
        / scored.len().max(1) as f64
}

fn confusion(scored: &Scored<'_>) {
    let labels: BTreeSet<&str> = scored
        .iter()
        .map(|(document, ..)| document.labelled.label.as_str())
        .collect();
    println!("| | {} |", labels.iter().copied().collect::<Vec<_>>().join(" | "));
    println!("| --- |{}", " --- |".repeat(labels.len()));
    for truth in &labels {
        let counts: Vec<String> = labels
            .iter()
            .map(|answer| {
                let cell = scored
                    .iter()
                    .filter(|(document, found, _)| document.labelled.label == *truth && found == answer);
                cell.count().to_string()
            })
            .collect();
        println!("| {truth} | {} |", counts.join(" | "));
    }
}

fn read(folder: &Path) -> Vec<Document> {
    let documents = data::labelled(folder).unwrap().into_iter();
    documents
        .map(|document| {
            let payload = json!({"title": document.title, "content": document.text});
            Document {
                payload: payload.as_object().unwrap().clone(),
                labelled: document,
            }
        })
        .collect()
}
