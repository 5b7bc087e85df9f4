//! Webhooks that tell of changes in the graph, and those that tell of changes in the store.

mod outbound;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use outbound::Outbound;

use super::Faults;
use crate::webhooks::{Keyring, PlainSecret, Secret};

/// `webhooks:`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Those that are taken.
    pub inbound: Inbound,
    /// Those that are sent.
    pub outbound: Outbound,
}

/// `webhooks.inbound:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inbound {
    /// Secrets of Standard Webhooks, each of which is good: several while one is replaced. Default none.
    #[schemars(with = "Vec<String>")]
    pub secrets: Vec<Secret>,
    /// Secrets of the plain form, likewise. Default none: it is not taken.
    #[schemars(with = "Vec<String>")]
    pub plain_secrets: Vec<PlainSecret>,
    /// How far a delivery's time may be from now, 1 to 3600. Default 300.
    pub tolerance_seconds: u64,
    /// Longest body in bytes, 1 KiB to 4 MiB. Default 1 MiB.
    pub max_body_bytes: usize,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            plain_secrets: Vec::new(),
            tolerance_seconds: 300,
            max_body_bytes: 1 << 20,
        }
    }
}

/// Secrets of one kind: with more, every forgery costs as many digests.
const MOST_SECRETS: usize = 8;

impl Inbound {
    /// Whether any delivery can be genuine.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !(self.secrets.is_empty() && self.plain_secrets.is_empty())
    }

    /// Who may sign deliveries.
    #[must_use]
    pub fn keyring(&self) -> Keyring<'_> {
        Keyring {
            secrets: &self.secrets,
            plain: &self.plain_secrets,
            tolerance: self.tolerance_seconds,
        }
    }
}

impl Webhooks {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Inbound {
            secrets,
            plain_secrets,
            tolerance_seconds,
            max_body_bytes,
        } = &self.inbound;
        let mut range = |name: &str, value: usize, least: u64, most: u64| {
            faults.range(&format!("{key}.inbound.{name}"), value as u64, least, most);
        };
        for (name, count) in [("secrets", secrets.len()), ("plain_secrets", plain_secrets.len())] {
            if count > MOST_SECRETS {
                range(name, count, 0, MOST_SECRETS as u64);
            }
        }
        range("max_body_bytes", *max_body_bytes, 1 << 10, 4 << 20);
        faults.range(
            &format!("{key}.inbound.tolerance_seconds"),
            *tolerance_seconds,
            1,
            3_600,
        );
        self.outbound.check(&format!("{key}.outbound"), faults);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Config;

    fn read(webhooks: Value) -> Result<Config, super::super::ConfigError> {
        let section = json!({"nexus_url": "http://127.0.0.1:1", "webhooks": webhooks});
        Config::from_json(&section.to_string())
    }

    #[test]
    fn no_webhook_is_taken_without_a_secret() {
        assert!(!read(json!({})).unwrap().webhooks.inbound.is_on());
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let config = read(json!({"inbound": {"secrets": [secret]}})).unwrap();
        assert!(config.webhooks.inbound.is_on());
        let shown = format!("{config:?}");
        assert!(
            shown.contains("[redacted]") && !shown.contains("MfKQ9r8"),
            "{shown}"
        );
    }

    #[test]
    fn a_wrong_setting_of_those_that_are_sent_is_named() {
        for (outbound, expected) in [
            (
                json!({"allowed_networks": ["10.0.0.0/33"]}),
                "allowed_networks[0]: invalid IP address syntax",
            ),
            (
                json!({"retry_seconds": []}),
                "retry_seconds: 0 is out of range; allowed are 1 to 20",
            ),
            (
                json!({"retry_seconds": [1, 86_401]}),
                "retry_seconds[1]: 86401 is out of range; allowed are 0 to 86400",
            ),
            (
                json!({"parallel": 0}),
                "parallel: 0 is out of range; allowed are 1 to 64",
            ),
            (json!({"ca_file": ""}), "ca_file: must not be empty"),
        ] {
            let error = read(json!({"outbound": outbound})).unwrap_err().to_string();
            assert_eq!(error, format!("nexus_integration.webhooks.outbound.{expected}"));
        }
        let config = read(json!({"outbound": {"allowed_networks": ["10.0.0.0/8", "fd00::/8"]}})).unwrap();
        assert_eq!(config.webhooks.outbound.allowed_networks.len(), 2);
    }

    #[test]
    fn a_wrong_setting_is_named_and_no_secret_quoted() {
        for (inbound, expected) in [
            (
                json!({"secrets": [""]}),
                "webhooks.inbound.secrets[0]: must not be empty",
            ),
            (
                json!({"secrets": ["hunter2hunter2hunter2"]}),
                "webhooks.inbound.secrets[0]: must begin with whsec_",
            ),
            (
                json!({"plain_secrets": ["hunter2"]}),
                "webhooks.inbound.plain_secrets[0]: must have 16 bytes at least",
            ),
            (
                json!({"tolerance_seconds": 0}),
                "webhooks.inbound.tolerance_seconds: 0 is out of range; allowed are 1 to 3600",
            ),
            (
                json!({"max_body_bytes": 5_000_000}),
                "webhooks.inbound.max_body_bytes: 5000000 is out of range; allowed are 1024 to 4194304",
            ),
            (
                json!({"plain_secrets": vec!["sixteen bytes at least"; 9]}),
                "webhooks.inbound.plain_secrets: 9 is out of range; allowed are 0 to 8",
            ),
        ] {
            let error = read(json!({"inbound": inbound})).unwrap_err().to_string();
            assert_eq!(error, format!("nexus_integration.{expected}"));
            assert!(!error.contains("hunter2"));
        }
    }
}
