//! When store and graph are compared, and how fast.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;

/// `reconcile:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reconcile {
    /// How often everything is compared, store, journal and graph; give or take a tenth. Default 86400, 0: never by the
    /// clock.
    pub interval_seconds: u64,
    /// Documents that comparisons and backfills look at in a second. Default 0: as fast as it goes.
    pub documents_per_second: u64,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            interval_seconds: 86_400,
            documents_per_second: 0,
        }
    }
}

impl Reconcile {
    /// Between two comparisons by the clock; `None`: never. `chance` is uniform in `0.0..1.0`.
    #[must_use]
    pub fn interval(&self, chance: f64) -> Option<Duration> {
        let interval = Duration::from_secs(self.interval_seconds);
        (!interval.is_zero()).then(|| interval.mul_f64(0.9 + chance.clamp(0.0, 1.0) / 5.0))
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        faults.range(
            &format!("{key}.interval_seconds"),
            self.interval_seconds,
            0,
            31_536_000,
        );
        faults.range(
            &format!("{key}.documents_per_second"),
            self.documents_per_second,
            0,
            100_000_000,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_interval_varies_by_a_tenth_and_none_is_never() {
        let seconds = |interval_seconds, chance| {
            let reconcile = Reconcile {
                interval_seconds,
                ..Reconcile::default()
            };
            reconcile.interval(chance).map(|interval| interval.as_secs_f64())
        };
        assert_eq!(seconds(0, 0.5), None);
        for (chance, expected) in [(0.0, 90.0), (0.5, 100.0), (1.0, 110.0)] {
            assert!((seconds(100, chance).unwrap() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        for key in ["interval_seconds", "documents_per_second"] {
            let section = json!({"nexus_url": "http://h", "reconcile": {key: 1_000_000_000}});
            let text = Config::from_json(&section.to_string()).unwrap_err().to_string();
            let fault = format!("nexus_integration.reconcile.{key}: 1000000000 is out of range");
            assert!(text.starts_with(&fault), "{text}");
        }
    }
}
