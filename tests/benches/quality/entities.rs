//! Entities: what is found of what people marked by hand, by exact span.
//!
//! The tagger of names is never scored on documents that taught it: with `--train` it is taught from there, otherwise each fifth of
//! the documents is scored by a tagger that the other four taught. Patterns are not taught. A type is scored only on sources that
//! annotate it: names on rows of the schema `named`, dates on re-docred and the patterns, e-mail and web addresses on uner and the patterns, the rest
//! on the patterns. Contracts mark only some of the parties, so there only recall is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};
use vectorizer_plugin_nexus::config::Entities;
use vectorizer_plugin_nexus::entities::{EntityExtractor, EntityKind, Tagger, Teacher, normal_form};

use crate::options::Options;

const FOLDS: usize = 5;

struct Text {
    doc: String,
    source: String,
    named: bool,
    /// The type that a row of the patterns is about.
    kind: String,
    text: String,
    spans: Vec<Span>,
}

struct Span {
    label: String,
    range: Range<usize>,
    value: Option<String>,
}

/// Right answers, all answers, all truths; and answers that overlap a truth.
#[derive(Default, Clone, Copy)]
struct Score {
    right: usize,
    near: usize,
    found: usize,
    truth: usize,
}

impl Score {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.near += other.near;
        self.found += other.found;
        self.truth += other.truth;
    }

    fn precision(self) -> f64 {
        self.right as f64 / self.found.max(1) as f64
    }

    fn recall(self) -> f64 {
        self.right as f64 / self.truth.max(1) as f64
    }

    fn f1(self) -> f64 {
        2.0 * self.right as f64 / (self.found + self.truth).max(1) as f64
    }

    fn near_f1(self) -> f64 {
        2.0 * self.near as f64 / (self.found + self.truth).max(1) as f64
    }
}

/// The types that are scored, with their kinds.
fn types() -> [(&'static str, EntityKind); 9] {
    [
        ("PERSON", EntityKind::Person),
        ("ORG", EntityKind::Organisation),
        ("LOCATION", EntityKind::Location),
        ("DATE", EntityKind::Date),
        ("MONEY", EntityKind::Money),
        ("PERCENT", EntityKind::Percent),
        ("EMAIL", EntityKind::Email),
        ("URL", EntityKind::Url),
        ("PHONE", EntityKind::Phone),
    ]
}

/// Whether a source of hand-marked texts marks a type.
fn marks(source: &str, label: &str) -> bool {
    match label {
        "PERSON" | "ORG" | "LOCATION" => true,
        "DATE" => source == "re-docred",
        "EMAIL" | "URL" => source.starts_with("uner"),
        _ => false,
    }
}

pub(crate) fn run(options: &Options) -> Value {
    let data = options.data();
    let named: Vec<Text> = read(&data, "ner.jsonl")
        .into_iter()
        .filter(|text| text.named)
        .collect();
    let patterns = read(&data, "ner_patterns.jsonl");
    let docs: BTreeSet<&str> = named.iter().map(|text| text.doc.as_str()).collect();
    let fold: BTreeMap<&str, usize> = docs
        .into_iter()
        .enumerate()
        .map(|(at, doc)| (doc, at % FOLDS))
        .collect();
    let extractors: Vec<EntityExtractor> = match &options.train {
        Some(train) => vec![extractor(taught(train, |_| true))],
        None => (0..FOLDS)
            .map(|left_out| extractor(taught(&data, |doc| fold.get(doc) != Some(&left_out))))
            .collect(),
    };
    let of = |doc: &str| &extractors[fold.get(doc).copied().unwrap_or(0) % extractors.len()];

    let mut scores: BTreeMap<(&str, &str), Score> = BTreeMap::new();
    let (mut right_values, mut values) = (0, 0);
    for text in &named {
        let found = of(&text.doc).mentions(&text.text);
        for (label, kind) in types() {
            if marks(&text.source, label) {
                let found: Vec<Range<usize>> = ranges(&found, &kind);
                scores
                    .entry((label, &text.source))
                    .or_default()
                    .add(compare(&found, text, label));
            }
        }
    }
    for text in &patterns {
        let found = of("").mentions(&text.text);
        for (label, kind) in types().into_iter().chain([("IP", EntityKind::Ip)]) {
            // Only the type that the row is about is marked in it.
            if text.kind != label {
                continue;
            }
            scores
                .entry((label, "patterns"))
                .or_default()
                .add(compare(&ranges(&found, &kind), text, label));
        }
        for span in &text.spans {
            let Some(value) = &span.value else { continue };
            values += 1;
            let same = found.iter().find(|mention| mention.span == span.range);
            let said = same.and_then(|mention| mention.value.clone()).unwrap_or_default();
            right_values += usize::from(same_value(&said, value));
        }
    }
    println!("| type | source | precision | recall | F1 | F1 of overlaps | marked |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut report = Map::new();
    let labels: BTreeSet<&str> = scores.keys().map(|(label, _)| *label).collect();
    for label in labels {
        let mut whole = Score::default();
        for ((_, source), score) in scores.iter().filter(|((of, _), _)| *of == label) {
            whole.add(*score);
            row(label, source, *score);
        }
        row(label, "**all**", whole);
        report.insert(
            label.to_owned(),
            json!({"precision": whole.precision(), "recall": whole.recall(), "f1": whole.f1()}),
        );
    }
    println!("\nvalues read as they are given in the patterns: {right_values} of {values}");
    contracts(&data, &extractors[0]);
    speed(&named, &extractors[0]);
    Value::Object(report)
}

fn row(label: &str, source: &str, score: Score) {
    println!(
        "| {label} | {source} | {:.3} | {:.3} | {:.3} | {:.3} | {} |",
        score.precision(),
        score.recall(),
        score.f1(),
        score.near_f1(),
        score.truth
    );
}

fn extractor(tagger: Tagger) -> EntityExtractor {
    EntityExtractor::with_tagger(&Entities::default(), tagger).unwrap()
}

/// A tagger that was taught those documents of a folder that `teaches`.
pub(crate) fn taught(folder: &Path, teaches: impl Fn(&str) -> bool) -> Tagger {
    let mut teacher = Teacher::default();
    for text in read(folder, "ner.jsonl") {
        if text.named && teaches(&text.doc) {
            let names: Vec<(Range<usize>, Option<EntityKind>)> = text
                .spans
                .iter()
                .filter_map(|span| {
                    let kind = match span.label.as_str() {
                        "PERSON" => Some(EntityKind::Person),
                        "ORG" => Some(EntityKind::Organisation),
                        "LOCATION" => Some(EntityKind::Location),
                        "MISC" => None,
                        _ => return None,
                    };
                    Some((span.range.clone(), kind))
                })
                .collect();
            teacher.add(&text.text, &names);
        }
    }
    teacher.teach()
}

fn ranges(found: &[vectorizer_plugin_nexus::entities::Mention], kind: &EntityKind) -> Vec<Range<usize>> {
    found
        .iter()
        .filter(|mention| mention.kind == *kind)
        .map(|mention| mention.span.clone())
        .collect()
}

fn compare(found: &[Range<usize>], text: &Text, label: &str) -> Score {
    let truth: Vec<&Range<usize>> = text
        .spans
        .iter()
        .filter(|span| span.label == label)
        .map(|span| &span.range)
        .collect();
    let overlaps = |one: &Range<usize>, other: &Range<usize>| one.start < other.end && other.start < one.end;
    Score {
        right: found.iter().filter(|found| truth.contains(found)).count(),
        near: found
            .iter()
            .filter(|found| truth.iter().any(|truth| overlaps(found, truth)))
            .count(),
        found: found.len(),
        truth: truth.len(),
    }
}

/// Numbers are compared as numbers, all else in lower case.
fn same_value(said: &str, value: &str) -> bool {
    let number = |text: &str| {
        text.rsplit(' ')
            .next()
            .and_then(|number| number.trim_end_matches('%').parse::<f64>().ok())
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    said.eq_ignore_ascii_case(value)
        || number(said).is_some() && number(said) == number(value)
        || digits(value).len() >= 7 && digits(said) == digits(value)
}

/// The recall of parties and dates that lawyers marked, by name and by value.
fn contracts(folder: &Path, extractor: &EntityExtractor) {
    let Ok(lines) = std::fs::read_to_string(folder.join("contract_facts.jsonl")) else {
        println!("notice: no contracts");
        return;
    };
    let (mut parties, mut named, mut dates, mut dated) = (0, 0, 0, 0);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let found = extractor.extract(text).entities;
        for party in row["parties"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|party| party["kind"] == "name")
        {
            let key = normal_form(
                &EntityKind::Organisation,
                party["text"].as_str().unwrap_or_default(),
            );
            parties += 1;
            let names = found
                .iter()
                .filter(|entity| matches!(entity.kind, EntityKind::Organisation | EntityKind::Person));
            named += usize::from(names.into_iter().any(|entity| entity.key == key));
        }
        if let Some(date) = row["agreement_date_iso"].as_str() {
            dates += 1;
            dated += usize::from(
                found
                    .iter()
                    .any(|entity| entity.kind == EntityKind::Date && entity.key == date),
            );
        }
    }
    println!("contracts: {named} of {parties} parties by name, {dated} of {dates} dates by value");
}

fn speed(texts: &[Text], extractor: &EntityExtractor) {
    let bytes: usize = texts.iter().map(|text| text.text.len()).sum();
    let mut best = f64::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let found: usize = texts
            .iter()
            .map(|text| extractor.extract(&text.text).entities.len())
            .sum();
        assert!(found > 0);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{:.2} MB/s on one core", bytes as f64 / 1e6 / best);
}

fn read(folder: &Path, name: &str) -> Vec<Text> {
    let Ok(lines) = std::fs::read_to_string(folder.join(name)) else {
        println!("notice: no {name}");
        return Vec::new();
    };
    let span = |span: &Value| {
        let at = |name: &str| span[name].as_u64().unwrap() as usize;
        let resolution = &span["resolution"];
        let value = resolution["value"]
            .as_str()
            .filter(|value| *value != "not resolved");
        Span {
            label: span["label"].as_str().unwrap_or_default().to_owned(),
            range: at("bstart")..at("bend"),
            value: value.map(str::to_owned),
        }
    };
    lines
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            Text {
                doc: text("doc"),
                source: text("source"),
                named: row["schema"] == "named",
                kind: text("kind"),
                text: text("text"),
                spans: row["spans"].as_array().into_iter().flatten().map(span).collect(),
            }
        })
        .collect()
}
