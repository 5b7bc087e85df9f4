//! Requests recorded from Vectorizer 3.5, with its answers.

use std::path::PathBuf;

use serde_json::Value;

/// A recorded exchange.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) op: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) status: u16,
    pub(crate) response: Value,
    pub(crate) note: String,
}

/// All of them, in order; `None` where the records are not here.
pub(crate) fn entries() -> Option<Vec<Entry>> {
    let shared = std::env::var_os("VZN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = shared.join("contracts/vectorizer-transcripts.jsonl");
    let Ok(lines) = std::fs::read_to_string(&file) else {
        println!("SKIPPED: no recorded answers (set VZN_SHARED to the folder that has contracts/)");
        return None;
    };
    Some(
        lines
            .lines()
            .map(|line| Entry::read(serde_json::from_str(line).unwrap()))
            .collect(),
    )
}

impl Entry {
    fn read(line: Value) -> Self {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        Self {
            op: text("op"),
            method: text("method"),
            path: text("path"),
            body: line["body"].clone(),
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            response: line["response"].clone(),
            note: text("note"),
        }
    }
}
