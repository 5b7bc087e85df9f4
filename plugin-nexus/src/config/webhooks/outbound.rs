//! Webhooks that are sent.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Faults;
use crate::webhooks::outbound::{Guard, STANDARD_SCHEDULE};

/// `webhooks.outbound:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Private, loopback and other special networks that may be sent to, as `10.1.0.0/16`. Default none.
    #[schemars(with = "Vec<String>")]
    pub allowed_networks: Vec<IpNet>,
    /// Whether plain HTTP may be spoken. Default false.
    pub allow_http: bool,
    /// Certificates in PEM form that are trusted besides those of the operating system. Default none.
    pub ca_file: Option<PathBuf>,
    /// Bound on one attempt, 100 to 60000. Default 15000.
    pub timeout_ms: u64,
    /// Waits after each attempt that failed, 1 to 20 of them of 86400 at most; then no more are made. Default that of Standard
    /// Webhooks: ten attempts in three days.
    pub retry_seconds: Vec<u64>,
    /// Messages on their way to one receiver at the same time, 1 to 64. Default 8.
    pub parallel: usize,
    /// Subscriptions, 0 to 1000. Default 100.
    pub max_subscriptions: usize,
    /// Messages that wait for one receiver, 1 to 1000000; beyond, they are counted as missed. Default 100000.
    pub max_waiting: usize,
    /// Messages to one receiver that are not tried any more, 0 to 100000; beyond, the oldest goes. Default 10000.
    pub max_undeliverable: usize,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            allow_http: false,
            ca_file: None,
            timeout_ms: 15_000,
            retry_seconds: STANDARD_SCHEDULE.into(),
            parallel: 8,
            max_subscriptions: 100,
            max_waiting: 100_000,
            max_undeliverable: 10_000,
        }
    }
}

impl Outbound {
    /// Who may be sent to.
    pub(crate) fn guard(&self) -> Guard {
        Guard {
            allowed: self.allowed_networks.as_slice().into(),
            allow_http: self.allow_http,
        }
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            allowed_networks: _,
            allow_http: _,
            ca_file,
            timeout_ms,
            retry_seconds,
            parallel,
            max_subscriptions,
            max_waiting,
            max_undeliverable,
        } = self;
        if ca_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            faults.add(&format!("{key}.ca_file"), "must not be empty");
        }
        let mut range = |name: &str, value: usize, least: u64, most: u64| {
            faults.range(&format!("{key}.{name}"), value as u64, least, most);
        };
        range("retry_seconds", retry_seconds.len(), 1, 20);
        for (at, wait) in retry_seconds.iter().enumerate() {
            range(&format!("retry_seconds[{at}]"), *wait as usize, 0, 86_400);
        }
        range("timeout_ms", *timeout_ms as usize, 100, 60_000);
        range("parallel", *parallel, 1, 64);
        range("max_subscriptions", *max_subscriptions, 0, 1_000);
        range("max_waiting", *max_waiting, 1, 1_000_000);
        range("max_undeliverable", *max_undeliverable, 0, 100_000);
    }
}
