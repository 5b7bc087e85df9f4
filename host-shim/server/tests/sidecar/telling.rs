//! What exchanges change is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_plugin_api::model::Op;

use crate::common::Told;
use crate::common::transcript::{Entry, entries};
use crate::front::Front;
use crate::stand_in::{Answer, StandIn};

fn changed(collection: &str, op: Op, ids: &[&str]) -> Told {
    Told::Changed(
        collection.to_owned(),
        op,
        ids.iter().map(|id| (*id).to_owned()).collect(),
    )
}

/// Answers what was recorded, each request in the order in which it came.
fn replays(server: &StandIn, entries: &[Entry]) {
    let left: Mutex<VecDeque<Entry>> = Mutex::new(entries.to_vec().into());
    server.answers(move |asked| {
        let mut left = left.lock().unwrap();
        let at = left
            .iter()
            .position(|entry| asked.is(&entry.method, &entry.path) && asked.json() == entry.body)?;
        let entry = left.remove(at).unwrap();
        Some(Answer::Json(entry.status, entry.response))
    });
}

/// What an exchange of the records changed, as a person reads it out of them.
fn changes_of(entry: &Entry) -> Vec<Told> {
    let answer = &entry.response;
    if entry.status != 200 {
        return Vec::new();
    }
    let ids_of = |key: &str, status: &str| -> Vec<String> {
        let items = answer["results"].as_array().into_iter().flatten();
        items
            .filter(|item| item["status"] == status)
            .flat_map(|item| match &item[key] {
                Value::Array(ids) => ids.clone(),
                id => vec![id.clone()],
            })
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    };
    let collection = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |name: String, op: Op, ids: Vec<String>| match ids.is_empty() {
        true => Vec::new(),
        false => vec![Told::Changed(name, op, ids)],
    };
    let in_path = entry.path.split('/').nth(2).unwrap_or_default().to_owned();
    match entry.op.as_str() {
        "insert_vectors" | "insert_texts" => told(
            collection(&answer["collection"]),
            Op::Upsert,
            ids_of("vector_ids", "ok"),
        ),
        "insert_text" => {
            let ids = answer["vector_ids"].as_array().unwrap().iter();
            let ids = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
            told(collection(&answer["collection"]), Op::Upsert, ids)
        }
        "batch_update" => told(collection(&answer["collection"]), Op::Update, ids_of("id", "ok")),
        "batch_delete" => told(collection(&answer["collection"]), Op::Delete, ids_of("id", "ok")),
        "bulk_update_metadata" => told(in_path, Op::Update, ids_of("id", "updated")),
        "delete_by_filter" => told(in_path, Op::Delete, ids_of("id", "deleted")),
        "delete" => vec![changed(
            &in_path,
            Op::Delete,
            &[entry.path.rsplit('/').next().unwrap()],
        )],
        "delete-qdrant" => vec![changed("c1", Op::Delete, &["q1"])],
        "copy" => told("c2".to_owned(), Op::Upsert, ids_of("id", "ok")),
        "move" => [
            told("c2".to_owned(), Op::Upsert, ids_of("id", "ok")),
            told("c1".to_owned(), Op::Delete, ids_of("id", "ok")),
        ]
        .concat(),
        "rename" => vec![Told::Renamed("c2".to_owned(), "c2b".to_owned())],
        "drop" => vec![Told::Deleted(in_path)],
        "create" if entry.method == "PUT" => {
            vec![Told::Created(entry.path.rsplit('/').next().unwrap().to_owned())]
        }
        "create" => vec![Told::Created(collection(&answer["collection"]))],
        // Told when it is there, see below; the rest are reads, and routes that do nothing.
        _ => Vec::new(),
    }
}

#[test]
fn recorded_exchanges_come_through_whole_and_tell_what_they_changed() {
    let Some(entries) = entries() else { return };
    let server = StandIn::start();
    let front = Front::of(server.address);
    replays(&server, &entries);
    let mut told_of = 0;
    for entry in &entries {
        // It makes the collection, which is known when it is listed.
        if entry.op == "insert_text" {
            server.lists(&[("txt2", 0, 0)]);
            front.wait_until("it is known", |front| {
                let known = front.store.collections().unwrap_or_default();
                known.iter().any(|info| info.name == "txt2")
            });
            front.told();
        }
        if entry.op == "insert_vectors" && entry.body["collection"] == "nope-auto" {
            continue;
        }
        let answer = front.send(&entry.method, &entry.path, &entry.body);
        assert_eq!(
            answer,
            (entry.status, entry.response.clone()),
            "{} {}",
            entry.method,
            entry.path
        );
        let mut told = front.told();
        // Collections that are not listed are found missing, and others found, meanwhile.
        told.retain(|told| !matches!(told, Told::Reset(_)));
        if entry.op == "upsert-qdrant" {
            continue;
        }
        assert_eq!(
            told,
            changes_of(entry),
            "{} {} {}",
            entry.method,
            entry.path,
            entry.body
        );
        told_of += told.len();
        server.lists(&[("c1", 0, 0), ("c2", 0, 0), ("c3", 0, 0), ("txt2", 0, 0)]);
    }
    assert!(told_of > 20, "{told_of} told of");
}

#[test]
fn a_point_that_was_acknowledged_is_told_of_when_it_is_there() {
    let server = StandIn::start();
    server.lists(&[("c", 1, 0)]);
    let front = Front::of(server.address);
    let looks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&looks);
    server.answers(move |asked| {
        if asked.is("PUT", "/qdrant/collections/c/points") {
            return Some(Answer::Json(
                200,
                json!({"status": "acknowledged", "operation_id": null}),
            ));
        }
        if !asked.is("POST", "/qdrant/collections/c/points") {
            return None;
        }
        // First as it was before, then as it is wanted, rounded and tidied up.
        let found = match count.fetch_add(1, Ordering::Relaxed) {
            0 => json!([]),
            1..4 => json!([{"id": "q", "vector": [0.0, 1.0, 0.0, 0.0], "payload": {"t": "old"}}]),
            _ => json!([{"id": "q", "vector": [0.0, 0.0, 0.7098, 0.7059], "payload": {"t": "new"}}]),
        };
        Some(Answer::Json(200, json!({"result": found})))
    });
    let point = json!({"points": [{"id": "q", "vector": [0, 0, 1, 1], "payload": {"t": "new\r\n"}}]});
    let (status, answer) = front.send("PUT", "/qdrant/collections/c/points", &point);
    assert_eq!((status, &answer["status"]), (200, &json!("acknowledged")));
    assert_eq!(front.wait_for(1), [changed("c", Op::Upsert, &["q"])]);
    assert!(
        looks.load(Ordering::Relaxed) >= 5,
        "it was told of before it was there"
    );
}

#[test]
fn a_client_that_leaves_before_the_answer_is_told_of_all_the_same() {
    let server = StandIn::start();
    server.lists(&[("c", 0, 0)]);
    let front = Front::of(server.address);
    server.answers_to("POST", "/insert_vectors", |_| {
        Answer::After(
            Duration::from_millis(300),
            json!({"collection": "c", "results": [{"status": "ok", "vector_ids": ["a"]}]}),
        )
    });
    let body = json!({"collection": "c", "vectors": [{"id": "a", "embedding": [1, 0, 0, 0]}]}).to_string();
    let connection = front.raw(&format!(
        "POST /insert_vectors HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    front.wait_until("it was handed on", |_| !server.asked().is_empty());
    drop(connection);
    assert_eq!(front.wait_for(1), [changed("c", Op::Upsert, &["a"])]);
}

#[test]
fn a_mutation_without_a_whole_answer_is_looked_into() {
    let server = StandIn::start();
    server.lists(&[("c", 3, 1)]);
    let front = Front::of(server.address);
    let delete = json!({"collection": "c", "ids": ["a"]});
    for failure in [500, 502, 0] {
        server.answers_to("POST", "/batch_delete", move |_| match failure {
            0 => Answer::Half(json!({"collection": "c", "results": [{"id": "a", "status": "ok"}]})),
            status => Answer::Json(status, json!({"error_type": "storage_error"})),
        });
        let (status, _) = front.send("POST", "/batch_delete", &delete);
        assert!(status >= 500);
        assert_eq!(front.told(), [changed("c", Op::Delete, &["a"])], "{failure}");
    }
    server.answers_to("POST", "/batch_delete", |_| {
        Answer::Json(429, json!({"error_type": "queue_full"}))
    });
    assert_eq!(front.send("POST", "/batch_delete", &delete).0, 429);
    assert_eq!(front.told(), [], "it was refused");
}

#[test]
fn what_is_written_behind_its_back_is_compared() {
    let server = StandIn::start();
    server.lists(&[("c", 3, 1), ("d", 3, 1)]);
    let front = Front::of(server.address);
    assert_eq!(front.told(), []);
    server.lists(&[("c", 3, 2), ("d", 3, 1), ("e", 1, 1)]);
    let mut told = front.wait_for(3);
    told.sort_by_key(|told| format!("{told:?}"));
    assert_eq!(
        told,
        [
            Told::Created("e".to_owned()),
            Told::Reset("c".to_owned()),
            Told::Reset("e".to_owned()),
        ]
    );
    server.lists(&[("c", 3, 2), ("e", 1, 1)]);
    assert_eq!(front.wait_for(1), [Told::Deleted("d".to_owned())]);
}

#[test]
fn an_upload_makes_its_collection_be_compared_and_a_query_of_graphql_nothing() {
    let server = StandIn::start();
    server.lists(&[("files", 0, 0)]);
    let front = Front::of(server.address);
    server.answers(|asked| match asked.path.as_str() {
        "/files/upload" => Some(Answer::Json(
            200,
            json!({"success": true, "collection_name": "files", "vectors_created": 2}),
        )),
        "/graphql" if asked.json()["query"] == "{ stats }" => Some(Answer::Json(200, json!({"data": {}}))),
        _ => None,
    });
    assert_eq!(
        front.send("POST", "/graphql", &json!({"query": "{ stats }"})).0,
        200
    );
    assert_eq!(front.told(), []);
    assert_eq!(front.send("POST", "/files/upload", &json!("a file")).0, 200);
    assert_eq!(front.wait_for(1), [Told::Reset("files".to_owned())]);
}
