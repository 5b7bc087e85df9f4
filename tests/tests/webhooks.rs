//! Webhooks of changes in the graph: what is taken, what is not, and what comes of it in the graph and in the payloads.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, change_config, vector};
use vectorizer_tests::TestError;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::vectorizer::Vectorizer;
use vectorizer_tests::webhook::{Delivery, PLAIN_SECRET, SECRET, Sender, node_updated, now, relationship};

const ANY: &str = "/webhooks/nexus";
const RELATIONSHIP: &str = "/webhooks/nexus/relationship";
const NODE: &str = "/webhooks/nexus/node";

fn setup(kind: Kind) -> Setup {
    Setup::with(kind, &section())
}

/// With a store of its own, whatever Vectorizer there is.
fn alone(kind: Kind) -> Setup {
    Setup::alone(kind, &section())
}

fn section() -> Value {
    json!({
        "sync": {"max_retry_delay_ms": 500},
        "enrichment": {"enabled": true},
        // It would find by itself what no genuine webhook told of.
        "poller": {"mode": "off"},
        "webhooks": {"inbound": {"secrets": [SECRET], "plain_secrets": [PLAIN_SECRET]}},
    })
}

fn documents(count: usize) -> Vec<(String, Vec<f32>, Value)> {
    (0..count)
        .map(|n| {
            let payload = json!({"title": format!("title {n}"), "content": format!("a text {n}")});
            (format!("d{n}"), vector(n * 7), payload)
        })
        .collect()
}

fn payload(client: &Vectorizer, id: &str) -> Value {
    let all = client.documents("c").unwrap();
    all.into_iter()
        .find(|document| document.id == id)
        .unwrap()
        .payload
}

/// Makes an edge of a type that is not the plugin's, as an application would.
fn link(graph: &Nexus, kind: &str, from: &str, to: &str) {
    let statement = format!(
        "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
         MERGE (a)-[r:{kind}]->(b) ON CREATE SET r.since = row.s ON MATCH SET r.since = row.s"
    );
    let rows = json!({"rows": [{"a": format!("c/{from}"), "b": format!("c/{to}"), "s": 2020}]});
    graph.run(&statement, &rows).unwrap();
}

fn links_to(payload: &Value, kind: &str) -> Vec<String> {
    let related = payload["_nexus"]["related_documents"].as_array();
    let of_kind = related
        .into_iter()
        .flatten()
        .filter(|related| related["type"] == kind);
    of_kind
        .map(|related| related["id"].as_str().unwrap().to_owned())
        .collect()
}

/// How often the plugin wrote: nodes, edges, retractions, payloads.
fn writes(client: &Vectorizer) -> Vec<String> {
    let counted = [
        "vectorizer_nexus_sync_total{",
        "vectorizer_nexus_relationships_created_total",
        "vectorizer_nexus_relationships_retracted_total",
        "vectorizer_nexus_enrichment_total",
    ];
    let text = client.metrics().unwrap();
    let counts =
        |line: &&str| counted.iter().any(|name| line.starts_with(name)) && !line.contains("=\"unchanged\"");
    text.lines().filter(counts).map(str::to_owned).collect()
}

#[test]
fn an_edge_that_somebody_made_is_in_the_payload_once_a_webhook_tells_of_it() {
    for kind in Kind::available() {
        let setup = setup(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(12)).unwrap();
        setup.assert_equal(&client);
        let before = payload(&client, "d1");
        assert_eq!(before["_nexus"]["node_id"], "c/d1");
        assert_eq!(before["_nexus"]["sync_status"], "synced");
        assert_eq!(before["title"], "title 1");
        let edges = setup.graph().similar().unwrap();
        let own = edges.iter().filter(|edge| edge.active && edge.source == "c/d1");
        assert_eq!(
            links_to(&before, "SIMILAR_TO").len(),
            own.count(),
            "{kind:?}: {before:#}"
        );

        link(&setup.graph(), "CITES", "d1", "d7");
        let sender = Sender::new(&server.url);
        let body = relationship("created", "CITES", "c", "d1", "d7");
        let delivery = Delivery::standard(RELATIONSHIP, "msg-1", now(), &body);
        let (status, answer) = sender.send(&delivery).unwrap();
        assert_eq!((status, &answer["documents"]), (202, &json!(1)), "{answer}");
        wait_until("the link is in the payload", PATIENCE, || {
            Ok(links_to(&payload(&client, "d1"), "CITES") == ["d7"])
        })
        .unwrap();
        let after = payload(&client, "d1");
        let count = |payload: &Value| payload["_nexus"]["relationship_count"].as_u64().unwrap();
        assert_eq!(count(&after), count(&before) + 1);
        assert_eq!(
            after["_nexus"]["version"].as_u64(),
            before["_nexus"]["version"].as_u64().map(|version| version + 1)
        );
        // The same delivery again is answered and changes nothing; nor does one that tells of no change.
        assert_eq!(sender.send(&delivery).unwrap().0, 200);
        let again = Delivery::plain(ANY, now(), &body);
        assert_eq!(sender.send(&again).unwrap().0, 202);
        assert_eq!(sender.send(&again).unwrap().0, 200);
        setup.assert_equal(&client);
        assert_eq!(payload(&client, "d1"), after);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn what_others_changed_about_nodes_and_edges_of_ours_is_put_right() {
    for kind in Kind::available() {
        let setup = setup(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(12)).unwrap();
        setup.assert_equal(&client);
        let graph = setup.graph();
        let sender = Sender::new(&server.url);

        // Of the same length, since a shorter record costs Nexus other people's data.
        let rows =
            json!({"rows": [{"key": "c/d3", "props": {"title": "forged!", "note": "somebody's own"}}]});
        let update = "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props";
        graph.run(update, &rows).unwrap();
        let edge = graph
            .similar()
            .unwrap()
            .into_iter()
            .find(|edge| edge.active)
            .unwrap();
        let statement = "UNWIND $rows AS row MATCH (a:Document {key: row.a}) MATCH (b:Document {key: row.b}) \
             MERGE (a)-[r:SIMILAR_TO]->(b) ON CREATE SET r.active = 0 ON MATCH SET r.active = 0";
        graph
            .run(
                statement,
                &json!({"rows": [{"a": edge.source, "b": edge.target}]}),
            )
            .unwrap();
        let ids = [&edge.source, &edge.target].map(|key| key.trim_start_matches("c/").to_owned());

        let body = node_updated("c", "d3");
        let delivery = Delivery::standard(NODE, "node", now(), &body);
        assert_eq!(sender.send(&delivery).unwrap().0, 202);
        let body = relationship("updated", "SIMILAR_TO", "c", &ids[0], &ids[1]);
        let delivery = Delivery::standard(ANY, "edge", now(), &body);
        assert_eq!(sender.send(&delivery).unwrap().0, 202);
        setup.assert_equal(&client);
        let nodes = graph.documents().unwrap();
        let node = nodes.iter().find(|node| node.key == "c/d3").unwrap();
        assert_eq!(node.properties["title"], "title 3", "{kind:?}: the store wins");
        assert_eq!(node.properties["note"], "somebody's own");
        let edges = graph.similar().unwrap();
        let same = |other: &&vectorizer_tests::nexus::Edge| {
            (&other.source, &other.target) == (&edge.source, &edge.target)
        };
        assert!(edges.iter().find(same).unwrap().active);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn our_own_writes_never_come_round_again() {
    for kind in Kind::available() {
        // Vectorizer rounds a vector anew with each write of its payload, so there everything is a little different each time.
        let setup = alone(kind);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(20)).unwrap();
        setup.assert_equal(&client);
        let before = writes(&client);
        assert!(
            before.iter().any(|line| line.contains("enrichment_total")),
            "{before:?}"
        );
        // As a Nexus would that tells of everything, whoever did it.
        let sender = Sender::new(&server.url);
        for round in 0..5 {
            for n in 0..20 {
                let id = format!("d{n}");
                let next = format!("d{}", (n + 1) % 20);
                let bodies = [
                    node_updated("c", &id),
                    relationship("updated", "SIMILAR_TO", "c", &id, &next),
                    relationship("updated", "MENTIONS", "c", &id, &next),
                ];
                for (which, body) in bodies.iter().enumerate() {
                    let name = format!("{round}-{n}-{which}");
                    let delivery = Delivery::standard(ANY, &name, now(), body);
                    assert_eq!(sender.send(&delivery).unwrap().0, 202);
                }
            }
            client.settle(PATIENCE).unwrap();
        }
        assert_eq!(writes(&client), before, "{kind:?}");
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_delivery_that_is_not_genuine_is_refused_and_has_no_effect() {
    let setup = setup(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(6)).unwrap();
    setup.assert_equal(&client);
    let (writes_before, payload_before) = (writes(&client), payload(&client, "d1"));
    link(&setup.graph(), "CITES", "d1", "d2");

    let sender = Sender::new(&server.url);
    let body = relationship("created", "CITES", "c", "d1", "d2");
    let good = || Delivery::standard(ANY, "id", now(), &body);
    let mut changed = good();
    changed.body[20] ^= 1;
    let mut truncated = good();
    truncated.body.truncate(10);
    let mut empty = good();
    empty.body.clear();
    let signature = |delivery: &Delivery| {
        let header = delivery
            .headers
            .iter()
            .find(|(name, _)| name == "webhook-signature");
        header.unwrap().1.clone()
    };
    let of_another = good().with(
        "webhook-signature",
        &signature(&Delivery::standard(ANY, "other", now(), &body)),
    );
    let wrong_scheme = good().with("webhook-signature", &signature(&good()).replace("v1,", "v2,"));
    let stale = Delivery::standard(ANY, "id", now() - 301, &body);
    let future = Delivery::standard(ANY, "id", now() + 400, &body);
    let mut plain_changed = Delivery::plain(ANY, now(), &body);
    plain_changed.body[20] ^= 1;
    for (what, delivery) in [
        ("one byte changed", changed),
        ("truncated", truncated),
        ("empty", empty),
        ("signed for another id", of_another),
        ("another scheme", wrong_scheme),
        ("stale", stale),
        ("future", future),
        ("no signature", good().without("webhook-signature")),
        ("no id", good().without("webhook-id")),
        ("no time", good().without("webhook-timestamp")),
        ("empty signature", good().with("webhook-signature", "")),
        ("plain, one byte changed", plain_changed),
        ("plain, stale", Delivery::plain(ANY, now() - 301, &body)),
        (
            "plain, without time",
            Delivery::plain(ANY, now(), &body).without("x-nexus-timestamp"),
        ),
    ] {
        let (status, answer) = sender.send(&delivery).unwrap();
        assert_eq!(status, 401, "{what}: {answer}");
        assert!(!answer.to_string().contains("whsec"), "{answer}");
    }
    let broken = |body: &[u8]| Delivery::standard(ANY, "broken", now(), body);
    for (what, delivery, expected) in [
        (
            "another content type",
            good().with("content-type", "text/plain"),
            415,
        ),
        ("no JSON", broken(b"{"), 400),
        ("not UTF-8", broken(b"\"\xff\""), 400),
        ("an unknown event", broken(br#"{"event_type": "x"}"#), 400),
        (
            "an event of the other route",
            Delivery::standard(NODE, "n", now(), &body),
            400,
        ),
        ("too long", broken(&vec![b' '; (1 << 20) + 1]), 413),
    ] {
        let (status, answer) = sender.send(&delivery).unwrap();
        assert_eq!(status, expected, "{what}: {answer}");
    }
    // The host answers and hangs up before all of it came; a sender that still sends may see only that.
    match sender.send(&broken(&vec![b' '; 10 << 20])) {
        Ok((413, _)) | Err(TestError::Http { .. }) => {}
        other => panic!("10 MB were taken: {other:?}"),
    }
    client.settle(PATIENCE).unwrap();
    assert_eq!(payload(&client, "d1"), payload_before);
    assert_eq!(writes(&client), writes_before);
    // And the genuine one is taken.
    assert_eq!(sender.send(&good()).unwrap().0, 202);
    client.settle(PATIENCE).unwrap();
    assert_eq!(links_to(&payload(&client, "d1"), "CITES"), ["d2"]);
    assert!(server.stop().unwrap().success());

    // Without secrets there is nothing to be taken.
    change_config(&setup, |config| {
        config["nexus_integration"]["webhooks"] = json!({});
    });
    let (server, _) = setup.host();
    assert_eq!(Sender::new(&server.url).send(&good()).unwrap().0, 404);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_body_that_does_not_come_holds_nobody_up_and_is_given_up() {
    let setup = setup(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(
        format!("POST {ANY} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{")
            .as_bytes(),
    )
    .unwrap();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(2)).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(payload(&client, "d1")["_nexus"]["node_id"], "c/d1");
    slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = [0; 64];
    let read = slow.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_host_killed_between_receipt_and_effect_loses_nothing_and_counts_nothing_twice() {
    for point in ["received:1", "receipted:1", "enrich:1", "enriched:1"] {
        let setup = setup(Kind::Dev);
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(8)).unwrap();
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
        link(&setup.graph(), "CITES", "d1", "d2");

        let mut command = setup.host.command();
        command.env("VECTORIZER_NEXUS_KILL_AT", point);
        let log = setup.folder.path().join("host.log");
        let mut server = Server::start("vectorizer-host", &mut command, &log).unwrap();
        let body = relationship("created", "CITES", "c", "d1", "d2");
        let delivery = Delivery::standard(ANY, "the one", now(), &body);
        let answer = Sender::new(&server.url).send(&delivery);
        if point.starts_with("enrich") {
            assert_eq!(answer.unwrap().0, 202, "{point}");
        } else {
            assert!(answer.is_err(), "{point}: the host dies before it answers");
        }
        wait_until("the host dies", PATIENCE, || Ok(server.has_ended())).unwrap();
        drop(server);

        let (server, client) = setup.host();
        // Who got no answer sends again.
        let (status, _) = Sender::new(&server.url).send(&delivery).unwrap();
        assert!([200, 202].contains(&status), "{point}: {status}");
        if point != "received:1" {
            assert_eq!(status, 200, "{point}: it was on disk");
        }
        client.settle(PATIENCE).unwrap();
        let after = payload(&client, "d1");
        assert_eq!(links_to(&after, "CITES"), ["d2"], "{point}");
        assert_eq!(after["_nexus"]["version"], 2, "{point}: {after:#}");
        setup.assert_equal(&client);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn edits_of_users_are_never_lost_to_what_is_merged_beside_them() {
    let setup = setup(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(10)).unwrap();
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let client = client.clone();
            std::thread::spawn(move || {
                for round in 0..60 {
                    for n in 0..5 {
                        let n = writer * 5 + n;
                        let payload = json!({"title": format!("title {n}"), "content": format!("round {round}"), "edit": round});
                        client
                            .insert("c", &[(format!("d{n}"), vector(n * 7 + round % 3), payload)])
                            .unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    setup.assert_equal(&client);
    for document in client.documents("c").unwrap() {
        let payload = document.payload;
        assert_eq!(payload["edit"], 59, "{payload:#}");
        assert_eq!(payload["content"], "round 59");
        assert_eq!(payload["_nexus"]["node_id"], format!("c/{}", document.id));
    }
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_document_is_named_only_to_those_who_may_see_it() {
    let setup = Setup::with(
        Kind::Dev,
        &json!({
            "enrichment": {"enabled": true, "max_related": 100},
            "permissions": {"mode": "filter"},
            "similarity": {"top_k": 3, "threshold": {"cosine": -1.0}},
            "webhooks": {"inbound": {"secrets": [SECRET]}},
        }),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    let restricted = |n: usize, acl: Value| {
        let mut payload = json!({"title": format!("title {n}")});
        if !acl.is_null() {
            payload["acl"] = acl;
        }
        (format!("d{n}"), vector(n), payload)
    };
    client
        .insert(
            "c",
            &[
                restricted(0, Value::Null),
                restricted(1, json!(["alice"])),
                restricted(2, json!(["alice"])),
                restricted(3, json!(["bob"])),
            ],
        )
        .unwrap();
    client.settle(PATIENCE).unwrap();
    let named = |id: &str| {
        let mut named = links_to(&payload(&client, id), "SIMILAR_TO");
        named.sort();
        named
    };
    assert_eq!(
        named("d0"),
        [""; 0],
        "everybody sees it, and nobody else's documents"
    );
    assert_eq!(named("d1"), ["d0", "d2"]);
    assert_eq!(named("d3"), ["d0"]);
    // An edge by somebody's hand makes no difference, nor does a document that is restricted later.
    link(&setup.graph(), "CITES", "d3", "d1");
    let body = relationship("created", "CITES", "c", "d3", "d1");
    let delivery = Delivery::standard(ANY, "x", now(), &body);
    assert_eq!(Sender::new(&server.url).send(&delivery).unwrap().0, 202);
    client.insert("c", &[restricted(0, json!(["bob"]))]).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(links_to(&payload(&client, "d3"), "CITES"), [""; 0]);
    assert_eq!(named("d1"), ["d2"]);
    assert_eq!(named("d3"), ["d0"]);
    assert!(server.stop().unwrap().success());
}

#[test]
fn documents_that_were_there_before_enrichment_was_switched_on_get_theirs_at_the_next_start() {
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(30)).unwrap();
    setup.assert_equal(&client);
    assert_eq!(payload(&client, "d1")["_nexus"], Value::Null);
    assert!(server.stop().unwrap().success());
    change_config(&setup, |config| {
        config["nexus_integration"]["enrichment"] = json!({"enabled": true});
    });
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    for document in client.documents("c").unwrap() {
        assert_eq!(document.payload["_nexus"]["version"], 1, "{:#}", document.payload);
    }
    setup.assert_equal(&client);
    // Who replaces a payload takes it out, and gets it again.
    client.insert("c", &documents(1)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    client.settle(PATIENCE).unwrap();
    assert_eq!(payload(&client, "d0")["_nexus"]["node_id"], "c/d0");
    assert!(server.stop().unwrap().success());
}
