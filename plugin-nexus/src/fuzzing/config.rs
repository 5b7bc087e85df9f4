//! The configuration: what is accepted is in range, what is refused is named and shows no credentials.

use serde_json::json;
use vectorizer_plugin_api::model::Metric;

use crate::config::{Config, ConfigError, Connection, Sync, SyncMode};
use crate::nexus::properties::is_address;

/// Stands in every user name and password.
const MARK: &str = "zq7userinfo";

/// Any text as the section.
pub fn text(text: &str) {
    let read = Config::from_json(text);
    match read {
        Ok(config) => {
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
            in_range(&config);
        }
        Err(error) => named(&error),
    }
}

/// An address with credentials in it, in every place of the section where one might be written.
pub fn credentials(scheme: &str, user: &str, password: &str, rest: &str) {
    let address = format!("{scheme}//{MARK}{user}:{MARK}{password}@{rest}");
    for nexus_url in [
        json!(address),
        json!([address]),
        json!({ &address: address }),
        json!({"a": address}),
    ] {
        let section = json!({"nexus_url": nexus_url, "sync": {"batch_size": 0}});
        let Err(error) = Config::from_json(&section.to_string()) else {
            continue;
        };
        named(&error);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(MARK), "{shown}");
    }
    if let Ok(config) = Config::from_json(&json!({ "nexus_url": address }).to_string()) {
        in_range(&config);
    }
}

fn named(error: &ConfigError) {
    assert!(!error.faults.is_empty());
    for fault in &error.faults {
        assert!(
            fault.starts_with("nexus_integration") && fault.contains(": "),
            "{fault}"
        );
        assert!(!fault.chars().any(char::is_control), "{fault:?}");
    }
}

fn in_range(config: &Config) {
    let url = &config.nexus_url;
    assert!(matches!(url.scheme(), "http" | "https") && url.host().is_some());
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(url.query().is_none() && url.fragment().is_none());
    assert!(is_address(url));
    let Connection {
        connect_timeout_ms,
        request_timeout_ms,
        pool_size,
        ..
    } = config.connection;
    assert!((1..=600_000).contains(&connect_timeout_ms) && (1..=3_600_000).contains(&request_timeout_ms));
    assert!((1..=256).contains(&pool_size));
    if let Some(ca_file) = &config.connection.ca_file {
        assert!(!ca_file.as_os_str().is_empty() && url.scheme() == "https");
    }
    let Sync {
        mode,
        worker_threads,
        batch_size,
        overflow: _,
        block_ms,
        durability: _,
        retry_attempts,
        retry_delay_ms,
        max_retry_delay_ms,
        max_queue_size,
        flush_interval_ms,
        refused_delay_ms,
        max_refused_delay_ms,
        dead_letter_after,
        max_dead_letters,
    } = config.sync;
    assert_eq!(mode, SyncMode::Async);
    assert!((1..=64).contains(&worker_threads) && (1..=5_000).contains(&batch_size));
    assert!((1..=100).contains(&retry_attempts) && (1..=60_000).contains(&retry_delay_ms));
    assert!((retry_delay_ms..=3_600_000).contains(&max_retry_delay_ms));
    assert!((1..=60_000).contains(&block_ms));
    assert!((1_000..=100_000_000).contains(&max_queue_size) && (1..=10_000).contains(&flush_interval_ms));
    assert!((1..=3_600_000).contains(&refused_delay_ms));
    assert!((refused_delay_ms..=86_400_000).contains(&max_refused_delay_ms));
    assert!((1..=1_000).contains(&dead_letter_after) && (1..=1_000_000).contains(&max_dead_letters));
    let ceilings = config.limits.ceilings();
    for ceiling in [ceilings.statements, ceilings.documents].into_iter().flatten() {
        assert!((1..=1_000_000).contains(&ceiling));
    }
    let breaker = config.breaker.settings();
    assert!((1..=1_000).contains(&breaker.threshold));
    assert!(!breaker.open.base.is_zero() && breaker.open.base <= breaker.open.longest);
    assert!(config.reconcile.interval_seconds <= 31_536_000);
    assert!(config.reconcile.documents_per_second <= 100_000_000);
    assert!((0.0..=1.0).contains(&config.verify.sample) && config.verify.first_batches <= 1_000_000);
    let names = config
        .collections
        .iter()
        .map(|collection| collection.name.as_str());
    for name in names.chain(["", "c"]) {
        let similarity = config.similarity_of(name);
        assert!((1..=1_000).contains(&similarity.top_k));
        for metric in [Metric::Cosine, Metric::Euclidean, Metric::Dot] {
            assert!((-1.0..=1.0).contains(&similarity.threshold.of(metric)));
        }
        assert!(!config.syncs(name) || config.enabled);
    }
    let client = config.client();
    assert!(client.api_key.is_none_or(|key| !key.is_empty()));
    assert!(client.retry.base_delay <= client.retry.cap);
}
