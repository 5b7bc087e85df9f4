//! How often the plugin may be steered and looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;

/// `admin:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Requests a second by one caller that look at something; twice as many at once; 0: no limit. Default 100.
    pub reads_per_second: u32,
    /// Requests a second by one caller that change something; twice as many at once; 0: no limit. Default 20.
    pub changes_per_second: u32,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            reads_per_second: 100,
            changes_per_second: 20,
        }
    }
}

impl Admin {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            reads_per_second,
            changes_per_second,
        } = *self;
        for (name, rate) in [
            ("reads_per_second", reads_per_second),
            ("changes_per_second", changes_per_second),
        ] {
            faults.range(&format!("{key}.{name}"), rate.into(), 0, 1_000_000);
        }
    }
}
