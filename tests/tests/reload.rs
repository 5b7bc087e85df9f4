//! A running host takes its configuration file over again, by request and at SIGHUP, with a plugin that says what it was given.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::time::Duration;

use serde_json::{Value, json};
use setup::artifacts;
use sha2::{Digest, Sha256};
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::upstream;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

const RELOAD: &str = "/api/v1/plugins/reload";

/// A host with the probe, and its configuration.
struct Probed {
    _folder: tempfile::TempDir,
    host: HostFolder,
    config: Value,
}

impl Probed {
    /// `server` adds to the server's section, `probe` is the plugin's.
    fn new(server: &Value, probe: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nexus = json!({"nexus_url": "http://127.0.0.1:9"});
        let host = HostFolder::new(folder.path(), &artifacts(), 0, server, &nexus).unwrap();
        let plugin = artifacts().probe_plugin();
        artifacts().install(&plugin, "probe", folder.path()).unwrap();
        let config = std::fs::read_to_string(host.config()).unwrap();
        let mut probed = Self {
            _folder: folder,
            host,
            config: serde_json::from_str(&config).unwrap(),
        };
        probed.change(|config| {
            config["plugins"]["enabled"] = json!(["probe"]);
            config["probe"] = probe.clone();
        });
        probed
    }

    fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        self.host.write(&self.config).unwrap();
    }

    fn start(&self) -> (Server, Vectorizer) {
        let server = self.host.start().unwrap();
        let client = Vectorizer::new(&server.url);
        (server, client)
    }
}

/// What the probe was given, as `begun` and `done` with what it was told to wait.
fn given(client: &Vectorizer) -> Vec<(String, u64)> {
    let answer = client.call("GET", "/probe", None).unwrap();
    let seen = answer["seen"].as_array().unwrap().iter();
    let reloads = seen.filter(|seen| seen["in"] == "reload");
    let step = |seen: &Value| {
        let (name, delay) = ["begun", "done"]
            .into_iter()
            .find_map(|name| Some((name, seen[name].as_u64()?)))
            .unwrap();
        (name.to_owned(), delay)
    };
    reloads.map(step).collect()
}

fn steps(delays: &[u64]) -> Vec<(String, u64)> {
    let both = |delay: &u64| [("begun".to_owned(), *delay), ("done".to_owned(), *delay)];
    delays.iter().flat_map(both).collect()
}

#[test]
fn a_running_plugin_gets_its_section_and_says_what_becomes_of_it() {
    let mut probed = Probed::new(&json!({}), &json!({}));
    let (server, client) = probed.start();
    let reload = |probed: &mut Probed, section: Value| {
        probed.change(|config| config["probe"] = section);
        client.call("POST", RELOAD, Some(&json!({}))).unwrap()
    };

    assert_eq!(
        reload(&mut probed, json!({"reload_delay_ms": 1})),
        json!({"plugins": [{"name": "probe", "state": "applied", "reason": ""}], "restart_needed": []})
    );
    assert_eq!(given(&client), steps(&[1]));

    let refused = reload(&mut probed, json!({"reload_delay_m": 2}))["plugins"][0].take();
    assert_eq!(refused["state"], "refused");
    assert!(
        refused["reason"].as_str().unwrap().contains("reload_delay_m"),
        "{refused}"
    );

    let unsupported = reload(&mut probed, json!({"restart_only": true}))["plugins"][0].take();
    assert_eq!(
        (&unsupported["state"], &unsupported["reason"]),
        (&json!("unsupported"), &json!("at a restart only"))
    );

    probed.change(|config| config["plugins"]["settings"] = json!({"probe": {"reload_delay_ms": 3}}));
    let answer = client.call("POST", RELOAD, Some(&json!({}))).unwrap();
    assert_eq!(
        (&answer["plugins"][0]["state"], &answer["restart_needed"]),
        (&json!("applied"), &json!([])),
        "settings are the plugin's section"
    );
    assert_eq!(given(&client), steps(&[1, 3]));
    server.stop().unwrap();
}

#[test]
fn a_wrong_file_reaches_no_plugin() {
    let mut probed = Probed::new(&json!({}), &json!({}));
    let (server, client) = probed.start();
    for (key, change) in [
        ("server.bnd", json!({"server": {"bnd": 1}})),
        ("plugins.fail_open", json!({"plugins": {"fail_open": 1}})),
        ("prob", json!({"prob": {}})),
        (
            "probe.metrics",
            json!({"probe": {"metrics": "${SURELY_NOT_SET}"}}),
        ),
    ] {
        let right = probed.config.clone();
        probed.change(|config| {
            for (section, values) in change.as_object().unwrap() {
                let mut changed = config[section].as_object().cloned().unwrap_or_default();
                changed.extend(values.as_object().unwrap().clone());
                config[section] = Value::Object(changed);
            }
        });
        let (status, answer) = client.send("POST", RELOAD, Some(&json!({}))).unwrap();
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("validation_error")),
            "{answer}"
        );
        assert!(
            answer["message"].as_str().unwrap().contains(key),
            "{key}: {answer}"
        );
        probed.change(|config| *config = right);
    }
    assert_eq!(given(&client), []);
    server.stop().unwrap();
}

#[test]
fn a_plugin_that_cannot_take_it_is_told_of_and_the_host_serves_on() {
    let mut probed = Probed::new(&json!({}), &json!({"panic_in": ["reload"]}));
    probed.change(|config| config["plugins"]["enabled"] = json!(["probe", "absent"]));
    let (server, client) = probed.start();
    for reason in ["the probe panics in reload", "the plugin 'probe' is faulted"] {
        let answer = client.call("POST", RELOAD, Some(&json!({}))).unwrap();
        let probe = &answer["plugins"][0];
        assert_eq!(probe["state"], "refused");
        assert!(probe["reason"].as_str().unwrap().contains(reason), "{probe}");
        let absent = &answer["plugins"][1];
        assert_eq!(absent["reason"], "the plugin 'absent' is declared");
    }
    assert_eq!(client.send("GET", "/health", None).unwrap().0, 200);

    probed.change(|config| config["plugins"]["enabled"] = json!([]));
    let (status, answer) = client.send("POST", RELOAD, Some(&json!({}))).unwrap();
    // Nobody reads the section of a plugin that is not enabled: the host would not start with this file.
    assert_eq!(
        (status, &answer["details"]["faults"][0]["key"]),
        (400, &json!("probe"))
    );
    probed.change(|config| drop(config.as_object_mut().unwrap().remove("probe")));
    let answer = client.call("POST", RELOAD, Some(&json!({}))).unwrap();
    assert_eq!(answer["plugins"][0]["state"], "unsupported");
    assert_eq!(answer["restart_needed"], json!(["plugins.enabled"]));
    server.stop().unwrap();
}

#[test]
fn reloads_happen_one_after_the_other() {
    let mut probed = Probed::new(&json!({}), &json!({}));
    let (server, client) = probed.start();
    probed.change(|config| config["probe"] = json!({"reload_delay_ms": 200}));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| client.call("POST", RELOAD, Some(&json!({}))).unwrap());
        }
    });
    assert_eq!(given(&client), steps(&[200, 200, 200]));
    server.stop().unwrap();
}

#[test]
fn at_a_hangup_the_file_is_read_again() {
    let mut probed = Probed::new(&json!({}), &json!({}));
    let (server, client) = probed.start();
    let logged = |text: &str| {
        wait_until(&format!("{text:?} is logged"), Duration::from_secs(30), || {
            Ok(server.log().contains(text))
        })
        .unwrap();
    };
    probed.change(|config| {
        config["probe"] = json!({"reload_delay_ms": 5, "metrics": "topsecret"});
        config["server"]["max_body_bytes"] = json!(1_000_000);
    });
    server.hang_up();
    logged("configuration read again");
    assert_eq!(given(&client), steps(&[5]));
    logged("restart_needed=\"server.max_body_bytes\"");

    probed.change(|config| config["server"]["bnd"] = json!("topsecret"));
    server.hang_up();
    logged("server.bnd");
    assert_eq!(given(&client), steps(&[5]), "a wrong file changes nothing");
    assert!(!server.log().contains("topsecret"), "{}", server.log());
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_plugin_is_told_the_name_of_a_caller_and_not_its_key() {
    let name = |server: &Server, key: Option<&str>| {
        let mut request = ureq::get(format!("{}/probe", server.url));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let answer: Value = request.call().unwrap().body_mut().read_json().unwrap();
        assert!(!answer.to_string().contains("-key"), "{answer}");
        (answer["role"].clone(), answer["name"].clone())
    };
    let told = |role: &str, name: &str| (json!(role), json!(name));

    let probed = Probed::new(
        &json!({"api_key": "root-key", "user_api_keys": ["user-key"]}),
        &json!({}),
    );
    let (server, _) = probed.start();
    let digest: String = Sha256::digest("user-key")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(name(&server, Some("root-key")), told("Admin", "admin"));
    assert_eq!(
        name(&server, Some("user-key")),
        told("User", &format!("user-{}", &digest[..8]))
    );
    assert_eq!(name(&server, Some("wrong-key")), told("Anonymous", ""));
    assert_eq!(name(&server, None), told("Anonymous", ""));
    server.stop().unwrap();

    let probed = Probed::new(&json!({}), &json!({}));
    let (server, _) = probed.start();
    // In front of a Vectorizer nobody is asked who comes to a route that is open to everyone.
    let open = match upstream::is_wanted() {
        true => told("Anonymous", ""),
        false => told("Admin", "local"),
    };
    assert_eq!(name(&server, None), open);
    server.stop().unwrap();
}
