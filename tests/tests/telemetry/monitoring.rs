//! `monitoring/`: the dashboard, the alert rules and the runbook say what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metrics::{Catalogue, catalogue};
use crate::promtool;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("monitoring/grafana/vectorizer-nexus.json")).unwrap()
}

/// A metric that a query asks for, with the labels that it names.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    labels: Vec<String>,
}

/// Every metric of ours that stands in a query.
fn asked(query: &str) -> Vec<Asked> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("vectorizer_") {
        let begins = !rest[..at].ends_with(is_name);
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        if !begins {
            continue;
        }
        let mut labels = Vec::new();
        if let Some(inside) = after.strip_prefix('{') {
            let inside = inside.split('}').next().unwrap();
            let named = inside.split(',').filter_map(|matcher| {
                matcher
                    .split(['=', '!', '~'])
                    .next()
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
            });
            labels = named.map(str::to_owned).collect();
        }
        found.push(Asked {
            name: name.to_owned(),
            labels,
        });
    }
    found
}

/// What is wrong with a query.
fn wrong(catalogue: &Catalogue, query: &str) -> Vec<String> {
    // What Prometheus adds by itself.
    const TARGET: [&str; 2] = ["job", "instance"];
    let mut wrong = Vec::new();
    for Asked { name, labels } in asked(query) {
        let parts = ["_bucket", "_sum", "_count"];
        let part = parts.iter().find_map(|suffix| name.strip_suffix(suffix));
        let histogram = part.filter(|base| catalogue.get(*base).is_some_and(|facts| facts.0 == "histogram"));
        let Some((kind, known, _)) = catalogue.get(histogram.unwrap_or(&name)) else {
            wrong.push(format!("there is no {name}: {query}"));
            continue;
        };
        if kind == "histogram" && histogram.is_none() {
            wrong.push(format!(
                "{name} is a histogram and has no samples of that name: {query}"
            ));
        }
        let is_known = |label: &String| {
            known.contains(label)
                || TARGET.contains(&label.as_str())
                || label == "le" && name.ends_with("_bucket")
        };
        let unknown = labels.iter().filter(|label| !is_known(label));
        wrong.extend(unknown.map(|label| format!("{name} has no label {label}: {query}")));
    }
    wrong
}

/// The texts of all keys of this name.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => texts(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

#[test]
fn a_query_is_taken_apart() {
    let query = r#"sum by (le) (rate(vectorizer_a_bucket{job="x",collection=~"$c"}[5m])) / my_vectorizer_b + vectorizer_c"#;
    let names: Vec<_> = asked(query)
        .into_iter()
        .map(|asked| (asked.name, asked.labels.join(",")))
        .collect();
    assert_eq!(
        names,
        [
            ("vectorizer_a_bucket".to_owned(), "job,collection".to_owned()),
            ("vectorizer_c".to_owned(), String::new())
        ]
    );
    let catalogue = catalogue();
    for bad in [
        "vectorizer_nexus_nothing",
        "vectorizer_nexus_up{collection=\"c\"}",
        "vectorizer_nexus_lag_seconds",
        "vectorizer_nexus_up_bucket",
    ] {
        assert_eq!(wrong(&catalogue, bad).len(), 1, "{bad}");
    }
    assert_eq!(
        wrong(
            &catalogue,
            "rate(vectorizer_nexus_lag_seconds_bucket{le=\"5\"}[5m])"
        ),
        [""; 0]
    );
}

#[test]
fn every_query_of_the_dashboard_asks_for_a_metric_that_there_is() {
    let (catalogue, dashboard) = (catalogue(), dashboard());
    let mut queries = Vec::new();
    for key in ["expr", "query", "definition"] {
        texts(&dashboard, key, &mut queries);
    }
    assert!(queries.len() > 30, "{}", queries.len());
    let wrong: Vec<String> = queries
        .iter()
        .flat_map(|query| wrong(&catalogue, query))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_dashboard_is_one_by_grafanas_schema_and_its_panels_say_what_they_are() {
    let schema: Value =
        serde_json::from_str(&read("tests/schemas/grafana/dashboard.jsonschema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let dashboard = dashboard();
    let faults: Vec<String> = validator
        .iter_errors(&dashboard)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The schema refuses what is none.
    let mut broken = dashboard.clone();
    broken["panels"] = Value::from("none");
    assert!(!validator.is_valid(&broken));

    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] != "row" {
            assert!(
                panel["description"].as_str().is_some_and(|text| text.len() > 20),
                "{}",
                panel["title"]
            );
        }
    }
}

#[test]
fn every_alert_asks_for_a_metric_that_there_is_and_leads_to_a_section_of_the_runbook() {
    let (catalogue, rules, runbook) = (
        catalogue(),
        read("monitoring/prometheus/alerts.yml"),
        read("docs/runbook.md"),
    );
    let faults: Vec<String> = rules.lines().flat_map(|line| wrong(&catalogue, line)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let anchors: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::to_lowercase)
        .collect();
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let links: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: "))
        .map(|url| url.trim_matches('"').rsplit_once("/docs/runbook.md#").unwrap().1)
        .collect();
    let expected: Vec<String> = alerts.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(links, expected);
    for anchor in &expected {
        assert!(
            anchors.contains(anchor),
            "docs/runbook.md has no section {anchor}"
        );
    }
    for needed in [
        "NexusSyncStalled",
        "NexusSyncLagHigh",
        "NexusDeadLettersGrowing",
        "NexusJournalDiskLow",
        "NexusVerifyMismatch",
        "VectorizerPluginFaulted",
    ] {
        assert!(alerts.contains(&needed), "{needed}");
    }
    let told = |query: &str| {
        asked(query)
            .into_iter()
            .map(|asked| asked.name)
            .collect::<Vec<_>>()
    };
    let faults: Vec<String> = told(&runbook)
        .iter()
        .chain(&told(&read("monitoring/README.md")))
        // Where a file is named, or all that begin alike are.
        .filter(|name| !name.starts_with("vectorizer_plugin_nexus") && !name.ends_with('_'))
        .flat_map(|name| wrong(&catalogue, &format!("{name} ")))
        .filter(|fault| fault.starts_with("there is no"))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn prometheus_takes_the_rules_and_their_tests_pass() {
    for arguments in [
        &["check", "rules", "prometheus/alerts.yml"][..],
        &["test", "rules", "prometheus/alerts.test.yml"],
        &["check", "config", "prometheus/prometheus.yml"],
    ] {
        if let Some((good, told)) = promtool::run(arguments, "") {
            assert!(good, "{told}");
        }
    }
}
