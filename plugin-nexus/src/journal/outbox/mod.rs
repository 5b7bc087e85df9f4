//! Messages to subscribers that wait to be sent.
//!
//! On disk: a message under `o` and its number (8 bytes, big-endian); one that is not tried any more under `u`, the subscription
//! and its number; an attempt under `g`, the subscription and a running number; how many were missed under `n` and the subscription.
//!
//! Invariants:
//! - a message is written together with the change it tells of: no crash separates them;
//! - it stays until it was sent, is not tried any more, or its subscription is gone;
//! - the number of those that wait is bounded by subscription. Beyond, they are counted as missed: the graph does not wait for
//!   subscribers;
//! - a storage that fails costs nothing: those that wait are in memory too, and written again when it is back.

mod letters;
mod log;
mod message;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub use letters::UndeliverablePage;
pub use message::{Attempt, Event, EventKind, LogEntry, Message, Subscriber, Undeliverable, message_name};

use super::changes::Changes;
use super::disk::Disk;
use super::timing::Moment;
use super::{DocumentId, Journal, JournalError};
use message::{StoredMessage, encode};
use queue::Queue;

const MESSAGE: u8 = b'o';
const MISSED: u8 = b'n';
/// The longest that a stored message waits for another attempt, whatever the clocks say.
const LONGEST: Duration = Duration::from_secs(3 * 86_400);

/// How many messages there may be for one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxBounds {
    /// Those that wait.
    pub waiting: usize,
    /// Those that are not tried any more. Beyond, the oldest goes.
    pub undeliverable: usize,
}

/// What happened to a document, for whoever wants to be told.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) document: DocumentId,
    pub(super) event: Event,
    /// The moment of the change that it came of.
    pub(super) since_micros: u64,
}

/// What there is for one subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mail {
    /// Messages that wait or are being sent.
    pub waiting: usize,
    /// Messages that are not tried any more.
    pub undeliverable: usize,
    /// Events that were dropped since too many waited, or too many were undeliverable.
    pub missed: u64,
}

/// What becomes of a message that could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It is sent again after this time.
    After(Duration),
    /// It is not tried any more.
    Never,
}

/// The messages, as they are in memory.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    subscribers: Vec<Subscriber>,
    boxes: BTreeMap<u64, MailBox>,
    bounds: Option<OutboxBounds>,
    /// The number of the next message.
    next: u64,
}

/// One subscription's.
#[derive(Debug, Default)]
struct MailBox {
    queue: Queue,
    /// The numbers of those that are not tried any more.
    undeliverable: BTreeSet<u64>,
    missed: u64,
    /// The number of the next entry of its log.
    next_entry: u64,
}

fn message_key(number: u64) -> Vec<u8> {
    let mut key = vec![MESSAGE];
    key.extend(number.to_be_bytes());
    key
}

fn missed_key(subscription: u64) -> Vec<u8> {
    let mut key = vec![MISSED];
    key.extend(subscription.to_be_bytes());
    key
}

/// A key of something of a subscription.
fn part_key(kind: u8, subscription: u64, number: u64) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(subscription.to_be_bytes());
    key.extend(number.to_be_bytes());
    key
}

fn damaged() -> JournalError {
    JournalError::Damaged { what: "message" }
}

/// The number that a key is of.
fn number_of(key: &[u8]) -> Result<u64, JournalError> {
    let bytes = key.get(1..).and_then(|bytes| bytes.try_into().ok());
    Ok(u64::from_be_bytes(bytes.ok_or_else(damaged)?))
}

/// The subscription and the number that a key is of.
fn part_of(key: &[u8]) -> Result<(u64, u64), JournalError> {
    let bytes: [u8; 16] = key
        .get(1..)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(damaged)?;
    let both = u128::from_be_bytes(bytes);
    Ok(((both >> 64) as u64, both as u64))
}

impl Outbox {
    /// What the last run left. What cannot be read is removed.
    pub(super) fn load(disk: &Disk, now: Moment) -> Result<Self, JournalError> {
        let mut outbox = Self::default();
        let parse = |key: &[u8], value: &[u8]| {
            let stored: StoredMessage = postcard::from_bytes(value).map_err(|_| damaged())?;
            Ok((number_of(key)?, stored))
        };
        disk.mend(MESSAGE, parse, |(number, stored)| {
            let due = now.at(stored.due_micros, LONGEST);
            let message = stored.into_message(number);
            outbox.next = outbox.next.max(number + 1);
            outbox.of(message.subscription).queue.push(message, due);
        })?;
        let parse = |key: &[u8], value: &[u8]| {
            let count = value.try_into().map_err(|_| damaged())?;
            Ok((number_of(key)?, u64::from_be_bytes(count)))
        };
        disk.mend(MISSED, parse, |(subscription, missed)| {
            outbox.of(subscription).missed = missed;
        })?;
        outbox.load_letters(disk)?;
        outbox.load_log(disk)?;
        Ok(outbox)
    }

    /// Messages that wait, of all subscriptions.
    pub(super) fn waiting(&self) -> usize {
        self.boxes.values().map(|mail| mail.queue.len()).sum()
    }

    fn of(&mut self, subscription: u64) -> &mut MailBox {
        self.boxes.entry(subscription).or_default()
    }

    /// Makes messages of events, for all who want to be told, and puts them among the changes.
    pub(super) fn address(
        &mut self,
        events: &[Happened],
        moment: Moment,
        changes: &mut Changes,
    ) -> Result<Vec<Message>, JournalError> {
        let most = self.bounds.map_or(0, |bounds| bounds.waiting);
        let mut addressed = Vec::new();
        for subscriber in &self.subscribers {
            let subscription = subscriber.subscription;
            let Some(mail) = self.boxes.get_mut(&subscription) else {
                continue;
            };
            let mut room = most.saturating_sub(mail.queue.len());
            let missed = mail.missed;
            let wanted =
                |happened: &&Happened| subscriber.wants(&happened.event, &happened.document.collection);
            for Happened {
                document,
                event,
                since_micros,
            } in events.iter().filter(wanted)
            {
                if room == 0 {
                    mail.missed += 1;
                    continue;
                }
                room -= 1;
                let message = Message {
                    number: self.next,
                    id: Message::draw_id(*since_micros),
                    subscription,
                    document: document.clone(),
                    event: event.clone(),
                    at_micros: moment.unix_micros,
                    attempts: 0,
                };
                self.next += 1;
                let stored = StoredMessage::new(&message, moment.unix_micros);
                changes.put(message_key(message.number), encode(&stored, "message")?);
                addressed.push(message);
            }
            if mail.missed != missed {
                changes.put(missed_key(subscription), mail.missed.to_be_bytes());
            }
        }
        Ok(addressed)
    }

    /// Takes in messages that are on disk. Those of a subscription that is gone meanwhile are dropped; the next start removes them.
    pub(super) fn post(&mut self, messages: Vec<Message>, due: Instant) {
        for message in messages {
            if let Some(mail) = self.boxes.get_mut(&message.subscription) {
                mail.queue.push(message, due);
            }
        }
    }

    /// Writes down what waits, for a storage that may not have it.
    pub(super) fn rewrite(&self, moment: Moment) -> Result<Vec<Changes>, JournalError> {
        const CHUNK: usize = 1_000;
        let mut all = vec![Changes::default()];
        for mail in self.boxes.values() {
            for (message, due) in mail.queue.messages() {
                if all.last().is_some_and(|changes| changes.writes().len() >= CHUNK) {
                    all.push(Changes::default());
                }
                let wait = due.saturating_duration_since(moment.instant);
                let due = moment.unix_micros.saturating_add(wait.as_micros() as u64);
                if let Some(changes) = all.last_mut() {
                    let stored = StoredMessage::new(message, due);
                    changes.put(message_key(message.number), encode(&stored, "message")?);
                }
            }
        }
        Ok(all)
    }
}

impl Journal {
    /// Says who is told of what from now on. Of subscriptions that are not `known` everything goes; those that are and have no
    /// subscriber keep what waits.
    ///
    /// # Errors
    /// [`JournalError`]; then what was to go goes at the next start.
    pub fn set_subscribers(
        &self,
        subscribers: Vec<Subscriber>,
        known: &BTreeSet<u64>,
        bounds: OutboxBounds,
    ) -> Result<(), JournalError> {
        let mut outbox = self.outbox.lock();
        outbox.subscribers = subscribers;
        outbox.bounds = Some(bounds);
        for subscription in known {
            outbox.of(*subscription);
        }
        let gone: Vec<u64> = outbox
            .boxes
            .keys()
            .copied()
            .filter(|subscription| !known.contains(subscription))
            .collect();
        let mut changes = Changes::default();
        for subscription in gone {
            if let Some(mail) = outbox.boxes.remove(&subscription) {
                for (message, _) in mail.queue.messages() {
                    changes.remove(message_key(message.number));
                }
                changes.remove(missed_key(subscription));
                mail.remove_letters(subscription, &mut changes);
                mail.remove_log(subscription, &mut changes);
            }
        }
        self.disk.apply(&changes)
    }

    /// Takes messages that are due: of each subscription as many as `room` says, which is told how many are at work.
    pub fn take_messages(&self, room: impl Fn(u64, usize) -> usize) -> Vec<Message> {
        let now = self.timing.now().instant;
        let mut taken = Vec::new();
        for (subscription, mail) in &mut self.outbox.lock().boxes {
            let most = room(*subscription, mail.queue.at_work());
            taken.extend(std::iter::from_fn(|| mail.queue.take(now)).take(most));
        }
        taken
    }

    /// When the next message of each subscription is due.
    pub fn messages_due(&self) -> Vec<(u64, Instant)> {
        let outbox = self.outbox.lock();
        let due = |(subscription, mail): (&u64, &MailBox)| Some((*subscription, mail.queue.next_due()?));
        outbox.boxes.iter().filter_map(due).collect()
    }

    /// Ends when a message came, or those that wait became due.
    pub async fn mail(&self) {
        self.mail.notified().await;
    }

    /// Messages that wait, of all subscriptions.
    pub fn messages_waiting(&self) -> usize {
        self.outbox.lock().waiting()
    }

    /// What there is for a subscription.
    pub fn mail_of(&self, subscription: u64) -> Mail {
        let outbox = self.outbox.lock();
        outbox
            .boxes
            .get(&subscription)
            .map_or_else(Mail::default, |mail| Mail {
                waiting: mail.queue.len(),
                undeliverable: mail.undeliverable.len(),
                missed: mail.missed,
            })
    }

    /// A message was sent.
    ///
    /// # Errors
    /// [`JournalError`]; it may be sent again after the next start.
    pub fn message_sent(&self, message: &Message, attempt: &Attempt) -> Result<(), JournalError> {
        let mut outbox = self.outbox.lock();
        let Some(mail) = outbox.boxes.get_mut(&message.subscription) else {
            return Ok(());
        };
        let mut changes = Changes::default();
        if mail.queue.remove(message) {
            changes.remove(message_key(message.number));
        }
        mail.log(message, attempt, &mut changes)?;
        drop(outbox);
        self.mail.notify_one();
        self.disk.apply(&changes)
    }

    /// A message could not be sent.
    ///
    /// # Errors
    /// [`JournalError`]; what becomes of it holds until the process ends.
    pub fn message_failed(
        &self,
        message: &Message,
        attempt: &Attempt,
        retry: Retry,
    ) -> Result<(), JournalError> {
        let moment = self.timing.now();
        let mut outbox = self.outbox.lock();
        let most = outbox.bounds.map_or(0, |bounds| bounds.undeliverable);
        let Some(mail) = outbox.boxes.get_mut(&message.subscription) else {
            return Ok(());
        };
        let mut changes = Changes::default();
        let message = Message {
            attempts: message.attempts.saturating_add(1),
            ..message.clone()
        };
        match retry {
            Retry::After(wait) => {
                if mail
                    .queue
                    .postpone(&message, message.attempts, moment.instant + wait)
                {
                    let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
                    let stored = StoredMessage::new(&message, moment.unix_micros.saturating_add(wait));
                    changes.put(message_key(message.number), encode(&stored, "message")?);
                }
            }
            Retry::Never => {
                if mail.queue.remove(&message) {
                    changes.remove(message_key(message.number));
                    mail.bury(&message, attempt, most, &mut changes)?;
                }
            }
        }
        mail.log(&message, attempt, &mut changes)?;
        drop(outbox);
        self.mail.notify_one();
        self.disk.apply(&changes)
    }

    /// Makes everything that waits for a subscription due now: the receiver is back.
    pub fn hasten_messages(&self, subscription: u64) {
        let now = self.timing.now().instant;
        if let Some(mail) = self.outbox.lock().boxes.get_mut(&subscription) {
            mail.queue.hasten(now);
        }
        self.mail.notify_one();
    }
}
