//! What subscribers are told, and what became of an attempt to tell them.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::correlation::{ChangeId, ChangeNames, lower_half};
use crate::journal::{DocumentId, JournalError};

/// What happened to a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It is in the store and in the graph, and was not.
    Inserted,
    /// Its payload or its vector changed.
    Updated,
    /// It is neither in the store nor in the graph any more.
    Deleted,
    /// It became a dead letter.
    SyncFailed {
        /// Why. No payload text.
        cause: String,
        /// Attempts that failed.
        attempts: u32,
    },
}

/// What an event is about, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// [`Event::Inserted`].
    #[serde(rename = "vector.inserted")]
    Inserted,
    /// [`Event::Updated`].
    #[serde(rename = "vector.updated")]
    Updated,
    /// [`Event::Deleted`].
    #[serde(rename = "vector.deleted")]
    Deleted,
    /// [`Event::SyncFailed`].
    #[serde(rename = "sync.failed")]
    SyncFailed,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Inserted, Self::Updated, Self::Deleted, Self::SyncFailed];

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inserted => "vector.inserted",
            Self::Updated => "vector.updated",
            Self::Deleted => "vector.deleted",
            Self::SyncFailed => "sync.failed",
        }
    }
}

impl Event {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Inserted => EventKind::Inserted,
            Self::Updated => EventKind::Updated,
            Self::Deleted => EventKind::Deleted,
            Self::SyncFailed { .. } => EventKind::SyncFailed,
        }
    }
}

/// Who is told of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The subscription's number.
    pub subscription: u64,
    /// What it is told of.
    pub events: BTreeSet<EventKind>,
    /// Of which collections; `None`: of all.
    pub collections: Option<BTreeSet<String>>,
}

impl Subscriber {
    pub(super) fn wants(&self, event: &Event, collection: &str) -> bool {
        self.events.contains(&event.kind())
            && self
                .collections
                .as_ref()
                .is_none_or(|names| names.contains(collection))
    }
}

/// One event on its way to one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place among all messages of the journal.
    pub number: u64,
    /// Its name for the receiver, the same at every attempt. The lower half is that of the change's name ([`crate::correlation`]).
    pub id: u128,
    /// Whose subscription it is for.
    pub subscription: u64,
    /// The document.
    pub document: DocumentId,
    /// What happened to it.
    pub event: Event,
    /// When: Unix microseconds.
    pub at_micros: u64,
    /// Attempts that failed.
    pub attempts: u32,
}

impl Message {
    /// A name for a message that tells of the change at this moment.
    pub(super) fn draw_id(moment: u64) -> u128 {
        u128::from(rand::random::<u64>()) << 64 | u128::from(lower_half(moment))
    }

    /// The name of the change that it tells of.
    #[must_use]
    pub fn change(&self, names: &ChangeNames) -> ChangeId {
        names.whole(self.id as u64)
    }
}

/// How a message is called where its receiver sees it.
#[must_use]
pub fn message_name(id: u128) -> String {
    format!("msg_{id:032x}")
}

/// An attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began: Unix microseconds.
    pub at_micros: u64,
    /// How long it took.
    pub millis: u32,
    /// The status that was answered; `None`: nothing was.
    pub status: Option<u16>,
    /// Why it failed; `None`: it did not.
    pub error: Option<String>,
}

/// An attempt, and at what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The message's name for the receiver.
    pub message: u128,
    /// What it tells of.
    pub event: EventKind,
    /// The document.
    pub document: DocumentId,
    /// The attempt.
    pub attempt: Attempt,
}

/// A message that is not tried any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeliverable {
    /// The message.
    pub message: Message,
    /// The last attempt.
    pub last: Attempt,
}

/// A [`Message`] as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredMessage {
    id: u128,
    subscription: u64,
    collection: String,
    document: String,
    event: Event,
    at_micros: u64,
    attempts: u32,
    pub(super) due_micros: u64,
}

impl StoredMessage {
    pub(super) fn new(message: &Message, due_micros: u64) -> Self {
        Self {
            id: message.id,
            subscription: message.subscription,
            collection: message.document.collection.to_string(),
            document: message.document.id.to_string(),
            event: message.event.clone(),
            at_micros: message.at_micros,
            attempts: message.attempts,
            due_micros,
        }
    }

    pub(super) fn into_message(self, number: u64) -> Message {
        Message {
            number,
            id: self.id,
            subscription: self.subscription,
            document: DocumentId::new(self.collection, self.document),
            event: self.event,
            at_micros: self.at_micros,
            attempts: self.attempts,
        }
    }
}

/// A [`LogEntry`] as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEntry {
    message: u128,
    event: EventKind,
    collection: String,
    document: String,
    attempt: Attempt,
}

impl From<&LogEntry> for StoredEntry {
    fn from(entry: &LogEntry) -> Self {
        Self {
            message: entry.message,
            event: entry.event,
            collection: entry.document.collection.to_string(),
            document: entry.document.id.to_string(),
            attempt: entry.attempt.clone(),
        }
    }
}

impl From<StoredEntry> for LogEntry {
    fn from(stored: StoredEntry) -> Self {
        Self {
            message: stored.message,
            event: stored.event,
            document: DocumentId::new(Arc::from(stored.collection), Arc::from(stored.document)),
            attempt: stored.attempt,
        }
    }
}

pub(super) fn encode(value: &impl Serialize, what: &'static str) -> Result<Vec<u8>, JournalError> {
    postcard::to_stdvec(value).map_err(|_| JournalError::Damaged { what })
}
