//! From the graph into the payloads: by webhooks and by polling, through a real host and its own store.
//!
//! A change in the graph is an edge of another type, made by hand. It is visible once a read of the document through the host's API shows
//! it under `_nexus`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::Nexus;
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};
use vectorizer_tests::webhook::{Delivery, SECRET, Sender, now, relationship};

use crate::figure::{Aim, Findings, quantile};
use crate::graph;
use crate::options::Options;

const DIMENSION: usize = 16;
const PATIENCE: Duration = Duration::from_secs(900);
/// Deliveries a second, and senders that share them.
const RATE: u64 = 200;
const SENDERS: u64 = 4;
/// Documents that are asked for at a time.
const READ: usize = 50;

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = tempfile::tempdir().unwrap();
    let nexus_folder = tempfile::tempdir().unwrap();
    let nexus = graph::start(nexus_folder.path(), None);
    let section = |poller: &str| {
        json!({
            "nexus_url": nexus.url,
            "similarity": {"top_k": 3, "threshold": {"cosine": 0.5}},
            "enrichment": {"enabled": true},
            "poller": {"mode": poller},
            "webhooks": {"inbound": {"secrets": [SECRET]}},
        })
    };
    let artifacts = Artifacts::of(Profile::Release);
    let host = HostFolder::new(folder.path(), &artifacts, 0, &json!({}), &section("off")).unwrap();
    let documents = options.scale.pick(500, 10_000);
    let server = host.start().unwrap();
    let client = Vectorizer::new(&server.url);
    fill(&client, documents);
    client.settle(PATIENCE).unwrap();
    webhooks(options, &mut findings, &server, &nexus.url, documents);
    server.stop().unwrap();

    let host = HostFolder::new(folder.path(), &artifacts, 0, &json!({}), &section("on")).unwrap();
    let server = host.start().unwrap();
    polling(options, &mut findings, &server, &nexus.url, documents);
    server.stop().unwrap();
    findings.note(format!(
        "{documents} documents, three edges each at most, in the host's own store"
    ));
    findings
}

fn name(n: usize) -> String {
    format!("d{n}")
}

fn fill(client: &Vectorizer, documents: usize) {
    client.create("c", DIMENSION, "Cosine").unwrap();
    let all: Vec<usize> = (0..documents).collect();
    for part in all.chunks(500) {
        let part: Vec<_> = part
            .iter()
            .map(|n| {
                let vector = (0..DIMENSION)
                    .map(|axis| (((n + 1) * (axis + 3)) as f32 * 0.37).sin())
                    .collect();
                let payload = json!({"title": format!("title {n}"), "content": format!("a short text {n}")});
                (name(*n), vector, payload)
            })
            .collect();
        client.insert("c", &part).unwrap();
    }
}

/// Links documents, as an application would.
fn link(graph: &Nexus, kind: &str, pairs: &[(usize, usize)]) {
    let statement = format!(
        "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
         MERGE (a)-[r:{kind}]->(b) ON CREATE SET r.since = 1 ON MATCH SET r.since = 1"
    );
    for part in pairs.chunks(200) {
        let rows: Vec<Value> = part
            .iter()
            .map(|(from, to)| json!({"a": format!("c/d{from}"), "b": format!("c/d{to}")}))
            .collect();
        graph.run(&statement, &json!({"rows": rows})).unwrap();
    }
}

/// Which of the documents show an edge of this type.
fn visible(client: &Vectorizer, kind: &str, ids: &[String]) -> Vec<String> {
    let body = json!({"ids": ids, "with_payload": true});
    let answer = client
        .call("POST", "/qdrant/collections/c/points", Some(&body))
        .unwrap();
    let points = answer["result"].as_array().cloned().unwrap_or_default();
    let shows = |point: &&Value| {
        let related = point["payload"]["_nexus"]["related_documents"].as_array();
        related.is_some_and(|related| related.iter().any(|related| related["type"] == kind))
    };
    points
        .iter()
        .filter(shows)
        .map(|point| point["id"].as_str().unwrap().to_owned())
        .collect()
}

fn webhooks(options: &Options, findings: &mut Findings, server: &Server, nexus: &str, documents: usize) {
    let events = options.scale.pick(200, 4_000).min(documents as u64 / 2) as usize;
    let pairs: Vec<(usize, usize)> = (0..events).map(|n| (n, documents - 1 - n)).collect();
    link(&Nexus::new(nexus), "CITES", &pairs);

    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let begun = Instant::now();
    let senders: Vec<_> = (0..SENDERS as usize)
        .map(|which| {
            let (sender, sent) = (Sender::new(&server.url), Arc::clone(&sent));
            std::thread::spawn(move || {
                for n in (which..events).step_by(SENDERS as usize) {
                    let due = begun + Duration::from_micros(n as u64 * 1_000_000 / RATE);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let body = relationship("created", "CITES", "c", &name(n), &name(documents - 1 - n));
                    let delivery = Delivery::standard("/webhooks/nexus", &format!("event {n}"), now(), &body);
                    sent.lock().unwrap().insert(name(n), Instant::now());
                    assert_eq!(sender.send(&delivery).unwrap().0, 202);
                }
            })
        })
        .collect();
    let client = Vectorizer::new(&server.url);
    let mut lags = Vec::new();
    while lags.len() < events {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} of {events} are visible",
            lags.len()
        );
        let mut open: Vec<(String, Instant)> = sent
            .lock()
            .unwrap()
            .iter()
            .map(|(id, at)| (id.clone(), *at))
            .collect();
        open.sort_by_key(|(_, at)| *at);
        let ids: Vec<String> = open.into_iter().map(|(id, _)| id).take(READ).collect();
        if ids.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for id in visible(&client, "CITES", &ids) {
            let at = sent.lock().unwrap().remove(&id);
            lags.extend(at.map(|at| at.elapsed().as_micros() as u64));
        }
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    findings.add(
        "webhook to payload, p50",
        "ms",
        quantile(&mut lags, 0.5) / 1e3,
        None,
    );
    let p99 = quantile(&mut lags, 0.99) / 1e3;
    findings.add("webhook to payload, p99", "ms", p99, Aim::AtMost(50.0));

    client.settle(PATIENCE).unwrap();
    let writes = |client: &Vectorizer| {
        let text = client.metrics().unwrap();
        let counted = |line: &&str| {
            ["sync_total{", "relationships_", "enrichment_total{"]
                .iter()
                .any(|name| line.starts_with(&format!("vectorizer_nexus_{name}")))
        };
        text.lines()
            .filter(counted)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = writes(&client);
    let sender = Sender::new(&server.url);
    let many = options.scale.pick(500, 10_000);
    let body = relationship("created", "CITES", "c", &name(0), &name(documents - 1));
    let again = Delivery::standard("/webhooks/nexus", "event 0", now(), &body);
    let forged = again.clone().with("webhook-id", "forged");
    for (what, delivery, status) in [("duplicates", again, 200), ("forgeries", forged, 401)] {
        let begun = Instant::now();
        for _ in 0..many {
            assert_eq!(sender.send(&delivery).unwrap().0, status);
        }
        let rate = f64::from(many) / begun.elapsed().as_secs_f64();
        findings.add(format!("{what} refused, one sender"), "1/s", rate, None);
    }
    client.settle(PATIENCE).unwrap();
    let changed = before
        .iter()
        .zip(&writes(&client))
        .filter(|(one, other)| one != other)
        .count();
    findings.add(
        "counters of writes that moved since",
        "",
        changed as f64,
        Aim::AtMost(0.0),
    );
}

/// Seconds of processor time that a process took.
fn processor(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap_or_default();
    // Behind the name, which may hold blanks: user and system time are the 12th and 13th field.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn polling(options: &Options, findings: &mut Findings, server: &Server, nexus: &str, documents: usize) {
    let client = Vectorizer::new(&server.url);
    client.settle(PATIENCE).unwrap();
    // The first scan hints all documents with such edges.
    std::thread::sleep(Duration::from_secs(5));
    client.settle(PATIENCE).unwrap();

    let idle = Duration::from_secs(options.scale.pick(5, 30));
    let polled = || -> f64 {
        let text = client.metrics().unwrap();
        let seconds = text
            .lines()
            .filter(|line| line.starts_with("vectorizer_nexus_poll_seconds_total{"));
        seconds
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    let before = (Instant::now(), processor(server), polled());
    std::thread::sleep(idle);
    let after = (before.0.elapsed().as_secs_f64(), processor(server), polled());
    let share = |more: f64| more / after.0 * 100.0;
    findings.add(
        "idle: time for which Nexus is read",
        "%",
        share(after.2 - before.2),
        None,
    );
    findings.add(
        "idle: processor of the host",
        "%",
        share(after.1 - before.1),
        None,
    );

    let graph = Nexus::new(nexus);
    let mut lags = Vec::new();
    for n in 0..options.scale.pick(5, 40) {
        // Not in step with the poller.
        std::thread::sleep(Duration::from_millis(700 + 137 * (n as u64 % 7)));
        let from = documents / 2 + n;
        link(&graph, "REVIEWS", &[(from, n)]);
        let begun = Instant::now();
        wait_until("the edge is in the payload", PATIENCE, || {
            Ok(!visible(&client, "REVIEWS", &[name(from)]).is_empty())
        })
        .unwrap();
        lags.push(begun.elapsed().as_micros() as u64);
    }
    let p50 = quantile(&mut lags, 0.5) / 1e3;
    let worst = quantile(&mut lags, 1.0) / 1e3;
    findings.add(
        "edge by hand to payload, polled, p50",
        "ms",
        p50,
        Aim::AtMost(1_000.0),
    );
    findings.add("edge by hand to payload, polled, worst", "ms", worst, None);
}
