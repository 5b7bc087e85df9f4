//! From a call of the hook until an independent reader sees the document's new revision in the graph.
//!
//! The sustainable rate is measured first: all documents change at once, each in a call of its own, how long until all are written. Then documents change at
//! half that rate, each in a call of its own, while two threads change one document at a time, ask the server for it until it
//! shows the new revision, and write down how long that took. The plugin's own histogram is given beside it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use vectorizer_host_shim::PluginHost;
use vectorizer_host_shim::api::model::Op;
use vectorizer_tests::nexus::Nexus;
use vectorizer_tests::scrape::Scrape;

use crate::figure::{Aim, Findings, quantile};
use crate::graph;
use crate::host;
use crate::options::Options;
use crate::store::{COLLECTION, Layout, Synthetic, id};

const DOCUMENTS: u64 = 4_000;
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a reader waits for a revision before the measurement fails.
const LOST: Duration = Duration::from_secs(60);
const READERS: u64 = 2;
/// Between two looks of a reader.
const LOOK: Duration = Duration::from_millis(1);
const BURSTS: usize = 3;
const HISTOGRAM: &str = "vectorizer_nexus_lag_seconds";

pub(crate) fn run(options: &Options) -> Findings {
    let mut findings = Findings::default();
    let folder = tempfile::tempdir().unwrap();
    let server = graph::start(folder.path(), None);
    let section = json!({"nexus_url": server.url, "properties": ["title", "revision"]});
    let plugin = host::open(folder.path(), &section).unwrap();
    let store = Arc::new(Synthetic::new(Layout::Alone, DOCUMENTS));
    host::ready_and_settled(&plugin, &store);
    store.show(DOCUMENTS);
    host::hint(&plugin, 0..DOCUMENTS);
    host::wait(&plugin, "the documents are in the graph", PATIENCE, |status| {
        status["total_synced"].as_u64() >= Some(DOCUMENTS) && status["queue_depth"] == 0
    });

    let rate = sustainable(&plugin, &store);
    findings.add("sustainable rate of changes", "documents/s", rate, None);

    let keys = graph::keys(&server.url);
    let before = Scrape::parse(&plugin.metrics());
    let time = Duration::from_secs(options.scale.pick(4, 30));
    let (mut lags, told) = at_half(&plugin, &store, &keys, &server.url, rate / 2.0, time);
    let scrape = Scrape::parse(&plugin.metrics()).since(&before);

    findings.add("rate of changes meanwhile", "documents/s", told, None);
    findings.add("hook to readable: samples", "reads", lags.len() as f64, None);
    let (p50, p99) = (quantile(&mut lags, 0.5) / 1e6, quantile(&mut lags, 0.99) / 1e6);
    findings.add("hook to readable: p50", "ms", p50, None);
    findings.add("hook to readable: p99", "ms", p99, Aim::AtMost(250.0));
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let lag = scrape.quantile(HISTOGRAM, share) * 1e3;
        findings.add(format!("by the plugin's histogram: {name}"), "ms", lag, None);
    }
    plugin.shutdown(Duration::from_secs(10));
    findings
}

fn sustainable(plugin: &PluginHost, store: &Synthetic) -> f64 {
    let synced = || host::status(plugin)["total_synced"].as_u64().unwrap();
    let before = synced();
    let begun = Instant::now();
    for burst in 1..=BURSTS as u64 {
        // In calls of their own, as the changes that follow.
        for number in 0..DOCUMENTS {
            store.change(number);
            plugin.notify(COLLECTION, Op::Update, &[id(number).as_str()]);
        }
        host::wait(plugin, "the changes are in the graph", PATIENCE, |status| {
            status["total_synced"].as_u64() >= Some(before + burst * DOCUMENTS) && status["queue_depth"] == 0
        });
    }
    (BURSTS as u64 * DOCUMENTS) as f64 / begun.elapsed().as_secs_f64()
}

/// Lags in nanoseconds, and the documents a second that were told of.
fn at_half(
    plugin: &PluginHost,
    store: &Synthetic,
    keys: &HashMap<String, String>,
    url: &str,
    rate: f64,
    time: Duration,
) -> (Vec<u64>, f64) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        let readers: Vec<_> = (0..READERS)
            .map(|reader| scope.spawn(move || read(plugin, store, keys, url, reader, over)))
            .collect();
        let begun = Instant::now();
        let mut told = 0_u64;
        while begun.elapsed() < time {
            let due = (begun.elapsed().as_secs_f64() * rate) as u64;
            while told < due {
                // The readers' own documents are left alone.
                let number = READERS + told % (DOCUMENTS - READERS);
                store.change(number);
                plugin.notify(COLLECTION, Op::Update, &[id(number).as_str()]);
                told += 1;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        over.store(true, Ordering::SeqCst);
        let told = told as f64 / begun.elapsed().as_secs_f64();
        let lags = readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap())
            .collect();
        (lags, told)
    })
}

fn read(
    plugin: &PluginHost,
    store: &Synthetic,
    keys: &HashMap<String, String>,
    url: &str,
    number: u64,
    over: &AtomicBool,
) -> Vec<u64> {
    let nexus = Nexus::new(url);
    let id = id(number);
    let statement = format!(
        "MATCH (d:Document {{key: '{}'}}) RETURN d.revision AS revision",
        keys[&id]
    );
    let mut lags = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let revision = store.change(number);
        let begun = Instant::now();
        plugin.notify(COLLECTION, Op::Update, &[id.as_str()]);
        loop {
            let rows = nexus.run(&statement, &json!({})).unwrap();
            // Nexus 2.5 answers with no row, for a moment, while it writes the node.
            if rows.first().is_some_and(|row| row[0] == revision) {
                break;
            }
            assert!(begun.elapsed() < LOST, "revision {revision} of {id} did not come");
            std::thread::sleep(LOOK);
        }
        lags.push(begun.elapsed().as_nanos() as u64);
        // Out of step with the batches, which would come round with the reads otherwise.
        std::thread::sleep(Duration::from_millis(3 + lags.len() as u64 * 7 % 17));
    }
    lags
}
