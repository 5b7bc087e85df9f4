//! Chunks, the files they make up, and their reading order, kept right while chunks come, change and go.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, change_config, vector};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::structure;
use vectorizer_tests::vectorizer::Vectorizer;

fn chunk(file: &str, n: usize, position: u64) -> (String, Vec<f32>, Value) {
    let payload = json!({"content": format!("text {n}"), "file_path": file, "chunk_index": position});
    (format!("{file}:{n}"), vector(n * 31), payload)
}

/// Waits until all is quiet, then compares similarity and structure; answers how many edges of structure there are.
fn assert_structure(setup: &Setup, client: &Vectorizer) -> usize {
    client.settle(PATIENCE).unwrap();
    let (edges, mismatches) = structure::compare(client, &setup.graph()).unwrap();
    assert!(mismatches.is_empty(), "{:?}: {mismatches:#?}", setup.kind);
    setup.assert_equal(client);
    edges
}

#[test]
fn reading_order_is_kept_right_while_chunks_come_change_and_go() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("files", DIMENSION, "Cosine").unwrap();
        client.create("others", DIMENSION, "Cosine").unwrap();
        // Three files, their chunks interleaved and out of order; one path is in both collections.
        let mut chunks: Vec<_> = (0..36)
            .map(|n| chunk(["a.md", "b/ä 'b'.md", "c"][n % 3], n, 2 * (n as u64 / 3)))
            .collect();
        chunks.sort_by_key(|(id, ..)| id.len() * 7 + id.bytes().map(usize::from).sum::<usize>() % 13);
        for part in chunks.chunks(7) {
            client.insert("files", part).unwrap();
        }
        client
            .insert("others", &[chunk("a.md", 900, 0), chunk("a.md", 901, 1)])
            .unwrap();
        client
            .insert(
                "others",
                &[("alone".into(), vector(5), json!({"title": "no chunk"}))],
            )
            .unwrap();
        assert_eq!(assert_structure(&setup, &client), 38 * 2 + 33 + 1);

        // One between two others, one before all, one moves, one changes its file, and some go.
        let mut moved = chunk("c", 2, 99);
        moved.2["content"] = json!("another text");
        client
            .insert(
                "files",
                &[chunk("a.md", 500, 5), chunk("b/ä 'b'.md", 501, 0), moved],
            )
            .unwrap();
        let mut changed = chunk("c", 5, 1);
        changed.2["file_path"] = json!("a.md");
        client.insert("files", &[changed]).unwrap();
        client
            .delete("files", &["a.md:9", "a.md:0", "b/ä 'b'.md:34", "c:8", "c:11"])
            .unwrap();
        assert_structure(&setup, &client);

        // A whole file goes, and with it its node; the same path in the other collection stays.
        let of_a: Vec<String> = client
            .documents("files")
            .unwrap()
            .into_iter()
            .filter(|document| document.payload["file_path"] == "a.md")
            .map(|document| document.id)
            .collect();
        client
            .delete("files", &of_a.iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap();
        assert_structure(&setup, &client);
        let sources = setup.graph().nodes("Source").unwrap();
        assert_eq!(sources.len(), 3, "{sources:?}");
        client.call("DELETE", "/collections/files", None).unwrap();
        assert_eq!(assert_structure(&setup, &client), 5);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_host_killed_while_chunks_come_and_go_leaves_no_orphan_and_no_gap() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("files", DIMENSION, "Cosine").unwrap();
        let writer = {
            let client = client.clone();
            std::thread::spawn(move || {
                for n in 0.. {
                    let file = format!("file {}", n % 9);
                    if client
                        .insert("files", &[chunk(&file, n % 40, (n * 7 % 23) as u64)])
                        .is_err()
                    {
                        break;
                    }
                    if n % 3 == 2 {
                        let _ = client.delete(
                            "files",
                            &[format!("file {}:{}", (n + 4) % 9, (n * 5) % 40).as_str()],
                        );
                    }
                }
            })
        };
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        server.kill();
        writer.join().unwrap();
        let (server, client) = setup.host();
        assert!(assert_structure(&setup, &client) > 10);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn the_node_of_a_file_that_somebody_deleted_is_made_again_with_its_edges() {
    for kind in Kind::available() {
        let setup = Setup::new(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("files", DIMENSION, "Cosine").unwrap();
        let chunks: Vec<_> = (0..20).map(|n| chunk("a.md", n, n as u64)).collect();
        client.insert("files", &chunks).unwrap();
        assert_structure(&setup, &client);
        setup.graph().remove("Source").unwrap();
        // Any new chunk of it meets the gap.
        client.insert("files", &[chunk("a.md", 20, 20)]).unwrap();
        assert_structure(&setup, &client);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn structure_that_is_switched_off_leaves_the_graph() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("files", DIMENSION, "Cosine").unwrap();
    let chunks: Vec<_> = (0..8).map(|n| chunk("a.md", n, n as u64)).collect();
    client.insert("files", &chunks).unwrap();
    assert_structure(&setup, &client);
    assert!(server.stop().unwrap().success());

    change_config(&setup, |config| {
        config["nexus_integration"]["structure"] = json!({"sources": false});
    });
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    setup.assert_equal(&client);
    let graph = setup.graph();
    assert!(graph.nodes("Source").unwrap().is_empty());
    assert!(
        graph
            .edges("Document", "NEXT", "Document", "active")
            .unwrap()
            .iter()
            .all(|edge| !edge.active)
    );
    assert!(server.stop().unwrap().success());
}
