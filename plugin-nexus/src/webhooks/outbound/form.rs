//! What requests about subscriptions hold, and what is answered to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subscription::Because;
use crate::journal::EventKind;
use crate::webhooks::Secret;

/// What is to be subscribed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SubscriptionWanted")]
pub(super) struct Wanted {
    /// Where messages are sent to.
    pub(super) url: String,
    /// Which ones; left out: all.
    #[serde(default)]
    #[schemars(with = "Option<Vec<EventKind>>")]
    pub(super) events: Option<BTreeSet<EventKind>>,
    /// Of which collections; left out: all.
    #[serde(default)]
    pub(super) collections: Option<BTreeSet<String>>,
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub(super) description: String,
    /// The secret, `whsec_` and 24 to 64 bytes in base64; left out: one is drawn.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) secret: Option<Secret>,
}

/// A subscription.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Subscription")]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) url: String,
    #[schemars(with = "Vec<EventKind>")]
    pub(super) events: BTreeSet<EventKind>,
    /// Null: all.
    pub(super) collections: Option<BTreeSet<String>>,
    pub(super) description: String,
    pub(super) created_at: Option<Timestamp>,
    /// `active` or `disabled`.
    pub(super) state: &'static str,
    pub(super) disabled_because: Option<Because>,
    pub(super) disabled_since: Option<Timestamp>,
    /// Until when messages are signed with the secret before, too.
    pub(super) old_secret_until: Option<Timestamp>,
    pub(super) failures_in_a_row: u32,
    /// Messages that wait.
    pub(super) waiting: usize,
    /// Messages that are not tried again.
    pub(super) dead_letters: usize,
    /// Messages that found no room.
    pub(super) missed: u64,
    /// Only where it was just drawn or given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// All subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Subscriptions")]
pub(super) struct Listed {
    pub(super) webhooks: Vec<Shown>,
}

/// One is gone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionDeleted")]
pub(super) struct Deleted {
    pub(super) deleted: String,
}

/// What came of a message.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MessageTested")]
pub(super) struct Tested {
    pub(super) delivered: bool,
    pub(super) message_id: String,
    /// What the receiver answered.
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) duration_ms: u64,
}

/// The last attempts, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Deliveries {
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Delivery {
    pub(super) message_id: String,
    pub(super) event: EventKind,
    pub(super) collection: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) at: Option<Timestamp>,
    pub(super) duration_ms: u64,
    pub(super) delivered: bool,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}

/// A page of messages that are not tried again.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UndeliverablePage")]
pub(super) struct DeadLetters {
    pub(super) dead_letters: Vec<DeadLetter>,
    /// How many there are on all pages.
    pub(super) total: usize,
    /// `after` of the next page; null: this is the last.
    pub(super) next: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Undeliverable")]
pub(super) struct DeadLetter {
    pub(super) number: u64,
    pub(super) message_id: String,
    pub(super) event: EventKind,
    pub(super) collection: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) happened_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) last_attempt_at: Option<Timestamp>,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
}

/// How many are sent again.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Replayed {
    pub(super) replayed: usize,
}

/// How many were thrown away.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Purged {
    pub(super) purged: usize,
}

/// The secret that is to be; none: one is drawn.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecretWanted")]
pub(super) struct WantedSecret {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) secret: Option<Secret>,
}

/// Which dead letters a request is for: these numbers, or all.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UndeliverableSelection")]
pub(super) struct Selection {
    #[serde(default)]
    pub(super) numbers: Option<Vec<u64>>,
}
