//! SIMILAR_TO edges between documents of linked collections stay exact, beside those within a collection.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::collections::BTreeMap;

use serde_json::json;
use setup::{EXPECT, PATIENCE, Setup, change_config};
use vectorizer_tests::agreement::{self, Edges};
use vectorizer_tests::churn::{Change, Churn, Item, clustered};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::Vectorizer;

const DIMENSION: usize = 16;
const TOP_K: usize = 4;
const THRESHOLD: f64 = 0.55;
const COLLECTIONS: [&str; 2] = ["left", "right"];

/// Two collections with documents in the same groups.
struct Both {
    churns: [Churn; 2],
}

impl Both {
    fn of(documents: usize) -> Self {
        let items = clustered(2 * documents, DIMENSION, 3);
        let (left, right) = items.split_at(documents);
        Self {
            churns: [Churn::new(left.to_vec(), 1), Churn::new(right.to_vec(), 2)],
        }
    }

    fn load(&self, client: &Vectorizer) {
        for (collection, churn) in COLLECTIONS.iter().zip(&self.churns) {
            client.create(collection, DIMENSION, "Cosine").unwrap();
            let documents: Vec<_> = churn.living().values().map(Item::to_document).collect();
            client.insert(collection, &documents).unwrap();
        }
    }

    /// Changes both in turn.
    fn change(&mut self, client: &Vectorizer, count: usize) {
        for turn in 0..count {
            let collection = COLLECTIONS[turn % 2];
            match self.churns[turn % 2].next_change() {
                Change::Insert(item) | Change::Move(item) | Change::Rewrite(item) => {
                    client.insert(collection, &[item.to_document()]).unwrap();
                }
                Change::Delete(id) => client.delete(collection, &[&id]).unwrap(),
            }
        }
    }

    fn living(&self) -> BTreeMap<String, (&'static str, &Item)> {
        let all = COLLECTIONS.iter().zip(&self.churns);
        all.flat_map(|(collection, churn)| {
            let items = churn.living().values();
            items.map(|item| (agreement::name(collection, &item.id), (*collection, item)))
        })
        .collect()
    }
}

/// The complaints about edges between collections (`across`) or within them, by brute force; and how many edges are wanted.
fn compare(setup: &Setup, both: &Both, across: bool) -> (Vec<String>, usize) {
    let living = both.living();
    let names: Vec<&str> = living.keys().map(String::as_str).collect();
    let items: Vec<_> = living.values().collect();
    let mut edges: Edges = agreement::read_all(&setup.graph()).unwrap();
    let collection = |name: &str| living.get(name).map(|(collection, _)| *collection);
    for (source, targets) in &mut edges {
        targets.retain(|(target, _)| (collection(source) != collection(target)) == across);
    }
    edges.retain(|_, targets| !targets.is_empty());
    let (top_k, threshold) = match across {
        true => (TOP_K, THRESHOLD),
        false => (EXPECT.top_k, EXPECT.threshold),
    };
    let agreement = agreement::compare(
        &names,
        top_k,
        threshold,
        agreement::tolerance(false),
        edges,
        |one, other| {
            let ((of_one, one), (of_other, other)) = (items[one], items[other]);
            ((of_one != of_other) == across).then(|| agreement::cosine(&one.vector, &other.vector))
        },
    );
    (agreement.complaints, agreement.wanted)
}

fn link(setup: &Setup, across: &serde_json::Value) {
    change_config(setup, |config| {
        config["nexus_integration"]["similarity"]["across"] = across.clone();
    });
}

#[test]
fn linked_collections_are_neighbours_of_each_other_after_random_churn() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        link(
            &setup,
            &json!([{"collections": COLLECTIONS, "top_k": TOP_K, "threshold": THRESHOLD}]),
        );
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        let mut both = Both::of(80);
        both.load(&client);
        // The first changes meet lanes that are still at work on the load.
        for _ in 0..2 {
            both.change(&client, 60);
            client.settle(PATIENCE).unwrap();
            for across in [true, false] {
                let (complaints, wanted) = compare(&setup, &both, across);
                assert!(
                    complaints.is_empty(),
                    "{kind:?}, across {across}: {complaints:#?}"
                );
                assert!(wanted > 150, "{kind:?}: {wanted} edges");
            }
        }
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn collections_that_are_linked_later_or_no_longer_follow_the_configuration() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let both = Both::of(40);
    both.load(&client);
    client.settle(PATIENCE).unwrap();
    assert!(server.stop().unwrap().success());

    link(
        &setup,
        &json!([{"collections": COLLECTIONS, "top_k": TOP_K, "threshold": THRESHOLD}]),
    );
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    let (complaints, wanted) = compare(&setup, &both, true);
    assert!(complaints.is_empty() && wanted > 50, "{complaints:#?}");
    assert!(server.stop().unwrap().success());

    link(&setup, &json!([]));
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    let edges = agreement::read_all(&setup.graph()).unwrap();
    let living = both.living();
    for (source, targets) in &edges {
        for (target, _) in targets {
            assert_eq!(living[source].0, living[target].0, "{source} to {target}");
        }
    }
    assert!(!edges.is_empty());
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_linked_collection_that_goes_takes_the_edges_to_it_along() {
    let setup = Setup::new(Kind::Dev);
    link(
        &setup,
        &json!([{"collections": COLLECTIONS, "top_k": TOP_K, "threshold": THRESHOLD}]),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let both = Both::of(40);
    both.load(&client);
    client.settle(PATIENCE).unwrap();
    client.call("DELETE", "/collections/right", None).unwrap();
    client.settle(PATIENCE).unwrap();
    let edges = agreement::read_all(&setup.graph()).unwrap();
    let others = both.churns[0].living().len();
    assert!(edges.len() > others / 2, "{} of {others}", edges.len());
    for (source, targets) in &edges {
        for name in targets.iter().map(|(target, _)| target).chain([source]) {
            assert!(name.starts_with("left: "), "{name}");
        }
    }
    assert!(server.stop().unwrap().success());
}
