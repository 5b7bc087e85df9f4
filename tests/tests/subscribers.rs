//! Webhooks that tell subscribers of changes: what they are told, in which order, what becomes of what they do not take, and whom
//! the server does not talk to.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[path = "setup/receiver.rs"]
mod receiver;
mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use receiver::{Received, Receiver};
use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, find, set_faults, vector};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::vectorizer::Vectorizer;
use vectorizer_tests::webhook::{is_signed, now};

const BASE: &str = "/api/v1/webhooks/nexus";

/// What must be in no message: from the documents' texts.
const TEXT: &str = "between us and the store";

fn setup(kind: Kind, more: &Value) -> Setup {
    let mut outbound =
        json!({"allowed_networks": ["127.0.0.0/8"], "allow_http": true, "retry_seconds": [0, 0, 0]});
    for (name, value) in more.as_object().unwrap() {
        outbound[name] = value.clone();
    }
    Setup::with(
        kind,
        &json!({
            "sync": {"max_retry_delay_ms": 500, "dead_letter_after": 2, "refused_delay_ms": 50, "max_refused_delay_ms": 100},
            "enrichment": {"enabled": true},
            "webhooks": {"outbound": outbound},
        }),
    )
}

fn documents(range: std::ops::Range<usize>, title: &str) -> Vec<(String, Vec<f32>, Value)> {
    range
        .map(|n| {
            let payload = json!({"title": format!("{title} {n}"), "content": TEXT});
            (format!("d{n}"), vector(n * 7), payload)
        })
        .collect()
}

fn subscribe(client: &Vectorizer, wanted: &Value) -> (String, String) {
    let (status, answer) = client.send("POST", BASE, Some(wanted)).unwrap();
    assert_eq!(status, 201, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn show(client: &Vectorizer, id: &str) -> Value {
    client.call("GET", &format!("{BASE}/{id}"), None).unwrap()
}

fn post(client: &Vectorizer, id: &str, action: &str, body: &Value) -> Value {
    let path = format!("{BASE}/{id}/{action}");
    client.call("POST", &path, Some(body)).unwrap()
}

fn is_signed_with(secret: &str, received: &Received) -> bool {
    let header = |name: &str| received.header(name);
    is_signed(
        secret,
        header("webhook-signature"),
        header("webhook-id"),
        header("webhook-timestamp"),
        &received.body,
    )
}

fn pairs(all: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    all.iter()
        .map(|(kind, id)| ((*kind).to_owned(), (*id).to_owned()))
        .collect()
}

#[test]
fn subscribers_are_told_once_of_every_change_that_they_asked_for_and_of_none_that_is_ours() {
    for kind in Kind::available() {
        let setup = setup(kind, &json!({}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        let receiver = Receiver::new();
        for name in ["c", "other"] {
            client.create(name, DIMENSION, "Cosine").unwrap();
        }
        let (id, secret) = subscribe(&client, &json!({"url": receiver.url("/all")}));
        let picky =
            json!({"url": receiver.url("/picky"), "collections": ["other"], "events": ["vector.deleted"]});
        subscribe(&client, &picky);

        client.insert("c", &documents(0..3, "first")).unwrap();
        client.insert("other", &documents(5..6, "first")).unwrap();
        setup.assert_equal(&client);
        client.insert("c", &documents(1..2, "second")).unwrap();
        let mut moved = documents(2..3, "first");
        moved[0].1 = vector(400);
        client.insert("c", &moved).unwrap();
        setup.assert_equal(&client);
        client.delete("c", &["d0"]).unwrap();
        client.delete("other", &["d5"]).unwrap();
        setup.assert_equal(&client);

        let received = receiver.wait_for("/all", 8);
        for received in &received {
            assert!(is_signed_with(&secret, received), "{kind:?}: {received:?}");
            assert!(!String::from_utf8_lossy(&received.body).contains(TEXT));
            let message = received.json();
            let sent: u64 = received.header("webhook-timestamp").parse().unwrap();
            assert!(now().abs_diff(sent) < 60, "{message}");
            assert!(message["timestamp"].as_str().unwrap().ends_with('Z'), "{message}");
        }
        let expected = pairs(&[
            ("vector.inserted", "d0"),
            ("vector.inserted", "d1"),
            ("vector.inserted", "d2"),
            ("vector.inserted", "d5"),
            ("vector.updated", "d1"),
            ("vector.updated", "d2"),
            ("vector.deleted", "d0"),
            ("vector.deleted", "d5"),
        ]);
        let told: BTreeSet<(String, String)> = receiver.told("/all").into_iter().collect();
        assert_eq!(told, expected, "{kind:?}");
        // By now payloads are enriched and read again, which is nobody's change.
        let payloads = client.documents("c").unwrap();
        assert!(
            payloads
                .iter()
                .all(|document| document.payload["_nexus"].is_object())
        );
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(receiver.received("/all").len(), 8, "{kind:?}");
        assert_eq!(
            receiver.told("/picky"),
            [("vector.deleted".to_owned(), "d5".to_owned())]
        );
        let names: BTreeSet<&str> = received
            .iter()
            .map(|received| received.header("webhook-id"))
            .collect();
        assert_eq!(names.len(), 8);

        let gone = client.send("DELETE", &format!("{BASE}/{id}"), None).unwrap();
        assert_eq!(gone.0, 200);
        client.insert("c", &documents(9..10, "late")).unwrap();
        setup.assert_equal(&client);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(receiver.received("/all").len(), 8);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn what_a_receiver_does_not_take_comes_again_under_its_name_and_before_what_follows_it() {
    let setup = setup(Kind::Dev, &json!({"retry_seconds": vec![1; 20]}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    client.create("c", DIMENSION, "Cosine").unwrap();
    receiver.answer(|received| match received.told().1.as_str() {
        "d1" => (503, None),
        _ => (200, None),
    });
    subscribe(&client, &json!({"url": receiver.url("/r")}));
    client.insert("c", &documents(0..3, "first")).unwrap();
    setup.assert_equal(&client);
    wait_until("the others are taken", PATIENCE, || {
        Ok(receiver.told("/r").len() == 2)
    })
    .unwrap();
    client.delete("c", &["d1"]).unwrap();
    setup.assert_equal(&client);
    receiver.answer(|_| (200, None));
    wait_until("all is taken", PATIENCE, || Ok(receiver.told("/r").len() == 4)).unwrap();
    let of_one: Vec<(String, u16, String)> = receiver
        .received("/r")
        .into_iter()
        .filter(|received| received.told().1 == "d1")
        .map(|received| {
            let name = received.header("webhook-id").to_owned();
            (received.told().0, received.status, name)
        })
        .collect();
    let (last, others) = of_one.split_last().unwrap();
    assert_eq!((last.0.as_str(), last.1), ("vector.deleted", 200));
    assert!(others.len() >= 2, "{others:?}");
    assert!(
        others
            .iter()
            .all(|(kind, _, name)| kind == "vector.inserted" && *name == others[0].2)
    );
    assert_ne!(last.2, others[0].2);
    assert!(server.stop().unwrap().success());
}

#[test]
fn what_is_never_taken_is_a_dead_letter_that_is_shown_and_can_be_sent_again() {
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    client.create("c", DIMENSION, "Cosine").unwrap();
    receiver.answer(|_| (418, None));
    let (id, _) = subscribe(&client, &json!({"url": receiver.url("/r")}));
    client.insert("c", &documents(0..1, "first")).unwrap();
    wait_until("the message is a dead letter", PATIENCE, || {
        Ok(show(&client, &id)["dead_letters"] == 1)
    })
    .unwrap();
    assert_eq!(receiver.received("/r").len(), 4, "one attempt and three more");
    // Over a restart, too.
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    let page = client
        .call("GET", &format!("{BASE}/{id}/dead-letters"), None)
        .unwrap();
    let letter = &page["dead_letters"][0];
    assert_eq!(
        (
            &letter["event"],
            &letter["id"],
            &letter["attempts"],
            &letter["status"]
        ),
        (&json!("vector.inserted"), &json!("d0"), &json!(4), &json!(418)),
        "{page}"
    );
    let log = client
        .call("GET", &format!("{BASE}/{id}/deliveries"), None)
        .unwrap();
    let attempts = log["deliveries"].as_array().unwrap();
    assert!(attempts.len() == 4 && attempts.iter().all(|attempt| attempt["delivered"] == false));
    receiver.answer(|_| (200, None));
    let replayed = post(
        &client,
        &id,
        "dead-letters/replay",
        &json!({"numbers": [letter["number"]]}),
    );
    assert_eq!(replayed, json!({"replayed": 1}));
    wait_until("it is taken", PATIENCE, || Ok(receiver.told("/r").len() == 1)).unwrap();
    wait_until("it is written down", PATIENCE, || {
        let shown = show(&client, &id);
        Ok(shown["waiting"] == 0 && shown["dead_letters"] == 0)
    })
    .unwrap();
    let metrics = client.metrics().unwrap();
    assert!(
        metrics.contains("vectorizer_nexus_webhook_total{direction=\"out\",result=\"delivered\"} 1"),
        "{metrics}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_receiver_that_is_gone_gets_no_more_until_somebody_says_so() {
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    client.create("c", DIMENSION, "Cosine").unwrap();
    receiver.answer(|_| (410, None));
    let (id, _) = subscribe(&client, &json!({"url": receiver.url("/r")}));
    client.insert("c", &documents(0..1, "first")).unwrap();
    wait_until("it is disabled", PATIENCE, || {
        Ok(show(&client, &id)["state"] == "disabled")
    })
    .unwrap();
    assert_eq!(show(&client, &id)["disabled_because"], "gone");
    client.insert("c", &documents(1..2, "first")).unwrap();
    setup.assert_equal(&client);
    receiver.answer(|_| (200, None));
    assert_eq!(receiver.received("/r").len(), 1);
    let shown = post(&client, &id, "enable", &json!({}));
    assert_eq!(shown["state"], "active");
    wait_until("what waited is taken", PATIENCE, || {
        Ok(receiver.told("/r").len() == 1)
    })
    .unwrap();
    assert_eq!(
        receiver.told("/r")[0].1,
        "d0",
        "the other happened while nobody wanted it"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn nobody_is_sent_to_whom_only_the_server_reaches() {
    let setup = setup(Kind::Dev, &json!({"allowed_networks": []}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    for url in [
        receiver.url("/r"),
        "http://[::ffff:127.0.0.1]/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let (status, answer) = client.send("POST", BASE, Some(&json!({"url": url}))).unwrap();
        assert_eq!((status, &answer["error_type"]), (400, &json!("validation_error")));
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with("url: leads to"), "{message}");
    }
    // A name shows where it leads when it is looked up.
    let named = format!("http://localhost:{}/r", receiver.port());
    let (id, _) = subscribe(&client, &json!({"url": named}));
    let tested = post(&client, &id, "test", &json!({}));
    assert_eq!(tested["delivered"], false);
    let error = tested["error"].as_str().unwrap();
    assert!(error.contains("not allowed"), "{tested}");
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..1, "first")).unwrap();
    wait_until("the message is a dead letter", PATIENCE, || {
        Ok(show(&client, &id)["dead_letters"] == 1)
    })
    .unwrap();
    assert_eq!(receiver.received("/r").len(), 0);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_receiver_that_never_answers_does_not_hold_up_the_end_and_is_told_after_the_next_start() {
    let setup = setup(Kind::Dev, &json!({"timeout_ms": 60_000}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    client.create("c", DIMENSION, "Cosine").unwrap();
    receiver.answer(|_| (0, None));
    let (id, _) = subscribe(&client, &json!({"url": receiver.url("/r")}));
    client.insert("c", &documents(0..1, "first")).unwrap();
    let first = receiver.wait_for("/r", 1).remove(0);
    let begun = Instant::now();
    assert!(server.stop().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    receiver.answer(|_| (200, None));
    let (server, client) = setup.host();
    let second = receiver.wait_for("/r", 2).remove(1);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    wait_until("it is written down", PATIENCE, || {
        Ok(show(&client, &id)["waiting"] == 0)
    })
    .unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_redirect_is_not_followed() {
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    let elsewhere = receiver.url("/elsewhere");
    receiver.answer(move |_| (307, Some(elsewhere.clone())));
    let (id, _) = subscribe(&client, &json!({"url": receiver.url("/r")}));
    let tested = post(&client, &id, "test", &json!({}));
    assert_eq!(
        (&tested["delivered"], &tested["status"], &tested["error"]),
        (&json!(false), &json!(307), &json!("redirects are not followed"))
    );
    assert_eq!(receiver.received("/r").len(), 1);
    assert_eq!(receiver.received("/elsewhere").len(), 0);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_new_secret_signs_beside_the_old_one_and_neither_is_shown_again() {
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    let (id, first) = subscribe(
        &client,
        &json!({"url": receiver.url("/r"), "description": "for tests"}),
    );
    let rotated = post(&client, &id, "secret", &json!({}));
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    let tested = post(&client, &id, "test", &json!({}));
    assert_eq!(
        (&tested["delivered"], &tested["status"]),
        (&json!(true), &json!(204))
    );
    let received = receiver.received("/r").remove(0);
    assert_eq!(received.told().0, "webhook.test");
    assert!(is_signed_with(&first, &received) && is_signed_with(&second, &received));
    let given = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiBzb21lIGxlbmd0aA==";
    post(&client, &id, "secret", &json!({"secret": given}));
    post(&client, &id, "test", &json!({}));
    let received = receiver.received("/r").remove(1);
    assert!(is_signed_with(given, &received) && is_signed_with(&second, &received));
    assert!(!is_signed_with(&first, &received));

    let list = client.call("GET", BASE, None).unwrap().to_string();
    let log = server.log();
    for secret in [&first, &second, &given.to_owned()] {
        assert!(!list.contains(secret.as_str()) && !log.contains(secret.as_str()));
    }
    assert!(list.contains("for tests"));
    // Subscriptions and their secrets are there after a restart.
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    post(&client, &id, "test", &json!({}));
    assert!(is_signed_with(given, &receiver.received("/r").remove(2)));
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_document_that_cannot_be_synced_is_told_of_with_the_cause() {
    const REFUSED: &str = "never-to-be-taken";
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": REFUSED, "effect": {"kind": "error", "text": "Type mismatch: refused by the test"}}]),
    );
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    client.create("c", DIMENSION, "Cosine").unwrap();
    subscribe(
        &client,
        &json!({"url": receiver.url("/r"), "events": ["sync.failed"]}),
    );
    client.insert("c", &documents(0..1, REFUSED)).unwrap();
    client.insert("c", &documents(1..2, "fine")).unwrap();
    let message = receiver.wait_for("/r", 1).remove(0).json();
    assert_eq!(
        (
            &message["type"],
            &message["data"]["collection"],
            &message["data"]["id"]
        ),
        (&json!("sync.failed"), &json!("c"), &json!("d0"))
    );
    assert_eq!(message["data"]["attempts"], 2);
    let cause = message["data"]["cause"].as_str().unwrap();
    assert!(
        cause.contains("refused by the test") && !cause.contains(TEXT),
        "{cause}"
    );
    assert!(server.stop().unwrap().success());
}

/// The process ends at `point`, and whoever subscribed is told of everything all the same.
fn dies_at(point: &str, times: u32) {
    let setup = setup(Kind::Dev, &json!({"retry_seconds": [0, 0, 0, 0, 0, 0, 0, 0]}));
    let _nexus = setup.nexus();
    let receiver = Receiver::new();
    let mut command = setup.host.command();
    command.env("VECTORIZER_NEXUS_KILL_AT", format!("{point}:{times}"));
    let log = setup.folder.path().join("host.log");
    let mut server = Server::start("vectorizer-host", &mut command, &log).unwrap();
    let client = Vectorizer::new(&server.url);
    client.create("c", DIMENSION, "Cosine").unwrap();
    subscribe(&client, &json!({"url": receiver.url("/r")}));
    let end = Instant::now() + Duration::from_secs(60);
    let mut round = 0;
    while !server.has_ended() {
        assert!(Instant::now() < end, "the point was never reached");
        let _ = client.insert("c", &documents(0..6, &format!("round {round}")));
        let _ = client.delete("c", &["d5"]);
        round += 1;
        std::thread::sleep(Duration::from_millis(60));
    }
    drop(server);
    let (server, client) = setup.host();
    client.settle(PATIENCE).unwrap();
    client.insert("c", &documents(0..5, "last")).unwrap();
    client.delete("c", &["d5"]).unwrap();
    setup.assert_equal(&client);
    wait_until("everything is delivered", PATIENCE, || {
        let list = client.call("GET", BASE, None)?;
        Ok(list["webhooks"][0]["waiting"] == 0)
    })
    .unwrap();
    // For each document, first that it was inserted, and at last how it is. The same message may come twice.
    let mut by_document: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for received in receiver.received("/r") {
        let (kind, id) = received.told();
        let name = received.header("webhook-id").to_owned();
        let told = by_document.entry(id).or_default();
        if told.last().is_none_or(|(_, last)| *last != name) {
            told.push((kind, name));
        }
    }
    for n in 0..5 {
        let told = &by_document[&format!("d{n}")];
        assert_eq!(told[0].0, "vector.inserted", "{point}:{times} d{n} {told:?}");
        assert!(told.len() > 1 && told[1..].iter().all(|(kind, _)| kind == "vector.updated"));
        let names: BTreeSet<&str> = told.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names.len(), told.len(), "in order, none out of its turn");
    }
    if let Some(told) = by_document.get("d5") {
        assert_eq!(
            told.last().unwrap().0,
            "vector.deleted",
            "{point}:{times} {told:?}"
        );
    }
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_process_that_ends_between_the_change_and_its_delivery_loses_no_message() {
    for (point, times) in [
        ("retired", 2),
        ("deliver", 1),
        ("deliver", 5),
        ("delivered", 1),
        ("delivered", 4),
    ] {
        dies_at(point, times);
    }
}

#[test]
fn input_that_cannot_be_used_is_refused_by_its_field() {
    let setup = setup(Kind::Dev, &json!({"max_subscriptions": 1}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let good = "https://example.org/hook";
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": 7}), "url"),
        (json!({"url": "example.org"}), "url"),
        (json!({"url": "ftp://example.org/"}), "url"),
        (json!({"url": "https://a:b@example.org/"}), "url"),
        (json!({"url": good, "events": []}), "events"),
        (json!({"url": good, "events": ["vector.read"]}), "events[0]"),
        (json!({"url": good, "collections": []}), "collections"),
        (json!({"url": good, "collections": [""]}), "collections"),
        (
            json!({"url": good, "description": "x".repeat(1_025)}),
            "description",
        ),
        (json!({"url": good, "secret": "hunter2hunter2"}), "secret"),
        (json!({"url": good, "colections": ["c"]}), "colections"),
    ] {
        let (status, answer) = client.send("POST", BASE, Some(&body)).unwrap();
        assert_eq!(
            (status, &answer["error_type"]),
            (400, &json!("validation_error")),
            "{body}"
        );
        let message = answer["message"].as_str().unwrap();
        let is_told =
            message.starts_with(&format!("{field}: ")) || body == json!({}) && message.contains("`url`");
        assert!(is_told && !message.contains("hunter2"), "{body}: {message}");
    }
    let (id, _) = subscribe(&client, &json!({"url": good}));
    let (status, answer) = client.send("POST", BASE, Some(&json!({"url": good}))).unwrap();
    assert_eq!((status, &answer["error_type"]), (409, &json!("conflict")));
    for path in [
        format!("{BASE}/0000000000000000"),
        format!("{BASE}/x"),
        format!("{BASE}/{id}x"),
    ] {
        assert_eq!(client.send("GET", &path, None).unwrap().0, 404, "{path}");
    }
    for query in ["limit=0", "after=x", "colection=c"] {
        let path = format!("{BASE}/{id}/dead-letters?{query}");
        assert_eq!(client.send("GET", &path, None).unwrap().0, 400, "{query}");
    }
    let (status, _) = client
        .send(
            "POST",
            &format!("{BASE}/{id}/dead-letters/purge"),
            Some(&json!({"numbers": ["x"]})),
        )
        .unwrap();
    assert_eq!(status, 400);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_file_of_subscriptions_that_cannot_be_read_stops_nothing_but_webhooks() {
    let setup = setup(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let receiver = Receiver::new();
    receiver.answer(|_| (500, None));
    client.create("c", DIMENSION, "Cosine").unwrap();
    let (id, _) = subscribe(&client, &json!({"url": receiver.url("/r")}));
    let before = post(&client, &id, "disable", &json!({}));
    assert_eq!(
        (&before["state"], &before["disabled_because"]),
        (&json!("disabled"), &json!("asked"))
    );
    assert!(server.stop().unwrap().success());
    let file = find(setup.folder.path(), "webhooks.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();

    let (server, client) = setup.host();
    let (status, answer) = client.send("GET", BASE, None).unwrap();
    assert_eq!((status, &answer["error_type"]), (503, &json!("unavailable")));
    client.insert("c", &documents(0..3, "first")).unwrap();
    setup.assert_equal(&client);
    assert!(server.stop().unwrap().success());
    // Once it is put right, all is there.
    std::fs::write(&file, &whole).unwrap();
    let (server, client) = setup.host();
    assert_eq!(show(&client, &id)["url"], receiver.url("/r"));
    assert!(server.stop().unwrap().success());
}
