//! Replays the recorded statements of the real server and compares the answers.
//!
//! The recording lies outside the repository, in the folder named by `VZN_SHARED` or beside the work tree; without it
//! the test says so and passes. Compared as the contract's own replay does: rows without order, no internal ids,
//! floats to six digits, and of an error only that there is one. Only `correct` and `slow` entries bind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use support::{send, server};

#[derive(Debug, Deserialize)]
struct Entry {
    statement: String,
    params: Value,
    status: u16,
    response: Value,
    verdict: String,
}

fn recording() -> PathBuf {
    let shared = match std::env::var_os("VZN_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    shared.join("contracts/nexus-transcripts.jsonl")
}

/// A comparable form: no internal ids, floats rounded, whole floats as integers.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !key.starts_with("_nexus"));
            Value::Object(
                kept.map(|(key, value)| (key.clone(), plain(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap();
            if float.fract() == 0.0 {
                json!(float as i64)
            } else {
                json!((float * 1e6).round() / 1e6)
            }
        }
        other => other.clone(),
    }
}

fn rows(response: &Value) -> Vec<String> {
    let mut rows: Vec<_> = response["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| plain(row).to_string())
        .collect();
    rows.sort();
    rows
}

fn has_error(response: &Value) -> bool {
    response["error"].as_str().is_some_and(|error| !error.is_empty())
}

#[tokio::test]
async fn every_binding_entry_of_the_recording_matches() {
    let path = recording();
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("notice: no recording at {}, nothing was compared", path.display());
        return;
    };
    let server = server().await;
    let (mut binding, mut differing) = (0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let entry: Entry = serde_json::from_str(line).unwrap();
        let response = send(server.url(), &entry.statement, entry.params.clone())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let got: Value = response.json().await.unwrap_or_default();
        if !matches!(entry.verdict.as_str(), "correct" | "slow") {
            continue;
        }
        binding += 1;
        let same = status == entry.status
            && has_error(&got) == has_error(&entry.response)
            && rows(&got) == rows(&entry.response);
        if !same {
            differing.push(format!(
                "{}: {}\n  recorded {}\n  got {got}",
                number + 1,
                entry.statement,
                entry.response
            ));
        }
    }
    server.shutdown().await.unwrap();
    assert!(binding > 0, "the recording binds nothing");
    assert!(
        differing.is_empty(),
        "{} of {binding} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}
