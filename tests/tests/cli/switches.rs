//! `enable`, `disable`, `pause`, `resume`, `clear` and `config`.

use serde_json::json;
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;

use crate::program::{Cli, filled};
use crate::setup::{PATIENCE, Setup, documents};

#[test]
fn collections_and_the_whole_sync_are_switched_on_and_off() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 20);
    let cli = Cli::new(&server.url);
    let nodes = |count: usize| {
        wait_until(&format!("{count} nodes"), PATIENCE, || {
            Ok(setup.graph().documents()?.len() == count)
        })
        .unwrap();
    };

    assert_eq!(cli.json(&["pause", "--reason", "an upgrade"], 0)["success"], true);
    let status = cli.run(&["status"]).ended(0).out;
    assert!(
        status.contains("paused") && status.contains("an upgrade"),
        "{status}"
    );
    client.insert("c", &documents(20..25, "while paused")).unwrap();
    cli.run(&["resume"]).ended(0);
    nodes(25);

    cli.run(&["disable", "c", "--remove"]).ended(0);
    nodes(0);
    let enabled = cli.json(&["enable", "c", "--top-k", "3", "--threshold", "0.6"], 0);
    let job = enabled["job_id"].as_str().unwrap();
    cli.run(&["jobs", "show", job, "--follow"]).ended(0);
    nodes(25);

    cli.run(&["pause"]).ended(0);
    client.insert("c", &documents(25..30, "forgotten")).unwrap();
    wait_until("they wait", PATIENCE, || Ok(client.status()?["queue_depth"] == 5)).unwrap();
    cli.run(&["clear", "--collection", "c"]).ended(2);
    let cleared = cli.json(&["clear", "--collection", "c", "--confirm"], 0);
    assert_eq!(cleared["cleared"], 5, "{cleared}");
    cli.run(&["resume"]).ended(0);
    // The next comparison finds them again.
    cli.run(&["reconcile", "c"]).ended(0);
    nodes(30);
    assert!(server.stop().unwrap().success());
}

#[test]
fn settings_are_shown_and_changed_while_the_host_runs() {
    let setup = Setup::with(Kind::Dev, &json!({"api_key": "nx_topsecret"}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 5);
    let cli = Cli::new(&server.url);

    let all = cli.run(&["config", "get"]).ended(0).out;
    assert!(
        all.contains("similarity.top_k = 3") && !all.contains("nx_topsecret"),
        "{all}"
    );
    assert_eq!(cli.json(&["config", "get", "similarity.top_k"], 0)["value"], 3);
    cli.run(&["config", "get", "no.such.key"]).ended(2);
    let dry = cli.json(&["config", "set", "similarity.top_k=4", "--dry-run"], 0);
    assert_eq!(dry["changes"][0]["key"], "similarity.top_k", "{dry}");
    assert_eq!(cli.json(&["config", "get", "similarity.top_k"], 0)["value"], 3);
    cli.run(&["config", "set", "similarity.top_k=4"]).ended(0);
    assert_eq!(cli.json(&["config", "get", "similarity.top_k"], 0)["value"], 4);
    cli.run(&["config", "unset", "similarity.top_k"]).ended(0);
    assert_eq!(cli.json(&["config", "get", "similarity.top_k"], 0)["value"], 3);
    let refused = cli
        .run(&["config", "set", "similarity.top_k=0", "verify.sample=7"])
        .ended(5)
        .err;
    assert!(
        refused.contains("similarity.top_k") && refused.contains("verify.sample"),
        "{refused}"
    );
    cli.run(&["config", "set", "api_key=nx_other"]).ended(2);
    let restart = cli
        .run(&["config", "set", "sync.worker_threads=3", "--dry-run"])
        .ended(0)
        .out;
    assert!(restart.contains("restart"), "{restart}");
    assert!(server.stop().unwrap().success());
}
