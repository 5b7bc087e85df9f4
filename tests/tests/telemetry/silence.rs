//! No text of a document and no secret is in any line, whatever the level, and whatever goes wrong.

use std::fs;

use serde_json::json;
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;
use vectorizer_tests::webhook::{Delivery, Sender, now};

use crate::collector::Collector;
use crate::receiver::Receiver;
use crate::setup::{self, DIMENSION, PATIENCE, Setup, set_faults, vector};
use crate::start;

/// In payloads: in a property that is copied to the graph, in the text, nested, as a key.
const TEXTS: [&str; 4] = ["Quetzalcoatl", "Huitzilopochtli", "Tezcatlipoca", "Xochiquetzal"];
const ADMIN: &str = "administrator-key-0f1e2d3c";
const USER: &str = "user-key-4b5a6978";
const NEXUS: &str = "nexus-key-8796a5b4";
const INBOUND: &str = "inbound-webhook-secret-c3d2e1f0";

fn documents(range: std::ops::Range<usize>) -> Vec<(String, Vec<f32>, serde_json::Value)> {
    let [title, content, nested, key] = TEXTS;
    range
        .map(|n| {
            let payload = json!({
                "title": format!("{title} {n} of Acme Ltd"), "content": format!("{content} {n}"),
                "metadata": {"author": nested, "deep": [nested]}, key: key,
            });
            (format!("d{n}"), vector(n * 7), payload)
        })
        .collect()
}

#[test]
fn a_noisy_run_tells_nothing_of_texts_and_secrets() {
    for kind in [Kind::Dev, Kind::Quirks] {
        let (collector, receiver) = (Collector::new(), Receiver::new());
        let setup = Setup::with(
            kind,
            &json!({
                "api_key": NEXUS,
                "sync": {"dead_letter_after": 2, "refused_delay_ms": 10, "max_refused_delay_ms": 20, "max_retry_delay_ms": 100},
                "verify": {"sample": 1.0},
                "enrichment": {"enabled": true},
                "poller": {"mode": "on"},
                "telemetry": {"log_lines_per_minute": 0, "traces": {"endpoint": collector.url()}},
                "webhooks": {
                    "inbound": {"plain_secrets": [INBOUND]},
                    "outbound": {"allowed_networks": ["127.0.0.0/8"], "allow_http": true, "retry_seconds": [0, 0]},
                },
            }),
        );
        setup::change_config(&setup, |config| {
            config["server"]["api_key"] = json!(ADMIN);
            config["server"]["user_api_keys"] = json!([USER]);
        });
        let nexus = setup.nexus();
        let (server, _) = start(&setup, "trace");
        let client = Vectorizer::with_key(&server.url, ADMIN);
        client.create("c", DIMENSION, "Cosine").unwrap();
        let wanted = json!({"url": receiver.url("/told")});
        let (_, subscription) = client
            .send("POST", "/api/v1/webhooks/nexus", Some(&wanted))
            .unwrap();
        let outbound = subscription["secret"].as_str().unwrap().to_owned();
        client.insert("c", &documents(0..20)).unwrap();
        client.settle(PATIENCE).unwrap();
        // Searches, refused requests, and a forged delivery.
        let search = json!({"collection": "c", "query": TEXTS[1], "vector": vector(3), "limit": 3});
        client
            .send("POST", "/api/v1/search/hybrid", Some(&search))
            .unwrap();
        client
            .send("POST", "/api/v1/search/hybrid", Some(&json!({"quary": TEXTS[0]})))
            .unwrap();
        for key in [USER, "a wrong key"] {
            Vectorizer::with_key(&server.url, key)
                .send("POST", "/api/v1/sync/nexus/pause", None)
                .unwrap();
        }
        let mut forged = Delivery::standard(
            "/webhooks/nexus",
            "event",
            now(),
            json!({"text": TEXTS[2]}).to_string().as_bytes(),
        );
        forged = forged.with("webhook-signature", "v1,forged");
        Sender::new(&server.url).send(&forged).unwrap();
        // A graph that answers with what it was sent.
        let echo = |text: &str| json!({"kind": "error", "text": text, "executed": false});
        receiver.answer(|_| (500, None));
        set_faults(
            &setup.nexus_url,
            &json!([
                {"matching_row": "\"d21\"", "effect": echo(&format!("Type mismatch: '{} 21 of Acme Ltd' cannot be stored", TEXTS[0]))},
                {"times": 3, "effect": {"kind": "status", "code": 503}},
                {"times": 3, "effect": {"kind": "pretend"}},
            ]),
        );
        client.insert("c", &documents(20..24)).unwrap();
        wait_until("d21 is a dead letter", PATIENCE, || {
            Ok(client.status()?["dead_letters"] == 1)
        })
        .unwrap();
        let letters = client
            .call("GET", "/api/v1/sync/nexus/dead-letters", None)
            .unwrap();
        set_faults(&setup.nexus_url, &json!([]));
        client.settle(PATIENCE).unwrap();
        nexus.stop();
        client.delete("c", &["d1", "d2"]).unwrap();
        wait_until("Nexus is gone", PATIENCE, || {
            Ok(client.status()?["nexus"]["state"] != "ready")
        })
        .unwrap();
        let scrape = client.metrics().unwrap();
        let status = client.status().unwrap();
        assert!(server.stop().unwrap().success());

        let log = fs::read_to_string(setup.folder.path().join("host.log")).unwrap();
        assert!(
            log.lines().count() > 300 && log.contains("\"level\":\"DEBUG\""),
            "it was not noisy"
        );
        assert!(log.contains("a dead letter now"), "the refusal is told");
        let audit = fs::read_to_string(setup.folder.path().join("data/plugins/nexus/audit.jsonl")).unwrap();
        let servers = fs::read_to_string(setup.folder.path().join("data/audit.jsonl")).unwrap();
        let spans = format!("{:?}", collector.spans());
        assert!(spans.contains("statement"));
        let status = status.to_string();
        let letters = letters.to_string();
        for (name, text) in [
            ("the log", &log),
            ("the audit log", &audit),
            ("the server's audit log", &servers),
            ("traces", &spans),
            ("metrics", &scrape),
            ("the status", &status),
            ("dead letters", &letters),
        ] {
            for hidden in TEXTS
                .iter()
                .chain(&[ADMIN, USER, NEXUS, INBOUND, outbound.as_str()])
            {
                let found = text.find(hidden).map(|at| {
                    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
                    text[begin..].lines().next().unwrap_or_default().to_owned()
                });
                assert!(found.is_none(), "{kind:?}: {hidden} is in {name}: {found:?}");
            }
        }
    }
}
