//! Who is told of what, where, and signed with which secret.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::journal::{EventKind, Subscriber};
use crate::webhooks::Secret;

/// How long messages are signed with the old secret too, once there is a new one: a day.
const OVERLAP_MICROS: u64 = 86_400 * 1_000_000;

/// The name of a subscription: 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SubscriptionId(pub(crate) u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<SubscriptionId> for String {
    fn from(id: SubscriptionId) -> Self {
        id.to_string()
    }
}

/// The text names no subscription.
#[derive(Debug, thiserror::Error)]
#[error("must be 16 hex digits")]
pub(crate) struct NoId;

impl FromStr for SubscriptionId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_hex) {
            return Err(NoId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NoId)
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = NoId;

    fn try_from(text: String) -> Result<Self, NoId> {
        text.parse()
    }
}

/// Whether a subscription is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum State {
    /// It is.
    Active,
    /// It is not, since then (Unix microseconds): what waits is kept, and nothing is added.
    Disabled { because: Because, since_micros: u64 },
}

/// Why a subscription is not sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Because {
    /// The receiver answered 410.
    Gone,
    /// An administrator says so.
    Asked,
}

/// A secret that is being replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replaced {
    #[serde(serialize_with = "reveal")]
    pub(super) secret: Secret,
    /// Until then (Unix microseconds) messages are signed with it too.
    pub(super) until_micros: u64,
}

/// A subscription, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) url: Url,
    pub(crate) events: BTreeSet<EventKind>,
    /// `None`: all.
    pub(crate) collections: Option<BTreeSet<String>>,
    pub(crate) description: String,
    pub(crate) created_micros: u64,
    pub(crate) standing: State,
    #[serde(serialize_with = "reveal")]
    pub(crate) secret: Secret,
    pub(crate) replaced: Option<Replaced>,
}

fn reveal<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&secret.reveal())
}

impl Subscription {
    pub(crate) fn is_active(&self) -> bool {
        self.standing == State::Active
    }

    /// As the journal knows it.
    pub(super) fn subscriber(&self) -> Subscriber {
        Subscriber {
            subscription: self.id.0,
            events: self.events.clone(),
            collections: self.collections.clone(),
        }
    }

    /// Takes another secret; the old one is good for a while.
    pub(super) fn rotate(&mut self, secret: Secret, now_micros: u64) {
        let old = std::mem::replace(&mut self.secret, secret);
        self.replaced = Some(Replaced {
            secret: old,
            until_micros: now_micros.saturating_add(OVERLAP_MICROS),
        });
    }

    /// The value of `webhook-signature`: by every secret that is good now.
    pub(super) fn sign(&self, id: &str, now_micros: u64, body: &[u8]) -> String {
        let seconds = now_micros / 1_000_000;
        let replaced = self
            .replaced
            .iter()
            .filter(|replaced| now_micros < replaced.until_micros)
            .map(|replaced| &replaced.secret);
        let signatures: Vec<String> = std::iter::once(&self.secret)
            .chain(replaced)
            .map(|secret| secret.sign(id, seconds, body))
            .collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::webhooks::Keyring;

    pub(in super::super) fn subscription(id: u64) -> Subscription {
        Subscription {
            id: SubscriptionId(id),
            url: "https://example.org/hook".parse().unwrap(),
            events: EventKind::ALL.into(),
            collections: None,
            description: "for tests".to_owned(),
            created_micros: 7,
            standing: State::Active,
            secret: Secret::draw(),
            replaced: None,
        }
    }

    #[test]
    fn a_name_reads_back_and_nothing_else_is_one() {
        for id in [0, 1, u64::MAX] {
            let id = SubscriptionId(id);
            assert_eq!(id.to_string().parse::<SubscriptionId>().unwrap(), id);
        }
        for text in [
            "",
            "1",
            "000000000000000G",
            "+000000000000001",
            "00000000000000001",
            "000000000000000A",
        ] {
            assert!(text.parse::<SubscriptionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_signed_with_both_secrets_for_a_day() {
        let mut subscription = subscription(1);
        let old = subscription.secret.clone();
        subscription.rotate(Secret::draw(), 1_000_000);
        let verifies = |secret: &Secret, signature: &str, now: u64| {
            let headers = [
                ("webhook-id", "m"),
                ("webhook-timestamp", &now.to_string()),
                ("webhook-signature", signature),
            ]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
            let keyring = Keyring {
                secrets: std::slice::from_ref(secret),
                plain: &[],
                tolerance: 1,
            };
            keyring.verify(&headers, b"{}", now).is_ok()
        };
        for (now, both) in [(2, true), (86_399, true), (86_401, false)] {
            let signature = subscription.sign("m", now * 1_000_000, b"{}");
            assert!(verifies(&subscription.secret, &signature, now));
            assert_eq!(verifies(&old, &signature, now), both, "{now}");
        }
    }

    #[test]
    fn a_subscription_reads_back_and_prints_no_secret() {
        let mut subscription = subscription(5);
        subscription.rotate(Secret::draw(), 1);
        subscription.standing = State::Disabled {
            because: Because::Gone,
            since_micros: 3,
        };
        let text = serde_json::to_string(&subscription).unwrap();
        assert_eq!(serde_json::from_str::<Subscription>(&text).unwrap(), subscription);
        let shown = format!("{subscription:?}");
        assert!(
            !shown.contains(&subscription.secret.reveal()) && !shown.contains("whsec_"),
            "{shown}"
        );
    }
}
