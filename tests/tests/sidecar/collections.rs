//! Collections that go, get other names, and give documents to each other.

use std::time::Duration;

use serde_json::json;

use crate::Rig;
use crate::setup::{DIMENSION, vector};

fn fill(rig: &Rig, collection: &str, ids: &[&str]) {
    rig.client.create(collection, DIMENSION, "Cosine").unwrap();
    let documents: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| ((*id).to_owned(), vector(n), json!({"title": *id})))
        .collect();
    rig.client.insert(collection, &documents).unwrap();
    rig.wait_for_nodes(collection, ids);
}

#[test]
fn a_collection_that_is_dropped_takes_its_nodes_along_and_stays_away() {
    Rig::each(|rig| {
        fill(rig, "kept", &["a"]);
        fill(rig, "gone", &["a", "b", "c"]);
        if rig.is_real() {
            // From then on it is on disk, and would be loaded again when it is named.
            rig.client
                .call("POST", "/collections/gone/force-save", None)
                .unwrap();
        }
        rig.client.call("DELETE", "/collections/gone", None).unwrap();
        rig.wait_for_nodes("gone", &[]);
        // Comparisons, polls and whatever else the plugin does come by meanwhile.
        let compared = rig.client.send("POST", "/admin/sync/reconcile", Some(&json!({})));
        assert_eq!(compared.unwrap().0, 202);
        std::thread::sleep(Duration::from_secs(3));
        rig.client.settle(crate::setup::PATIENCE).unwrap();
        let names: Vec<String> = rig
            .direct
            .collections()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["kept"], "it was brought back");
        fill(rig, "gone", &["d"]);
        rig.assert_equal_in_the_end(2);
    });
}

#[test]
fn a_collection_that_is_renamed_keeps_its_documents_under_the_new_name() {
    Rig::each(|rig| {
        fill(rig, "before", &["a", "b", "c"]);
        rig.client
            .call(
                "POST",
                "/collections/before/rename",
                Some(&json!({"new_name": "after"})),
            )
            .unwrap();
        rig.wait_for_nodes("after", &["a", "b", "c"]);
        rig.wait_for_nodes("before", &[]);
        if rig.is_real() {
            // The old name is another one for it there.
            let more = vec![("d".to_owned(), vector(4), json!({"title": "d"}))];
            rig.client.insert("before", &more).unwrap();
            rig.wait_for_nodes("after", &["a", "b", "c", "d"]);
        }
        let documents = rig.nodes("after").len();
        rig.assert_equal_in_the_end(documents);
    });
}

#[test]
fn documents_that_are_moved_and_copied_are_where_they_are() {
    Rig::each(|rig| {
        fill(rig, "left", &["a", "b", "c"]);
        fill(rig, "right", &["d"]);
        let transfer = |how: &str, ids: &[&str]| {
            let body = json!({"destination": "right", "ids": ids});
            rig.client
                .call("POST", &format!("/collections/left/vectors/{how}"), Some(&body))
                .unwrap();
        };
        transfer("move", &["a", "never"]);
        transfer("copy", &["b"]);
        rig.wait_for_nodes("left", &["b", "c"]);
        rig.wait_for_nodes("right", &["a", "b", "d"]);
        rig.assert_equal_in_the_end(5);
    });
}
