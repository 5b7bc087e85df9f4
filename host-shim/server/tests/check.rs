//! `vectorizer-host --check`: what it says of configurations, as a program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::process::Command;

/// Whether the configuration can be served with, and the lines on stderr.
fn check(text: &str) -> (bool, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vectorizer-host"))
        .current_dir(folder.path())
        .args(["--check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries, 1, "a check leaves nothing behind");
    (output.status.success(), said.lines().map(str::to_owned).collect())
}

#[test]
fn a_right_configuration_passes_without_a_word() {
    assert_eq!(
        check("server: {api_key: k, bind: '0.0.0.0:1'}\n"),
        (true, Vec::new())
    );
}

#[test]
fn every_fault_is_a_line_that_begins_with_its_key() {
    let (passed, lines) = check(
        "server: {bind: nowhere, api_key: 5329107, user_api_keys: ['', u, u], max_body_bytes: 0, bnd: 1}\n\
         plugins: {directory: rel, enabled: [nexus, nexus], trusted_keys: [zz], fail_open: perhaps}\n\
         nexus_integraton: {}\nsurplus: 1\n",
    );
    assert!(!passed);
    assert_eq!(
        lines[0],
        "vectorizer-host: the configuration cannot be served with:"
    );
    let mut keys: Vec<&str> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "nexus_integraton",
            "plugins.directory",
            "plugins.enabled[1]",
            "plugins.fail_open",
            "plugins.trusted_keys[0]",
            "server.api_key",
            "server.bind",
            "server.bnd",
            "server.max_body_bytes",
            "server.user_api_keys[0]",
            "server.user_api_keys[2]",
            "surplus",
        ]
    );
    let said = lines.join("\n");
    for part in [
        "\"nowhere\" is no address with a port; allowed are such as 127.0.0.1:15002",
        "\"rel\" is not an absolute path",
        "\"perhaps\", expected a boolean",
        "0 is out of range; allowed is 1 or more",
        "expected one of `bind`, `data_dir`",
        "known are server, plugins, nexus_integration",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(!said.contains("5329107"), "a secret is not shown: {said}");
}

#[test]
fn a_start_refuses_what_the_check_does() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yml"), "server: {bnd: 1}\nsurplus: 1\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vectorizer-host"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.contains("\nserver.bnd: ") && said.contains("\nsurplus: "),
        "{said}"
    );
    assert!(!folder.path().join("data").exists());
}
