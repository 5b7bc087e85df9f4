//! What is told of the plugin's own work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Faults, optional_address};

/// `telemetry:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Whether the time that changes cost their writers is measured. Default true.
    pub hook_timing: bool,
    /// Lines a minute, of level info and graver, that one place in the code logs; 0: all. What is left out is counted and told.
    /// Default 20.
    pub log_lines_per_minute: u32,
    /// After so many seconds in which work waited and none was done, whatever is in its way but a pause, the plugin is unhealthy.
    /// Default 120.
    pub stalled_after_seconds: u64,
    /// Where spans go.
    pub traces: Traces,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            hook_timing: true,
            log_lines_per_minute: 20,
            stalled_after_seconds: 120,
            traces: Traces::default(),
        }
    }
}

/// `telemetry.traces:`. For plugins that were built with the feature `otlp`; any other refuses an endpoint.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// Where a collector of OpenTelemetry takes spans by HTTP (OTLP, protobuf), as `http://127.0.0.1:4318/v1/traces`. Default none: there
    /// are no traces.
    #[serde(deserialize_with = "optional_address")]
    #[schemars(with = "Option<String>")]
    pub endpoint: Option<Url>,
    /// Share of changes whose spans are sent, from 0 to 1, chosen by their ids. Default 1.
    pub sample: f64,
    /// Bound on one request to the collector. Default 10000.
    pub timeout_ms: u64,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: 1.0,
            timeout_ms: 10_000,
        }
    }
}

impl Telemetry {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            hook_timing: _,
            log_lines_per_minute,
            stalled_after_seconds,
            traces,
        } = self;
        let key = |name: &str| format!("{key}.{name}");
        faults.range(
            &key("log_lines_per_minute"),
            (*log_lines_per_minute).into(),
            0,
            1_000_000,
        );
        faults.range(&key("stalled_after_seconds"), *stalled_after_seconds, 1, 86_400);
        faults.share(&key("traces.sample"), traces.sample);
        faults.range(&key("traces.timeout_ms"), traces.timeout_ms, 100, 600_000);
        let Some(endpoint) = &traces.endpoint else {
            return;
        };
        let key = key("traces.endpoint");
        let example = "http://127.0.0.1:4318/v1/traces";
        faults.http_address(&key, endpoint, example, "OTEL_EXPORTER_OTLP_HEADERS");
        if cfg!(not(feature = "otlp")) {
            faults.add(
                &key,
                "this build of the plugin has no traces; build it with --features otlp",
            );
        }
    }
}
