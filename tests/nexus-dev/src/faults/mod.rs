//! Faults on demand: what they are and when they strike.
//!
//! A server holds a list of [`FaultRule`]s. Every request is held against the list in order; delays of all rules that
//! strike add up, and the first striking rule with an effect decides the outcome; rules with an effect behind it are
//! not asked and keep their `times`. With the same seed, rules and order of requests, the same requests are hit.
//!
//! * this file: rules, as a library type and as JSON
//! * `injector`: the decision for a request, and the [`FaultHandle`] that changes the rules of a running server

mod injector;

use serde::{Deserialize, Serialize};

pub(crate) use injector::Request;
pub use injector::{FaultCounts, FaultHandle};

use crate::statement::JsonParams;

/// The parameter that holds the rows of a batch.
const ROWS: &str = "rows";

/// What happens instead of, or after, the real answer.
///
/// `executed` says whether the statement is carried out before the fault: a lost answer, rather than a lost request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultEffect {
    /// An HTTP error status.
    Status {
        /// 400 to 599.
        code: u16,
        /// Value of the `Retry-After` header in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
        /// Carry the statement out first.
        #[serde(default)]
        executed: bool,
    },
    /// HTTP 200 with this text as `error`, and no rows.
    Error {
        /// The whole text of the `error` field.
        text: String,
        /// Carry the statement out first.
        #[serde(default)]
        executed: bool,
    },
    /// HTTP 200 without rows and without an error, and nothing is carried out.
    Pretend {},
    /// The connection is closed without an answer.
    Drop {
        /// Carry the statement out first.
        #[serde(default)]
        executed: bool,
    },
    /// The statement is carried out with the first of its `rows` only, as by a server that gave up in the middle. A statement
    /// without rows is not carried out.
    Partial {
        /// Share of the rows that are carried out, from 0 to 1, rounded down.
        share: f64,
        /// HTTP 200 with this text as `error`; absent: the connection is closed without an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

impl FaultEffect {
    /// Whether the statement is carried out before the fault.
    pub fn executed(&self) -> bool {
        match self {
            Self::Status { executed, .. } | Self::Error { executed, .. } | Self::Drop { executed } => {
                *executed
            }
            Self::Partial { .. } => true,
            Self::Pretend {} => false,
        }
    }

    /// What a statement with these parameters is carried out with; `None`: it is not carried out at all.
    pub(crate) fn cut(&self, mut params: JsonParams) -> Option<JsonParams> {
        let Self::Partial { share, .. } = self else {
            return Some(params);
        };
        let rows = params.get_mut(ROWS)?.as_array_mut()?;
        rows.truncate((rows.len() as f64 * share) as usize);
        (!rows.is_empty()).then_some(params)
    }
}

/// When a fault strikes, and what it does. Without `times` and `fraction` it strikes every matching request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only statements that contain this text; all statements when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
    /// Only statements with this text somewhere in their parameters, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching_row: Option<String>,
    /// Also `GET /health`, `GET /stats` and `GET /schema/labels` (only without `matching` and `matching_row`).
    #[serde(default)]
    pub probes: bool,
    /// Only the next so many matching requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only this share of the matching requests, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Milliseconds to wait before anything else.
    #[serde(default)]
    pub latency_ms: u64,
    /// Up to so many milliseconds more, drawn for each request.
    #[serde(default)]
    pub jitter_ms: u64,
    /// What happens then; only the delay when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<FaultEffect>,
}

impl FaultRule {
    fn with_effect(effect: FaultEffect) -> Self {
        Self {
            effect: Some(effect),
            ..Self::default()
        }
    }

    /// Answers with an HTTP error status, before executing.
    pub fn status(code: u16) -> Self {
        Self::with_effect(FaultEffect::Status {
            code,
            retry_after_seconds: None,
            executed: false,
        })
    }

    /// Answers with an HTTP error status and a `Retry-After` header, before executing.
    pub fn overload(code: u16, retry_after_seconds: u64) -> Self {
        let retry_after_seconds = Some(retry_after_seconds);
        Self::with_effect(FaultEffect::Status {
            code,
            retry_after_seconds,
            executed: false,
        })
    }

    /// Answers HTTP 200 with this `error`, before executing.
    pub fn cypher_error(text: impl Into<String>) -> Self {
        Self::with_effect(FaultEffect::Error {
            text: text.into(),
            executed: false,
        })
    }

    /// Answers that all went well, and does nothing.
    pub fn pretend() -> Self {
        Self::with_effect(FaultEffect::Pretend {})
    }

    /// Closes the connection before executing.
    pub fn drop_before() -> Self {
        Self::with_effect(FaultEffect::Drop { executed: false })
    }

    /// Executes, then closes the connection: the answer is lost.
    pub fn drop_after() -> Self {
        Self::with_effect(FaultEffect::Drop { executed: true })
    }

    /// Carries out the first `share` (0 to 1) of the rows, then closes the connection.
    pub fn partial(share: f64) -> Self {
        Self::with_effect(FaultEffect::Partial { share, error: None })
    }

    /// Delays by a fixed time plus a drawn one, in milliseconds.
    pub fn latency(latency_ms: u64, jitter_ms: u64) -> Self {
        Self {
            latency_ms,
            jitter_ms,
            ..Self::default()
        }
    }

    /// Only statements that contain `text`.
    #[must_use]
    pub fn matching(mut self, text: impl Into<String>) -> Self {
        self.matching = Some(text.into());
        self
    }

    /// Only statements with `text` somewhere in their parameters, as JSON.
    #[must_use]
    pub fn matching_row(mut self, text: impl Into<String>) -> Self {
        self.matching_row = Some(text.into());
        self
    }

    /// Only the next `count` matching requests.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Only this share (0 to 1) of the matching requests.
    #[must_use]
    pub fn fraction(mut self, share: f64) -> Self {
        self.fraction = Some(share);
        self
    }

    /// Also `GET /health` and `GET /stats`.
    #[must_use]
    pub fn with_probes(mut self) -> Self {
        self.probes = true;
        self
    }

    /// Checks the rule by itself.
    ///
    /// # Errors
    /// [`FaultError`] naming the field that is out of range.
    pub fn validate(&self) -> Result<(), FaultError> {
        if let Some(fraction) = self.fraction
            && !(0.0..=1.0).contains(&fraction)
        {
            return Err(FaultError::Fraction(fraction));
        }
        if let Some(FaultEffect::Status { code, .. }) = self.effect
            && !(400..=599).contains(&code)
        {
            return Err(FaultError::Status(code));
        }
        if let Some(FaultEffect::Partial { share, .. }) = self.effect
            && !(0.0..=1.0).contains(&share)
        {
            return Err(FaultError::Share(share));
        }
        if self.probes && (self.matching.is_some() || self.matching_row.is_some()) {
            return Err(FaultError::ProbesMatching);
        }
        Ok(())
    }
}

/// A rule that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// `fraction` is not a share.
    #[error("fraction must be between 0 and 1, not {0}")]
    Fraction(f64),
    /// `share` is not a share.
    #[error("share must be between 0 and 1, not {0}")]
    Share(f64),
    /// `code` is not an error status.
    #[error("code must be an HTTP error status between 400 and 599, not {0}")]
    Status(u16),
    /// A probe carries no statement to match.
    #[error("probes and matching exclude each other: a probe carries no statement")]
    ProbesMatching,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_reads_and_writes_the_same_json() {
        let json = json!({"matching": "MERGE", "times": 3, "probes": false, "latency_ms": 5, "jitter_ms": 0,
            "effect": {"kind": "status", "code": 503, "retry_after_seconds": 2, "executed": false}});
        let rule: FaultRule = serde_json::from_value(json.clone()).unwrap();
        let expected = FaultRule {
            latency_ms: 5,
            ..FaultRule::overload(503, 2).matching("MERGE").times(3)
        };
        assert_eq!(rule, expected);
        assert_eq!(serde_json::to_value(&rule).unwrap(), json);
    }

    #[test]
    fn unknown_fields_and_kinds_are_refused() {
        for json in [
            json!({"latency": 5}),
            json!({"effect": {"kind": "explode"}}),
            json!({"effect": "drop"}),
        ] {
            assert!(
                serde_json::from_value::<FaultRule>(json.clone()).is_err(),
                "{json}"
            );
        }
    }

    #[test]
    fn a_partial_statement_keeps_its_first_rows_only() {
        let params = |rows: &[u32]| json!({"rows": rows, "other": 1}).as_object().unwrap().clone();
        let cut = |share, rows: &[u32]| FaultRule::partial(share).effect.unwrap().cut(params(rows));
        assert_eq!(cut(0.5, &[1, 2, 3, 4, 5]), Some(params(&[1, 2])));
        assert_eq!(cut(1.0, &[1, 2]), Some(params(&[1, 2])));
        assert_eq!(cut(0.9, &[1]), None);
        let partial = FaultRule::partial(1.0).effect.unwrap();
        assert_eq!(partial.cut(JsonParams::new()), None);
        let drop = FaultRule::drop_after().effect.unwrap();
        assert_eq!(drop.cut(params(&[1, 2])), Some(params(&[1, 2])));
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        assert_eq!(FaultRule::status(200).validate(), Err(FaultError::Status(200)));
        assert_eq!(
            FaultRule::drop_after().fraction(1.5).validate(),
            Err(FaultError::Fraction(1.5))
        );
        assert_eq!(FaultRule::partial(-0.1).validate(), Err(FaultError::Share(-0.1)));
        assert!(FaultRule::drop_after().fraction(f64::NAN).validate().is_err());
        assert!(
            FaultRule::latency(1, 1)
                .matching("x")
                .with_probes()
                .validate()
                .is_err()
        );
        assert!(FaultRule::status(429).fraction(1.0).validate().is_ok());
    }
}
