//! The HTTP API where the recorded answers say nothing: what users of such a server count on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashSet;

use common::{point_ids, scroll_all, server_with};
use serde_json::{Value, json};

#[test]
fn routes_that_vectorizer_left_broken_work() {
    let server = server_with(&["a", "b"]);
    let change = json!({"collection": "c", "id": "a", "vector": [5, 5], "payload": {"new": true}});
    assert_eq!(
        server.ok("/update", change)["message"],
        "Vector 'a' updated successfully"
    );
    let read = server.ok("/vector", json!({"collection": "c", "id": "a"}));
    assert_eq!(
        (&read["vector"], &read["payload"]),
        (&json!([5.0, 5.0]), &json!({"new": true}))
    );
    assert_eq!(server.get("/collections/c/vectors/a").1, read);

    server.ok(
        "/update",
        json!({"collection": "c", "id": "a", "metadata": {"n": 1}}),
    );
    let read = server.ok("/vector", json!({"collection": "c", "id": "a"}));
    assert_eq!(
        (&read["vector"], &read["payload"]),
        (&json!([5.0, 5.0]), &json!({"n": "1"}))
    );

    for (path, body) in [
        ("/update", json!({"collection": "c", "id": "gone", "payload": {}})),
        ("/vector", json!({"collection": "c", "id": "gone"})),
        ("/delete", json!({"collection": "c", "id": "gone"})),
    ] {
        let (status, answer) = server.post(path, body);
        assert_eq!(
            (status, &answer["error_type"]),
            (404, &json!("vector_not_found")),
            "{path}"
        );
    }
    assert_eq!(
        server.post("/update", json!({"collection": "c", "id": "a"})).0,
        400
    );
    assert_eq!(
        server.ok("/delete", json!({"collection": "c", "id": "a"}))["success"],
        true
    );
    assert_eq!(server.get("/collections/c/vectors/a").0, 404);
    assert_eq!(server.get("/collections/c/vectors/b").0, 200);
}

#[test]
fn batch_updates_keep_what_they_do_not_name() {
    let server = server_with(&["a"]);
    let answer = server.ok(
        "/batch_update",
        json!({"collection": "c", "updates": [
            {"id": "a", "payload": null},
            {"id": "a"},
            {"id": "a", "vector": [1]},
            {"id": "a", "vector": [1e39, 0]},
            {"vector": [1, 1]},
        ]}),
    );
    assert_eq!(
        (&answer["updated"], &answer["failed"]),
        (&json!(1), &json!(4)),
        "{answer}"
    );
    let (_, read) = server.get("/collections/c/vectors/a");
    assert_eq!(
        (&read["vector"], &read["payload"]),
        (&json!([1.0, 0.0]), &Value::Null)
    );
}

#[test]
fn a_scroll_ends_and_meets_everything_at_any_page_size() {
    let names = ["a", "b", "c", "d", "e"];
    let server = server_with(&names);
    for limit in 1..=6 {
        assert_eq!(scroll_all(&server, limit, |_| ()), names, "{limit}");
    }
    let (status, answer) = server.post("/qdrant/collections/c/points/scroll", json!({"limit": 0}));
    assert_eq!((status, &answer["details"]["field"]), (400, &json!("limit")));
}

#[test]
fn a_scroll_goes_on_when_the_point_it_stopped_at_is_deleted() {
    for limit in [1, 2, 3] {
        let server = server_with(&["a", "b", "c", "d", "e", "f"]);
        let mut deleted = HashSet::new();
        let met = scroll_all(&server, limit, |offset| {
            server.ok("/qdrant/collections/c/points/delete", json!({"points": [offset]}));
            deleted.insert(offset.as_str().unwrap().to_owned());
        });
        assert!(!deleted.is_empty());
        let unmet: Vec<&str> = ["a", "b", "c", "d", "e", "f"]
            .into_iter()
            .filter(|id| !deleted.contains(*id) && !met.iter().any(|m| m == id))
            .collect();
        assert_eq!(unmet, Vec::<&str>::new(), "{limit}: met {met:?}");
    }
    let server = server_with(&["a"]);
    let unknown = json!({"offset": "never there"});
    assert_eq!(server.post("/qdrant/collections/c/points/scroll", unknown).0, 400);
}

#[test]
fn searches_honour_limit_offset_threshold_and_filter() {
    let server = server_with(&["a", "b", "c", "d"]);
    let found = |extra: Value| {
        let mut body = json!({"vector": [0, 0], "limit": 10});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let answer = server.ok("/qdrant/collections/c/points/search", body);
        point_ids(&answer["result"])
            .iter()
            .map(|id| (*id).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(json!({})), ["a", "b", "c", "d"]);
    assert_eq!(found(json!({"limit": 2, "offset": 1})), ["b", "c"]);
    // 1 / (1 + 2) is the score of b.
    assert_eq!(found(json!({"score_threshold": 0.33})), ["a", "b"]);
    let filter = json!({"must": [{"type": "range", "key": "n", "range": {"gte": 3}}]});
    assert_eq!(found(json!({"filter": filter, "limit": 1})), ["c"]);

    let native = server.ok(
        "/search",
        json!({"collection": "c", "vector": [0, 0], "threshold": 0.33}),
    );
    assert_eq!(
        (native["total_results"].clone(), &native["limit"]),
        (json!(2), &json!(10))
    );
    for wrong in [
        json!({"vector": [0, 0], "limit": 0}),
        json!({"vector": [0, 0], "limit": -1}),
        json!({"vector": [0, 0], "limit": 1_000_000}),
        json!({"vector": [0, 0], "limit": 10_000, "offset": 18_446_744_073_709_551_615_u64}),
        json!({"vector": [0]}),
        json!({"vector": [0, 1e39]}),
        json!({"vector": "x"}),
        json!({"vector": [0, 0], "filter": {"must": [{"key": "n", "match": {"value": 1}}]}}),
        json!({"vector": [0, 0], "filter": []}),
    ] {
        let (status, answer) = server.post("/qdrant/collections/c/points/search", wrong.clone());
        assert_eq!(status, 400, "{wrong}: {answer}");
    }
}

#[test]
fn a_renamed_collection_keeps_answering_to_its_old_name() {
    let server = server_with(&["a"]);
    server.ok("/collections/c/rename", json!({"new_name": "Verträge 2026"}));
    let (_, described) = server.get("/collections/c");
    assert_eq!(
        (&described["name"], &described["vector_count"]),
        (&json!("Verträge 2026"), &json!(1))
    );
    assert_eq!(server.get("/collections/Vertr%C3%A4ge%202026/vectors/a").0, 200);
    let (status, _) = server.post("/collections/c/rename", json!({"new_name": "Verträge 2026"}));
    assert_eq!(status, 400);
}

#[test]
fn lists_are_paged_in_insertion_order() {
    let names: Vec<String> = (0..120).map(|n| format!("id{n}")).collect();
    let server = server_with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut met = Vec::new();
    for offset in [0, 50, 100, 150] {
        let (_, page) = server.get(&format!("/collections/c/vectors?limit=1000&offset={offset}"));
        assert_eq!((&page["limit"], &page["total"]), (&json!(50), &json!(120)));
        met.extend(point_ids(&page["vectors"]).iter().map(|id| (*id).to_owned()));
    }
    assert_eq!(met, names);
    assert_eq!(
        server.get("/collections/c/vectors").1["vectors"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
}

#[test]
fn ids_of_any_characters_survive_the_path() {
    let strange = "ü/%#?& \"x\"";
    let server = server_with(&[strange]);
    let path = "/collections/c/vectors/%C3%BC%2F%25%23%3F%26%20%22x%22";
    assert_eq!(server.get(path).1["id"], strange);
    assert_eq!(server.call("DELETE", path, &Value::Null).0, 200);
    assert_eq!(server.get(path).0, 404);
}

#[test]
fn numbers_in_payloads_come_back_as_they_went_in() {
    let server = server_with(&[]);
    let payload = json!({"long": 2.675_543_123_456_789, "tiny": 5e-324, "odd": 0.1 + 0.2, "big": u64::MAX, "neg": i64::MIN,
        "digits": 123_456_789.123_456_78, "nested": [{"deep": [1.0, -0.5, null, true, "é"]}]});
    let body = json!({"points": [{"id": "x", "vector": [0.1, 1e-30], "payload": payload}]});
    assert_eq!(server.call("PUT", "/qdrant/collections/c/points", &body).0, 200);
    let (_, read) = server.get("/collections/c/vectors/x");
    assert_eq!(read["payload"], payload);
    assert_eq!(read["vector"][0].as_f64().unwrap() as f32, 0.1f32);
    assert_eq!(read["vector"][1].as_f64().unwrap() as f32, 1e-30f32);
}
