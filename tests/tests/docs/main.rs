//! Documents that are made from the code are what the code says now.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod configuration;
mod examples;
mod metrics;
#[path = "../setup/mod.rs"]
mod setup;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::HostFolder;

/// Where this is set, the documents are written instead.
const WRITE: &str = "WRITE_DOCS";

fn check(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    // Not `assert_eq`, which would print both.
    assert!(
        there == made,
        "docs/{name} is out of date: run `cargo xtask docs`"
    );
}

#[test]
fn the_reference_of_the_configuration_is_what_the_code_says() {
    let made = configuration::reference();
    check("configuration.md", &made);
    // Of each kind of fact one.
    for part in [
        "| `top_k` | integer, 1 to 1000 | at once | Most outgoing edges of a document. Default 10. |",
        "`nexus_integration.webhooks.outbound`",
        "`interval`, `group`, `none`",
        "| `NEXUS_SYNC_ENABLED` | `enabled` |",
        "| `batch_size` | integer, 1 to 5000 | restart |",
    ] {
        assert!(made.contains(part), "{part}");
    }
}

#[test]
fn the_reference_of_metrics_is_what_is_registered() {
    let made = metrics::reference();
    check("metrics.md", &made);
    for part in [
        "| `vectorizer_nexus_sync_total{collection,status}` | counter |",
        "| `vectorizer_nexus_lag_seconds` | histogram |",
        "| `vectorizer_plugin_state{plugin,state}` | gauge |",
        "| `vectorizer_documents` | gauge |",
    ] {
        assert!(made.contains(part), "{part}");
    }
}

/// Runs the examples of a document on a host with these settings and a graph of its own.
fn try_out(name: &str, more: &Value) {
    // What they print is what a host with a store of its own answers, to the letter.
    let setup = setup::Setup::alone(Kind::Dev, more);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.settle(setup::PATIENCE).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let addresses = [
        ("http://127.0.0.1:15002", server.url.as_str()),
        ("http://127.0.0.1:15474", setup.nexus_url.as_str()),
    ];
    let wrong = examples::run(&fs::read_to_string(path).unwrap(), &addresses);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(server.stop().unwrap().success());
}

#[test]
fn the_examples_of_the_guide_to_the_api_do_what_they_show() {
    try_out("api.md", &json!({}));
}

#[test]
fn the_quick_start_leads_to_a_synced_graph() {
    try_out(
        "quick-start.md",
        &json!({"similarity": {"threshold": {"cosine": 0.3}}}),
    );
}

#[test]
fn the_example_configurations_can_be_served_with() {
    let artifacts = Artifacts::of(Profile::Dev);
    assert!(
        artifacts.plugin().exists(),
        "run the tests with: cargo xtask test"
    );
    for name in [
        "development.yml",
        "production.yml",
        "sidecar.yml",
        "compose/config.yml",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let host =
            HostFolder::in_front_of(None, folder.path(), &artifacts, 0, &json!({}), &json!({})).unwrap();
        let written = fs::read_to_string(host.config()).unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        let plugins = written["plugins"]["directory"].as_str().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
        let mut text = fs::read_to_string(path).unwrap();
        for (there, here) in [
            ("/usr/lib/vectorizer/plugins", plugins),
            ("/tmp/vectorizer/plugins", plugins),
            ("/var/lib/vectorizer", folder.path().to_str().unwrap()),
            ("/tmp/vectorizer", folder.path().to_str().unwrap()),
        ] {
            text = text.replace(there, here);
        }
        fs::write(host.config(), text).unwrap();
        let output = host
            .command()
            .arg("--check")
            .env("VECTORIZER_API_KEY", "administrators-key")
            .env("VECTORIZER_USER_KEY", "users-key")
            .env("VECTORIZER_PASSWORD", "password")
            .env("NEXUS_API_KEY", "nexus-key")
            .env(
                "NEXUS_WEBHOOK_SECRET",
                "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            )
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {message}");
    }
}
