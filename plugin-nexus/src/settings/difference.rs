//! What differs between two configurations, key by key, and when it counts.
//!
//! Invariant: secrets are compared and never shown.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::config::Config;

/// A key whose value differs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Changed {
    /// The key, as `sync.batch_size`.
    pub(crate) key: String,
    /// What it was; secrets as `[redacted]`.
    pub(crate) from: Value,
    /// What it is to be.
    pub(crate) to: Value,
    /// When it counts.
    pub(crate) applies: Applies,
}

/// When a changed key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Applies {
    /// At once.
    Now,
    /// After the next start.
    Restart,
}

/// Keys and sections that parts are made with at the start.
const FIXED: [&str; 12] = [
    "enabled",
    "nexus_url",
    "api_key",
    "api_key_file",
    "connection",
    "sync",
    "breaker",
    "search",
    "audit",
    "webhooks.outbound",
    "telemetry.hook_timing",
    "telemetry.traces",
];
const CACHE: &str = "similarity.cache";

/// Whether a key counts at once where it is changed while the plugin runs; else after the next start.
#[must_use]
pub fn counts_at_once(key: &str) -> bool {
    applies(key) == Applies::Now
}

/// Whether a key is another one, or stands in that section.
pub(super) fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn applies(key: &str) -> Applies {
    match FIXED
        .into_iter()
        .chain([CACHE])
        .any(|outer| is_within(key, outer))
    {
        true => Applies::Restart,
        false => Applies::Now,
    }
}

/// The configuration that counts while the process runs that began with `started`: the wanted one, but for what parts are made with at
/// the start.
pub(super) fn for_now(wanted: &Config, started: &Config) -> Config {
    let mut config = wanted.clone();
    config.enabled = started.enabled;
    config.nexus_url = started.nexus_url.clone();
    config.api_key = started.api_key.clone();
    config.api_key_file = started.api_key_file.clone();
    config.connection = started.connection.clone();
    config.sync = started.sync.clone();
    config.breaker = started.breaker;
    config.search = started.search.clone();
    config.audit = started.audit.clone();
    config.webhooks.outbound = started.webhooks.outbound.clone();
    config.similarity.cache = started.similarity.cache;
    config.telemetry.hook_timing = started.telemetry.hook_timing;
    config.telemetry.traces = started.telemetry.traces.clone();
    config
}

/// What differs.
pub(super) fn difference(from: &Config, to: &Config) -> Vec<Changed> {
    let (before, after) = (leaves(&from.shown()), leaves(&to.shown()));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |of: &BTreeMap<String, Value>, key: &String| of.get(key).cloned().unwrap_or_default();
    let mut changed: Vec<Changed> = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key) || secret_differs(key, from, to))
        .map(|key| Changed {
            key: key.clone(),
            from: value(&before, key),
            to: value(&after, key),
            applies: applies(key),
        })
        .collect();
    changed.sort_by(|one, other| one.key.cmp(&other.key));
    changed
}

/// Whether a key is a secret that differs, though it shows alike.
fn secret_differs(key: &str, from: &Config, to: &Config) -> bool {
    let (one, other) = (&from.webhooks.inbound, &to.webhooks.inbound);
    match key {
        "api_key" => from.api_key != to.api_key,
        "webhooks.inbound.secrets" => one.secrets != other.secrets,
        "webhooks.inbound.plain_secrets" => one.plain_secrets != other.plain_secrets,
        _ => false,
    }
}

/// Every value by its key; lists are values.
pub(super) fn leaves(section: &Value) -> BTreeMap<String, Value> {
    fn walk(value: &Value, key: &str, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                for (name, value) in entries {
                    let key = match key {
                        "" => name.clone(),
                        key => format!("{key}.{name}"),
                    };
                    walk(value, &key, found);
                }
            }
            value => drop(found.insert(key.to_owned(), value.clone())),
        }
    }
    let mut found = BTreeMap::new();
    walk(section, "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vectorizer_plugin_api::merge_patch;

    use super::*;

    fn config(section: Value) -> Config {
        let mut whole = json!({"nexus_url": "https://h"});
        merge_patch(whole.as_object_mut().unwrap(), section.as_object().unwrap());
        Config::from_section(whole).unwrap()
    }

    #[test]
    fn what_differs_is_told_with_when_it_counts() {
        let from = config(json!({"limits": {"statements_per_second": 5}}));
        let to = config(json!({"sync": {"batch_size": 7}, "poller": {"mode": "off"}}));
        let told: Vec<_> = difference(&from, &to)
            .into_iter()
            .map(|changed| (changed.key, changed.from, changed.to, changed.applies))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "limits.statements_per_second".into(),
                    json!(5),
                    Value::Null,
                    Applies::Now
                ),
                ("poller.mode".into(), json!("auto"), json!("off"), Applies::Now),
                ("sync.batch_size".into(), json!(200), json!(7), Applies::Restart),
            ]
        );
    }

    #[test]
    fn another_secret_is_a_difference_that_shows_nothing_of_it() {
        let with = |key: &str, secret: &str| {
            config(json!({"api_key": key, "webhooks": {"inbound": {"plain_secrets": [secret]}}}))
        };
        let changed = difference(
            &with("one", "a secret of some length"),
            &with("two", "another secret of some length"),
        );
        let keys: Vec<_> = changed.iter().map(|changed| changed.key.as_str()).collect();
        assert_eq!(keys, ["api_key", "webhooks.inbound.plain_secrets"]);
        assert_eq!(
            (&changed[0].from, &changed[0].to),
            (&json!("[redacted]"), &json!("[redacted]"))
        );
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_was_at_the_start_and_all_else_is_as_wanted() {
        let started = config(json!({}));
        let wanted = config(json!({
            "enabled": false, "nexus_url": "https://other", "api_key": "k", "connection": {"pool_size": 3, "ca_file": "/x"}, "sync": {"batch_size": 7},
            "breaker": {"open_ms": 3}, "search": {"lexical": {"enabled": false}}, "audit": {"enabled": false},
            "webhooks": {"outbound": {"timeout_ms": 3000}, "inbound": {"tolerance_seconds": 7}}, "similarity": {"cache": {"entries": 0}, "top_k": 3},
            "collections": [{"name": "c"}], "poller": {"mode": "on"}, "entities": {"enabled": false}, "telemetry": {"hook_timing": false, "log_lines_per_minute": 1, "traces": {"sample": 0.5}},
        }));
        let now = for_now(&wanted, &started);
        let left = difference(&now, &wanted);
        assert!(
            left.iter().all(|changed| changed.applies == Applies::Restart),
            "{left:?}"
        );
        let made = difference(&started, &now);
        assert!(
            made.iter().all(|changed| changed.applies == Applies::Now),
            "{made:?}"
        );
        let all = difference(&started, &wanted);
        assert_eq!(all.len(), left.len() + made.len());
        for key in FIXED
            .into_iter()
            .chain([CACHE])
            .filter(|key| *key != "api_key_file")
        {
            assert!(left.iter().any(|changed| changed.key.starts_with(key)), "{key}");
        }
    }
}
