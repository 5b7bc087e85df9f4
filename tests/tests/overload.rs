//! A graph server that is overloaded, fails by itself or must be spared: what arrives at it is counted there.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, documents, set_faults};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

/// Every document that is charged with an attempt becomes a dead letter at once.
fn setup(more: &Value) -> Setup {
    let mut section = json!({"sync": {"max_retry_delay_ms": 500, "dead_letter_after": 1}});
    for (name, value) in more.as_object().unwrap() {
        section[name] = value.clone();
    }
    Setup::with(Kind::Dev, &section)
}

/// Makes the server count the statements that arrive, and do `effect` to them.
fn count_and(setup: &Setup, effect: Option<Value>) {
    let counting = json!({"latency_ms": 1});
    let rules: Vec<Value> = effect
        .into_iter()
        .map(|effect| json!({"effect": effect}))
        .chain([counting])
        .collect();
    set_faults(&setup.nexus_url, &json!(rules));
}

/// Statements that arrived since the server counts them.
fn arrived(setup: &Setup) -> u64 {
    let mut answer = ureq::get(format!("{}/_faults", setup.nexus_url)).call().unwrap();
    let report: Value = answer.body_mut().read_json().unwrap();
    report["counts"]["delayed"].as_u64().unwrap()
}

/// Waits until one more statement arrives; answers when.
fn next_arrival(setup: &Setup, seen: u64) -> Instant {
    wait_until("a statement arrives", PATIENCE, || Ok(arrived(setup) > seen)).unwrap();
    Instant::now()
}

/// The value of a sample, if there is one.
fn sample(client: &Vectorizer, name: &str) -> Option<f64> {
    let metrics = client.metrics().unwrap();
    let line = metrics
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next().unwrap().parse().ok()
}

/// What the plugin says of its health.
fn health(client: &Vectorizer) -> String {
    let plugins = client.call("GET", "/api/v1/plugins", None).unwrap();
    plugins.to_string()
}

fn assert_nobody_was_charged(client: &Vectorizer) {
    let status = client.status().unwrap();
    assert_eq!(
        (&status["dead_letters"], &status["waiting_for_retry"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn a_server_that_says_when_to_come_back_is_left_alone_for_that_long() {
    let asked = 4;
    // Statements wait for that, or, where it is longer than they may wait, the breaker does.
    for (longest_wait, breaker) in [(10_000, "closed"), (500, "open")] {
        let setup = setup(&json!({"sync": {"max_retry_delay_ms": longest_wait, "dead_letter_after": 1}}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        client.insert("c", &documents(0..20, "before")).unwrap();
        client.settle(PATIENCE).unwrap();

        let busy = json!({"kind": "status", "code": 503, "retry_after_seconds": asked});
        count_and(&setup, Some(busy));
        client.insert("c", &documents(20..40, "after")).unwrap();
        let first = next_arrival(&setup, 0);
        // What was under way already has its answer then.
        sleep(Duration::from_millis(500));
        let before = arrived(&setup);
        assert!(before <= 8, "each lane finds out for itself: {before}");
        let status = client.status().unwrap();
        assert_eq!(status["nexus"]["state"], "ready", "{status:#}");
        assert_eq!(status["nexus"]["breaker"]["state"], breaker, "{status:#}");
        assert!(status["nexus"]["pace"]["paused_until"].is_string(), "{status:#}");
        assert!(
            status["nexus"]["pace"]["statements_per_second"].is_number(),
            "{status:#}"
        );
        assert_eq!(
            health(&client).contains("left alone for a while"),
            breaker == "open"
        );

        count_and(&setup, None);
        let resumed = next_arrival(&setup, before);
        // The first arrival was seen a moment after it was answered.
        let alone = resumed - first;
        let least = Duration::from_secs(asked) - Duration::from_millis(500);
        assert!(
            alone >= least && alone < Duration::from_secs(asked) + Duration::from_secs(10),
            "{alone:?}"
        );
        assert_eq!(setup.assert_equal(&client).nodes, 40);
        assert_nobody_was_charged(&client);
        let opened = sample(&client, "vectorizer_nexus_breaker_opened_total").unwrap();
        assert_eq!(opened > 0.0, breaker == "open", "{opened}");
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_server_that_fails_at_statements_is_asked_seldom_until_it_does_its_work_again() {
    let setup = setup(&json!({
        "breaker": {"failure_threshold": 3, "open_ms": 1_000, "max_open_ms": 2_000},
    }));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..20, "before")).unwrap();
    client.settle(PATIENCE).unwrap();
    assert_eq!(sample(&client, "vectorizer_nexus_breaker_state"), Some(0.0));
    assert_eq!(
        sample(&client, "vectorizer_nexus_breaker_opened_total"),
        Some(0.0)
    );

    count_and(&setup, Some(json!({"kind": "status", "code": 500})));
    client.insert("c", &documents(20..80, "after")).unwrap();
    wait_until("the breaker opens", PATIENCE, || {
        Ok(client.status()?["nexus"]["breaker"]["state"] == "open")
    })
    .unwrap();
    let status = client.status().unwrap();
    let nexus = &status["nexus"];
    assert_eq!(nexus["state"], "ready", "/health answers: {status:#}");
    assert!(nexus["breaker"]["reason"].is_string(), "{status:#}");
    assert!(nexus["breaker"]["openings"].as_u64() >= Some(1), "{status:#}");
    assert!(health(&client).contains("left alone for a while"));
    assert_ne!(sample(&client, "vectorizer_nexus_breaker_state"), Some(0.0));

    // Statements that were under way come to their end first. Then one batch at a time finds out, after half a second, one
    // second and so on at the earliest: no more than eight times in eight seconds, with four attempts at a statement each.
    sleep(Duration::from_secs(2));
    let before = arrived(&setup);
    sleep(Duration::from_secs(8));
    let asked = arrived(&setup) - before;
    assert!((1..=32).contains(&asked), "{asked} statements in eight seconds");
    assert_nobody_was_charged(&client);

    count_and(&setup, None);
    assert_eq!(setup.assert_equal(&client).nodes, 80);
    wait_until("the breaker closes", PATIENCE, || {
        Ok(client.status()?["nexus"]["breaker"]["state"] == "closed")
    })
    .unwrap();
    assert_nobody_was_charged(&client);
    assert_eq!(sample(&client, "vectorizer_nexus_breaker_state"), Some(0.0));
    assert!(sample(&client, "vectorizer_nexus_breaker_opened_total").unwrap() >= 2.0);
    assert!(!health(&client).contains("left alone for a while"));
    assert_eq!(
        server
            .log()
            .matches("Nexus is out of reach; changes are journaled")
            .count(),
        0,
        "the link does not flap"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_ceiling_of_statements_is_kept_from_the_first_one_on() {
    const CEILING: f64 = 40.0;
    // A quarter of a second's share comes at once, and one may be on its way.
    const BURST: f64 = CEILING / 4.0 + 1.0;
    let setup = setup(&json!({"limits": {"statements_per_second": CEILING as u32}}));
    let _nexus = setup.nexus();
    count_and(&setup, None);
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..300, "paced")).unwrap();
    let mut samples = Vec::new();
    wait_until("everything is synced", PATIENCE, || {
        let asked = Instant::now();
        samples.push((asked, arrived(&setup), Instant::now()));
        let status = client.status()?;
        Ok(status["queue_depth"] == 0 && status["total_synced"].as_u64() >= Some(300))
    })
    .unwrap_or_else(|error| panic!("{error}; {:#}", client.status().unwrap()));
    for (at, (asked, first, _)) in samples.iter().enumerate() {
        for (_, last, answered) in &samples[at..] {
            let most = CEILING * (*answered - *asked).as_secs_f64() + BURST;
            let came = last - first;
            assert!(
                came as f64 <= most,
                "{came} statements in {:?}",
                *answered - *asked
            );
        }
    }
    let (_, total, _) = samples.last().unwrap();
    assert!(*total >= 100, "too few to tell: {total}");
    assert_eq!(setup.assert_equal(&client).nodes, 300);
    assert!(sample(&client, "vectorizer_nexus_throttled_total{reason=\"ceiling\"}").unwrap() > 0.0);
    assert_eq!(
        sample(&client, "vectorizer_nexus_rate_limit{unit=\"statements\"}"),
        Some(CEILING)
    );
    assert_nobody_was_charged(&client);
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_ceiling_of_documents_is_kept() {
    const CEILING: f64 = 20.0;
    let setup = setup(&json!({"limits": {"documents_per_second": CEILING as u32}}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.settle(PATIENCE).unwrap();
    let start = Instant::now();
    client.insert("c", &documents(0..100, "paced")).unwrap();
    let graph = setup.graph();
    wait_until("everything is in the graph", PATIENCE, || {
        let nodes = graph.documents()?.len();
        // A second's share comes at once.
        let most = CEILING * start.elapsed().as_secs_f64() + CEILING;
        assert!(nodes as f64 <= most, "{nodes} documents in {:?}", start.elapsed());
        Ok(nodes == 100)
    })
    .unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!(took >= 80.0 / CEILING, "{took}");
    assert_eq!(setup.assert_equal(&client).nodes, 100);
    assert_nobody_was_charged(&client);
    assert!(server.stop().unwrap().success());
}
