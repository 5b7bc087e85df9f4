//! The text index, through the host's API: what is found by words, and that it stays true to the store whatever happens.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, change_config, vector};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

/// By words alone.
fn found(client: &Vectorizer, text: &str, more: &Value) -> BTreeMap<String, f64> {
    let mut body = json!({
        "text": text, "collections": ["c"], "weights": {"vector": 0, "graph": 0}, "limit": 100, "explain": true,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.call("POST", "/api/v1/search/hybrid", Some(&body)).unwrap();
    assert_eq!(answer["degraded"], false, "{answer}");
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| {
            let source = &result["explain"]["sources"][0];
            assert_eq!(source["source"], "lexical");
            let id = format!(
                "{}/{}",
                result["collection"].as_str().unwrap(),
                result["id"].as_str().unwrap()
            );
            (
                id.trim_start_matches("c/").to_owned(),
                source["score"].as_f64().unwrap(),
            )
        })
        .collect()
}

fn ids(client: &Vectorizer, text: &str) -> Vec<String> {
    found(client, text, &json!({})).into_keys().collect()
}

fn insert(client: &Vectorizer, documents: &[(&str, &str)]) {
    let documents: Vec<(String, Vec<f32>, Value)> = documents
        .iter()
        .enumerate()
        .map(|(n, (id, text))| ((*id).to_owned(), vector(n), json!({"content": text})))
        .collect();
    client.insert("c", &documents).unwrap();
}

fn index_folder(setup: &Setup) -> PathBuf {
    let mut folders = vec![setup.folder.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("lexical") {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("there is no text index");
}

#[test]
fn words_find_documents_as_they_are_now_also_without_nexus() {
    let setup = Setup::new(Kind::Dev);
    // Nexus is never started.
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    insert(
        &client,
        &[
            ("lease", "The tenant pays for small repairs."),
            ("recipe", "Repair nothing: bake the bread."),
            ("other", "Nothing of the kind."),
        ],
    );
    client.settle_texts(PATIENCE).unwrap();
    assert_eq!(ids(&client, "repairing"), ["lease", "recipe"]);
    assert_eq!(ids(&client, "tenants"), ["lease"]);
    assert_eq!(ids(&client, "landlord"), [] as [&str; 0]);

    insert(&client, &[("lease", "The landlord pays.")]);
    client.delete("c", &["recipe"]).unwrap();
    client.settle_texts(PATIENCE).unwrap();
    assert_eq!(ids(&client, "repairs"), [] as [&str; 0]);
    assert_eq!(ids(&client, "landlord"), ["lease"]);

    // A collection that goes takes its words with it.
    client.call("DELETE", "/collections/c", None).unwrap();
    client.create("c", DIMENSION, "Cosine").unwrap();
    insert(&client, &[("new", "The landlord again.")]);
    client.settle_texts(PATIENCE).unwrap();
    assert_eq!(ids(&client, "landlord"), ["new"]);
    let status = client.status().unwrap();
    assert_eq!(status["lexical"]["documents"], 1, "{status:#}");
    let metrics = client.metrics().unwrap();
    assert!(
        metrics.contains("vectorizer_nexus_lexical_documents 1"),
        "{metrics}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn whatever_a_crash_or_damage_takes_is_found_in_the_store_again() {
    let setup = Setup::new(Kind::Dev);
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    let documents: Vec<(String, String)> = (0..300)
        .map(|n| (format!("d{n:03}"), format!("document word{n}")))
        .collect();
    let documents: Vec<(&str, &str)> = documents
        .iter()
        .map(|(id, text)| (id.as_str(), text.as_str()))
        .collect();
    insert(&client, &documents);
    client.settle_texts(PATIENCE).unwrap();
    insert(&client, &[("d000", "changed at the last moment")]);
    client.delete("c", &["d001"]).unwrap();
    server.kill();

    let is_whole = |client: &Vectorizer| {
        client.settle_texts(PATIENCE).unwrap();
        assert_eq!(ids(client, "moment"), ["d000"]);
        assert_eq!(ids(client, "word0 word1"), [] as [&str; 0]);
        assert_eq!(ids(client, "word299"), ["d299"]);
        assert_eq!(client.status().unwrap()["lexical"]["documents"], 299);
    };
    let (server, client) = setup.host();
    is_whole(&client);
    assert!(server.stop().unwrap().success());

    // A file that rots while nobody looks.
    let place = index_folder(&setup).join("v1-english");
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|kind| kind == "term" || kind == "idx")
        {
            let mut bytes = fs::read(&path).unwrap();
            let length = bytes.len();
            bytes.truncate(length / 2);
            fs::write(&path, bytes).unwrap();
        }
    }
    let (server, client) = setup.host();
    is_whole(&client);
    // A folder that somebody deletes while it is in use.
    fs::remove_dir_all(index_folder(&setup)).unwrap();
    insert(&client, &[("d002", "after the folder was gone")]);
    wait_until("the index is built again", PATIENCE, || {
        Ok(client.status()?["lexical"]["documents"] == 299)
    })
    .unwrap();
    is_whole(&client);
    assert_eq!(ids(&client, "folder"), ["d002"]);
    assert!(server.stop().unwrap().success());

    // Another language is another index; none is none.
    change_config(&setup, |config| {
        config["nexus_integration"]["search"] = json!({"lexical": {"language": "none"}});
    });
    let (server, client) = setup.host();
    client.settle_texts(PATIENCE).unwrap();
    assert_eq!(ids(&client, "changes"), [] as [&str; 0]);
    assert_eq!(ids(&client, "changed"), ["d000"]);
    assert!(server.stop().unwrap().success());
    let folder = index_folder(&setup);
    change_config(&setup, |config| {
        config["nexus_integration"]["search"] = json!({"lexical": {"enabled": false}});
    });
    let (server, client) = setup.host();
    assert!(!folder.exists(), "the texts' words are not kept");
    assert!(client.status().unwrap()["lexical"].is_null());
    // What has nothing to do has not died.
    std::thread::sleep(Duration::from_secs(1));
    let (status, health) = client
        .send("GET", "/api/v1/sync/nexus/health/live", None)
        .unwrap();
    assert_eq!((status, &health["live"]), (200, &json!(true)), "{health}");
    let asked = json!({"text": "x", "collections": ["c"], "weights": {"lexical": 1}});
    let (status, answer) = client
        .send("POST", "/api/v1/search/hybrid", Some(&asked))
        .unwrap();
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .starts_with("weights.lexical: "),
        "{answer}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn restricted_documents_neither_show_nor_change_what_others_see() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"permissions": {"mode": "filter", "tenants": ["user_{tenant}:"]}}),
    );
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    insert(
        &client,
        &[
            ("1", "the merger was announced"),
            ("2", "announced early"),
            ("3", "other words"),
        ],
    );
    client.settle_texts(PATIENCE).unwrap();
    let everybody = || found(&client, "merger announced", &json!({}));
    let before = everybody();
    assert_eq!(before.keys().collect::<Vec<_>>(), ["1", "2"]);
    let secret: Vec<(String, Vec<f32>, Value)> = (0..40)
        .map(|n| {
            let payload = json!({"content": "the merger is secret and was not announced", "acl": ["board"]});
            (format!("secret{n}"), vector(n), payload)
        })
        .collect();
    client.insert("c", &secret).unwrap();
    client.create("user_ann:notes", DIMENSION, "Cosine").unwrap();
    let note = json!({"content": "a note about the merger"});
    client
        .insert("user_ann:notes", &[("note".to_owned(), vector(1), note)])
        .unwrap();
    client.settle_texts(PATIENCE).unwrap();
    assert_eq!(everybody(), before, "to the last digit");
    let sales = found(&client, "merger announced", &json!({"principals": ["sales"]}));
    assert_eq!(sales, before);
    let board = found(&client, "merger announced", &json!({"principals": ["board"]}));
    assert_eq!(board.len(), 42);

    let notes = json!({"collections": ["c", "user_ann:notes"]});
    assert_eq!(found(&client, "merger announced", &notes), before);
    let mut ann = notes.clone();
    ann["tenant"] = json!("ann");
    assert!(found(&client, "merger", &ann).contains_key("user_ann:notes/note"));
    assert!(server.stop().unwrap().success());
}
