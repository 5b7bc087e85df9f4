//! What plugins ask Vectorizer by this server.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_host_shim::store::StoreError;
use vectorizer_plugin_api::model::{Fields, JsonMap, Merge};

use crate::front::Front;
use crate::stand_in::{Answer, Asked, StandIn};

fn object(value: Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

fn result(value: Value) -> Answer {
    Answer::Json(200, json!({ "result": value }))
}

/// A collection `c` of four components, with what the script answers.
fn stand_in(script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> (StandIn, Front) {
    let server = StandIn::start();
    server.lists(&[("c", 3, 1)]);
    let front = Front::of(server.address);
    server.answers(script);
    server.asked();
    (server, front)
}

#[test]
fn only_routes_that_work_are_asked_and_names_are_escaped() {
    let server = StandIn::start();
    server.lists(&[("c/ä", 1, 1)]);
    let front = Front::of(server.address);
    server.answers(|asked| {
        let point = json!({"id": "a", "vector": [1, 0, 0, 0], "payload": {"t": 1}, "score": 0.5});
        let path = asked.path.strip_prefix("/qdrant/collections/c%2F%C3%A4/points")?;
        Some(match path {
            "" | "/search" => result(json!([point])),
            "/scroll" => result(json!({"points": [point], "next_page_offset": null})),
            "/count" => result(json!({"count": 1})),
            _ => return None,
        })
    });
    server.asked();
    let store = &front.store;
    let hits = store
        .search("c/ä", &[1.0, 0.0, 0.0, 0.0], 1, Fields::ALL)
        .unwrap();
    assert_eq!((hits[0].document.id.as_str(), hits[0].score), ("a", 0.5));
    assert_eq!(
        store.get("c/ä", &["a"], Fields::ALL).unwrap()[0].vector,
        [1.0, 0.0, 0.0, 0.0]
    );
    assert_eq!(
        store.scan("c/ä", None, 10, Fields::NONE).unwrap().documents.len(),
        1
    );
    assert_eq!(
        (
            store.count("c/ä").unwrap(),
            store.collection("c/ä").unwrap().count
        ),
        (1, 1)
    );
    let allowed = ["", "/search", "/scroll", "/count"];
    for asked in server.asked() {
        let path = asked.path.strip_prefix("/qdrant/collections/c%2F%C3%A4/points");
        assert!(path.is_some_and(|path| allowed.contains(&path)), "{asked:?}");
    }
}

#[test]
fn a_collection_that_is_dropped_is_not_named_again() {
    let (server, front) = stand_in(|asked| {
        asked
            .is("DELETE", "/collections/c")
            .then(|| Answer::Json(200, json!({"message": "deleted"})))
    });
    assert_eq!(front.send("DELETE", "/collections/c", &Value::Null).0, 200);
    server.lists(&[]);
    server.asked();
    let store = &front.store;
    for refusal in [
        store.get("c", &["a"], Fields::ALL).err(),
        store.count("c").err(),
        store.scan("c", None, 1, Fields::ALL).err(),
        store.search("c", &[0.0; 4], 1, Fields::ALL).err(),
        store
            .merge_payload("c", "a", &JsonMap::new(), &JsonMap::new())
            .err(),
        store.embed("c", "t").err(),
        store.collection("c").err(),
    ] {
        assert!(
            matches!(refusal, Some(StoreError::CollectionNotFound(_))),
            "{refusal:?}"
        );
    }
    assert!(store.collections().unwrap().is_empty());
    assert!(server.asked().is_empty(), "it was named");
}

#[test]
fn a_drop_waits_for_the_call_that_is_under_way() {
    let (server, front) = stand_in(|asked| {
        if asked.is("DELETE", "/collections/c") {
            return Some(Answer::Json(200, json!({"message": "deleted"})));
        }
        let slow = Answer::After(Duration::from_millis(400), json!({"result": {"count": 3}}));
        asked.path.ends_with("/count").then_some(slow)
    });
    let store = Arc::clone(&front.store);
    let counting = std::thread::spawn(move || store.count("c"));
    front.wait_until("it is asked", |_| !server.asked().is_empty());
    let begun = Instant::now();
    assert_eq!(front.send("DELETE", "/collections/c", &Value::Null).0, 200);
    assert!(begun.elapsed() > Duration::from_millis(200), "it did not wait");
    assert_eq!(counting.join().unwrap().unwrap(), 3);
}

#[test]
fn a_busy_vectorizer_is_asked_again_when_it_says_so_and_not_for_ever() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let (_server, front) = stand_in(move |asked| {
        let busy = || {
            Answer::With(
                429,
                vec![("retry-after", "1")],
                json!({"error_type": "queue_full"}),
            )
        };
        match asked.path.as_str() {
            "/qdrant/collections/c/points/count" => Some(match count.fetch_add(1, Ordering::Relaxed) {
                0 => busy(),
                _ => result(json!({"count": 3})),
            }),
            "/qdrant/collections/c/points" => Some(Answer::With(
                429,
                vec![("retry-after", "0")],
                json!({"error_type": "queue_full"}),
            )),
            _ => None,
        }
    });
    let begun = Instant::now();
    assert_eq!(front.store.count("c").unwrap(), 3);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it did not wait as it was told to"
    );
    assert!(matches!(
        front.store.get("c", &["a"], Fields::ALL),
        Err(StoreError::Unavailable(reason)) if reason.contains("busy")
    ));
}

#[test]
fn an_answer_that_is_no_success_or_not_whole_is_unavailable() {
    let answers = [
        || Answer::Json(500, json!({"error_type": "storage_error", "message": "disk"})),
        || Answer::Json(500, json!("Wrong number of path arguments")),
        || Answer::Half(json!({"result": {"count": 3}, "pad": "x".repeat(100)})),
        || Answer::Json(200, json!({"result": {"cont": 3}})),
        || Answer::Json(200, json!([])),
        || Answer::Json(401, json!({"error": "unauthorized", "message": "who?"})),
    ];
    let next = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&next);
    let (_server, front) = stand_in(move |asked| {
        let answer = answers[turn.load(Ordering::Relaxed) % answers.len()];
        asked.path.ends_with("/count").then(answer)
    });
    for n in 0..answers.len() {
        next.store(n, Ordering::Relaxed);
        let refusal = front.store.count("c").unwrap_err();
        assert!(matches!(refusal, StoreError::Unavailable(_)), "{n}: {refusal:?}");
    }
}

#[test]
fn a_token_that_ran_out_is_replaced_and_the_call_made_again() {
    let server = StandIn::start();
    server.lists(&[("c", 3, 1)]);
    let logins = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&logins);
    server.answers(move |asked| {
        if asked.is("POST", "/auth/login") {
            assert_eq!(asked.json(), json!({"username": "u", "password": "s3cret"}));
            let n = count.fetch_add(1, Ordering::Relaxed);
            return Some(Answer::Json(
                200,
                json!({"access_token": format!("t{n}"), "expires_in": 3600}),
            ));
        }
        let latest = format!("Bearer t{}", count.load(Ordering::Relaxed).saturating_sub(1));
        let is_known = asked
            .headers
            .get("authorization")
            .is_some_and(|given| given == latest.as_str());
        if !is_known {
            return Some(Answer::Json(
                401,
                json!({"error": "unauthorized", "message": "no"}),
            ));
        }
        asked
            .path
            .ends_with("/count")
            .then(|| result(json!({"count": 3})))
    });
    let credentials = json!({"username": "u", "password": "s3cret"});
    let front = Front::with(server.address, &credentials, |_| axum::Router::new());
    assert_eq!(front.store.count("c").unwrap(), 3);
    assert_eq!(logins.load(Ordering::Relaxed), 1);
    // As after a restart of Vectorizer with another secret.
    logins.fetch_add(1, Ordering::Relaxed);
    assert_eq!(front.store.count("c").unwrap(), 3);
    assert_eq!(logins.load(Ordering::Relaxed), 3);
}

#[test]
fn a_merge_writes_the_whole_payload_and_reads_it_again() {
    let payload = Arc::new(Mutex::new(json!({"t": "x", "n": {"a": 1}})));
    let written = Arc::clone(&payload);
    let (server, front) = stand_in(move |asked| match asked.path.as_str() {
        "/qdrant/collections/c/points" => Some(match asked.json()["ids"][0].as_str() {
            Some("a") => result(json!([{"id": "a", "vector": [], "payload": *written.lock().unwrap()}])),
            _ => result(json!([])),
        }),
        "/batch_update" => {
            let update = asked.json()["updates"][0].clone();
            assert!(update.get("vector").is_none(), "it would be rounded once more");
            *written.lock().unwrap() = update["payload"].clone();
            Some(Answer::Json(
                200,
                json!({"results": [{"id": "a", "status": "ok"}]}),
            ))
        }
        _ => None,
    });
    let merge = |id: &str, expected: Value, patch: Value| {
        front
            .store
            .merge_payload("c", id, &object(expected), &object(patch))
            .unwrap()
    };
    let patch = json!({"_nexus": {"x": 1}, "n": {"a": null, "b": 2}});
    assert_eq!(
        merge("a", json!({"t": "x", "none": null}), patch.clone()),
        Merge::Merged
    );
    let merged = json!({"t": "x", "n": {"b": 2}, "_nexus": {"x": 1}});
    assert_eq!(*payload.lock().unwrap(), merged);
    server.asked();
    assert_eq!(merge("a", json!({}), patch), Merge::Merged);
    assert!(
        server.asked().iter().all(|asked| asked.path != "/batch_update"),
        "there is nothing to write"
    );
    assert_eq!(merge("a", json!({"t": "y"}), json!({"t": null})), Merge::Differs);
    assert_eq!(*payload.lock().unwrap(), merged);
    assert_eq!(merge("gone", json!({}), json!({"t": 1})), Merge::Gone);
    assert_eq!(front.told(), [], "who asked for it need not be told");
}

#[test]
fn a_merge_and_a_client_do_not_write_a_document_at_the_same_time() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&order);
    let (_server, front) = stand_in(move |asked| {
        if asked.is("POST", "/qdrant/collections/c/points") {
            noted.lock().unwrap().push("read");
            let point = json!({"id": "a", "vector": [], "payload": {"t": "x"}});
            return Some(Answer::After(
                Duration::from_millis(200),
                json!({"result": [point]}),
            ));
        }
        if !asked.is("POST", "/batch_update") {
            return None;
        }
        let is_client = asked.json()["updates"][0]["payload"]["t"] == "client";
        noted
            .lock()
            .unwrap()
            .push(if is_client { "client" } else { "merge" });
        Some(Answer::Json(
            200,
            json!({"collection": "c", "results": [{"id": "a", "status": "ok"}]}),
        ))
    });
    let store = Arc::clone(&front.store);
    let merging = std::thread::spawn(move || {
        // What it reads back is not what it wrote, here; that is not the point.
        let _ = store.merge_payload("c", "a", &JsonMap::new(), &object(json!({"m": 1})));
    });
    front.wait_until("it reads", |_| !order.lock().unwrap().is_empty());
    let update = json!({"collection": "c", "updates": [{"id": "a", "payload": {"t": "client"}}]});
    assert_eq!(front.send("POST", "/batch_update", &update).0, 200);
    merging.join().unwrap();
    assert_eq!(*order.lock().unwrap(), ["read", "merge", "read", "client"]);
}

#[test]
fn a_search_asks_for_more_until_there_is_enough() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked_for);
    let (_server, front) = stand_in(move |asked| match asked.path.as_str() {
        "/qdrant/collections/c/points/count" => Some(result(json!({"count": 40}))),
        "/qdrant/collections/c/points/search" => {
            let limit = asked.json()["limit"].as_u64().unwrap();
            noted.lock().unwrap().push(limit);
            // Of each hundred that are asked for all but ten were deleted.
            let hits: Vec<Value> = (0..limit / 10)
                .map(|n| json!({"id": format!("d{n}"), "score": 0.5}))
                .collect();
            Some(result(hits.into()))
        }
        _ => None,
    });
    let hits = front
        .store
        .search("c", &[1.0, 0.0, 0.0, 0.0], 10, Fields::NONE)
        .unwrap();
    assert_eq!(hits.len(), 10);
    assert_eq!(*asked_for.lock().unwrap(), [26, 104]);
}

#[test]
fn an_exact_search_sees_what_changed_and_reads_no_more_than_that() {
    let server = StandIn::start();
    server.lists(&[("c", 3, 1)]);
    let front = Front::with(server.address, &json!({"exact_up_to": 4}), |_| {
        axum::Router::new()
    });
    let vectors = Arc::new(Mutex::new(std::collections::BTreeMap::from([
        ("a".to_owned(), [1.0_f32, 0.0, 0.0, 0.0]),
        ("b".to_owned(), [0.0, 1.0, 0.0, 0.0]),
        ("c".to_owned(), [0.0, 0.0, 1.0, 0.0]),
    ])));
    let stored = Arc::clone(&vectors);
    server.answers(move |asked| {
        let stored = stored.lock().unwrap();
        let point =
            |(id, vector): (&String, &[f32; 4])| json!({"id": id, "vector": vector, "payload": {"of": id}});
        match asked.path.as_str() {
            "/qdrant/collections/c/points/scroll" => {
                let points: Vec<Value> = stored.iter().map(point).collect();
                Some(result(json!({"points": points, "next_page_offset": null})))
            }
            "/qdrant/collections/c/points" => {
                let body = asked.json();
                let ids = body["ids"].as_array().unwrap().iter().filter_map(Value::as_str);
                let points: Vec<Value> = ids.filter_map(|id| stored.get_key_value(id)).map(point).collect();
                Some(result(points.into()))
            }
            "/qdrant/collections/c/points/count" => Some(result(json!({"count": stored.len()}))),
            "/batch_delete" | "/insert_vectors" => {
                let id = if asked.path == "/batch_delete" { "a" } else { "d" };
                let item = json!({"id": id, "status": "ok", "vector_ids": [id]});
                Some(Answer::Json(200, json!({"collection": "c", "results": [item]})))
            }
            _ => None,
        }
    });
    let closest = || -> Vec<String> {
        let hits = front
            .store
            .search("c", &[2.0, 0.2, 0.1, 0.0], 2, Fields::PAYLOAD)
            .unwrap();
        hits.into_iter()
            .map(|hit| {
                assert_eq!(hit.document.payload.unwrap()["of"], hit.document.id.as_str());
                hit.document.id
            })
            .collect()
    };
    assert_eq!(closest(), ["a", "b"]);
    server.asked();
    assert_eq!(closest(), ["a", "b"]);
    let scrolled = |asked: Vec<Asked>| {
        asked
            .iter()
            .filter(|asked| asked.path.ends_with("scroll"))
            .count()
    };
    assert_eq!(scrolled(server.asked()), 0, "nothing changed");

    vectors.lock().unwrap().remove("a");
    front.send("POST", "/batch_delete", &json!({"collection": "c", "ids": ["a"]}));
    assert_eq!(closest(), ["b", "c"]);
    vectors
        .lock()
        .unwrap()
        .insert("d".to_owned(), [1.0, 0.1, 0.0, 0.0]);
    let insert = json!({"collection": "c", "vectors": [{"id": "d", "embedding": [1, 0.1, 0, 0]}]});
    front.send("POST", "/insert_vectors", &insert);
    assert_eq!(closest(), ["d", "b"]);
    assert_eq!(scrolled(server.asked()), 0, "what changed was known");

    // What was heard of is seen, and explains itself.
    server.lists(&[("c", 3, 2)]);
    std::thread::sleep(Duration::from_millis(300));
    vectors.lock().unwrap().remove("d");
    front.told();
    server.lists(&[("c", 2, 9)]);
    front.wait_until("it is found", |front| !front.told().is_empty());
    assert_eq!(closest(), ["b", "c"], "whatever came another way");
    // Too many to be kept: it is asked for by the index, which the stand-in has not.
    server.lists(&[("c", 5, 10)]);
    front.wait_until("it is listed", |front| {
        front
            .store
            .search("c", &[1.0, 0.0, 0.0, 0.0], 2, Fields::NONE)
            .is_err()
    });
}

#[test]
fn a_scan_goes_on_where_documents_are_gone_and_says_when_it_cannot() {
    let ids = Arc::new(Mutex::new(
        (0..12_000).map(|n| format!("d{n}")).collect::<Vec<_>>(),
    ));
    let stored = Arc::clone(&ids);
    let (_server, front) = stand_in(move |asked| {
        let stored = stored.lock().unwrap();
        let body = asked.json();
        let point = |id: &str| json!({"id": id, "vector": [], "payload": null});
        match asked.path.as_str() {
            // As Vectorizer does it: from the beginning where there is no such document.
            "/qdrant/collections/c/points/scroll" => {
                let limit = usize::try_from(body["limit"].as_u64().unwrap()).unwrap();
                let from = stored
                    .iter()
                    .position(|id| body["offset"] == id.as_str())
                    .unwrap_or(0);
                let page: Vec<Value> = stored.iter().skip(from).take(limit).map(|id| point(id)).collect();
                let next = (from + limit < stored.len()).then(|| page.last().unwrap()["id"].clone());
                Some(result(json!({"points": page, "next_page_offset": next})))
            }
            "/qdrant/collections/c/points" => {
                let wanted = body["ids"].as_array().unwrap().iter().filter_map(Value::as_str);
                let there: Vec<Value> = wanted
                    .filter(|id| stored.iter().any(|s| s == id))
                    .map(point)
                    .collect();
                Some(result(there.into()))
            }
            _ => None,
        }
    });
    let store = &front.store;
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = store.scan("c", cursor.as_deref(), 700, Fields::NONE).unwrap();
        seen.extend(page.documents.into_iter().map(|document| document.id));
        // The last three of each page go.
        let gone = seen.split_off(seen.len() - 3);
        ids.lock().unwrap().retain(|id| !gone.contains(id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, *ids.lock().unwrap(), "each that stayed came once, in order");

    let page = store.scan("c", None, 700, Fields::NONE).unwrap();
    ids.lock().unwrap().clear();
    // What was scrolled ahead is gone as well.
    let next = store.scan("c", page.next.as_deref(), 700, Fields::NONE).unwrap();
    assert!(next.documents.is_empty());
    let lost = store.scan("c", Some(r#"["x","y"]"#), 700, Fields::NONE);
    assert!(matches!(lost, Err(StoreError::Invalid(_))));
    assert!(matches!(
        store.scan("c", Some("no cursor"), 1, Fields::NONE),
        Err(StoreError::Invalid(_))
    ));
}

#[test]
fn a_collection_that_is_not_shown_to_scans_is_not_taken_for_empty() {
    let server = StandIn::start();
    server.lists(&[("c", 7, 1)]);
    let front = Front::with(server.address, &json!({"exact_up_to": 10}), |_| {
        axum::Router::new()
    });
    server.answers(|asked| match asked.path.as_str() {
        "/qdrant/collections/c/points/scroll" => Some(result(json!({"points": []}))),
        "/qdrant/collections/c/points/count" => Some(result(json!({"count": 7}))),
        "/qdrant/collections/c/points/search" => Some(result(json!([{"id": "a", "score": 0.5}]))),
        _ => None,
    });
    let hits = front
        .store
        .search("c", &[1.0, 0.0, 0.0, 0.0], 1, Fields::NONE)
        .unwrap();
    assert_eq!(hits[0].document.id, "a", "by the index");
    let scanned = front.store.scan("c", None, 10, Fields::NONE);
    assert!(matches!(scanned, Err(StoreError::Unavailable(reason)) if reason.contains("7 documents")));
}
