//! `doctor`, `status`, `report` and who is let in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;

use crate::program::{Cli, filled};
use crate::setup::{PATIENCE, Setup, change_config};

#[test]
fn a_healthy_set_up_passes_every_check_and_a_broken_one_says_what_is_wrong() {
    let setup = Setup::new(Kind::Dev);
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 20);
    let cli = Cli::new(&server.url);
    let config = setup.host.config();
    let doctor = ["doctor", "--config", config.to_str().unwrap()];

    let healthy = cli.json(&doctor, 0);
    let checks = healthy["checks"].as_array().unwrap();
    let result = |checks: &[Value], name: &str| {
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("{name}: {checks:?}"))["result"].clone()
    };
    for check in checks {
        // The disk is whoever's machine it is.
        assert!(
            check["result"] == "ok" || check["name"] == "disk space",
            "{check}"
        );
    }
    let text = cli.run(&doctor).ended(0).out;
    assert!(
        text.contains("plugin trust") && text.contains("0 failed"),
        "{text}"
    );

    let plugins = setup.host.plugin().parent().unwrap().to_owned();
    fs::set_permissions(&plugins, fs::Permissions::from_mode(0o777)).unwrap();
    change_config(&setup, |config| {
        config["nexus_integration"]["similarity"]["top_k"] = json!(0)
    });
    nexus.stop();
    wait_until("the host sees that Nexus is gone", PATIENCE, || {
        Ok(client.status()?["nexus"]["state"] == "down")
    })
    .unwrap();
    let broken = cli.json(&doctor, 1);
    let checks = broken["checks"].as_array().unwrap();
    for (name, expected) in [
        ("configuration", "failed"),
        ("plugin trust", "failed"),
        ("nexus", "failed"),
        ("nexus directly", "skipped"),
        ("plugin handshake", "ok"),
        ("host", "ok"),
    ] {
        assert_eq!(result(checks, name), expected, "{name}: {checks:#?}");
    }
    assert!(server.stop().unwrap().success());
    let checks = cli.json(&doctor, 1);
    let checks = checks["checks"].as_array().unwrap();
    assert_eq!(
        (result(checks, "host"), result(checks, "sync")),
        (json!("failed"), json!("skipped"))
    );
    cli.run(&["status"]).ended(3);
    cli.run(&["report"]).ended(3);
}

#[test]
fn the_status_and_the_report_say_what_is_and_hold_no_secret() {
    let setup = Setup::with(Kind::Dev, &json!({"api_key": "nx_topsecret"}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 20);
    let cli = Cli::new(&server.url);

    let status = cli.json(&["status"], 0);
    assert_eq!(
        (&status["total_synced"], &status["nexus"]["state"]),
        (&json!(20), &json!("ready"))
    );
    let text = cli.run(&["status"]).ended(0).out;
    assert!(
        text.starts_with("enabled\nNexus ready at ") && text.contains("synced        20\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");

    let report = cli.run(&["report", "--json"]).ended(0);
    let all = report.json();
    for part in [
        "nexus_sync",
        "health",
        "plugins",
        "status",
        "capabilities",
        "config",
        "jobs",
        "dead_letters",
    ] {
        assert!(all[part].is_object(), "{part}: {all:#}");
    }
    let human = cli.run(&["report", "--human"]).ended(0).out;
    assert!(
        human.contains("== capabilities\n") && human.contains("upsert_nodes: "),
        "{human}"
    );
    for text in [report.out, human] {
        assert!(!text.contains("nx_topsecret"), "{text}");
    }
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_key_comes_from_a_file_or_the_environment_and_is_never_told() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("administrators-key");
        config["server"]["user_api_keys"] = json!(["users-key"]);
    });
    let server = setup.host.start().unwrap();
    let url = &server.url;
    for (key, code) in [("wrong-key", 4), ("users-key", 4), ("administrators-key", 0)] {
        let ran = Cli::with_key(url, key)
            .run(&["dead-letters", "replay"])
            .ended(code);
        assert!(!format!("{ran:?}").contains(key), "{ran:?}");
    }
    Cli::with_key(url, "users-key").run(&["status"]).ended(0);
    let none = Cli::new(url).run(&["status"]).ended(4);
    assert!(none.err.contains("--api-key-file"), "{none:?}");

    let file = setup.folder.path().join("key");
    fs::write(&file, "administrators-key\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let arguments = ["--api-key-file", file.to_str().unwrap(), "dead-letters", "replay"];
    let ran = Cli::with_key(url, "wrong-key").run(&arguments).ended(0);
    assert!(ran.err.contains("others can read"), "{ran:?}");
    let doctor = Cli::with_key(url, "wrong-key").json(&["doctor"], 1);
    let checks = doctor["checks"].as_array().unwrap();
    let credentials = checks
        .iter()
        .find(|check| check["name"] == "credentials")
        .unwrap();
    assert_eq!(credentials["result"], "failed", "{credentials}");
    assert!(!doctor.to_string().contains("wrong-key"));
    Cli::new(url)
        .run(&["--api-key-file", "/nowhere", "status"])
        .ended(2);
    Cli::new("http://ann:s3cret@127.0.0.1:1")
        .run(&["status"])
        .ended(2);
    assert!(server.stop().unwrap().success());
}
