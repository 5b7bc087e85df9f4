//! `inspect`, `completions` and `man`: what needs no host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use vectorizer_tests::nexus::Kind;

use crate::program::Cli;
use crate::setup::Setup;

#[test]
fn a_plugin_file_is_inspected_and_holds_nothing_of_the_command_line() {
    let setup = Setup::new(Kind::Dev);
    let cli = Cli::new("http://127.0.0.1:1");
    let plugin = setup.host.plugin();
    let path = plugin.to_str().unwrap();
    let seen = cli.json(
        &["inspect", path, "--config", setup.host.config().to_str().unwrap()],
        0,
    );
    assert_eq!(
        (&seen["handshake"]["name"], &seen["loadable"], &seen["mode"]),
        (&json!("nexus"), &json!(true), &json!("0755")),
        "{seen}"
    );
    assert_eq!(seen["size"], json!(fs::metadata(&plugin).unwrap().len()));
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o777)).unwrap();
    let text = cli.run(&["inspect", path]).ended(1).out;
    assert!(
        text.contains("not trusted: ") && text.contains("chmod go-w"),
        "{text}"
    );

    let bytes = fs::read(&plugin).unwrap();
    for name in ["clap_builder", "clap_mangen", "indicatif"] {
        let found = bytes.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(!found, "{name} is linked into the plugin");
    }
    fs::write(&plugin, b"#!/bin/sh\n").unwrap();
    cli.run(&["inspect", path]).ended(1);
}

#[test]
fn completions_and_pages_of_the_manual_are_written() {
    let cli = Cli::new("http://127.0.0.1:1");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            cli.run(&["completions", shell])
                .ended(0)
                .out
                .contains("nexus-sync")
        );
    }
    assert!(cli.run(&["man"]).ended(0).out.contains("Exit codes"));
    assert!(
        cli.run(&["man", "webhooks", "add"])
            .ended(0)
            .out
            .contains("secret")
    );
    cli.run(&["completions", "tcsh"]).ended(2);
    cli.run(&["no-such-command"]).ended(2);
    let help = cli.run(&["--help"]).ended(0).out;
    assert!(
        help.contains("Exit codes:") && help.contains("3    the host is not reachable"),
        "{help}"
    );
}
