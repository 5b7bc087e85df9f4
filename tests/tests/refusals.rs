//! Plugin files and configurations that the real host must refuse, with the reason, and go on or not as it should.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

/// Where the plugin's file of a host is made unusable.
type Damage = fn(&HostFolder);

fn host(folder: &tempfile::TempDir) -> HostFolder {
    let section = json!({"nexus_url": "http://127.0.0.1:9"});
    HostFolder::new(
        folder.path(),
        &Artifacts::of(Profile::Dev),
        0,
        &json!({}),
        &section,
    )
    .unwrap()
}

/// Replaces bytes of the plugin's handshake record, which begins with its magic.
fn patch(host: &HostFolder, at: usize, value: &[u8]) {
    let mut image = fs::read(host.plugin()).unwrap();
    let record = image
        .windows(16)
        .position(|window| window == b"VECTORIZERPLUGIN")
        .unwrap();
    image[record + at..record + at + value.len()].copy_from_slice(value);
    fs::write(host.plugin(), image).unwrap();
}

#[test]
fn an_unusable_plugin_file_is_refused_with_its_reason_and_the_host_runs_on() {
    let cases: [(&str, Damage, &[&str]); 8] = [
        (
            "missing",
            |host| fs::remove_file(host.plugin()).unwrap(),
            &["No such file"],
        ),
        (
            "empty",
            |host| fs::write(host.plugin(), b"").unwrap(),
            &["not a shared library"],
        ),
        (
            "truncated",
            |host| {
                let image = fs::read(host.plugin()).unwrap();
                fs::write(host.plugin(), &image[..image.len() / 2]).unwrap();
            },
            &["not a shared library"],
        ),
        (
            "foreign",
            |host| {
                fs::copy(Artifacts::of(Profile::Dev).nexus_dev(), host.plugin()).unwrap();
            },
            &["not a plugin"],
        ),
        (
            "of another name",
            |host| {
                fs::copy(Artifacts::of(Profile::Dev).probe_plugin(), host.plugin()).unwrap();
            },
            &["'probe'", "'nexus'"],
        ),
        (
            "for another API",
            |host| patch(host, 16, &[9, 0]),
            &["host has 1.0, plugin needs 9.0", "upgrade the host"],
        ),
        (
            "built with panic=abort",
            |host| patch(host, 64, b"abort\0"),
            &["panic strategy: host is unwind, plugin is abort"],
        ),
        (
            "writable by the group",
            |host| fs::set_permissions(host.plugin(), fs::Permissions::from_mode(0o664)).unwrap(),
            &["mode 0664 lets the group write", "chmod"],
        ),
    ];
    for (name, damage, reasons) in cases {
        let folder = tempfile::tempdir().unwrap();
        let host = host(&folder);
        damage(&host);
        let server = host.start().unwrap();
        let client = Vectorizer::new(&server.url);
        client.create("c", 2, "Cosine").unwrap();
        client
            .insert("c", &[("a".into(), vec![1.0, 0.0], Value::Null)])
            .unwrap();
        let plugins = client.call("GET", "/api/v1/plugins", None).unwrap();
        let plugin = &plugins["plugins"][0];
        assert_eq!(plugin["state"], "declared", "{name}: {plugin}");
        for reason in reasons {
            assert!(
                plugin["reason"].as_str().unwrap().contains(reason),
                "{name}: {plugin}"
            );
        }
        assert!(
            client
                .metrics()
                .unwrap()
                .contains("vectorizer_plugin_state{plugin=\"nexus\",state=\"declared\"} 1")
        );
        assert_eq!(
            client.send("GET", "/api/v1/sync/nexus/status", None).unwrap().0,
            404,
            "{name}"
        );
        assert!(server.stop().unwrap().success(), "{name}");
    }
}

#[test]
fn with_fail_open_off_the_host_does_not_start_without_its_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(host.config()).unwrap()).unwrap();
    config["plugins"]["fail_open"] = json!(false);
    host.write(&config).unwrap();
    fs::remove_file(host.plugin()).unwrap();
    let output = host.command().output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("plugins.fail_open"));
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start_naming_the_key() {
    let cases = [
        (
            "nexus_integration.similarity.treshold",
            json!({"nexus_integration": {"similarity": {"treshold": 1}}}),
        ),
        (
            "nexus_integration.nexus_url",
            json!({"nexus_integration": {"nexus_url": "not an address"}}),
        ),
        (
            "nexus_integration.nexus_url",
            json!({"nexus_integration": {"nexus_url": "ftp://h"}}),
        ),
        (
            "nexus_integration.similarity.threshold.cosine",
            json!({"nexus_integration": {"similarity": {"threshold": {"cosine": 1.5}}}}),
        ),
        (
            "nexus_integration.api_key",
            json!({"nexus_integration": {"api_key": "${SURELY_NOT_SET}"}}),
        ),
        ("plugins.enabeld", json!({"plugins": {"enabeld": []}})),
        ("server.bnd", json!({"server": {"bnd": 1}})),
        ("nexus_integraton", json!({"nexus_integraton": {}})),
    ];
    for (key, change) in cases {
        let folder = tempfile::tempdir().unwrap();
        let host = host(&folder);
        let mut config: Value = serde_json::from_str(&fs::read_to_string(host.config()).unwrap()).unwrap();
        for (section, values) in change.as_object().unwrap() {
            if config[section].is_null() {
                config[section] = json!({});
            }
            for (name, value) in values.as_object().unwrap() {
                config[section][name] = value.clone();
            }
        }
        host.write(&config).unwrap();
        let output = host.command().arg("--check").output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{key} was taken");
        assert!(message.contains(key), "{key} is not named in: {message}");
    }
}

#[test]
fn all_faults_are_told_at_once_those_of_the_plugin_too() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(&folder);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(host.config()).unwrap()).unwrap();
    config["server"]["bind"] = json!("0.0.0.0:0");
    config["server"]["max_body_byts"] = json!(1);
    config["nexus_integration"] = json!({
        "nexus_url": "http://user:topsecret@127.0.0.1:9",
        "similarity": {"top_k": 0},
        "connection": {"pool_size": 0},
    });
    config["surplus"] = json!({});
    host.write(&config).unwrap();
    for arguments in [&["--check"][..], &[]] {
        let output = host.command().args(arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        for key in [
            "server.bind: 0.0.0.0:0",
            "server.max_body_byts: ",
            "nexus_integration.nexus_url: must not hold credentials; use api_key",
            "nexus_integration.similarity.top_k: 0",
            "nexus_integration.connection.pool_size: 0",
            "surplus: unknown section",
        ] {
            let lines = message.lines().filter(|line| line.starts_with(key)).count();
            assert_eq!(lines, 1, "{key} has no line in: {message}");
        }
        assert!(!message.contains("topsecret"), "{message}");
    }
}

#[test]
fn a_secret_stands_in_no_log_error_or_metric() {
    let folder = tempfile::tempdir().unwrap();
    let section = json!({"nexus_url": "http://127.0.0.1:9", "api_key": "${TEST_NEXUS_KEY}"});
    let host = HostFolder::new(
        folder.path(),
        &Artifacts::of(Profile::Dev),
        0,
        &json!({}),
        &section,
    )
    .unwrap();
    let mut command = host.command();
    command
        .env("TEST_NEXUS_KEY", "topsecret")
        .env("RUST_LOG", "trace");
    let server = vectorizer_tests::process::Server::start(
        "vectorizer-host",
        &mut command,
        &folder.path().join("host.log"),
    )
    .unwrap();
    let client = Vectorizer::new(&server.url);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let seen = [
        client.metrics().unwrap(),
        client.status().unwrap().to_string(),
        client.call("GET", "/api/v1/plugins", None).unwrap().to_string(),
        server.log(),
    ];
    for text in seen {
        assert!(!text.contains("topsecret"));
    }
    server.stop().unwrap();
}
