//! The recorded statements of the real server, and how answers are compared with them.
//!
//! The recording lies outside the repository, in the folder named by `VZN_SHARED` or beside the work tree. Compared as
//! the contract's own replay does: rows without order, no internal ids, floats to six digits, and of an error only
//! that there is one.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::send;

/// One recorded statement with the answer of the real server.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) statement: String,
    pub(crate) params: Value,
    pub(crate) status: u16,
    pub(crate) response: Value,
    pub(crate) verdict: String,
}

/// Where the recording lies, if it is there.
pub(crate) fn recording() -> PathBuf {
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

/// The rows of an answer, comparable and in a fixed order.
pub(crate) fn rows(response: &Value) -> Vec<String> {
    let mut rows: Vec<_> = response["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| plain(row).to_string())
        .collect();
    rows.sort();
    rows
}

/// Whether an answer reports a failure.
pub(crate) fn has_error(response: &Value) -> bool {
    response["error"].as_str().is_some_and(|error| !error.is_empty())
}

/// Replays the whole recording on a server. Returns how many of the entries that `counts` says were compared, and
/// what differs among them; `None` when there is no recording.
pub(crate) async fn differences(url: &str, counts: impl Fn(&Entry) -> bool) -> Option<(usize, Vec<String>)> {
    let path = recording();
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("notice: no recording at {}, nothing was compared", path.display());
        return None;
    };
    let (mut compared, mut differing) = (0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let entry: Entry = serde_json::from_str(line).unwrap();
        let response = send(url, &entry.statement, entry.params.clone()).await.unwrap();
        let status = response.status().as_u16();
        let got: Value = response.json().await.unwrap_or_default();
        if !counts(&entry) {
            continue;
        }
        compared += 1;
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
    Some((compared, differing))
}
