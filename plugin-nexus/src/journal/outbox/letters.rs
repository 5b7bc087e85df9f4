//! Messages that are not tried any more, until somebody sends them again or throws them away.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::message::{StoredMessage, encode};
use super::{
    Attempt, MailBox, Message, Outbox, Undeliverable, damaged, message_key, missed_key, part_key, part_of,
};
use crate::journal::changes::Changes;
use crate::journal::disk::Disk;
use crate::journal::{Journal, JournalError};

const UNDELIVERABLE: u8 = b'u';

#[derive(Serialize, Deserialize)]
struct Stored {
    message: StoredMessage,
    last: Attempt,
}

/// Messages in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UndeliverablePage {
    /// These.
    pub letters: Vec<Undeliverable>,
    /// How many there are on all pages.
    pub total: usize,
    /// The last number on this page; `None`: no more come after it.
    pub next: Option<u64>,
}

impl Outbox {
    pub(super) fn load_letters(&mut self, disk: &Disk) -> Result<(), JournalError> {
        let parse = |key: &[u8], _: &[u8]| part_of(key);
        disk.mend(UNDELIVERABLE, parse, |(subscription, number)| {
            self.next = self.next.max(number + 1);
            self.of(subscription).undeliverable.insert(number);
        })?;
        Ok(())
    }
}

impl MailBox {
    /// Puts a message away. Where there are too many, the oldest goes.
    pub(super) fn bury(
        &mut self,
        message: &Message,
        last: &Attempt,
        most: usize,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        let subscription = message.subscription;
        let stored = Stored {
            message: StoredMessage::new(message, 0),
            last: last.clone(),
        };
        let bytes = encode(&stored, "message")?;
        changes.put(part_key(UNDELIVERABLE, subscription, message.number), bytes);
        self.undeliverable.insert(message.number);
        while self.undeliverable.len() > most
            && let Some(oldest) = self.undeliverable.pop_first()
        {
            changes.remove(part_key(UNDELIVERABLE, subscription, oldest));
            self.missed += 1;
            changes.put(missed_key(subscription), self.missed.to_be_bytes());
        }
        Ok(())
    }

    pub(super) fn remove_letters(&self, subscription: u64, changes: &mut Changes) {
        for number in &self.undeliverable {
            changes.remove(part_key(UNDELIVERABLE, subscription, *number));
        }
    }
}

impl Journal {
    /// A page of a subscription's undeliverable messages: those behind number `after`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn undeliverable(
        &self,
        subscription: u64,
        after: Option<u64>,
        limit: usize,
    ) -> Result<UndeliverablePage, JournalError> {
        let (numbers, total) = {
            let outbox = self.outbox.lock();
            let Some(mail) = outbox.boxes.get(&subscription) else {
                return Ok(UndeliverablePage::default());
            };
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let behind = mail.undeliverable.range((from, Bound::Unbounded));
            let numbers: Vec<u64> = behind.take(limit + 1).copied().collect();
            (numbers, mail.undeliverable.len())
        };
        let mut page = UndeliverablePage {
            total,
            ..UndeliverablePage::default()
        };
        for number in numbers.iter().take(limit) {
            page.letters.extend(self.letter(subscription, *number)?);
        }
        if numbers.len() > limit {
            page.next = limit.checked_sub(1).and_then(|last| numbers.get(last)).copied();
        }
        Ok(page)
    }

    fn letter(&self, subscription: u64, number: u64) -> Result<Option<Undeliverable>, JournalError> {
        let Some(bytes) = self.disk.get(&part_key(UNDELIVERABLE, subscription, number))? else {
            return Ok(None);
        };
        match postcard::from_bytes::<Stored>(&bytes).map_err(|_| damaged()) {
            Ok(stored) => Ok(Some(Undeliverable {
                message: stored.message.into_message(number),
                last: stored.last,
            })),
            Err(error) => {
                tracing::warn!(%error, "an undeliverable message in the journal is passed over");
                Ok(None)
            }
        }
    }

    /// Sends a subscription's undeliverable messages again: these, or all. Answers how many that are.
    ///
    /// # Errors
    /// [`JournalError`]; then none is sent.
    pub fn resend_undeliverable(
        &self,
        subscription: u64,
        numbers: Option<&[u64]>,
    ) -> Result<usize, JournalError> {
        let moment = self.timing.now();
        let mut changes = Changes::default();
        let mut messages = Vec::new();
        let numbers = self.chosen(subscription, numbers);
        for number in &numbers {
            changes.remove(part_key(UNDELIVERABLE, subscription, *number));
            if let Some(letter) = self.letter(subscription, *number)? {
                let message = Message {
                    attempts: 0,
                    ..letter.message
                };
                let stored = StoredMessage::new(&message, moment.unix_micros);
                changes.put(message_key(*number), encode(&stored, "message")?);
                messages.push(message);
            }
        }
        self.disk.apply(&changes)?;
        let count = messages.len();
        self.forget_letters(subscription, &numbers);
        self.outbox.lock().post(messages, moment.instant);
        self.mail.notify_one();
        Ok(count)
    }

    /// Throws a subscription's undeliverable messages away: these, or all. Answers how many that are.
    ///
    /// # Errors
    /// [`JournalError`]; then all are kept.
    pub fn purge_undeliverable(
        &self,
        subscription: u64,
        numbers: Option<&[u64]>,
    ) -> Result<usize, JournalError> {
        let mut changes = Changes::default();
        let numbers = self.chosen(subscription, numbers);
        for number in &numbers {
            changes.remove(part_key(UNDELIVERABLE, subscription, *number));
        }
        self.disk.apply(&changes)?;
        self.forget_letters(subscription, &numbers);
        Ok(numbers.len())
    }

    /// Those of the numbers that there are.
    fn chosen(&self, subscription: u64, numbers: Option<&[u64]>) -> Vec<u64> {
        let outbox = self.outbox.lock();
        let Some(mail) = outbox.boxes.get(&subscription) else {
            return Vec::new();
        };
        let is_wanted = |number: &&u64| numbers.is_none_or(|wanted| wanted.contains(number));
        mail.undeliverable.iter().filter(is_wanted).copied().collect()
    }

    fn forget_letters(&self, subscription: u64, numbers: &[u64]) {
        if let Some(mail) = self.outbox.lock().boxes.get_mut(&subscription) {
            for number in numbers {
                mail.undeliverable.remove(number);
            }
        }
    }
}
