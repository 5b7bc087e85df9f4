//! Reading the configuration file again by request: who may, what is refused, what is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::Server;
use serde_json::{Value, json};
use tempfile::TempDir;
use vectorizer_host::audit::Audit;
use vectorizer_host::auth::Access;
use vectorizer_host::reload::{self, Reloader};
use vectorizer_host::settings::{Draft, Said};
use vectorizer_host_shim::PluginHost;

const ROUTE: &str = "/api/v1/plugins/reload";
const KEYED: &str = "server: {api_key: root-key, user_api_keys: [user-key]}\n";

/// A server without plugins, and the folder of its configuration file.
struct Configured {
    folder: TempDir,
    server: Server,
}

impl Configured {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yml");
        std::fs::write(&file, text).unwrap();
        let settings = Draft::read(&file, &Said::default()).unwrap().finish().unwrap();
        let access = Access::from(&settings.server);
        let audit = Audit::open(folder.path()).unwrap();
        let reloader = Reloader::new(
            file,
            Said::default(),
            settings.clone(),
            Arc::new(PluginHost::none()),
            audit,
        );
        let routes = reload::router(&Arc::new(reloader), &access);
        let server = Server::with_routes(&settings.server, routes);
        Self { folder, server }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }

    fn reload(&self, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let (status, text) = self.server.send("POST", ROUTE, headers, body.as_bytes());
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
        (status, answer)
    }
}

fn unchanged() -> Value {
    json!({"plugins": [], "restart_needed": []})
}

#[test]
fn only_the_administrator_may_reload() {
    let configured = Configured::with(KEYED);
    for (headers, status, error_type) in [
        (&[][..], 401, "unauthorized"),
        (&[("x-api-key", "wrong")], 401, "unauthorized"),
        (&[("authorization", "Bearer wrong")], 401, "unauthorized"),
        (&[("x-api-key", "user-key")], 403, "forbidden"),
    ] {
        let (got, answer) = configured.reload(headers, "");
        assert_eq!(
            (got, &answer["error_type"]),
            (status, &json!(error_type)),
            "{headers:?}: {answer}"
        );
    }
    let admin = [("authorization", "Bearer root-key")];
    assert_eq!(configured.reload(&admin, ""), (200, unchanged()));
}

#[test]
fn without_keys_everyone_on_this_machine_may() {
    let configured = Configured::with("");
    for body in ["", "{}"] {
        assert_eq!(configured.reload(&[], body), (200, unchanged()));
    }
}

#[test]
fn a_request_that_asks_for_more_is_refused() {
    let configured = Configured::with("");
    let long = " ".repeat(5000);
    for (body, status, error_type) in [
        ("{\"plugin\": \"nexus\"}", 400, "validation_error"),
        ("[]", 400, "parse_error"),
        ("{", 400, "parse_error"),
        (long.as_str(), 413, "payload_too_large"),
    ] {
        let (got, answer) = configured.reload(&[], body);
        assert_eq!(
            (got, &answer["error_type"]),
            (status, &json!(error_type)),
            "{answer}"
        );
    }
    assert_eq!(configured.server.send("GET", ROUTE, &[], b"").0, 405);
}

#[test]
fn a_file_that_is_wrong_is_refused_with_all_its_faults() {
    let configured = Configured::with("");
    configured.write(
        "server: {api_key: [s3cret], bnd: 1}\nplugins: {directory: /x, enabled: [Nexus]}\nsurplus: 1\n",
    );
    let (status, answer) = configured.reload(&[], "");
    assert_eq!((status, &answer["error_type"]), (400, &json!("validation_error")));
    let faults = answer["details"]["faults"].as_array().unwrap();
    let keys: Vec<&str> = faults
        .iter()
        .map(|fault| fault["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        ["server.api_key", "server.bnd", "plugins.enabled[0]", "surplus"]
    );
    for key in keys {
        assert!(answer["message"].as_str().unwrap().contains(key), "{answer}");
    }
    assert!(!answer.to_string().contains("s3cret"), "{answer}");

    configured.write("");
    assert_eq!(
        configured.reload(&[], ""),
        (200, unchanged()),
        "the next one is taken"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let configured = Configured::with("");
    configured.write("server: {api_key: s3cret\n");
    let (status, answer) = configured.reload(&[], "");
    assert_eq!((status, &answer["error_type"]), (400, &json!("validation_error")));
    assert!(!answer.to_string().contains("s3cret"), "{answer}");

    std::fs::remove_file(configured.file()).unwrap();
    let (status, answer) = configured.reload(&[], "");
    assert_eq!((status, &answer["error_type"]), (400, &json!("validation_error")));
    assert!(
        answer["message"].as_str().unwrap().contains("No such file"),
        "{answer}"
    );
}

#[test]
fn what_needs_a_restart_is_named_without_its_value_and_not_taken_over() {
    let configured = Configured::with(KEYED);
    configured.write(
        "server: {api_key: new-s3cret, user_api_keys: [user-key], max_body_bytes: 77}\nplugins: {fail_open: false}\n",
    );
    let admin = [("x-api-key", "root-key")];
    for _ in 0..2 {
        let (status, answer) = configured.reload(&admin, "");
        assert_eq!(status, 200, "the old key stays in force: {answer}");
        assert_eq!(
            answer["restart_needed"],
            json!(["server.api_key", "server.max_body_bytes", "plugins.fail_open"]),
            "compared with what the server was started with"
        );
        assert!(!answer.to_string().contains("s3cret") && !answer.to_string().contains("77"));
    }
    assert_eq!(configured.reload(&[("x-api-key", "new-s3cret")], "").0, 401);
    configured.write(KEYED);
    assert_eq!(configured.reload(&admin, ""), (200, unchanged()));
}

#[test]
fn reloads_at_the_same_time_are_all_answered() {
    let configured = Configured::with("");
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| configured.reload(&[], "")))
            .collect();
        for request in requests {
            assert_eq!(request.join().unwrap(), (200, unchanged()));
        }
    });
}

#[test]
fn a_file_that_was_replaced_is_read() {
    let configured = Configured::with("");
    let other = configured.folder.path().join("other.yml");
    std::fs::write(&other, "server: {max_body_bytes: 5}\n").unwrap();
    std::fs::rename(&other, configured.file()).unwrap();
    let (_, answer) = configured.reload(&[], "");
    assert_eq!(
        answer["restart_needed"],
        json!(["server.max_body_bytes"]),
        "replaced as editors do"
    );
}
