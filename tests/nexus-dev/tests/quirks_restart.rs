//! What a start leaves of the properties, with the quirks of Nexus 2.5: the table of section 2 of the dialect page.
//!
//! Each case loads 60 documents and 30 edges, changes one thing, starts again and then writes 20 new documents.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use nexus_dev::{NexusDev, Quirks};
use serde_json::{Value, json};
use support::process::Process;
use support::{INDEX_KEY, UPSERT_NODES, rows, start};

const UPSERT_EDGES: &str = "UNWIND $rows AS row MATCH (a:Document {key: row.a}) MATCH (b:Document {key: row.b}) \
    MERGE (a)-[r:SIMILAR_TO]->(b) ON CREATE SET r.score = row.score, r.pad = row.pad \
    ON MATCH SET r.score = row.score, r.pad = row.pad";

/// How a server is brought down before the next start.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    Terminate,
}

fn process(folder: &Path) -> Process {
    Process::start(&["--quirks", "2.5", "--data", folder.to_str().unwrap()])
}

async fn open(folder: &Path) -> NexusDev {
    start(NexusDev::builder().data_dir(folder).quirks(Quirks::V2_5)).await
}

fn document(n: usize) -> Value {
    json!({"key": format!("d{n:02}"), "props": {
        "title": format!("A title of a usual length, number {n:02}"), "rev": "r1", "text": "x".repeat(60), "_pad": ""}})
}

async fn load(url: &str) {
    rows(url, INDEX_KEY, json!({})).await;
    let documents: Vec<_> = (0..60).map(document).collect();
    rows(url, UPSERT_NODES, json!({"rows": documents})).await;
    let edge = |n: usize| json!({"a": format!("d{n:02}"), "b": format!("d{:02}", n + 1), "score": 0.123456, "pad": ""});
    let edges: Vec<_> = (0..30).map(edge).collect();
    rows(url, UPSERT_EDGES, json!({"rows": edges})).await;
}

/// Documents without a key, and edges without a score.
async fn lost(url: &str) -> (u64, u64) {
    let number = async |query| rows(url, query, json!({})).await[0][0].as_u64().unwrap();
    (
        number("MATCH (d:Document) WHERE d.key IS NULL RETURN count(d)").await,
        number("MATCH ()-[r:SIMILAR_TO]->() WHERE r.score IS NULL RETURN count(r)").await,
    )
}

async fn write_new_documents(url: &str) {
    let documents: Vec<_> = (100..120).map(document).collect();
    rows(url, UPSERT_NODES, json!({"rows": documents})).await;
}

/// What is lost after a change and a start, and after the new writes behind it.
async fn after_restart(end: End, query: &str, params: Value) -> [(u64, u64); 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut before = process(folder.path());
    load(&before.url).await;
    if !query.is_empty() {
        rows(&before.url, query, params).await;
    }
    assert_eq!(
        lost(&before.url).await,
        (0, 0),
        "nothing is lost before the start"
    );
    match end {
        End::Kill => before.kill(),
        End::Terminate => assert!(before.terminate().success()),
    }
    let after = process(folder.path());
    let at_once = lost(&after.url).await;
    write_new_documents(&after.url).await;
    [at_once, lost(&after.url).await]
}

fn title(title: &str, pad: &str) -> Value {
    json!({"rows": [{"key": "d00", "props": {"title": title, "_pad": pad}}]})
}

fn score(score: f64, pad: &str) -> Value {
    json!({"rows": [{"a": "d05", "b": "d06", "score": score, "pad": pad}]})
}

#[tokio::test]
async fn harmless_changes_lose_nothing() {
    let nothing = [(0, 0); 2];
    let same = "A TITLE OF A USUAL LENGTH, NUMBER 00";
    let shortened = "A title of a usual length";
    let padding = " ".repeat(same.len() - shortened.len());
    let cases = [
        ("", json!({})),
        (UPSERT_NODES, title(&format!("{same}, and more"), "")),
        (UPSERT_NODES, title(same, "")),
        (UPSERT_NODES, title(shortened, &padding)),
        (UPSERT_EDGES, score(0.5, "12345")),
        ("MATCH (d:Document {key:'d50'}) DETACH DELETE d", json!({})),
    ];
    for (end, (query, params)) in [End::Kill, End::Terminate].into_iter().cycle().zip(cases) {
        assert_eq!(
            after_restart(end, query, params.clone()).await,
            nothing,
            "{end:?} {query} {params}"
        );
    }
}

#[tokio::test]
async fn a_shorter_document_loses_all_edges_at_once_and_documents_to_the_next_writes() {
    let removed = json!({"rows": [{"key": "d00", "props": {"text": null}}]});
    let cases = [(UPSERT_NODES, title("short", "")), (UPSERT_NODES, removed)];
    for (end, (query, params)) in [End::Kill, End::Terminate].into_iter().zip(cases) {
        let [(documents, edges), (documents_later, edges_later)] =
            after_restart(end, query, params.clone()).await;
        assert_eq!((documents, edges), (0, 30), "{end:?} {params}");
        // The records of 20 new documents lie over those of about as many old ones.
        assert!(
            (15..=25).contains(&documents_later),
            "{documents_later} documents, {params}"
        );
        assert_eq!(edges_later, 30);
    }
}

#[tokio::test]
async fn a_shorter_edge_loses_the_edges_behind_it() {
    for end in [End::Kill, End::Terminate] {
        let lost = after_restart(end, UPSERT_EDGES, score(0.5, "")).await;
        assert_eq!(lost, [(0, 24), (0, 24)], "{end:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_lost_is_created_a_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await;
    load(server.url()).await;
    rows(server.url(), UPSERT_NODES, title("short", "")).await;
    server.shutdown().await.unwrap();
    let server = open(folder.path()).await;
    write_new_documents(server.url()).await;
    assert_eq!(support::documents(server.url()).await, 80);
    let seek = "MATCH (d:Document {key:'d01'}) RETURN d.key, d.rev";
    // The index still knows the node, which has no properties any more; a UNION looks at the properties.
    assert_eq!(rows(server.url(), seek, json!({})).await, json!([[null, null]]));
    let union = format!("{seek} UNION ALL {seek}");
    assert_eq!(rows(server.url(), &union, json!({})).await, json!([]));
    rows(server.url(), UPSERT_NODES, json!({"rows": [document(1)]})).await;
    assert_eq!(support::documents(server.url()).await, 81);
    server.shutdown().await.unwrap();
    let server = open(folder.path()).await;
    assert_eq!(rows(server.url(), seek, json!({})).await, json!([["d01", "r1"]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_was_lost_stays_lost_and_what_is_new_survives_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await;
    load(server.url()).await;
    rows(server.url(), UPSERT_NODES, title("short", "")).await;
    server.shutdown().await.unwrap();
    let server = open(folder.path()).await;
    write_new_documents(server.url()).await;
    let (documents, edges) = lost(server.url()).await;
    server.shutdown().await.unwrap();
    let server = open(folder.path()).await;
    assert_eq!(lost(server.url()).await, (documents, edges));
    let new = "MATCH (d:Document) WHERE d.key STARTS WITH 'd1' AND d.rev = 'r1' AND d.key >= 'd100' RETURN count(d)";
    assert_eq!(rows(server.url(), new, json!({})).await, json!([[20]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_folder_from_a_server_without_quirks_is_taken_over_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(NexusDev::builder().data_dir(folder.path())).await;
    load(server.url()).await;
    rows(server.url(), UPSERT_NODES, title("short", "")).await;
    server.shutdown().await.unwrap();
    for _ in 0..2 {
        let server = open(folder.path()).await;
        assert_eq!(lost(server.url()).await, (0, 0));
        server.shutdown().await.unwrap();
    }
}

/// A random history of documents and edges, with starts in between, and what it should have stored.
struct History {
    random: u64,
    documents: BTreeMap<String, String>,
    edges: BTreeMap<(String, String), u64>,
}

impl History {
    fn draw(&mut self, below: u64) -> u64 {
        // xorshift: reproducible and good enough to choose with.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    async fn step(&mut self, url: &str, length: usize) {
        let key = |n: u64| format!("k{n:02}");
        let mut batch = Vec::new();
        for _ in 0..=self.draw(6) {
            let (key, letter) = (key(self.draw(40)), char::from(b'a' + self.draw(26) as u8));
            let title = letter.to_string().repeat(length);
            batch.push(json!({"key": key, "props": {"title": title}}));
            self.documents.insert(key, title);
        }
        rows(url, UPSERT_NODES, json!({"rows": batch})).await;
        let known: Vec<String> = self.documents.keys().cloned().collect();
        let mut batch = Vec::new();
        for _ in 0..=self.draw(6) {
            let mut end = || known[self.draw(known.len() as u64) as usize].clone();
            let (a, b) = (end(), end());
            let score = 100 + self.draw(900);
            batch.push(json!({"a": a, "b": b, "score": score, "pad": "x".repeat(length)}));
            self.edges.insert((a, b), score);
        }
        rows(url, UPSERT_EDGES, json!({"rows": batch})).await;
    }

    async fn check(&self, url: &str, context: &str) {
        let read = rows(
            url,
            "MATCH (d:Document) RETURN d.key AS k, d.title AS t ORDER BY k",
            json!({}),
        )
        .await;
        let documents: Vec<_> = self
            .documents
            .iter()
            .map(|(key, title)| json!([key, title]))
            .collect();
        assert_eq!(read, json!(documents), "{context}");
        let query = "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Document) RETURN a.key AS a, b.key AS b, r.score AS s ORDER BY a, b";
        let edges: Vec<_> = self
            .edges
            .iter()
            .map(|((a, b), score)| json!([a, b, score]))
            .collect();
        assert_eq!(rows(url, query, json!({})).await, json!(edges), "{context}");
    }
}

#[tokio::test]
async fn records_that_never_get_shorter_are_never_lost() {
    for (seed, growth) in [(7, 0), (11, 0), (13, 1), (17, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History {
            random: seed,
            documents: BTreeMap::new(),
            edges: BTreeMap::new(),
        };
        let mut length = 20;
        for life in 0..4 {
            let server = open(folder.path()).await;
            history
                .check(server.url(), &format!("seed {seed}, life {life}"))
                .await;
            if life == 0 {
                rows(server.url(), INDEX_KEY, json!({})).await;
            }
            for _ in 0..6 {
                history.step(server.url(), length).await;
                length += growth;
            }
            history
                .check(server.url(), &format!("seed {seed}, end of life {life}"))
                .await;
            server.shutdown().await.unwrap();
        }
        assert!(
            history.documents.len() > 20 && history.edges.len() > 40,
            "the history is too thin"
        );
    }
}
