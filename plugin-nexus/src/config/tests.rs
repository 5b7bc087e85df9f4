use super::*;
use serde_json::{Value, json};
use vectorizer_plugin_api::model::Metric;

fn read(section: Value) -> Result<Config, ConfigError> {
    Config::from_json(&section.to_string())
}

fn faults(section: Value) -> String {
    read(section).unwrap_err().to_string()
}

#[test]
fn an_address_is_enough() {
    let config = read(json!({"nexus_url": "http://127.0.0.1:15474"})).unwrap();
    assert!(config.syncs("anything"));
    assert!((config.similarity_of("c").threshold.of(Metric::Cosine) - 0.75).abs() < 1e-9);
}

#[test]
fn an_unknown_key_and_a_wrong_type_are_named() {
    let url = "http://h";
    assert!(
        faults(json!({"nexus_url": url, "sync": {"bach_size": 1}}))
            .contains("nexus_integration.sync.bach_size")
    );
    assert!(faults(json!({"nexus_url": url, "sync": {"batch_size": "x"}})).contains("sync.batch_size"));
    assert!(faults(json!({})).contains("nexus_url"));
    assert!(faults(json!({"nexus_url": "not an address"})).contains("nexus_integration.nexus_url"));
}

#[test]
fn similarity_has_methods_thresholds_and_a_cache() {
    let url = "http://h";
    let config = read(json!({
        "nexus_url": url,
        "similarity": {"method": "hybrid", "hybrid": {"vector_weight": 0.5}, "candidates": {"cosine": 0.1}, "cache": {"entries": 0}},
        "collections": [{"name": "a", "similarity": {"method": "keyword", "threshold": 0.4}}],
    }))
    .unwrap();
    let (general, own) = (config.similarity_of("b"), config.similarity_of("a"));
    assert_eq!(general.method, SimilarityMethod::Hybrid);
    assert!(
        (general.candidates.euclidean - 0.3).abs() < 1e-9,
        "one of them does not change the others"
    );
    assert!((own.least(Metric::Cosine) - 0.4).abs() < 1e-9);
    for (section, key) in [
        (json!({"method": "words"}), "similarity.method"),
        (json!({"keyword": {"treshold": 1}}), "similarity.keyword.treshold"),
        (
            json!({"keyword": {"threshold": -0.1}}),
            "similarity.keyword.threshold",
        ),
        (
            json!({"hybrid": {"vector_weight": 2}}),
            "similarity.hybrid.vector_weight",
        ),
        (json!({"candidates": {"dot": -1}}), "similarity.candidates.dot"),
        (
            json!({"cache": {"entries": 1_000_000}}),
            "similarity.cache.entries",
        ),
        (
            json!({"across": [{"collections": ["a"]}]}),
            "similarity.across[0].collections",
        ),
        (
            json!({"across": [{"collections": ["a", "b"]}, {"collections": ["b", "c"]}]}),
            "similarity.across[1].collections",
        ),
        (
            json!({"across": [{"collections": ["a", "b"], "top_k": 0}]}),
            "similarity.across[0].top_k",
        ),
        (
            json!({"cache": {"ttl_seconds": 0}}),
            "similarity.cache.ttl_seconds",
        ),
    ] {
        let text = faults(json!({"nexus_url": url, "similarity": section}));
        assert!(
            text.contains(&format!("nexus_integration.{key}")),
            "{key}: {text}"
        );
    }
}

#[test]
fn all_values_out_of_range_are_reported_at_once() {
    let text = faults(json!({
        "nexus_url": "ftp://user:pw@h/?q",
        "similarity": {"top_k": 0, "threshold": {"cosine": 1.5}},
        "sync": {"batch_size": 0},
        "verify": {"sample": 1.5},
        "properties": ["rev"],
        "collections": [{"name": "a"}, {"name": "a", "similarity": {"threshold": -2.0}}],
    }));
    for key in [
        "nexus_url: must be",
        "nexus_url: must not hold credentials",
        "similarity.top_k",
        "similarity.threshold.cosine",
        "sync.batch_size",
        "verify.sample",
        "properties: 'rev'",
        "collections[1].name",
        "collections[1].similarity.threshold",
    ] {
        assert!(text.contains(key), "{key} is missing in: {text}");
    }
    assert!(!text.contains("pw"), "credentials must not be repeated");
}

#[test]
fn credentials_in_a_malformed_address_are_not_repeated() {
    for (address, fault) in [
        ("http://user:pw@h:99999/", "invalid port number"),
        ("http://user:pw@[", "invalid IPv6 address"),
        ("//user:pw@h", "relative URL without a base"),
    ] {
        let text = faults(json!({"nexus_url": address}));
        assert_eq!(
            text,
            format!("nexus_integration.nexus_url: not an address: {fault}")
        );
    }
    for other in [json!(["user:pw"]), json!({"user:pw": 1})] {
        let text = faults(json!({"nexus_url": other}));
        assert_eq!(text, "nexus_integration.nexus_url: must be a text");
    }
}

#[test]
fn a_fault_is_told_in_one_line_whatever_the_names() {
    let text = faults(json!({"nexus_url": "http://h", "sync": {"batch\nsize": 1}}));
    assert!(text.contains("batch size") && !text.contains('\n'), "{text}");
    let twice = json!([{"name": "a\u{2028}b"}, {"name": "a\u{2028}b"}]);
    let text = faults(json!({"nexus_url": "http://h", "collections": twice}));
    assert!(text.contains("'a b' is listed twice"), "{text}");
}

#[test]
fn nothing_may_stand_behind_the_section() {
    let error = Config::from_json(r#"{"nexus_url": "http://h"} {"enabled": false}"#).unwrap_err();
    assert_eq!(error.to_string(), "nexus_integration: trailing characters");
}

#[test]
fn a_collection_can_be_left_out_or_differ() {
    let config = read(json!({
        "nexus_url": "http://h",
        "sync_all_collections": false,
        "collections": [{"name": "a", "similarity": {"top_k": 3}}, {"name": "b", "enabled": false}],
    }))
    .unwrap();
    assert!(config.syncs("a") && !config.syncs("b") && !config.syncs("c"));
    assert_eq!(
        (config.similarity_of("a").top_k, config.similarity_of("c").top_k),
        (3, 10)
    );
}

#[test]
fn the_key_is_sent_as_bearer_unless_told_otherwise() {
    let auth = |connection: Value| {
        read(json!({"nexus_url": "http://h", "connection": connection})).map(|config| config.client().auth)
    };
    assert_eq!(auth(json!({})).unwrap(), Auth::Bearer);
    assert_eq!(auth(json!({"auth": "bearer"})).unwrap(), Auth::Bearer);
    assert_eq!(auth(json!({"auth": "x-api-key"})).unwrap(), Auth::XApiKey);
    let unknown = auth(json!({"auth": "basic"})).unwrap_err().to_string();
    assert!(
        unknown.contains("connection.auth") && unknown.contains("x-api-key"),
        "{unknown}"
    );
}

#[test]
fn a_ca_file_needs_a_name_and_an_https_address() {
    let ca_file = |url: &str, file: &str| read(json!({"nexus_url": url, "connection": {"ca_file": file}}));
    let config = ca_file("https://h", "/etc/nexus/ca.pem").unwrap().client();
    assert_eq!(config.ca_file.as_deref(), Some("/etc/nexus/ca.pem".as_ref()));
    for (url, file) in [("http://h", "/etc/nexus/ca.pem"), ("https://h", "")] {
        let text = ca_file(url, file).unwrap_err().to_string();
        assert!(text.contains("connection.ca_file"), "{text}");
    }
}

#[test]
fn the_api_key_never_prints() {
    let config = read(json!({"nexus_url": "http://h", "api_key": "topsecret"})).unwrap();
    assert!(!format!("{config:?}").contains("topsecret"));
}

#[test]
fn domains_entities_and_permissions_are_refused_by_name() {
    let url = "http://h";
    for (section, settings, key) in [
        ("domains", json!({"default": ""}), "domains.default"),
        ("domains", json!({"min_confidence": 2}), "domains.min_confidence"),
        ("domains", json!({"max_domains": 0}), "domains.max_domains"),
        (
            "domains",
            json!({"rules": [{"name": ""}]}),
            "domains.rules[0].name",
        ),
        (
            "domains",
            json!({"rules": [{"name": "x", "terms": {"much": ["y"]}}]}),
            "domains.rules[0].terms.much",
        ),
        (
            "domains",
            json!({"rules": [{"name": "x", "terms": {"1": ["--"]}}]}),
            "domains.rules[0].terms.1",
        ),
        (
            "domains",
            json!({"rules": [{"name": "x", "parent": "y"}, {"name": "y", "parent": "x"}]}),
            "domains.rules",
        ),
        (
            "domains",
            json!({"labels": [{"collection": "c", "id": "a", "domain": "no such domain"}]}),
            "domains.labels[0].domain",
        ),
        (
            "domains",
            json!({"labels": [{"collection": "", "id": "a", "domain": "legal"}]}),
            "domains.labels[0].collection",
        ),
        (
            "entities",
            json!({"min_confidence": -1}),
            "entities.min_confidence",
        ),
        (
            "entities",
            json!({"max_per_document": 0}),
            "entities.max_per_document",
        ),
        (
            "entities",
            json!({"patterns": [{"kind": "", "regex": "a"}]}),
            "entities.patterns[0].kind",
        ),
        (
            "entities",
            json!({"patterns": [{"kind": "x", "regex": "("}]}),
            "entities.patterns[0]",
        ),
        (
            "entities",
            json!({"lists": [{"kind": "x", "names": [" "]}]}),
            "entities.lists[0].names",
        ),
        ("permissions", json!({"field": ""}), "permissions.field"),
        (
            "permissions",
            json!({"tenants": ["user_{tenant}"]}),
            "permissions.tenants[0]",
        ),
    ] {
        let text = faults(json!({"nexus_url": url, section: settings}));
        assert!(
            text.contains(&format!("nexus_integration.{key}")),
            "{key}: {text}"
        );
    }
}
