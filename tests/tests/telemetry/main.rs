//! What the plugin tells of its own work: metrics, health, log lines, traces, and what is made of them in `monitoring/`.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod collector;
mod health;
mod metrics;
mod monitoring;
mod promtool;
#[path = "../setup/receiver.rs"]
mod receiver;
#[path = "../setup/mod.rs"]
mod setup;
mod silence;
mod story;

use std::path::Path;

use serde_json::Value;
use setup::Setup;
use vectorizer_tests::process::Server;
use vectorizer_tests::vectorizer::Vectorizer;

/// Starts the host with this filter for its log, one JSON object a line.
fn start(setup: &Setup, filter: &str) -> (Server, Vectorizer) {
    setup::change_config(setup, |config| {
        config["server"]["log"] = serde_json::json!({"format": "json", "filter": filter});
    });
    setup.host()
}

/// The lines of the host's log.
fn lines(setup: &Setup) -> Vec<Value> {
    let text = std::fs::read_to_string(setup.folder.path().join("host.log")).unwrap();
    // The host may be writing the last one.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What is written down in an audit log.
fn audited(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
