//! The scrape: every family is described, and no label is beyond what the description says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use vectorizer_plugin_nexus::metrics::Metrics;
use vectorizer_tests::nexus::Kind;

use crate::setup::{DIMENSION, PATIENCE, Setup, documents};
use crate::{promtool, setup};

/// A metric as it is described: its kind, its labels, its help.
pub(crate) type Catalogue = BTreeMap<String, (String, Vec<String>, String)>;

/// Every metric of plugin, library and server.
pub(crate) fn catalogue() -> Catalogue {
    let strings = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let metrics = Metrics::new().unwrap();
    let own = metrics.described().iter().map(|metric| {
        let facts = (
            metric.kind.name().to_owned(),
            strings(&metric.labels),
            metric.help.to_owned(),
        );
        (metric.name.clone(), facts)
    });
    let hosts = vectorizer_host_shim::metrics::described()
        .into_iter()
        .chain(vectorizer_host::plugins::described())
        .chain(vectorizer_host::sidecar::described())
        .map(|metric| {
            let facts = (
                metric.kind.name().to_owned(),
                strings(metric.labels),
                metric.help.to_owned(),
            );
            (metric.name.to_owned(), facts)
        });
    own.chain(hosts).collect()
}

/// The name of a sample's family: that of a histogram has a suffix.
fn family<'a>(catalogue: &Catalogue, sample: &'a str) -> &'a str {
    let name = sample.split(['{', ' ']).next().unwrap();
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    match base {
        Some(base) if catalogue.get(base).is_some_and(|(kind, ..)| kind == "histogram") => base,
        _ => name,
    }
}

fn labels(sample: &str) -> BTreeSet<String> {
    let Some((_, labels)) = sample.split_once('{') else {
        return BTreeSet::new();
    };
    let labels = labels.rsplit_once('}').unwrap().0;
    labels
        .split("\",")
        .map(|label| label.split_once('=').unwrap().0.to_owned())
        .filter(|name| name != "le")
        .collect()
}

#[test]
fn the_scrape_is_what_the_catalogue_says_and_prometheus_finds_nothing_wrong_with_it() {
    // What Vectorizer says of itself stands in its own documentation.
    let setup = Setup::alone(
        Kind::Dev,
        &json!({"enrichment": {"enabled": true}, "poller": {"mode": "on"}}),
    );
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    client
        .insert("c", &documents(0..20, "Anna Miller of Acme Ltd in Paris"))
        .unwrap();
    client.settle(PATIENCE).unwrap();
    client.delete("c", &[&setup::document(0, "").0]).unwrap();
    client.settle(PATIENCE).unwrap();
    let search = json!({"collection": "c", "vector": setup::vector(3), "limit": 3});
    client
        .send("POST", "/api/v1/search/hybrid", Some(&search))
        .unwrap();
    let scrape = client.metrics().unwrap();
    let catalogue = catalogue();

    let mut seen = BTreeSet::new();
    for line in scrape.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(
                catalogue.get(name).map(|facts| facts.0.as_str()),
                Some(kind),
                "{line}"
            );
            assert!(seen.insert(name.to_owned()), "{name} comes twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert_eq!(catalogue[name].2, help);
        } else {
            let (_, known, _) = &catalogue[family(&catalogue, line)];
            assert_eq!(labels(line), known.iter().cloned().collect(), "{line}");
        }
    }
    for name in [
        "sync_total",
        "sync_duration_seconds",
        "relationships_created_total",
        "entities_extracted_total",
        "batch_size",
        "queue_depth",
        "queue_oldest_seconds",
        "journal_bytes",
        "journal_free_bytes",
        "lag_seconds",
        "hook_duration_seconds",
        "lane_busy_ratio",
        "breaker_state",
        "dead_letters",
        "reconcile_runs_total",
        "capability",
        "enrichment_total",
        "enrichment_lag_seconds",
        "search_duration_seconds",
        "statement_duration_seconds",
        "health",
        "build_info",
    ] {
        assert!(
            seen.contains(&format!("vectorizer_nexus_{name}")),
            "{name} is not served"
        );
    }
    for sample in [
        "vectorizer_nexus_sync_total{collection=\"c\",status=\"written\"} 20",
        "vectorizer_nexus_sync_total{collection=\"c\",status=\"deleted\"} 1",
        "vectorizer_nexus_up 1",
        "vectorizer_nexus_health{check=\"nexus\"} 0",
        "vectorizer_nexus_queue_depth{priority=\"interactive\",stage=\"nodes\"} 0",
        "vectorizer_plugin_state{plugin=\"nexus\",state=\"started\"} 1",
    ] {
        assert!(scrape.lines().any(|line| line == sample), "{sample}\n{scrape}");
    }
    if let Some((good, told)) = promtool::run(&["check", "metrics"], &scrape) {
        assert!(good && told.trim().is_empty(), "{told}");
    }
    assert!(server.stop().unwrap().success());
}

/// What the operators' handbook promises, with its labels.
#[test]
fn no_metric_that_is_promised_is_missing() {
    let catalogue = catalogue();
    for (name, labels) in [
        ("sync_total", &["collection", "status"][..]),
        ("sync_duration_seconds", &["collection"]),
        ("sync_errors_total", &["collection", "error_type"]),
        ("relationships_created_total", &["type"]),
        ("relationships_retracted_total", &["type"]),
        ("entities_extracted_total", &["entity_type"]),
        ("webhook_latency_seconds", &[]),
        ("webhook_total", &["direction", "result"]),
        ("batch_size", &["stage"]),
        ("queue_depth", &["stage", "priority"]),
        ("queue_oldest_seconds", &[]),
        ("journal_bytes", &[]),
        ("lag_seconds", &[]),
        ("hook_duration_seconds", &[]),
        ("lane_busy_ratio", &["stage"]),
        ("breaker_state", &[]),
        ("dead_letters", &[]),
        ("verify_mismatch_total", &["stage"]),
        ("capability", &["operation", "form"]),
        ("search_duration_seconds", &["kind"]),
    ] {
        let (_, known, _) = &catalogue[&format!("vectorizer_nexus_{name}")];
        assert_eq!(known, labels, "{name}");
    }
}
