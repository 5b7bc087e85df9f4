//! The description of the API says what the API does: Schemathesis makes requests from it, right and wrong ones, and compares the answers
//! with it.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::process::Command;

use serde_json::json;
use setup::{DIMENSION, PATIENCE, Setup, change_config, documents};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::Vectorizer;

/// Left out: `positive_data_acceptance`, since whether there is a collection, a domain or a page to go on from is not a matter of form.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth";

#[test]
fn the_api_does_what_its_description_says() {
    let program = match (
        std::env::var("SCHEMATHESIS"),
        std::env::var("SCHEMATHESIS_MISSING"),
    ) {
        (Ok(program), _) => program,
        (Err(_), Ok(reason)) => {
            eprintln!("notice: not run: {reason}");
            return;
        }
        (Err(_), Err(_)) => panic!("run this with `cargo xtask test`, or name the program in SCHEMATHESIS"),
    };
    let setup = Setup::with(
        Kind::Dev,
        &json!({
            "admin": {"reads_per_second": 0, "changes_per_second": 0},
            "webhooks": {"outbound": {"timeout_ms": 1000}},
        }),
    );
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key")
    });
    let _nexus = setup.nexus();
    let server = setup.host.start().unwrap();
    let filled = Vectorizer::with_key(&server.url, "the-admin-key");
    filled.create("c", DIMENSION, "Cosine").unwrap();
    filled.insert("c", &documents(0..10, "a document")).unwrap();
    filled.settle(PATIENCE).unwrap();

    let output = Command::new(program)
        .current_dir(setup.folder.path())
        .arg("run")
        .arg(format!("{}/api/v1/sync/nexus/openapi.json", server.url))
        .args(["--header", "X-API-Key: the-admin-key"])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "20", "--generation-deterministic"])
        .args([
            "--suppress-health-check",
            "all",
            "--continue-on-failure",
            "--no-color",
        ])
        // Deliveries are signed; what is not is refused before it is read.
        .args(["--exclude-path-regex", "^/webhooks/nexus"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let tail = told.len().saturating_sub(20_000);
    assert!(
        output.status.success(),
        "{}\n{}",
        &told[told.ceil_char_boundary(tail)..],
        String::from_utf8_lossy(&output.stderr)
    );
    // It was there until the end.
    assert!(server.stop().unwrap().success());
}
