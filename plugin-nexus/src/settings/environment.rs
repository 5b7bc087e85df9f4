//! Variables of the environment that count before everything else.
//!
//! Invariants: an empty variable is none; a value is never repeated in an error, since it may be a secret.

use serde_json::{Value, json};

use super::difference::is_within;
use crate::config::ConfigError;

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// `true` or `false`, also `1`, `0`, `yes`, `no`, `on` and `off`.
    Switch,
    Number,
    /// Texts with commas between them.
    List,
}

/// A variable, the key that it sets, and what it holds.
#[derive(Debug, Clone, Copy)]
struct Variable(&'static str, &'static str, Kind);

const VARIABLES: [Variable; 15] = [
    Variable("NEXUS_URL", "nexus_url", Kind::Text),
    Variable("NEXUS_API_KEY", "api_key", Kind::Text),
    Variable("NEXUS_API_KEY_FILE", "api_key_file", Kind::Text),
    Variable("NEXUS_CA_FILE", "connection.ca_file", Kind::Text),
    Variable(
        "NEXUS_REQUEST_TIMEOUT_MS",
        "connection.request_timeout_ms",
        Kind::Number,
    ),
    Variable("NEXUS_POOL_SIZE", "connection.pool_size", Kind::Number),
    Variable("NEXUS_SYNC_ENABLED", "enabled", Kind::Switch),
    Variable("NEXUS_SYNC_ALL_COLLECTIONS", "sync_all_collections", Kind::Switch),
    Variable("NEXUS_SYNC_WORKER_THREADS", "sync.worker_threads", Kind::Number),
    Variable("NEXUS_SYNC_BATCH_SIZE", "sync.batch_size", Kind::Number),
    Variable("NEXUS_SYNC_MAX_QUEUE_SIZE", "sync.max_queue_size", Kind::Number),
    Variable("NEXUS_SYNC_DURABILITY", "sync.durability", Kind::Text),
    Variable("NEXUS_ENRICHMENT_ENABLED", "enrichment.enabled", Kind::Switch),
    Variable("NEXUS_WEBHOOK_SECRET", "webhooks.inbound.secrets", Kind::List),
    Variable(
        "NEXUS_WEBHOOK_PLAIN_SECRET",
        "webhooks.inbound.plain_secrets",
        Kind::List,
    ),
];

/// The variables that set keys, each with its key, for the reference.
pub fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    VARIABLES.iter().map(|Variable(name, key, _)| (*name, *key))
}

/// What the environment sets.
#[derive(Clone, Default)]
pub(crate) struct Environment(Vec<Set>);

#[derive(Clone)]
struct Set {
    variable: &'static str,
    key: &'static str,
    value: Value,
}

/// Without values, which may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.keys()).finish()
    }
}

impl Environment {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] with all that do not hold what they should.
    pub(crate) fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let (mut set, mut faults) = (Vec::new(), Vec::new());
        for Variable(variable, key, kind) in VARIABLES {
            let Some(text) = lookup(variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            match kind.value(&text) {
                Ok(value) => set.push(Set { variable, key, value }),
                Err(wanted) => {
                    let reason = format!("the environment variable {variable} must be {wanted}");
                    faults.extend(ConfigError::of_key(key, &reason).faults);
                }
            }
        }
        match faults.is_empty() {
            true => Ok(Self(set)),
            false => Err(ConfigError { faults }),
        }
    }

    /// Puts what is set into a section, over what is there.
    pub(crate) fn put(&self, section: &mut Value) {
        for Set { key, value, .. } in &self.0 {
            // Of the two ways to give Nexus's key, the one of the environment counts.
            match *key {
                "api_key" => remove(section, "api_key_file"),
                "api_key_file" => remove(section, "api_key"),
                _ => {}
            }
            put(section, key, value.clone());
        }
    }

    /// The keys that are set, with the variable that each comes from.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|set| (set.key, set.variable))
    }

    /// The variable that decides a key, or one in or above it.
    pub(crate) fn variable_of(&self, key: &str) -> Option<&'static str> {
        self.keys()
            .find(|(set, _)| is_within(set, key) || is_within(key, set))
            .map(|(_, variable)| variable)
    }

    /// Whether a variable of the process holds this text, so that it stands in no file.
    pub(crate) fn holds(text: &str) -> bool {
        std::env::vars_os().any(|(_, value)| value.to_str() == Some(text))
    }
}

impl Kind {
    fn value(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Text => Ok(json!(text)),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(json!(true)),
                "false" | "0" | "no" | "off" => Ok(json!(false)),
                _ => Err("true or false"),
            },
            Self::Number => text.parse::<u64>().map(Value::from).map_err(|_| "a whole number"),
            Self::List => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect()),
        }
    }
}

/// Sets a key, making the sections above it; what stands in the way is left for the check to refuse.
fn put(section: &mut Value, key: &str, value: Value) {
    let mut place = section;
    for part in key.split('.') {
        if place.is_null() {
            *place = json!({});
        }
        match place {
            Value::Object(entries) => place = entries.entry(part).or_insert(Value::Null),
            _ => return,
        }
    }
    *place = value;
}

fn remove(section: &mut Value, key: &str) {
    if let Value::Object(entries) = section {
        entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, ConfigError> {
        Environment::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_set_counts_before_what_is_there() {
        let environment = read(&[
            ("NEXUS_URL", "http://10.0.0.1:1"),
            ("NEXUS_SYNC_ENABLED", "off"),
            ("NEXUS_SYNC_BATCH_SIZE", "7"),
            ("NEXUS_API_KEY", "k"),
            (
                "NEXUS_WEBHOOK_PLAIN_SECRET",
                "a secret of some length, another secret of some length",
            ),
            ("NEXUS_POOL_SIZE", ""),
        ])
        .unwrap();
        let mut section = json!({"nexus_url": "http://h", "api_key_file": "/x", "sync": {"worker_threads": 3, "batch_size": 9}});
        environment.put(&mut section);
        let config = Config::from_section(section).unwrap();
        assert_eq!(config.nexus_url.as_str(), "http://10.0.0.1:1/");
        assert!(!config.enabled && config.api_key_file.is_none());
        assert_eq!((config.sync.batch_size, config.sync.worker_threads), (7, 3));
        assert_eq!(config.webhooks.inbound.plain_secrets.len(), 2);
        assert_eq!(
            environment.variable_of("sync.batch_size"),
            Some("NEXUS_SYNC_BATCH_SIZE")
        );
        assert_eq!(environment.variable_of("sync"), Some("NEXUS_SYNC_BATCH_SIZE"));
        assert_eq!(environment.variable_of("sync.worker_threads"), None);
        assert!(!format!("{environment:?}").contains("secret of"));
    }

    #[test]
    fn all_variables_that_hold_something_else_are_named_without_their_values() {
        let error = read(&[("NEXUS_SYNC_ENABLED", "zq7"), ("NEXUS_POOL_SIZE", "zq7")]).unwrap_err();
        assert_eq!(
            error.faults,
            [
                "nexus_integration.connection.pool_size: the environment variable NEXUS_POOL_SIZE must be a whole number",
                "nexus_integration.enabled: the environment variable NEXUS_SYNC_ENABLED must be true or false",
            ]
        );
    }

    #[test]
    fn every_variable_sets_a_key_that_there_is() {
        for Variable(name, key, kind) in VARIABLES {
            let value = match kind {
                Kind::Text if key == "nexus_url" => json!("https://h"),
                Kind::Text if key == "sync.durability" => json!("group"),
                Kind::Text => json!("x"),
                Kind::Switch => json!(true),
                Kind::Number => json!(1_000),
                Kind::List if key.ends_with("plain_secrets") => json!(["a secret of some length"]),
                Kind::List => json!(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
            };
            let mut section = json!({"nexus_url": "https://h"});
            put(&mut section, key, value);
            let faults = Config::from_section(section).err().map(|error| error.to_string());
            assert!(
                faults
                    .as_ref()
                    .is_none_or(|faults| !faults.contains("unknown field")),
                "{name}: {faults:?}"
            );
        }
    }
}
