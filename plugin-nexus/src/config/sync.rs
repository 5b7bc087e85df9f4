//! How work is done: lanes, batches, the journal, and what becomes of documents that Nexus refuses.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::backoff::Backoff;
use crate::journal::{Attempts, Durability, Overflow, Settings};

/// `sync:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// When a writer is answered: `async`, once its change is in the journal. There is no `sync`: while the store tells of a change it
    /// holds locks that the work behind it needs. Whoever has to read in the graph what they wrote asks `GET /api/v1/sync/nexus/wait`;
    /// `durability: group` waits for the disk. Default `async`.
    pub mode: SyncMode,
    /// Lanes that write nodes; one more writes edges. Default 2.
    pub worker_threads: usize,
    /// Documents a batch. Default 200.
    pub batch_size: usize,
    /// Attempts of one request before its documents go back to the queue. Default 4.
    pub retry_attempts: u32,
    /// Wait before a repeated attempt; doubles, jittered. Default 100.
    pub retry_delay_ms: u64,
    /// Longest wait before a repeated attempt. Default 10000.
    pub max_retry_delay_ms: u64,
    /// Documents that may wait. What becomes of further changes `overflow` says. Default 1000000.
    pub max_queue_size: usize,
    /// What becomes of changes that find no room: `mark-dirty` marks their collection for a comparison with the store;
    /// `block` lets the writer wait for room, for `block_ms` at most, and then does the same. Nothing is lost with either.
    /// Default `mark-dirty`.
    pub overflow: OverflowPolicy,
    /// How long a writer waits with `block`. Default 1000.
    pub block_ms: u64,
    /// What an acknowledged change survives in the journal: `interval`, `group` (the writer waits until it is on disk) or
    /// `none`. What a crash takes with it the comparison at the next start finds again. Default `interval`.
    pub durability: Durability,
    /// How often the journal is written out, unless with `none`. Default 20.
    pub flush_interval_ms: u64,
    /// Wait of a document that Nexus refuses, after its first attempt; doubles, jittered. Default 1000.
    pub refused_delay_ms: u64,
    /// Longest wait of such a document. Default 300000.
    pub max_refused_delay_ms: u64,
    /// Attempts after which a document that is still refused becomes a dead letter, not to be tried again by itself. Default
    /// 8.
    pub dead_letter_after: u32,
    /// Dead letters that are kept, about 100 bytes of memory each. Beyond, refused documents keep waiting for the longest
    /// wait. Default 10000.
    pub max_dead_letters: usize,
}

/// When a writer is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncMode {
    /// When its change is in the journal.
    #[default]
    Async,
    /// When it is in the graph, which cannot be.
    #[schemars(skip)]
    Sync,
}

/// What becomes of changes that find no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowPolicy {
    /// Their collection is compared with the store.
    MarkDirty,
    /// The writer waits for a while, then the same.
    Block,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            mode: SyncMode::Async,
            worker_threads: 2,
            batch_size: 200,
            retry_attempts: 4,
            retry_delay_ms: 100,
            max_retry_delay_ms: 10_000,
            max_queue_size: 1_000_000,
            overflow: OverflowPolicy::MarkDirty,
            block_ms: 1_000,
            durability: Durability::Interval,
            flush_interval_ms: 20,
            refused_delay_ms: 1_000,
            max_refused_delay_ms: 300_000,
            dead_letter_after: 8,
            max_dead_letters: 10_000,
        }
    }
}

impl Sync {
    /// What the journal needs of it.
    #[must_use]
    pub fn journal(&self) -> Settings {
        Settings {
            durability: self.durability,
            flush_interval: Duration::from_millis(self.flush_interval_ms),
            max_pending: self.max_queue_size,
            attempts: Attempts {
                backoff: Backoff {
                    base: Duration::from_millis(self.refused_delay_ms),
                    longest: Duration::from_millis(self.max_refused_delay_ms),
                },
                most: self.dead_letter_after,
                max_dead_letters: self.max_dead_letters,
            },
        }
    }

    /// What a hook does that finds no room.
    #[must_use]
    pub fn overflow(&self) -> Overflow {
        match self.overflow {
            OverflowPolicy::MarkDirty => Overflow::MarkDirty,
            OverflowPolicy::Block => Overflow::Block(Duration::from_millis(self.block_ms)),
        }
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        if self.mode == SyncMode::Sync {
            let reason = "sync is not possible, since the store holds locks while it tells of a change that the sync needs to read it; use async, with \
                durability: group to wait for the disk, and GET /api/v1/sync/nexus/wait to wait for the graph";
            faults.add(&format!("{key}.mode"), reason);
        }
        let mut range = |name: &str, value: u64, least: u64, most: u64| {
            faults.range(&format!("{key}.{name}"), value, least, most);
        };
        range("worker_threads", self.worker_threads as u64, 1, 64);
        range("batch_size", self.batch_size as u64, 1, 5_000);
        range("retry_attempts", self.retry_attempts.into(), 1, 100);
        range("retry_delay_ms", self.retry_delay_ms, 1, 60_000);
        range(
            "max_retry_delay_ms",
            self.max_retry_delay_ms,
            self.retry_delay_ms,
            3_600_000,
        );
        range("max_queue_size", self.max_queue_size as u64, 1_000, 100_000_000);
        range("block_ms", self.block_ms, 1, 60_000);
        range("flush_interval_ms", self.flush_interval_ms, 1, 10_000);
        range("refused_delay_ms", self.refused_delay_ms, 1, 3_600_000);
        range(
            "max_refused_delay_ms",
            self.max_refused_delay_ms,
            self.refused_delay_ms,
            86_400_000,
        );
        range("dead_letter_after", self.dead_letter_after.into(), 1, 1_000);
        range("max_dead_letters", self.max_dead_letters as u64, 1, 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_journal_does_as_it_says() {
        let sync = |section: Value| {
            Config::from_json(&json!({"nexus_url": "http://h", "sync": section}).to_string())
                .map(|config| config.sync)
        };
        let default = sync(json!({})).unwrap();
        assert_eq!(default.overflow(), Overflow::MarkDirty);
        assert_eq!(default.journal().durability, Durability::Interval);
        let other = sync(json!({"overflow": "block", "block_ms": 7, "durability": "group"})).unwrap();
        assert_eq!(other.overflow(), Overflow::Block(Duration::from_millis(7)));
        assert_eq!(other.journal().durability, Durability::Group);
        for (key, value) in [
            ("overflow", json!("drop")),
            ("durability", json!("fsync")),
            ("block_ms", json!(0)),
            ("block_ms", json!(60_001)),
        ] {
            let text = sync(json!({key: value})).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("nexus_integration.sync.{key}: ")),
                "{text}"
            );
        }
    }

    #[test]
    fn refused_documents_are_tried_again_as_it_says() {
        let sync = |section: Value| {
            Config::from_json(&json!({"nexus_url": "http://h", "sync": section}).to_string())
                .map(|config| config.sync)
        };
        let attempts = sync(json!({})).unwrap().journal().attempts;
        assert_eq!((attempts.most, attempts.max_dead_letters), (8, 10_000));
        assert_eq!(
            (attempts.backoff.base, attempts.backoff.longest),
            (Duration::from_secs(1), Duration::from_secs(300))
        );
        for section in [
            json!({"dead_letter_after": 1, "max_dead_letters": 1, "refused_delay_ms": 1, "max_refused_delay_ms": 1}),
            json!({"dead_letter_after": 1_000, "max_dead_letters": 1_000_000, "max_refused_delay_ms": 86_400_000}),
        ] {
            sync(section).unwrap();
        }
        for (key, value) in [
            ("dead_letter_after", 0),
            ("dead_letter_after", 1_001),
            ("max_dead_letters", 0),
            ("max_dead_letters", 1_000_001),
            ("refused_delay_ms", 0),
            ("max_refused_delay_ms", 999),
            ("max_refused_delay_ms", 86_400_001),
        ] {
            let text = sync(json!({key: value})).unwrap_err().to_string();
            let fault = format!("nexus_integration.sync.{key}: {value} is out of range");
            assert!(text.starts_with(&fault), "{text}");
        }
    }
}
