//! SIMILAR_TO edges stay the exact nearest neighbours while documents come, move and go faster than the plugin follows.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::json;
use setup::{EXPECT, PATIENCE, Setup, change_config};
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::journal::Journal;
use vectorizer_plugin_nexus::payload::Text;
use vectorizer_plugin_nexus::similarity::TermVector;
use vectorizer_tests::agreement::{self, Agreement};
use vectorizer_tests::churn::{Change, Churn, Item, clustered};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::oracle::Expectation;
use vectorizer_tests::vectorizer::Vectorizer;

const COLLECTION: &str = "churned";
const DIMENSION: usize = 16;
const DOCUMENTS: usize = 300;
/// Documents from which on the host searches through its approximate index.
const GRAPH_FROM: usize = 50;

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
fn agreement(setup: &Setup, client: &Vectorizer, churn: &Churn, expect: Expectation) -> Agreement {
    client.settle(PATIENCE).unwrap();
    let living: Vec<&Item> = churn.living().values().collect();
    let ids: Vec<&str> = living.iter().map(|item| item.id.as_str()).collect();
    let edges = agreement::read(&setup.graph(), COLLECTION).unwrap();
    agreement::compare(
        &ids,
        expect.top_k,
        expect.threshold,
        agreement::tolerance(false),
        edges,
        |one, other| Some(agreement::cosine(&living[one].vector, &living[other].vector)),
    )
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
        change_config(&setup, |config| {
            config["server"]["graph_from"] = json!(GRAPH_FROM)
        });
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create(COLLECTION, DIMENSION, "Cosine").unwrap();
        let mut churn = Churn::new(clustered(DOCUMENTS, DIMENSION, 1), seed as u64);
        load(&client, &churn);
        // The first changes meet lanes that are still at work on the load.
        change(&client, &mut churn, DOCUMENTS / 3);
        assert_exact(&setup, &agreement(&setup, &client, &churn, EXPECT));
        change(&client, &mut churn, DOCUMENTS / 3);
        assert_exact(&setup, &agreement(&setup, &client, &churn, EXPECT));
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn changed_settings_reach_the_edges_that_are_there() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create(COLLECTION, DIMENSION, "Cosine").unwrap();
    let churn = Churn::new(clustered(DOCUMENTS, DIMENSION, 1), 0);
    load(&client, &churn);
    assert_exact(&setup, &agreement(&setup, &client, &churn, EXPECT));
    assert!(server.stop().unwrap().success());

    let changed = Expectation {
        top_k: EXPECT.top_k + 2,
        threshold: 0.3,
        ..EXPECT
    };
    change_config(&setup, |config| {
        config["nexus_integration"]["similarity"] =
            json!({"top_k": changed.top_k, "threshold": {"cosine": changed.threshold}});
    });
    let (server, client) = setup.host();
    assert_exact(&setup, &agreement(&setup, &client, &churn, changed));
    assert!(server.stop().unwrap().success());
}

#[test]
fn edges_by_words_are_the_best_of_the_candidates_after_random_churn() {
    const DOCUMENTS: usize = 150;
    const CANDIDATES: f64 = 0.2;
    const THRESHOLD: f64 = 0.1;
    let setup = Setup::with(
        Kind::Dev,
        &json!({"similarity": {
            "method": "keyword",
            "top_k": EXPECT.top_k,
            "keyword": {"threshold": THRESHOLD},
            "candidates": {"cosine": CANDIDATES},
        }}),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create(COLLECTION, DIMENSION, "Cosine").unwrap();
    let mut churn = Churn::new(clustered(DOCUMENTS, DIMENSION, 1), 5);
    load(&client, &churn);
    change(&client, &mut churn, DOCUMENTS / 2);
    client.settle(PATIENCE).unwrap();
    let edges = agreement::read(&setup.graph(), COLLECTION).unwrap();
    assert!(server.stop().unwrap().success());

    // How common words are is counted once in a while, and remembered in the journal.
    let config = json!({"nexus_url": setup.nexus_url});
    let config = Config::from_json(&config.to_string()).unwrap();
    let folder = setup.folder.path().join("data/plugins/nexus/journal");
    let journal = Journal::open(&folder, config.sync.journal()).unwrap();
    let counts = journal.term_statistics(COLLECTION).unwrap().unwrap();
    let living: Vec<&Item> = churn.living().values().collect();
    let ids: Vec<&str> = living.iter().map(|item| item.id.as_str()).collect();
    let words: Vec<TermVector> = living
        .iter()
        .map(|item| {
            let text = Text {
                title: &item.title,
                body: &item.text,
            };
            TermVector::of(text, &counts)
        })
        .collect();
    let agreement = agreement::compare(
        &ids,
        EXPECT.top_k,
        THRESHOLD,
        agreement::tolerance(false),
        edges,
        |one, other| {
            let cosine = agreement::cosine(&living[one].vector, &living[other].vector);
            (cosine >= CANDIDATES).then(|| f64::from(words[one].overlap(&words[other])))
        },
    );
    assert!(agreement.complaints.is_empty(), "{:#?}", agreement.complaints);
    assert!(agreement.wanted > DOCUMENTS, "{} edges", agreement.wanted);
}
