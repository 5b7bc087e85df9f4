//! Replays the requests recorded from Vectorizer 3.5 and compares the answers.
//!
//! Entries that were recorded as broken, as a mock, or as doing nothing must do the right thing instead; what
//! that is stands in `better`. The rest must match, except for what is listed in `comparable`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::Server;
use common::transcript::{Entry, entries};
use serde_json::{Value, json};

/// Fields whose values are of the server, the moment, or its storage; they must be there all the same.
const VOLATILE: [&str; 14] = [
    "timestamp",
    "version",
    "cache",
    "created_at",
    "updated_at",
    "start_time",
    "end_time",
    "vector_count_history",
    // No quantisation here, and another sum of bytes.
    "quantization",
    "index",
    "index_bytes",
    "total",
    "total_bytes",
    "indexing_status",
];

fn is_uuid(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|s| s.len() == 36 && s.bytes().filter(|b| *b == b'-').count() == 4)
}

/// What of an answer can be compared: volatile values and UUIDs blanked, rows in an order of their own.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| {
                    // The `total` of a list and the `index` of an entry are counts, those of a size are text.
                    let counts = ["total", "index"].contains(&key.as_str()) && value.is_u64();
                    let blank = VOLATILE.contains(&key.as_str()) && !counts;
                    (
                        key.clone(),
                        if blank {
                            json!("<volatile>")
                        } else {
                            comparable(value)
                        },
                    )
                })
                .collect(),
        ),
        Value::Array(rows) => {
            let mut rows: Vec<Value> = rows.iter().map(comparable).collect();
            if rows.iter().all(Value::is_object) {
                rows.sort_by_key(|row| row["id"].to_string() + &row["index"].to_string());
            }
            Value::Array(rows)
        }
        uuid if is_uuid(uuid) => json!("<uuid>"),
        // The vectoriser has another name here.
        Value::String(text) => Value::String(text.replace("bm25", "hashing")),
        other => other.clone(),
    }
}

/// Equal, but for noise in floating point numbers.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(a), Value::Number(b)) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-2,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether the recorded answer is one that must not be imitated; if so, it was checked here.
fn better(server: &Server, entry: &Entry, status: u16, answer: &Value) -> bool {
    match entry.op.as_str() {
        "get-mock" => {
            assert_eq!(status, 200);
            assert_eq!(
                answer["vector"],
                json!([1.0, 0.0, 0.0, 0.0]),
                "the stored vector, not a mock"
            );
            assert_eq!(answer["payload"], json!({"title": "A again"}));
            assert_eq!(server.get("/collections/c1/vectors/missing").0, 404);
        }
        "get-broken" => {
            assert_eq!(status, 200);
            assert_eq!(
                (&answer["id"], &answer["payload"]["title"]),
                (&json!("a"), &json!("A again"))
            );
        }
        "update-noop" => {
            // Text cannot become a vector of four components: an error, and nothing changed.
            assert_eq!(
                (status, &answer["error_type"]),
                (400, &json!("provider_dimension_mismatch"))
            );
            let (_, kept) = server.get("/collections/c1/vectors/a");
            assert_eq!(kept["vector"], json!([1.0, 0.0, 0.0, 0.0]));
        }
        "upsert-qdrant" => {
            // Stored before it is acknowledged; the entry after this one reads it back.
            assert_eq!(status, 200);
            assert_eq!(
                server
                    .store
                    .get_one("c1", "q1", vectorizer_plugin_api::model::Fields::NONE)
                    .unwrap()
                    .id,
                "q1"
            );
            return false;
        }
        _ => {
            assert!(
                !entry.note.contains("MOCK") && !entry.note.contains("broken"),
                "{}",
                entry.note
            );
            return false;
        }
    }
    true
}

/// What is extra in our answers, with leave: nothing but these fields.
fn without_extras(entry: &Entry, mut answer: Value) -> Value {
    if entry.op == "health" {
        for extra in ["indexed", "overall", "plugins"] {
            answer.as_object_mut().unwrap().remove(extra);
        }
    }
    answer
}

/// The recording names collections of other work on that server.
fn only_recorded_collections(entry: &Entry, response: &Value) -> Value {
    if entry.op != "collections" {
        return response.clone();
    }
    let ours = ["c1", "c2", "c3", "nope-auto", "txt2"];
    let kept: Vec<Value> = response["collections"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| ours.contains(&c["name"].as_str().unwrap()))
        .cloned()
        .collect();
    json!({"total_collections": kept.len(), "collections": kept})
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    let Some(entries) = entries() else { return };
    assert_eq!(entries.len(), 47);
    let server = Server::start();
    let mut failures = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let (status, answer) = server.call(&entry.method, &entry.path, &entry.body);
        if better(&server, entry, status, &answer) {
            continue;
        }
        let expected = comparable(&only_recorded_collections(entry, &entry.response));
        let actual = comparable(&without_extras(entry, answer));
        if status != entry.status || !same(&expected, &actual) {
            failures.push(format!(
                "{} {} {} ({})\n expected {} {expected}\n actual   {status} {actual}",
                number + 1,
                entry.method,
                entry.path,
                entry.op,
                entry.status,
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        entries.len(),
        failures.join("\n")
    );
}
