//! How changes in the graph are looked for, where no webhook tells of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;

/// `poller:`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Poller {
    /// `auto`: while payloads are enriched and no webhook ever came; `on`; `off`. Default `auto`.
    pub mode: PollerMode,
    /// How often Nexus's counters are looked at, 1 to 60000. Default 250.
    pub interval_ms: u64,
    /// Share of the time in which Nexus is read from for this, 0.001 to 1. Default 0.05.
    pub share: f64,
}

/// When the graph is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PollerMode {
    /// While payloads are enriched and no webhook ever came.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl Default for Poller {
    fn default() -> Self {
        Self {
            mode: PollerMode::default(),
            interval_ms: 250,
            share: 0.05,
        }
    }
}

impl Poller {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            mode: _,
            interval_ms,
            share,
        } = *self;
        faults.range(&format!("{key}.interval_ms"), interval_ms, 1, 60_000);
        if !(0.001..=1.0).contains(&share) {
            let reason = format!("{share} is out of range; allowed are 0.001 to 1");
            faults.add(&format!("{key}.share"), &reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Config, PollerMode};

    #[test]
    fn wrong_settings_of_polling_and_enrichment_are_named_all_at_once() {
        let section = json!({
            "nexus_url": "http://127.0.0.1:1",
            "poller": {"interval_ms": 0, "share": 0},
            "enrichment": {"max_entities": 257, "max_related": 1000},
        });
        let error = Config::from_json(&section.to_string()).unwrap_err();
        assert_eq!(
            error.faults,
            [
                "nexus_integration.enrichment.max_entities: 257 is out of range; allowed are 0 to 256",
                "nexus_integration.enrichment.max_related: 1000 is out of range; allowed are 0 to 256",
                "nexus_integration.poller.interval_ms: 0 is out of range; allowed are 1 to 60000",
                "nexus_integration.poller.share: 0 is out of range; allowed are 0.001 to 1",
            ]
        );
    }

    #[test]
    fn nothing_is_polled_for_payloads_that_are_left_alone() {
        let section = json!({"nexus_url": "http://127.0.0.1:1"});
        let config = Config::from_json(&section.to_string()).unwrap();
        assert_eq!(config.poller.mode, PollerMode::Auto);
        assert!(!config.enrichment.enabled);
    }
}
