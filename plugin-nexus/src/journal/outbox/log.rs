//! The log of a subscription: its last attempts.

use super::message::{StoredEntry, encode};
use super::{Attempt, LogEntry, MailBox, Message, Outbox, damaged, part_key, part_of};
use crate::journal::changes::Changes;
use crate::journal::disk::Disk;
use crate::journal::{Journal, JournalError};

const ENTRY: u8 = b'g';
/// Attempts that are kept.
const KEPT: u64 = 200;

impl Outbox {
    pub(super) fn load_log(&mut self, disk: &Disk) -> Result<(), JournalError> {
        let parse = |key: &[u8], _: &[u8]| part_of(key);
        disk.mend(ENTRY, parse, |(subscription, number)| {
            let mail = self.of(subscription);
            mail.next_entry = mail.next_entry.max(number + 1);
        })?;
        Ok(())
    }
}

impl MailBox {
    /// Writes an attempt down, and forgets one that is too long ago.
    pub(super) fn log(
        &mut self,
        message: &Message,
        attempt: &Attempt,
        changes: &mut Changes,
    ) -> Result<(), JournalError> {
        let subscription = message.subscription;
        let entry = LogEntry {
            message: message.id,
            event: message.event.kind(),
            document: message.document.clone(),
            attempt: attempt.clone(),
        };
        let number = self.next_entry;
        self.next_entry += 1;
        let stored = encode(&StoredEntry::from(&entry), "attempt")?;
        changes.put(part_key(ENTRY, subscription, number), stored);
        if let Some(old) = number.checked_sub(KEPT) {
            changes.remove(part_key(ENTRY, subscription, old));
        }
        Ok(())
    }

    pub(super) fn remove_log(&self, subscription: u64, changes: &mut Changes) {
        for number in self.next_entry.saturating_sub(KEPT)..self.next_entry {
            changes.remove(part_key(ENTRY, subscription, number));
        }
    }
}

impl Journal {
    /// The last attempts to send something to a subscription, the newest first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn message_log(&self, subscription: u64) -> Result<Vec<LogEntry>, JournalError> {
        let prefix = part_key(ENTRY, subscription, 0)[..9].to_vec();
        let mut entries = Vec::new();
        for entry in self.disk.scan(prefix) {
            let (_, value) = entry?;
            match postcard::from_bytes::<StoredEntry>(&value).map_err(|_| damaged()) {
                Ok(stored) => entries.push(stored.into()),
                Err(error) => tracing::warn!(%error, "an attempt in the journal is passed over"),
            }
        }
        entries.reverse();
        Ok(entries)
    }
}
