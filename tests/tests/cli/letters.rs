//! `dead-letters`, `webhooks` and the audit log of what was done.

use std::fs;
use std::path::Path;

use serde_json::json;
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;

use crate::program::{Cli, filled};
use crate::receiver::Receiver;
use crate::setup::{DIMENSION, PATIENCE, Setup, document, documents, set_faults};

#[test]
fn dead_letters_are_listed_counted_by_cause_replayed_and_forgotten() {
    let sync = json!({
        "max_retry_delay_ms": 500, "refused_delay_ms": 20, "max_refused_delay_ms": 100, "dead_letter_after": 2,
    });
    let setup = Setup::with(Kind::Dev, &json!({"sync": sync}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let refusal = json!({"kind": "error", "text": "Type mismatch: expected number, got string"});
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": "poison", "effect": refusal}]),
    );
    let mut batch = documents(0..20, "good");
    for n in [3, 4, 5] {
        batch[n] = document(n, "poison");
    }
    client.insert("c", &batch).unwrap();
    wait_until("three dead letters", PATIENCE, || {
        Ok(client.status()?["dead_letters"] == 3)
    })
    .unwrap();
    client.settle(PATIENCE).unwrap();

    let cli = Cli::new(&server.url);
    let listed = cli.json(&["dead-letters", "list"], 0);
    assert_eq!(
        (listed["dead_letters"].as_array().unwrap().len(), &listed["total"]),
        (3, &json!(3))
    );
    assert_eq!(cli.json(&["dead-letters", "list", "--limit", "2"], 0)["total"], 3);
    let text = cli
        .run(&["dead-letters", "list", "--collection", "c"])
        .ended(0)
        .out;
    assert!(text.contains("3 dead letters\n         3  "), "{text}");
    let id = &batch[3].0;
    let shown = cli.json(&["dead-letters", "show", "--collection", "c", "--id", id], 0);
    assert_eq!(shown["id"], json!(id));
    cli.run(&["dead-letters", "show", "--collection", "c", "--id", "good"])
        .ended(5);

    // A backfill that meets them again says why they failed.
    let report = cli.json(&["sync", "c", "--force"], 1);
    assert_eq!(report["report"]["totals"]["failed"], 3, "{report:#}");
    assert_eq!(report["report"]["errors"][0]["documents"], 3, "{report:#}");
    let doctor = cli.json(&["doctor"], 0);
    assert_eq!(doctor["verdict"], "warning", "{doctor:#}");

    // Nobody can be asked here.
    let refused = cli
        .run(&["dead-letters", "purge", "--collection", "c", "--id", id])
        .ended(2);
    assert!(refused.err.contains("--yes"), "{refused:?}");
    let purged = cli.json(
        &["dead-letters", "purge", "--collection", "c", "--id", id, "--yes"],
        0,
    );
    assert_eq!(purged, json!({"purged": 1}));
    set_faults(&setup.nexus_url, &json!([]));
    assert_eq!(cli.json(&["dead-letters", "replay"], 0), json!({"replayed": 2}));
    wait_until("they are in the graph", PATIENCE, || {
        Ok(client.status()?["dead_letters"] == 0)
    })
    .unwrap();
    cli.run(&["dead-letters", "replay", "--id", "1"]).ended(2);
    assert!(server.stop().unwrap().success());
}

#[test]
fn subscriptions_are_managed_and_what_was_done_is_in_an_audit_log_that_holds() {
    let outbound = json!({"allowed_networks": ["127.0.0.0/8"], "allow_http": true, "retry_seconds": [0, 0]});
    let setup = Setup::with(Kind::Dev, &json!({"webhooks": {"outbound": outbound}}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    filled(&setup, &client, 3);
    let cli = Cli::new(&server.url);
    let receiver = Receiver::new();
    let url = receiver.url("/cli");

    // What becomes of the secret must be said.
    cli.run(&["webhooks", "add", &url]).ended(2);
    let kept = setup.folder.path().join("secret");
    let kept_text = kept.to_str().unwrap();
    let arguments = [
        "webhooks",
        "add",
        &url,
        "--event",
        "vector.updated",
        "--description",
        "for tests",
    ];
    let added = cli.json(&[&arguments[..], &["--secret-to", kept_text]].concat(), 0);
    let secret = fs::read_to_string(&kept).unwrap();
    assert!(
        secret.starts_with("whsec_") && !added.to_string().contains(secret.trim()),
        "{added}"
    );
    let id = added["id"].as_str().unwrap();
    let listed = cli.run(&["webhooks", "list"]).ended(0).out;
    assert!(listed.contains(id) && listed.contains("for tests"), "{listed}");
    assert_eq!(
        cli.json(&["webhooks", "show", id], 0)["events"],
        json!(["vector.updated"])
    );
    assert_eq!(cli.json(&["webhooks", "test", id], 0)["delivered"], true);
    let other = cli.json(&["webhooks", "secret", id, "--show-secret"], 0);
    assert!(
        other["secret"]
            .as_str()
            .is_some_and(|other| other != secret.trim()),
        "{other}"
    );
    assert_eq!(cli.json(&["webhooks", "disable", id], 0)["state"], "disabled");
    assert_eq!(cli.json(&["webhooks", "enable", id], 0)["state"], "active");
    assert!(cli.json(&["webhooks", "deliveries", id], 0)["deliveries"].is_array());
    assert_eq!(cli.json(&["webhooks", "dead-letters", id], 0)["total"], 0);
    assert_eq!(
        cli.json(&["webhooks", "dead-letters", id, "--replay"], 0)["replayed"],
        0
    );
    cli.run(&["webhooks", "dead-letters", id, "--purge"]).ended(2);
    cli.run(&["webhooks", "remove", id]).ended(0);
    cli.run(&["webhooks", "show", id]).ended(5);
    cli.run(&["webhooks", "show", "../plugins"]).ended(2);

    let folder = setup.folder.path().join("data/plugins/nexus");
    let folder = folder.to_str().unwrap();
    let verified = cli.json(&["audit", "verify", folder], 0);
    assert!(verified["lines"].as_u64().unwrap() >= 5, "{verified}");
    let hash = verified["hash"].as_str().unwrap();
    cli.run(&["audit", "verify", folder, "--last", hash]).ended(0);
    assert!(server.stop().unwrap().success());
    let log = Path::new(folder).join("audit.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("webhook.subscribed", "webhook.subscribd", 1)).unwrap();
    let broken = cli.json(&["audit", "verify", folder], 1);
    assert_eq!(
        (&broken["intact"], broken["line"].is_u64()),
        (&json!(false), true),
        "{broken}"
    );
}
