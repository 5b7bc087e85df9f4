//! A set-up that is all right, and what is told of each way to break it.

use std::fs;

use serde_json::{Value, json};

use super::check::Check;
use super::*;
use crate::plugin_file::tests::{Place, image, mode, record};
use crate::stand_in::{Reply, StandIn, client};

/// A host, a Nexus, a plugin and a configuration; all right until a test changes something.
struct SetUp {
    place: Place,
    host: StandIn,
    nexus: StandIn,
}

fn plugins(state: &str, health: &str) -> Value {
    json!({"plugins": [{
        "name": "nexus", "state": state, "reason": "a reason",
        "handshake": {"version": "9.9.9", "rustc": env!("CARGO_PKG_RUST_VERSION")},
        "health": {"status": health, "reason": "why"},
    }]})
}

fn status() -> Value {
    json!({
        "enabled": true, "paused": null, "dead_letters": 0, "journal": {"failure": null, "bytes": 4_096},
        "nexus": {"url": "http://n/", "state": "ready", "version": "2.5.0", "breaker": {"state": "closed"}},
    })
}

fn capabilities(form: &Value) -> Value {
    json!({"capabilities": {"version": "2.5.0", "operations": [
        {"operation": "upsert_nodes", "required": true, "form": form},
        {"operation": "census", "required": false, "form": null},
    ]}})
}

/// What a healthy host answers, some of it changed.
fn replies(changes: &[(&'static str, Reply)]) -> Vec<(&'static str, Reply)> {
    let mut replies = vec![
        (
            "GET /health",
            Reply::Json(200, json!({"status": "healthy", "version": "1.2.3"})),
        ),
        ("GET /api/v1/plugins", Reply::Json(200, plugins_of_this_rustc())),
        ("GET /api/v1/sync/nexus/status", Reply::Json(200, status())),
        (
            "GET /api/v1/sync/nexus/capabilities",
            Reply::Json(200, capabilities(&json!("unwind_merge"))),
        ),
    ];
    for (line, reply) in changes {
        replies.retain(|(known, _)| known != line);
        replies.push((line, reply.clone()));
    }
    replies
}

fn plugins_of_this_rustc() -> Value {
    let mut value = plugins("started", "healthy");
    let own = vectorizer_plugin_api::handshake::Handshake::own("x", "1");
    value["plugins"][0]["handshake"]["rustc"] = json!(own.rustc);
    value
}

impl SetUp {
    fn with(changes: &[(&'static str, Reply)]) -> Self {
        let health = json!({"status": "healthy", "version": "2.5.0", "uptime_seconds": 7_000});
        let set_up = Self {
            place: Place::with(&image(&record())),
            host: StandIn::of(&replies(changes)),
            nexus: StandIn::of(&[("GET /health", Reply::Json(200, health))]),
        };
        set_up.configure("");
        set_up
    }

    fn configure(&self, more: &str) {
        let (plugins, data) = (self.place.plugins(), self.place.folder.path());
        let text = format!(
            "server: {{data_dir: {}}}\nplugins: {{directory: {}, enabled: [nexus]}}\n\
             nexus_integration:\n  nexus_url: {}\n{more}",
            data.display(),
            plugins.display(),
            self.nexus.url
        );
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.place.folder.path().join("config.yml")
    }

    async fn examine(&self) -> Checkup {
        self.examine_at(&self.host.url).await
    }

    async fn examine_at(&self, url: &str) -> Checkup {
        let options = Options {
            config: Some(self.config()),
            plugin: None,
        };
        let session = Session::quiet(client(url, None));
        examine(&session, &options, Duration::from_secs(2), &|_| None).await
    }
}

fn find<'a>(checkup: &'a Checkup, name: &str) -> &'a Check {
    checkup.checks().iter().find(|check| check.name == name).unwrap()
}

/// Exactly these checks failed or warn.
fn assert_bad(checkup: &Checkup, expected: &[(&str, Outcome)]) {
    let bad: Vec<(&str, Outcome)> = checkup
        .checks()
        .iter()
        .filter(|check| matches!(check.result, Outcome::Failed | Outcome::Warning))
        .map(|check| (check.name, check.result))
        .collect();
    assert_eq!(bad, expected, "{checkup:#?}");
    let advised = |check: &&Check| check.advice.as_ref().is_some_and(|advice| !advice.is_empty());
    for (name, _) in expected {
        assert!(advised(&find(checkup, name)), "{name}");
    }
}

fn assert_skipped(checkup: &Checkup, names: &[&str]) {
    for name in names {
        let check = find(checkup, name);
        assert_eq!(check.result, Outcome::Skipped, "{check:?}");
        assert!(!check.seen.is_empty());
    }
}

#[tokio::test]
async fn a_set_up_that_is_all_right_has_nothing_to_complain_of() {
    let set_up = SetUp::with(&[]);
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[]);
    let names: Vec<&str> = checkup.checks().iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "configuration",
            "plugins section",
            "plugin file",
            "plugin trust",
            "plugin handshake",
            "host",
            "credentials",
            "plugin",
            "sync",
            "nexus",
            "breaker",
            "journal",
            "dead letters",
            "capabilities",
            "nexus directly",
            "clock of the host",
            "clock of nexus",
            "disk space",
        ]
    );
    assert!(
        checkup.checks().iter().all(|check| check.result == Outcome::Ok),
        "{checkup:#?}"
    );
    assert!(find(&checkup, "capabilities").seen.contains("census"));
    // It only looked.
    let asked = set_up.host.asked().into_iter().chain(set_up.nexus.asked());
    for asked in asked {
        assert!(asked.line.starts_with("GET "), "{asked:?}");
    }
}

#[tokio::test]
async fn a_folder_that_everybody_may_write_is_not_trusted() {
    let set_up = SetUp::with(&[]);
    mode(&set_up.place.plugins(), 0o777);
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("plugin trust", Outcome::Failed)]);
    assert!(
        find(&checkup, "plugin trust")
            .seen
            .contains("lets everyone write")
    );
    assert_eq!(find(&checkup, "plugin handshake").result, Outcome::Ok);
}

#[tokio::test]
async fn a_file_that_is_no_plugin_or_another_or_none_is_told() {
    let set_up = SetUp::with(&[]);
    let mut newer = record();
    newer[18] = 9;
    let mut other = record();
    other[144..149].copy_from_slice(b"other");
    for (bytes, words) in [
        (b"#!/bin/sh\n".to_vec(), "not a shared library"),
        (image(&[7; 320]), "magic"),
        (image(&newer), "upgrade the host"),
        (image(&other), "it is the plugin 'other'"),
    ] {
        fs::write(set_up.place.file(), &bytes).unwrap();
        let checkup = set_up.examine().await;
        let check = find(&checkup, "plugin handshake");
        assert_eq!(check.result, Outcome::Failed, "{words}");
        assert!(check.seen.contains(words), "{check:?}");
    }
    fs::remove_file(set_up.place.file()).unwrap();
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("plugin file", Outcome::Failed)]);
    assert_skipped(&checkup, &["plugin trust", "plugin handshake"]);
}

#[tokio::test]
async fn all_faults_of_a_configuration_are_told_and_what_needs_it_is_skipped() {
    let set_up = SetUp::with(&[]);
    set_up.configure("  similarity: {top_k: 0}\n  verify: {sample: 7}\n");
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("configuration", Outcome::Failed)]);
    let seen = &find(&checkup, "configuration").seen;
    assert!(
        seen.contains("similarity.top_k") && seen.contains("verify.sample"),
        "{seen}"
    );
    assert_skipped(&checkup, &["nexus directly", "clock of nexus"]);

    set_up.configure("  api_key: ${SURELY_UNSET_VARIABLE}\n");
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("configuration", Outcome::Warning)]);
    assert!(
        find(&checkup, "configuration")
            .seen
            .contains("SURELY_UNSET_VARIABLE")
    );

    fs::write(set_up.config(), "server: {api_key: s3cret}\nplugins: [\n").unwrap();
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("configuration", Outcome::Failed)]);
    assert_skipped(
        &checkup,
        &[
            "plugins section",
            "plugin file",
            "plugin trust",
            "plugin handshake",
            "disk space",
        ],
    );
    assert!(!format!("{checkup:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_host_that_is_down_leaves_what_it_would_tell_unknown() {
    let set_up = SetUp::with(&[]);
    let checkup = set_up.examine_at("http://127.0.0.1:1").await;
    assert_bad(&checkup, &[("host", Outcome::Failed)]);
    assert_skipped(
        &checkup,
        &[
            "credentials",
            "plugin",
            "sync",
            "nexus",
            "breaker",
            "journal",
            "dead letters",
            "capabilities",
            "clock of the host",
        ],
    );
    assert_eq!(find(&checkup, "nexus directly").result, Outcome::Ok);
}

#[tokio::test]
async fn a_wrong_key_and_a_users_key_are_told_apart() {
    let refuse = |status| Reply::Json(status, json!({"message": "no"}));
    let wrong = SetUp::with(&[
        ("GET /api/v1/plugins", refuse(401)),
        ("GET /api/v1/sync/nexus/status", refuse(401)),
    ]);
    let checkup = wrong.examine().await;
    assert_bad(&checkup, &[("credentials", Outcome::Failed)]);
    assert_skipped(
        &checkup,
        &[
            "plugin",
            "sync",
            "nexus",
            "breaker",
            "dead letters",
            "capabilities",
        ],
    );

    let users = SetUp::with(&[("GET /api/v1/plugins", refuse(403))]);
    let checkup = users.examine().await;
    assert_bad(&checkup, &[("credentials", Outcome::Failed)]);
    assert_skipped(&checkup, &["plugin"]);
    assert_eq!(find(&checkup, "nexus").result, Outcome::Ok);
}

#[tokio::test]
async fn a_plugin_that_is_not_at_work_is_told_with_its_reason() {
    for (answer, result, words) in [
        (json!({"plugins": []}), Outcome::Failed, "does not know"),
        (
            plugins("declared", "healthy"),
            Outcome::Failed,
            "declared: a reason",
        ),
        (plugins("faulted", "healthy"), Outcome::Failed, "faulted"),
        (
            plugins("started", "healthy"),
            Outcome::Warning,
            "the host runs version 9.9.9",
        ),
        (json!({"plugins": 7}), Outcome::Skipped, "does not tell"),
    ] {
        let set_up = SetUp::with(&[("GET /api/v1/plugins", Reply::Json(200, answer))]);
        let checkup = set_up.examine().await;
        let check = find(&checkup, "plugin");
        assert_eq!(check.result, result, "{check:?}");
        assert!(check.seen.contains(words), "{check:?}");
    }
    let mut ill = plugins_of_this_rustc();
    ill["plugins"][0]["health"] = json!({"status": "degraded", "reason": "Nexus is away"});
    let set_up = SetUp::with(&[("GET /api/v1/plugins", Reply::Json(200, ill))]);
    assert_bad(&set_up.examine().await, &[("plugin", Outcome::Warning)]);
}

#[tokio::test]
async fn what_keeps_documents_out_of_the_graph_is_told() {
    let mut ill = status();
    ill["paused"] = json!({"by": "ann"});
    ill["dead_letters"] = json!(3);
    ill["journal"]["failure"] = json!("disk full");
    ill["nexus"] =
        json!({"url": "http://n/", "state": "down", "reason": "refused", "breaker": {"state": "open"}});
    let set_up = SetUp::with(&[
        ("GET /api/v1/sync/nexus/status", Reply::Json(200, ill)),
        (
            "GET /api/v1/sync/nexus/capabilities",
            Reply::Json(200, capabilities(&Value::Null)),
        ),
    ]);
    assert_bad(
        &set_up.examine().await,
        &[
            ("sync", Outcome::Warning),
            ("nexus", Outcome::Failed),
            ("breaker", Outcome::Failed),
            ("journal", Outcome::Failed),
            ("dead letters", Outcome::Warning),
            ("capabilities", Outcome::Failed),
        ],
    );
}

#[tokio::test]
async fn a_host_that_answers_nonsense_is_told_and_nothing_panics() {
    for reply in [
        Reply::Half,
        Reply::Raw(b"\xff\xfe".to_vec()),
        Reply::Json(200, json!([1])),
        Reply::Json(200, json!({"plugins": "\u{1b}", "nexus": 7, "capabilities": []})),
        Reply::Json(500, json!({"message": {}})),
    ] {
        let set_up = SetUp::with(&[]);
        let host = StandIn::start(move |_| reply.clone());
        let checkup = set_up.examine_at(&host.url).await;
        assert_eq!(checkup.verdict(), Outcome::Failed, "{checkup:#?}");
        assert_eq!(checkup.checks().len(), 18);
    }
}

#[tokio::test]
async fn a_nexus_that_is_away_is_told_and_its_clock_is_not_asked() {
    let set_up = SetUp::with(&[]);
    let text = fs::read_to_string(set_up.config()).unwrap();
    fs::write(
        set_up.config(),
        text.replace(&set_up.nexus.url, "http://127.0.0.1:1"),
    )
    .unwrap();
    let checkup = set_up.examine().await;
    assert_bad(&checkup, &[("nexus directly", Outcome::Failed)]);
    assert_skipped(&checkup, &["clock of nexus"]);
}
