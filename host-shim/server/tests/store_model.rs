//! The store against a reference that is too simple to be wrong: the same operations in any order must leave
//! the same documents, in the same order, found by the same searches, also after a restart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Recorder, Told};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use vectorizer_host::store::{
    Atomicity, Change, DbError, DocumentStore, PayloadChange, Query, Scan, Start, StoreOptions,
};
use vectorizer_plugin_api::model::{Document, Fields, JsonMap, Metric, Op};

#[derive(Debug, Clone)]
enum Step {
    Upsert(u8, [i8; 2], Option<u8>),
    SetVector(u8, [i8; 2]),
    SetPayload(u8, Option<u8>),
    Merge(u8, Option<u8>),
    Delete(u8),
    Search([i8; 2], u8),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 0u8..12;
    let vector = prop::array::uniform2(-3i8..4);
    let payload = prop::option::of(0u8..3);
    let step = prop_oneof![
        5 => (id.clone(), vector.clone(), payload.clone()).prop_map(|(i, v, p)| Step::Upsert(i, v, p)),
        2 => (id.clone(), vector.clone()).prop_map(|(i, v)| Step::SetVector(i, v)),
        2 => (id.clone(), payload.clone()).prop_map(|(i, p)| Step::SetPayload(i, p)),
        2 => (id.clone(), payload).prop_map(|(i, p)| Step::Merge(i, p)),
        3 => id.prop_map(Step::Delete),
        3 => (vector, 1u8..8).prop_map(|(v, k)| Step::Search(v, k)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

fn payload(n: u8) -> JsonMap {
    json!({"n": n, "inner": {"m": n}}).as_object().cloned().unwrap()
}

fn vector(v: [i8; 2]) -> Vec<f32> {
    v.map(f32::from).to_vec()
}

/// Documents in insertion order.
#[derive(Default)]
struct Reference {
    documents: Vec<Document>,
}

impl Reference {
    fn get(&mut self, id: &str) -> Option<&mut Document> {
        self.documents.iter_mut().find(|document| document.id == id)
    }

    fn upsert(&mut self, id: &str, vector: Vec<f32>, payload: Option<JsonMap>) {
        let new = Document {
            id: id.to_owned(),
            vector,
            payload,
        };
        match self.get(id) {
            Some(old) => *old = new,
            None => self.documents.push(new),
        }
    }

    fn search(&self, query: &[f32], limit: usize) -> Vec<(String, f32)> {
        let mut all: Vec<(String, f32)> = self
            .documents
            .iter()
            .map(|document| {
                let squares: f32 = document
                    .vector
                    .iter()
                    .zip(query)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum();
                (document.id.clone(), 1.0 / (1.0 + squares.sqrt()))
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(limit);
        all
    }
}

fn same_as_reference(store: &DocumentStore, reference: &Reference) {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let start = cursor.as_deref().map_or(Start::Beginning, Start::After);
        let page = store
            .scan_page(
                "c",
                &Scan {
                    start,
                    limit: 3,
                    fields: Fields::ALL,
                    filter: None,
                },
            )
            .unwrap();
        found.extend(page.documents.into_iter().map(|(document, _)| document));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(found, reference.documents);
    let summary = store.describe_collection("c").unwrap();
    assert_eq!(summary.info.count, reference.documents.len() as u64);
    let bytes: usize = reference
        .documents
        .iter()
        .filter_map(|document| document.payload.as_ref())
        .map(|payload| serde_json::to_vec(payload).unwrap().len())
        .sum();
    assert_eq!(summary.payload_bytes, bytes as u64);
}

fn run(steps: Vec<Step>, graph_from: usize) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let open = || {
        let options = StoreOptions {
            graph_from: Some(graph_from),
            ..StoreOptions::default()
        };
        DocumentStore::open(folder.path(), options, Arc::clone(&recorder) as _).unwrap()
    };
    let mut store = Some(open());
    let mut reference = Reference::default();
    store
        .as_ref()
        .unwrap()
        .create_collection("c", 2, Metric::Euclidean)
        .unwrap();
    recorder.take();
    for step in steps {
        let db = store.as_ref().unwrap();
        let apply = |change| {
            db.apply("c", vec![change], Atomicity::EachAlone)
                .unwrap()
                .remove(0)
        };
        let name = |id: u8| format!("d{id}");
        let missing = |id: u8| DbError::DocumentNotFound(name(id));
        match step {
            Step::Upsert(id, v, p) => {
                let p = p.map(payload);
                reference.upsert(&name(id), vector(v), p.clone());
                assert_eq!(
                    apply(Change::Upsert {
                        id: name(id),
                        vector: vector(v),
                        payload: p
                    }),
                    Ok(())
                );
                assert_eq!(
                    recorder.take(),
                    [Told::Changed("c".into(), Op::Upsert, vec![name(id)])]
                );
            }
            Step::SetVector(id, v) => {
                let change = Change::Update {
                    id: name(id),
                    vector: Some(vector(v)),
                    payload: PayloadChange::Keep,
                };
                match reference.get(&name(id)) {
                    Some(document) => {
                        document.vector = vector(v);
                        assert_eq!(apply(change), Ok(()));
                        assert_eq!(
                            recorder.take(),
                            [Told::Changed("c".into(), Op::Update, vec![name(id)])]
                        );
                    }
                    None => {
                        assert_eq!(apply(change), Err(missing(id)));
                        assert_eq!(recorder.take(), []);
                    }
                }
            }
            Step::SetPayload(id, p) => {
                let p = p.map(payload);
                let change = Change::Update {
                    id: name(id),
                    vector: None,
                    payload: PayloadChange::Replace(p.clone()),
                };
                match reference.get(&name(id)) {
                    Some(document) => {
                        document.payload = p;
                        assert_eq!(apply(change), Ok(()));
                    }
                    None => assert_eq!(apply(change), Err(missing(id))),
                }
                recorder.take();
            }
            Step::Merge(id, n) => {
                let patch = json!({"inner": {"x": n}, "n": null})
                    .as_object()
                    .cloned()
                    .unwrap();
                let change = Change::Update {
                    id: name(id),
                    vector: None,
                    payload: PayloadChange::Merge {
                        expected: Default::default(),
                        patch,
                    },
                };
                match reference.get(&name(id)) {
                    Some(document) => {
                        let before = document.payload.clone();
                        let merged = document.payload.get_or_insert_default();
                        merged.remove("n");
                        let inner = merged.entry("inner").or_insert_with(|| Value::Object(Map::new()));
                        match n {
                            Some(n) => inner["x"] = json!(n),
                            None => {
                                inner.as_object_mut().unwrap().remove("x");
                            }
                        }
                        let told = if document.payload == before { 0 } else { 1 };
                        assert_eq!(apply(change), Ok(()));
                        assert_eq!(
                            recorder.take().len(),
                            told,
                            "told of what changed, and only of that"
                        );
                    }
                    None => assert_eq!(apply(change), Err(missing(id))),
                }
            }
            Step::Delete(id) => {
                let known = reference.get(&name(id)).is_some();
                reference.documents.retain(|document| document.id != name(id));
                let expected = if known { Ok(()) } else { Err(missing(id)) };
                assert_eq!(apply(Change::Delete { id: name(id) }), expected);
                assert_eq!(recorder.take().len(), usize::from(known));
            }
            Step::Search(v, limit) => {
                let query = Query {
                    vector: vector(v),
                    limit: limit.into(),
                    fields: Fields::NONE,
                    filter: None,
                    min_score: None,
                };
                let found = db.find_similar("c", query).unwrap();
                let expected = reference.search(&vector(v), limit.into());
                assert_eq!(found.len(), expected.len());
                for (hit, (id, score)) in found.iter().zip(&expected) {
                    assert!(
                        (hit.score - score).abs() < 1e-6,
                        "{} {} / {id} {score}",
                        hit.document.id,
                        hit.score
                    );
                }
            }
            Step::Restart => {
                drop(store.take());
                store = Some(open());
            }
        }
    }
    same_as_reference(store.as_ref().unwrap(), &reference);
    drop(store.take());
    same_as_reference(&open(), &reference);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_reference_does(steps in steps()) {
        run(steps, 1_000);
    }

    /// The same with a graph from the first document on.
    #[test]
    fn the_store_does_what_the_reference_does_with_a_graph(steps in steps()) {
        run(steps, 1);
    }
}
