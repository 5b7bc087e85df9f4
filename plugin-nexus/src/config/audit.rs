//! The audit log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::audit_log::Settings;

/// `audit:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// Size at which a new file is begun, 64 KiB to 1 GiB. Default 16 MiB.
    pub max_bytes: u64,
    /// Full files that are kept, 1 to 1000. Default 10.
    pub keep_files: usize,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            enabled: true,
            max_bytes: 16 << 20,
            keep_files: 10,
        }
    }
}

impl Audit {
    /// What the log is opened with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            enabled: self.enabled,
            max_bytes: self.max_bytes,
            keep_files: self.keep_files,
        }
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            enabled: _,
            max_bytes,
            keep_files,
        } = *self;
        faults.range(&format!("{key}.max_bytes"), max_bytes, 64 << 10, 1 << 30);
        faults.range(&format!("{key}.keep_files"), keep_files as u64, 1, 1_000);
    }
}
