//! `sync`, `reconcile` and `jobs`.

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;

use crate::program::{Cli, filled};
use crate::setup::{PATIENCE, Setup};

/// Takes these documents out of the graph behind the plugin's back.
fn take_out(graph: &Nexus, count: usize) {
    let nodes = graph.documents().unwrap();
    let rows: Vec<Value> = nodes
        .iter()
        .take(count)
        .map(|node| json!({"key": node.key, "props": {"gc": "by-hand"}}))
        .collect();
    let tag = "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props";
    graph.run(tag, &json!({"rows": rows})).unwrap();
    graph
        .run("MATCH (d:Document {gc:'by-hand'}) DETACH DELETE d", &json!({}))
        .unwrap();
}

/// Slow enough to be caught in the middle.
fn slow() -> Setup {
    Setup::with(
        Kind::Dev,
        &json!({"reconcile": {"documents_per_second": 40}, "sync": {"max_retry_delay_ms": 500}}),
    )
}

#[test]
fn a_comparison_is_followed_and_tells_what_it_found() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 50);
    let cli = Cli::new(&server.url);
    take_out(&setup.graph(), 5);

    let dry = cli.json(&["reconcile", "c", "--dry-run"], 1);
    assert_eq!(dry["report"]["findings"]["missing"], 5, "{dry:#}");
    assert_eq!(dry["report"]["samples"]["missing"].as_array().unwrap().len(), 5);
    assert!(!dry["report"]["correlation_id"].as_str().unwrap().is_empty());
    let text = cli.run(&["reconcile", "c", "--dry-run"]).ended(1).out;
    assert!(
        text.contains("       5  missing (in the store, not in the graph)\n"),
        "{text}"
    );

    cli.json(&["reconcile", "c"], 0);
    assert_eq!(setup.assert_equal(&client).nodes, 50);
    let clean = cli.run(&["reconcile"]).ended(0).out;
    assert!(
        clean.starts_with("done: reconcile ") && clean.contains("nothing differs"),
        "{clean}"
    );
    cli.run(&["reconcile", "nowhere"]).ended(5);

    let jobs = cli.json(&["jobs", "list", "--limit", "2"], 0);
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2);
    assert!(
        cli.run(&["jobs", "list"])
            .ended(0)
            .out
            .contains("reconcile (dry run)")
    );
    cli.run(&["jobs", "show", "999999"]).ended(5);
    assert!(server.stop().unwrap().success());
}

#[test]
fn documents_are_brought_in_again_and_the_report_counts_them() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 50);
    let cli = Cli::new(&server.url);

    let report = cli.json(&["sync", "c", "--force", "--batch-size", "10"], 0);
    assert_eq!(
        (
            &report["report"]["totals"]["compared"],
            &report["report"]["totals"]["synced"]
        ),
        (&json!(50), &json!(50)),
        "{report:#}"
    );
    assert!(
        report["report"]["documents_per_second"].as_f64().unwrap() > 0.0,
        "{report:#}"
    );
    let text = cli.run(&["sync", "--all"]).ended(0);
    assert!(
        text.out.starts_with("done: backfill ") && text.out.contains("correlation id"),
        "{text:?}"
    );

    let detached = cli.json(&["sync", "c", "--detach"], 0);
    let id = detached["job_id"].as_str().unwrap();
    let followed = cli.json(&["jobs", "show", id, "--follow"], 0);
    assert_eq!(followed["job"]["state"], "done", "{followed:#}");
    cli.run(&["sync"]).ended(2);
    cli.run(&["sync", "c", "--all"]).ended(2);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_paused_job_is_gone_on_with_and_a_cancelled_one_did_not_end_well() {
    let setup = slow();
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 200);
    let cli = Cli::new(&server.url);

    let ordered = cli.json(&["sync", "c", "--force", "--detach"], 0);
    let id = ordered["job_id"].as_str().unwrap();
    assert_eq!(cli.json(&["jobs", "pause", id], 0)["state"], "paused");
    cli.run(&["sync", "other", "--resume"]).ended(1);
    let report = cli.json(&["sync", "c", "--resume"], 0);
    assert_eq!(
        (
            &report["report"]["job_id"],
            &report["report"]["totals"]["compared"]
        ),
        (&json!(id), &json!(200)),
        "{report:#}"
    );

    let ordered = cli.json(&["sync", "c", "--force", "--detach"], 0);
    let id = ordered["job_id"].as_str().unwrap();
    assert_eq!(cli.json(&["jobs", "cancel", id], 0)["state"], "cancelled");
    cli.run(&["jobs", "show", id, "--follow"]).ended(1);
    // It cannot be cancelled twice.
    cli.run(&["jobs", "cancel", id]).ended(5);
    assert!(server.stop().unwrap().success());
}

#[test]
fn whoever_stops_watching_leaves_the_job_as_it_is() {
    let setup = slow();
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 200);
    let cli = Cli::new(&server.url);

    let mut watching = cli.command(&["--output", "json", "sync", "c", "--force"]);
    let child = watching
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let running = || {
        let jobs = cli.json(&["jobs", "list"], 0);
        let job = &jobs["jobs"][0];
        (job["state"] == "running" && job["kind"] == "backfill")
            .then(|| job["id"].as_str().unwrap().to_owned())
    };
    wait_until("the job runs", PATIENCE, || Ok(running().is_some())).unwrap();
    let id = running().unwrap();
    // It has to have heard of the job, too.
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("goes on") && said.contains(&format!("jobs cancel {id}")),
        "{said}"
    );
    let last: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&last["interrupted"], &last["job_id"]),
        (&json!(true), &json!(id)),
        "{last}"
    );
    assert_eq!(running(), Some(id.clone()));
    let followed = cli.json(&["sync", "c", "--resume"], 0);
    assert_eq!(followed["report"]["job_id"], json!(id));
    assert!(server.stop().unwrap().success());
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}
