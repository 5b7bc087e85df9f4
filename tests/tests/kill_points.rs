//! The host dies at each change of an item's state, and the next run ends with a graph equal to the store.
//!
//! The points are in the plugin (`kill_point.rs`). Each test writes, changes and deletes documents, one of which the server
//! refuses for ever, until the process ends by itself at the point; whatever was acknowledged until then must be true after
//! the restart.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::time::{Duration, Instant};

use serde_json::json;
use setup::{DIMENSION, EXPECT, PATIENCE, Setup, document, documents, set_faults, vector};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::oracle;
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::vectorizer::Vectorizer;

/// In the title of the document that is refused.
const REFUSED: &str = "never-to-be-taken";

/// Dies when `point` is reached for the `times`-th time, and recovers.
fn dies_at(point: &str, times: u32) {
    let setup = Setup::with(
        Kind::Dev,
        &json!({"sync": {
            "max_retry_delay_ms": 500, "batch_size": 8, "dead_letter_after": 2,
            "refused_delay_ms": 50, "max_refused_delay_ms": 100,
        }}),
    );
    let _nexus = setup.nexus();
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": REFUSED, "effect": {"kind": "error", "text": "Type mismatch: refused by the test"}}]),
    );
    let mut command = setup.host.command();
    command.env("VECTORIZER_NEXUS_KILL_AT", format!("{point}:{times}"));
    let log = setup.folder.path().join("host.log");
    let mut server = Server::start("vectorizer-host", &mut command, &log).unwrap();
    let client = Vectorizer::new(&server.url);
    // It may die at any of these; what is not acknowledged is in the store or not, and the graph follows the store.
    write_until_it_dies(&client, &mut server);
    drop(server);

    let (server, client) = setup.host();
    let status = || client.status();
    wait_until("the refused document is a dead letter", PATIENCE, || {
        let refused = client.documents("c")?.iter().any(|document| {
            document.payload["title"]
                .as_str()
                .is_some_and(|title| title.contains(REFUSED))
        });
        Ok(status()?["dead_letters"] == u64::from(refused))
    })
    .unwrap();
    client.settle(PATIENCE).unwrap();
    // Once it is taken out of the store, all is equal.
    client.delete("c", &[document(900, "").0.as_str()]).unwrap();
    client.settle(PATIENCE).unwrap();
    let findings = oracle::compare(&client, &setup.graph(), EXPECT).unwrap();
    assert!(
        findings.mismatches.is_empty(),
        "{point}:{times}: {:#?}",
        findings.mismatches
    );
    assert!(findings.nodes > 0, "nothing was written before {point}:{times}");
    let status = client.status().unwrap();
    assert_eq!(status["dead_letters"], 0, "{status}");
    assert_eq!(status["queue_depth"], 0, "{status}");
    assert!(server.stop().unwrap().success());
}

fn write_until_it_dies(client: &Vectorizer, server: &mut Server) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut round = 0;
    let _ = client.create("c", DIMENSION, "Cosine");
    while !server.has_ended() {
        assert!(Instant::now() < end, "the point was never reached");
        round += 1;
        let title = format!("round {round} {}", "t".repeat(round * 17 % 60));
        let _ = client.insert("c", &documents(0..20, &title));
        if round == 1 {
            let _ = client.insert("c", &[document(900, REFUSED)]);
        }
        let mut moved = documents(5..8, "moved");
        for (n, document) in moved.iter_mut().enumerate() {
            document.1 = vector(round * 31 + n);
        }
        let _ = client.insert("c", &moved);
        let gone: Vec<String> = documents(10..14, "").into_iter().map(|(id, ..)| id).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let _ = client.delete("c", &gone);
        std::thread::sleep(Duration::from_millis(60));
    }
}

macro_rules! points {
    ($($name:ident: $point:literal, $times:expr;)*) => {$(
        #[test]
        fn $name() {
            for times in $times {
                dies_at($point, times);
            }
        }
    )*};
}

points! {
    before_a_hint_is_journaled: "enqueue", [1, 4];
    after_a_hint_is_journaled: "enqueued", [1, 3];
    before_the_journal_is_written_out: "flush", [40];
    after_the_journal_was_written_out: "flushed", [40, 90];
    after_a_claim: "claimed", [1, 5];
    before_nodes_are_sent: "send-nodes", [1, 4];
    before_the_answer_for_nodes_is_known: "sent-nodes", [1, 4];
    after_nodes_were_verified: "verified-nodes", [1, 4];
    before_edges_are_sent: "send-edges", [1, 4];
    before_the_answer_for_edges_is_known: "sent-edges", [1, 4];
    after_edges_were_verified: "verified-edges", [1, 4];
    before_nodes_are_deleted: "delete", [1];
    before_the_deletion_is_journaled: "deleted", [1, 2];
    before_work_is_retired: "retire", [1, 6];
    after_work_was_retired: "retired", [1, 6];
    before_a_claim_ends: "end", [1, 6];
    // The second is the last that is allowed.
    before_a_document_is_refused_or_becomes_a_dead_letter: "refuse", [1, 2];
    after_a_document_was_refused_or_became_a_dead_letter: "refused", [1, 2];
}
