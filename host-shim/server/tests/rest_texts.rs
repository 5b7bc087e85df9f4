//! Texts over HTTP: vectors made of words, chunks, and replacing an earlier version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashSet;

use common::{Server, point_ids};
use serde_json::json;

#[test]
fn texts_are_found_by_their_words() {
    let server = Server::start();
    server.ok(
        "/insert_texts",
        json!({"collection": "t", "texts": [
            {"id": "lease", "text": "The lease ends with three months of notice.", "metadata": {"kind": "contract"}},
            {"id": "graph", "text": "A graph database keeps nodes and edges."},
        ]}),
    );
    let found = server.ok(
        "/collections/t/search/text",
        json!({"query": "notice period of the lease", "limit": 1}),
    );
    assert_eq!(
        (&found["results"][0]["id"], &found["query_type"]),
        (&json!("lease"), &json!("text"))
    );
    let embedded = server.ok("/embed", json!({"text": "edges of a graph"}));
    assert_eq!(embedded["dimension"], 512);
    let found = server.ok(
        "/search",
        json!({"collection": "t", "vector": embedded["embedding"]}),
    );
    assert_eq!(found["results"][0]["id"], "graph");
    for empty in ["", "  \n"] {
        assert_eq!(
            server
                .post("/insert", json!({"collection": "t", "text": empty}))
                .0,
            400
        );
        assert_eq!(
            server
                .post("/collections/t/search/text", json!({"query": empty}))
                .0,
            400
        );
    }
    // Vectors of another making cannot be searched by text, nor can texts be put among them.
    server.create("raw", 8, "Cosine");
    let text = json!({"collection": "raw", "text": "x"});
    for (path, body) in [
        ("/insert", text),
        ("/collections/raw/search/text", json!({"query": "x"})),
    ] {
        let (status, answer) = server.post(path, body);
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("provider_dimension_mismatch"))
        );
    }
}

#[test]
fn a_text_inserted_again_replaces_what_its_earlier_version_left() {
    let server = Server::start();
    let insert =
        |id: &str, text: &str| server.ok("/insert", json!({"collection": "t", "id": id, "text": text}));
    let stored = || {
        let answer = server.ok(
            "/qdrant/collections/t/points/scroll",
            json!({"limit": 100, "with_vector": false}),
        );
        point_ids(&answer["result"]["points"])
            .iter()
            .map(|id| (*id).to_owned())
            .collect::<HashSet<_>>()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<HashSet<_>>()
    };
    insert("other", "stays");
    insert("doc", "short");
    assert_eq!(stored(), set(&["other", "doc"]));
    let long = insert("doc", &"a sentence of some length. ".repeat(200));
    let chunks = long["vector_ids"].as_array().unwrap().len();
    assert!(chunks > 3 && long["chunked"] == true);
    assert_eq!(stored().len(), chunks + 1);
    let (_, described) = server.get("/collections/t");
    assert_eq!(described["document_count"], 1, "texts in chunks");
    insert("doc", &"a sentence of some length. ".repeat(100));
    assert!(stored().len() < chunks + 1 && stored().contains("doc#0"));
    insert("doc", "short again");
    assert_eq!(stored(), set(&["other", "doc"]));
    assert_eq!(server.get("/collections/t").1["document_count"], 0);
}

#[test]
fn chunks_follow_the_options_of_the_request_and_of_the_text() {
    let server = Server::start();
    let long = "word ".repeat(1_000);
    let answer = server.ok(
        "/insert_texts",
        json!({"collection": "t", "chunk_size": 1000, "chunk_overlap": 0, "texts": [
            {"id": "by-request", "text": long},
            {"id": "whole", "text": long, "auto_chunk": false},
            {"id": "own", "text": long, "chunk_size": 500, "metadata": {"filename": "f.txt", "content": "mine", "n": 1}},
            {"id": "stuck", "text": long, "chunk_overlap": 1000},
            {"id": "empty", "text": long, "chunk_size": 0},
            {"id": "typed", "text": long, "chunk_size": "large"},
            {"id": "textless"},
        ]}),
    );
    let results = answer["results"].as_array().unwrap();
    let created: Vec<u64> = results
        .iter()
        .filter_map(|r| r["vectors_created"].as_u64())
        .collect();
    assert_eq!(created, [5, 1, 10], "{answer}");
    assert_eq!((&answer["inserted"], &answer["failed"]), (&json!(3), &json!(4)));
    let (_, chunk) = server.get("/collections/t/vectors/own%233");
    let payload = &chunk["payload"];
    assert_eq!(
        (
            &payload["file_path"],
            &payload["chunk_index"],
            &payload["parent_id"],
            &payload["n"]
        ),
        (&json!("f.txt"), &json!(3), &json!("own"), &json!("1"))
    );
    assert!(
        payload["content"].as_str().unwrap().starts_with("word word"),
        "the server's keys win"
    );
}

#[test]
fn without_an_id_every_text_and_vector_gets_one() {
    let server = Server::start();
    let text = server.ok("/insert", json!({"collection": "t", "text": "x ".repeat(3_000)}));
    let vectors = server.ok(
        "/insert_vectors",
        json!({"collection": "t", "vectors": [{"embedding": vec![1; 512]}]}),
    );
    let mut all = text["vector_ids"].as_array().unwrap().clone();
    all.extend(vectors["results"][0]["vector_ids"].as_array().unwrap().clone());
    let different: HashSet<&str> = all.iter().map(|id| id.as_str().unwrap()).collect();
    assert!(different.len() == all.len() && different.iter().all(|id| id.len() == 36));
    let first = all[0].as_str().unwrap();
    let (_, one) = server.get(&format!("/collections/t/vectors/{first}"));
    let (_, two) = server.get(&format!("/collections/t/vectors/{}", all[1].as_str().unwrap()));
    assert_eq!(one["payload"]["parent_id"], two["payload"]["parent_id"]);
    assert_eq!(one["payload"]["file_path"], "text_input");
}
