//! When Nexus is left alone since it does not do its work, and for how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::backoff::Backoff;
use crate::sync::BreakerSettings;

/// `breaker:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Batches in a row that Nexus does not take, for overload, a fault of its own or without an answer, until nothing more
    /// is sent. Default 5.
    pub failure_threshold: u32,
    /// How long nothing is sent then, before one batch is tried; doubles with each that fails, jittered. Default 1000.
    pub open_ms: u64,
    /// How long at most. A Nexus that says itself when to come back gets that, up to 5 minutes. Default 60000.
    pub max_open_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            open_ms: 1_000,
            max_open_ms: 60_000,
        }
    }
}

impl Breaker {
    /// What the breaker needs of it.
    #[must_use]
    pub fn settings(&self) -> BreakerSettings {
        BreakerSettings {
            threshold: self.failure_threshold,
            open: Backoff {
                base: Duration::from_millis(self.open_ms),
                longest: Duration::from_millis(self.max_open_ms),
            },
        }
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let mut range = |name: &str, value: u64, least: u64, most: u64| {
            faults.range(&format!("{key}.{name}"), value, least, most);
        };
        range("failure_threshold", self.failure_threshold.into(), 1, 1_000);
        range("open_ms", self.open_ms, 1, 3_600_000);
        range("max_open_ms", self.max_open_ms, self.open_ms, 3_600_000);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Config, ConfigError};

    fn breaker(section: Value) -> Result<Breaker, ConfigError> {
        Config::from_json(&json!({"nexus_url": "http://h", "breaker": section}).to_string())
            .map(|config| config.breaker)
    }

    #[test]
    fn it_opens_as_it_says() {
        let settings = breaker(json!({})).unwrap().settings();
        assert_eq!(settings.threshold, 5);
        assert_eq!(
            (settings.open.base, settings.open.longest),
            (Duration::from_secs(1), Duration::from_secs(60))
        );
        for section in [
            json!({"failure_threshold": 1, "open_ms": 1, "max_open_ms": 1}),
            json!({"failure_threshold": 1_000, "open_ms": 3_600_000, "max_open_ms": 3_600_000}),
        ] {
            breaker(section).unwrap();
        }
    }

    #[test]
    fn values_out_of_range_and_unknown_keys_are_refused_by_name() {
        for (key, value) in [
            ("failure_threshold", 0),
            ("failure_threshold", 1_001),
            ("open_ms", 0),
            ("max_open_ms", 999),
            ("max_open_ms", 3_600_001),
        ] {
            let text = breaker(json!({key: value})).unwrap_err().to_string();
            let fault = format!("nexus_integration.breaker.{key}: {value} is out of range");
            assert!(text.starts_with(&fault), "{text}");
        }
        let text = breaker(json!({"treshold": 1})).unwrap_err().to_string();
        assert!(text.contains("breaker.treshold"), "{text}");
    }
}
