//! How much is sent to Nexus at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::nexus::Ceilings;

/// `limits:`. What is absent has no ceiling. A Nexus that answers 429 or 503 lowers the rates for a while by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Statements a second, whoever sends them: lanes, checks, probes. Default none.
    pub statements_per_second: Option<u32>,
    /// Documents a second that lanes take up; a new one counts for its node and again for its edges. A batch has at most a
    /// second's share. Default none.
    pub documents_per_second: Option<u32>,
}

impl Limits {
    /// What the client needs of it.
    #[must_use]
    pub fn ceilings(&self) -> Ceilings {
        Ceilings {
            statements: self.statements_per_second,
            documents: self.documents_per_second,
        }
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        for (name, value) in [
            ("statements_per_second", self.statements_per_second),
            ("documents_per_second", self.documents_per_second),
        ] {
            if let Some(value) = value {
                faults.range(&format!("{key}.{name}"), value.into(), 1, 1_000_000);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Config, ConfigError};

    fn limits(section: Value) -> Result<Limits, ConfigError> {
        Config::from_json(&json!({"nexus_url": "http://h", "limits": section}).to_string())
            .map(|config| config.limits)
    }

    #[test]
    fn what_is_absent_has_no_ceiling() {
        assert_eq!(limits(json!({})).unwrap().ceilings(), Ceilings::default());
        let given = json!({"statements_per_second": 1, "documents_per_second": 1_000_000});
        let ceilings = limits(given).unwrap().ceilings();
        assert_eq!(
            (ceilings.statements, ceilings.documents),
            (Some(1), Some(1_000_000))
        );
    }

    #[test]
    fn no_rate_at_all_and_one_out_of_reach_are_refused_by_name() {
        for key in ["statements_per_second", "documents_per_second"] {
            for value in [0, 1_000_001] {
                let text = limits(json!({key: value})).unwrap_err().to_string();
                let fault = format!("nexus_integration.limits.{key}: {value} is out of range");
                assert!(text.starts_with(&fault), "{text}");
            }
            let text = limits(json!({key: "fast"})).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("nexus_integration.limits.{key}: ")),
                "{text}"
            );
        }
        let text = limits(json!({"batches_per_second": 1})).unwrap_err().to_string();
        assert!(text.contains("limits.batches_per_second"), "{text}");
    }
}
