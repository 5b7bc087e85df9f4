//! Documents: what is written is what is read.

use serde_json::{Value, json};
use vectorizer_plugin_nexus::graph::record::{KEY, PAD};
use vectorizer_plugin_nexus::graph::schema::NodeLabel;
use vectorizer_plugin_nexus::graph::{Bucket, DocumentKey, NodeWrite, RecordShape};

use crate::server::{Server, key, new_node, printed, props, put, update};

fn varied() -> Value {
    json!({
        "text": "quote ' \" backslash \\ newline \n tab \t control \u{1} \u{7f}",
        "unicode": "é 漢字 😀 \u{200b}",
        "empty": "",
        "true": true,
        "int": -42,
        "big": i64::MAX,
        "float": 0.1,
        "whole": 3.0,
        "small": 1.5e-7,
        "large": 1e21,
        "strings": ["a", "b'c"],
        "floats": [0.25, -1.5],
        "none": [],
        "nested": {"x": {"y": [1, "two", 3.5]}},
        "when": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn every_kind_of_value_comes_back_and_the_record_has_the_announced_width() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let write = new_node("1", varied());
        put(&graph, std::slice::from_ref(&write)).await;
        let stored = server.stored("c/1").await.unwrap();
        let mut held = stored.clone();
        held.remove(KEY);
        held.remove(PAD);
        assert_eq!(Value::Object(held), varied(), "{}", server.name);
        assert_eq!(printed(&stored), write.shape().width as usize, "{}", server.name);
        let read = graph.read_nodes(&[key("1")]).await.unwrap();
        assert_eq!(read[&key("1")], stored, "{}", server.name);
    }
}

#[tokio::test]
async fn floats_of_any_kind_are_stored_as_they_were_sent() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let floats: Vec<f64> = (1..400).map(|n| f64::from(n) / 997.0).collect();
        let widened: Vec<f64> = (1..400).map(|n| f64::from(n as f32 / 389.0)).collect();
        let write = new_node(
            "f",
            json!({"floats": floats, "widened": widened, "tiny": 3.3e-300, "huge": 7.7e300}),
        );
        put(&graph, std::slice::from_ref(&write)).await;
        // Every update makes the server read and print the record anew.
        for round in 0..5 {
            put(
                &graph,
                &[NodeWrite::build(key("g"), &props(json!({"n": round})), None).unwrap()],
            )
            .await;
            server
                .ask(
                    "MATCH (d:Document {key: $key}) SET d.extra = $n",
                    json!({"key": "c/f", "n": round}),
                )
                .await;
        }
        let stored = server.stored("c/f").await.unwrap();
        for name in ["floats", "widened", "tiny", "huge"] {
            assert_eq!(
                stored.get(name),
                write.record().props().get(name),
                "{} {name}",
                server.name
            );
        }
        assert_eq!(
            printed(&stored),
            write.shape().width as usize + r#","extra":4"#.len(),
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn an_update_replaces_removes_and_keeps_the_width() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let long = new_node(
            "1",
            json!({"title": "t".repeat(400), "gone": [1, 2, 3], "rev": 1}),
        );
        put(&graph, std::slice::from_ref(&long)).await;
        let before = printed(&server.stored("c/1").await.unwrap());
        let short = update(long.shape(), "1", json!({"title": "t", "rev": 2}));
        put(&graph, &[short.clone(), short.clone()]).await;
        let stored = server.stored("c/1").await.unwrap();
        assert_eq!(
            (stored["title"].as_str(), stored.get("gone")),
            (Some("t"), None),
            "{}",
            server.name
        );
        assert_eq!((printed(&stored), before), (512, 512), "{}", server.name);
        assert_eq!(graph.count_nodes(NodeLabel::Document).await.unwrap(), 1);
        // What was remembered is what is measured.
        assert_eq!(
            &RecordShape::of_stored(&stored, |_| true).unwrap(),
            short.shape(),
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn properties_of_others_survive_an_update() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let first = new_node("1", json!({"title": "one"}));
        put(&graph, std::slice::from_ref(&first)).await;
        server
            .ask(
                "MATCH (d:Document {key: $key}) SET d.theirs = $v",
                json!({"key": "c/1", "v": "kept"}),
            )
            .await;
        let read = graph
            .read_nodes(&[key("1")])
            .await
            .unwrap()
            .remove(&key("1"))
            .unwrap();
        let shape = RecordShape::of_stored(&read, |name| name == "title").unwrap();
        assert_eq!(&shape, first.shape());
        put(&graph, &[update(&shape, "1", json!({"title": "2"}))]).await;
        assert_eq!(
            server.stored("c/1").await.unwrap()["theirs"],
            "kept",
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn many_documents_are_read_in_batches_and_absent_ones_are_absent() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let writes: Vec<_> = (0..230).map(|n| new_node(n, json!({"n": n}))).collect();
        put(&graph, &writes).await;
        let keys: Vec<_> = (0..260).map(key).collect();
        let read = graph.read_nodes(&keys).await.unwrap();
        assert_eq!(
            (read.len(), graph.count_nodes(NodeLabel::Document).await.unwrap()),
            (230, 230),
            "{}",
            server.name
        );
        assert!((0..230).all(|n| read[&key(n)]["n"] == n));
        assert!(graph.read_nodes::<DocumentKey>(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn hostile_ids_find_themselves_and_nothing_else() {
    let ids = [
        "a' OR true OR 'a' = '",
        "back\\slash",
        "\"",
        "`",
        "%27",
        "%",
        "~sha256:00",
        "a/b",
        "é",
        "\n",
        "{x:1}",
        "$key",
        "//",
        "null",
        "'}) DETACH DELETE d //",
    ];
    for server in Server::all().await {
        let graph = server.graph().await;
        let mut writes: Vec<_> = ids
            .iter()
            .map(|id| new_node(id, json!({"vector_id": id})))
            .collect();
        let huge = "h".repeat(100_000);
        writes.push(new_node(&huge, json!({"vector_id": "huge"})));
        put(&graph, &writes).await;
        for id in ids {
            let read = graph.read_nodes(&[key(id), key("absent")]).await.unwrap();
            assert_eq!(read.len(), 1, "{} {id}", server.name);
            assert_eq!(read[&key(id)]["vector_id"], id, "{}", server.name);
        }
        let all: Vec<_> = ids.iter().map(key).chain([key(&huge)]).collect();
        assert_eq!(
            graph.read_nodes(&all).await.unwrap().len(),
            ids.len() + 1,
            "{}",
            server.name
        );
    }
}

#[tokio::test]
async fn a_bucket_lists_its_documents_and_no_other() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let bucket_of = |id: &str| Bucket::of("c", id).unwrap();
        let ids: Vec<String> = (0..3_000).map(|n| format!("d{n}")).collect();
        let shelf = bucket_of("d0");
        let inside: Vec<_> = ids.iter().filter(|id| bucket_of(id) == shelf).collect();
        assert!(inside.len() > 1);
        let writes: Vec<_> = ids
            .iter()
            .map(|id| {
                let desired = json!({"bucket": bucket_of(id).as_str(), "rev": id.len(), "fingerprint": "f"});
                new_node(id, desired)
            })
            .collect();
        put(&graph, &writes).await;
        let listing = graph.list_buckets(std::slice::from_ref(&shelf)).await.unwrap();
        let listed: Vec<DocumentKey> = listing.entries.iter().map(|entry| entry.key.clone()).collect();
        let mut expected: Vec<DocumentKey> = inside.iter().map(key).collect();
        expected.sort();
        assert_eq!((listed, listing.unreadable), (expected, 0), "{}", server.name);
        let first = &listing.entries[0];
        let length = first.key.as_str().len() - "c/".len();
        assert_eq!(first.version.rev, Some(length as u64), "{}", server.name);
        assert_eq!(first.version.fingerprint.as_deref(), Some("f"));
        let empty = graph
            .list_buckets(&[Bucket::of("other", "d0").unwrap()])
            .await
            .unwrap();
        assert!(empty.entries.is_empty());
    }
}
