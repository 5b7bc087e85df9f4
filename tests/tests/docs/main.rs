//! Documents that are made from the code are what the code says now.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod configuration;

use std::fs;
use std::path::Path;

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
        "| `top_k` | integer, 1 to 1000 | Most outgoing edges of a document. Default 10. |",
        "`nexus_integration.webhooks.outbound`",
        "`interval`, `group`, `none`",
    ] {
        assert!(made.contains(part), "{part}");
    }
}
