//! SIMILAR_TO edges stay the exact nearest neighbours while documents come, move and go faster than the plugin follows.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::{Value, json};
use setup::{EXPECT, PATIENCE, Setup};
use vectorizer_tests::agreement::{self, Agreement};
use vectorizer_tests::churn::{Change, Churn, Item, clustered};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::Vectorizer;

const COLLECTION: &str = "churned";
const DIMENSION: usize = 16;
const DOCUMENTS: usize = 300;
/// Documents from which on the host searches through its approximate index.
const GRAPH_FROM: usize = 50;

/// Lets the host search approximately although there are few documents.
fn search_approximately(setup: &Setup) {
    let config = std::fs::read_to_string(setup.host.config()).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["server"]["graph_from"] = json!(GRAPH_FROM);
    setup.host.write(&config).unwrap();
}

fn load(client: &Vectorizer, churn: &Churn) {
    let documents: Vec<_> = churn.living().values().map(Item::to_document).collect();
    for part in documents.chunks(40) {
        client.insert(COLLECTION, part).unwrap();
    }
}

fn change(client: &Vectorizer, churn: &mut Churn, count: usize) {
    for _ in 0..count {
        match churn.next_change() {
            Change::Insert(item) | Change::Move(item) | Change::Rewrite(item) => {
                client.insert(COLLECTION, &[item.to_document()]).unwrap();
            }
            Change::Delete(id) => client.delete(COLLECTION, &[&id]).unwrap(),
        }
    }
}

/// Waits until all is quiet, then compares all edges with brute force.
fn agreement(setup: &Setup, client: &Vectorizer, churn: &Churn) -> Agreement {
    client.settle(PATIENCE).unwrap();
    let living: Vec<&Item> = churn.living().values().collect();
    let ids: Vec<&str> = living.iter().map(|item| item.id.as_str()).collect();
    let edges = agreement::read(&setup.graph(), COLLECTION).unwrap();
    agreement::compare(&ids, EXPECT.top_k, EXPECT.threshold, edges, |one, other| {
        Some(agreement::cosine(&living[one].vector, &living[other].vector))
    })
}

fn assert_exact(setup: &Setup, agreement: &Agreement) {
    let complaints = &agreement.complaints;
    assert!(complaints.is_empty(), "{:?}: {complaints:#?}", setup.kind);
    assert!(
        agreement.wanted > DOCUMENTS,
        "{:?}: {} edges",
        setup.kind,
        agreement.wanted
    );
}

#[test]
fn edges_are_the_exact_neighbours_after_random_churn() {
    for (seed, kind) in Kind::available().into_iter().enumerate() {
        let setup = Setup::new(kind);
        search_approximately(&setup);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create(COLLECTION, DIMENSION, "Cosine").unwrap();
        let mut churn = Churn::new(clustered(DOCUMENTS, DIMENSION, 1), seed as u64);
        load(&client, &churn);
        // The first changes meet lanes that are still at work on the load.
        change(&client, &mut churn, DOCUMENTS / 3);
        assert_exact(&setup, &agreement(&setup, &client, &churn));
        change(&client, &mut churn, DOCUMENTS / 3);
        assert_exact(&setup, &agreement(&setup, &client, &churn));
        assert!(server.stop().unwrap().success());
    }
}
