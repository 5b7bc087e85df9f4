//! One document's story, told by one id: across log lines, the audit log, a message to a subscriber, and a trace.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;

use crate::collector::{Collector, attributes, hex};
use crate::receiver::Receiver;
use crate::setup::{DIMENSION, PATIENCE, Setup, documents, set_faults};
use crate::{audited, lines, start};

const DEBUG: &str = "info,vectorizer_plugin=debug,vectorizer_host=debug";

fn of<'a>(lines: &'a [Value], id: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["correlation_id"] == id).collect()
}

fn says(lines: &[&Value], message: &str) -> bool {
    lines.iter().any(|line| line["message"] == message)
}

#[test]
fn a_document_is_followed_by_one_id_from_the_hook_to_its_payload_and_its_subscribers() {
    for kind in Kind::available() {
        let (collector, receiver) = (Collector::new(), Receiver::new());
        let setup = Setup::with(
            kind,
            &json!({
                "enrichment": {"enabled": true},
                "telemetry": {"traces": {"endpoint": collector.url()}},
                "webhooks": {"outbound": {"allowed_networks": ["127.0.0.0/8"], "allow_http": true}},
            }),
        );
        let _nexus = setup.nexus();
        let (server, client) = start(&setup, DEBUG);
        client.create("c", DIMENSION, "Cosine").unwrap();
        let wanted = json!({"url": receiver.url("/told")});
        assert_eq!(
            client
                .send("POST", "/api/v1/webhooks/nexus", Some(&wanted))
                .unwrap()
                .0,
            201
        );
        client.settle(PATIENCE).unwrap();
        client.insert("c", &documents(0..1, "a document")).unwrap();
        setup.assert_equal(&client);
        let told = receiver.wait_for("/told", 1);

        // The message names the id, and everything else has it.
        let id = told[0].json()["data"]["correlation_id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(id.len(), 32);
        assert!(server.stop().unwrap().success());
        let lines = lines(&setup);
        let story = of(&lines, &id);
        for message in [
            "changes were taken in",
            "a batch was claimed",
            "a statement was answered",
            "the node of a document is right",
            "the edges of a document are right",
            "the payload of a document is settled",
            "a message was sent",
        ] {
            assert!(
                says(&story, message),
                "{kind:?}: no line says: {message}\n{story:#?}"
            );
        }
        let statement = story
            .iter()
            .find(|line| line["message"] == "a statement was answered")
            .unwrap();
        let spans: Vec<_> = statement["spans"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| &span["name"])
            .collect();
        assert_eq!(spans, ["batch", "statement"]);
        assert_eq!(statement["spans"][0]["collection"], "c");
        assert_eq!(statement["plugin"], "nexus");
        assert_eq!(statement["level"], "DEBUG");
        assert_eq!(statement["target"], "vectorizer_plugin_nexus::nexus::session");

        let audited = audited(&setup.folder.path().join("data/plugins/nexus"));
        let batches: Vec<&Value> = audited
            .iter()
            .filter(|record| record["action"] == "sync.batch" && record["details"]["correlation_id"] == *id)
            .collect();
        assert!(
            batches.iter().any(|record| record["details"]["written"] == 1),
            "{audited:#?}"
        );

        let trace = collector.trace(&id);
        let names: BTreeSet<&str> = trace.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(
            names,
            BTreeSet::from(["hook", "batch", "statement", "enrichment", "delivery"])
        );
        let hooks: Vec<_> = trace.iter().filter(|span| span.name == "hook").collect();
        assert_eq!((hooks.len(), hooks[0].parent_span_id.len()), (1, 0), "one root");
        for span in &trace {
            let parent = match span.name.as_str() {
                "hook" => continue,
                "batch" | "enrichment" | "delivery" => "hook",
                _ => "",
            };
            let above = trace
                .iter()
                .find(|above| above.span_id == span.parent_span_id)
                .unwrap();
            assert!(
                parent.is_empty() || above.name == parent,
                "{} is below {}",
                span.name,
                above.name
            );
            assert!(span.start_time_unix_nano >= hooks[0].start_time_unix_nano);
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        }
        let batch = trace.iter().find(|span| span.name == "batch").unwrap();
        assert_eq!(attributes(batch)["correlation_id"], id);
        // No span is below one that never was.
        let all = collector.spans();
        let known: BTreeSet<&[u8]> = all.iter().map(|span| span.span_id.as_slice()).collect();
        for span in all.iter().filter(|span| !span.parent_span_id.is_empty()) {
            assert!(
                known.contains(span.parent_span_id.as_slice()),
                "{} is an orphan",
                span.name
            );
        }
        assert_eq!(known.len(), all.len(), "no id comes twice");
    }
}

#[test]
fn changes_that_share_a_batch_have_traces_of_their_own_that_it_leads_to() {
    let collector = Collector::new();
    let setup = Setup::with(
        Kind::Dev,
        &json!({"telemetry": {"traces": {"endpoint": collector.url()}}}),
    );
    let (server, client) = start(&setup, DEBUG);
    client.create("c", DIMENSION, "Cosine").unwrap();
    // Nexus is away, so that they wait together.
    for document in documents(0..5, "a document") {
        client.insert("c", &[document]).unwrap();
    }
    let _nexus = setup.nexus();
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
    let lines = lines(&setup);
    let taken: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["message"] == "changes were taken in")
        .map(|line| line["correlation_id"].as_str().unwrap())
        .collect();
    assert_eq!(taken.len(), 5, "each change has an id of its own");
    let claimed = lines
        .iter()
        .find(|line| line["message"] == "a batch was claimed" && line["spans"][0]["documents"] == 5)
        .expect("one batch with all of them");
    let named: BTreeSet<&str> = claimed["correlation_id"].as_str().unwrap().split(',').collect();
    assert_eq!(named, taken);
    for id in &taken {
        let written = of(&lines, id);
        assert!(says(&written, "the node of a document is right"), "{id}");
        let trace = collector.trace(id);
        let hook = trace.iter().find(|span| span.name == "hook").unwrap();
        let batch = collector
            .spans()
            .into_iter()
            .find(|span| span.name == "batch" && span.links.len() == 4)
            .unwrap();
        let is_known =
            batch.parent_span_id == hook.span_id || batch.links.iter().any(|link| hex(&link.trace_id) == *id);
        assert!(is_known, "{id}");
    }
}

#[test]
fn a_requests_own_id_is_in_its_answer_and_in_all_that_comes_of_it() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = start(&setup, DEBUG);
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..3, "a document")).unwrap();
    client.settle(PATIENCE).unwrap();
    let path = "/api/v1/sync/nexus/trigger";
    let answer = ureq::post(format!("{}{path}", server.url))
        .header("x-correlation-id", "ticket-4711")
        .send_json(json!({"collection": "c", "force_resync": true}))
        .unwrap();
    assert_eq!(answer.headers()["x-correlation-id"], "ticket-4711");
    client.settle(PATIENCE).unwrap();
    for forged in ["two words", "\"quoted\"", &"x".repeat(129)] {
        let answer = ureq::get(format!("{}/api/v1/sync/nexus/status", server.url))
            .header("x-correlation-id", forged)
            .call()
            .unwrap();
        let drawn = answer.headers()["x-correlation-id"].to_str().unwrap();
        assert_eq!(drawn.len(), 36, "{drawn}");
    }
    assert!(server.stop().unwrap().success());
    let lines = lines(&setup);
    let story = of(&lines, "ticket-4711");
    assert!(says(&story, "a batch of a job is done"), "{story:#?}");
    assert!(says(&story, "a request was answered"), "{story:#?}");
    let audited = audited(&setup.folder.path().join("data/plugins/nexus"));
    let ordered = audited
        .iter()
        .find(|record| record["action"] == "job.ordered")
        .unwrap();
    assert_eq!(ordered["details"]["correlation_id"], "ticket-4711");
}

#[test]
fn a_collector_that_refuses_or_is_away_costs_spans_and_nothing_else() {
    let collector = Collector::new();
    collector.refuse();
    let setup = Setup::with(
        Kind::Dev,
        &json!({"telemetry": {"traces": {"endpoint": collector.url(), "timeout_ms": 1000}}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = start(&setup, "info");
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..20, "a document")).unwrap();
    setup.assert_equal(&client);
    wait_until("the log tells of it", PATIENCE, || {
        Ok(lines(&setup)
            .iter()
            .any(|line| line["message"] == "the collector of traces refuses spans"))
    })
    .unwrap();
    drop(collector);
    client.insert("c", &documents(20..40, "a document")).unwrap();
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let collector = Collector::new();
    collector.hang();
    let setup = Setup::with(
        Kind::Dev,
        &json!({"telemetry": {"traces": {"endpoint": collector.url(), "timeout_ms": 60_000}}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = start(&setup, "info");
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..20, "a document")).unwrap();
    setup.assert_equal(&client);
    let begun = Instant::now();
    assert!(server.stop().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let audited = audited(&setup.folder.path().join("data/plugins/nexus"));
    assert_eq!(
        audited.last().unwrap()["action"],
        "sync.stopped",
        "the journal was closed before"
    );
}

#[test]
fn a_place_with_much_to_say_is_cut_short_and_what_was_left_out_is_told() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({
            "sync": {"dead_letter_after": 50, "refused_delay_ms": 10, "max_refused_delay_ms": 20, "max_retry_delay_ms": 100},
            "telemetry": {"log_lines_per_minute": 5},
        }),
    );
    let _nexus = setup.nexus();
    let (server, client) = start(&setup, "info");
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let refusal = json!({"kind": "error", "text": "Type mismatch: cannot be stored"});
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": "bad ", "effect": refusal}]),
    );
    client.insert("c", &documents(0..40, "bad")).unwrap();
    let suppressed = || {
        let text = client.metrics().unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("vectorizer_nexus_log_lines_suppressed_total "));
        line.unwrap().parse::<f64>().unwrap()
    };
    wait_until("lines are left out", PATIENCE, || Ok(suppressed() > 20.0)).unwrap();
    let lines = lines(&setup);
    let told = lines.iter().filter(|line| {
        line["message"] == "a document cannot be brought into the graph; it is tried again later"
    });
    assert_eq!(told.count(), 5);
    set_faults(&setup.nexus_url, &json!([]));
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
}
