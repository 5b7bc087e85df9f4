//! One collection, and whether what was heard of it explains what is seen of it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::{Listed, Version};

/// How long after a comparison was asked for the next one is not. One costs a reading of the whole collection.
const RESET_GAP: Duration = Duration::from_secs(10);

/// What is known of a collection.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) listed: Option<Listed>,
    /// Since when it is known; a listing that began before says nothing of it.
    pub(super) known_since: u64,
    /// Calls under way.
    pub(super) visits: Arc<AtomicUsize>,
    /// Requests under way that drop or rename it.
    pub(super) closing: usize,
    /// Since when it is not listed any more.
    pub(super) missing_since: Option<Instant>,
    /// Requests under way that write to it, and when the last of them ended.
    pub(super) writers: usize,
    pub(super) last_written: u64,
    /// What was heard of since the version that `seen` is.
    heard: Heard,
    seen: Option<Version>,
    /// Whether a comparison is due.
    pub(super) is_reset: bool,
    last_reset: Option<Instant>,
}

/// What requests said that they changed.
#[derive(Debug, Default)]
struct Heard {
    arrived: u64,
    left: u64,
    is_touched: bool,
    /// Something may have changed that nobody said.
    is_doubtful: bool,
}

impl Entry {
    /// One that a request made: it was empty.
    pub(super) fn made(now: u64) -> Self {
        let mut entry = Self {
            known_since: now,
            seen: Some(Version::default()),
            ..Self::default()
        };
        entry.heard.is_touched = true;
        entry
    }

    /// One that was found: whatever is in it, nobody said so.
    pub(super) fn found(now: u64, is_news: bool) -> Self {
        Self {
            known_since: now,
            is_reset: is_news,
            ..Self::default()
        }
    }

    /// The same under another name, by which it is not listed yet.
    pub(super) fn renamed(self, now: u64) -> Self {
        Self {
            known_since: now,
            last_written: now,
            listed: None,
            ..self
        }
    }

    pub(super) fn hear_of_arrivals(&mut self, documents: usize) {
        self.heard.arrived += documents as u64;
    }

    pub(super) fn hear_of_leaving(&mut self, documents: usize) {
        self.heard.left += documents as u64;
    }

    pub(super) fn hear_of_changes(&mut self) {
        self.heard.is_touched = true;
    }

    /// Something may have changed that nobody said.
    pub(super) fn doubt(&mut self) {
        self.heard.is_doubtful = true;
    }

    /// Takes note of what it is now, and finds out whether that follows from what was heard.
    pub(super) fn see(&mut self, version: &Version) {
        if let Some(seen) = self.seen.take()
            && !self.heard.explains(&seen, version)
        {
            self.is_reset = true;
        }
        self.seen = Some(version.clone());
        self.heard = Heard::default();
    }

    /// Whether a comparison is to be asked for now.
    pub(super) fn take_reset(&mut self, now: Instant) -> bool {
        let is_early = self
            .last_reset
            .is_some_and(|last| now.saturating_duration_since(last) < RESET_GAP);
        if !self.is_reset || is_early {
            return false;
        }
        self.is_reset = false;
        self.last_reset = Some(now);
        true
    }
}

impl Heard {
    /// An upsert may add or replace, a deletion may find nothing: between what was heard and what is seen there is room, in which
    /// a change that nobody spoke of may hide until the comparison that is due from time to time.
    fn explains(&self, before: &Version, now: &Version) -> bool {
        if before == now {
            return true;
        }
        let is_other = !before.created_at.is_empty() && before.created_at != now.created_at;
        if is_other || self.is_doubtful {
            return false;
        }
        let is_written = self.arrived + self.left > 0 || self.is_touched;
        let least = before.count.saturating_sub(self.left);
        let most = before.count.saturating_add(self.arrived);
        is_written && (least..=most).contains(&now.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(count: u64, updated_at: &str) -> Version {
        Version {
            count,
            created_at: "then".to_owned(),
            updated_at: updated_at.to_owned(),
        }
    }

    fn is_due(hear: impl FnOnce(&mut Entry), before: Version, now: Version) -> bool {
        let mut entry = Entry::found(1, false);
        entry.see(&before);
        hear(&mut entry);
        entry.see(&now);
        entry.take_reset(Instant::now())
    }

    #[test]
    fn what_nobody_spoke_of_is_compared() {
        let silent = |before, now| is_due(|_| {}, before, now);
        assert!(!silent(version(3, "a"), version(3, "a")));
        assert!(silent(version(3, "a"), version(4, "b")));
        assert!(silent(version(3, "a"), version(2, "b")));
        assert!(silent(version(3, "a"), version(3, "b")), "an update");
    }

    #[test]
    fn what_was_heard_of_explains_as_much_as_it_can() {
        let arrived = |now| {
            is_due(
                |entry| entry.hear_of_arrivals(2),
                version(3, "a"),
                version(now, "b"),
            )
        };
        assert!(!arrived(3) && !arrived(5), "they may have been there");
        assert!(arrived(6) && arrived(2));
        let left = |now| {
            is_due(
                |entry| entry.hear_of_leaving(2),
                version(3, "a"),
                version(now, "b"),
            )
        };
        assert!(!left(1) && !left(3));
        assert!(left(0) && left(4));
        let updated = |now| is_due(Entry::hear_of_changes, version(3, "a"), version(now, "b"));
        assert!(!updated(3) && updated(4));
    }

    #[test]
    fn another_collection_of_the_same_name_and_doubt_are_explained_by_nothing() {
        let mut reloaded = version(3, "a");
        reloaded.created_at = "now".to_owned();
        assert!(is_due(Entry::hear_of_changes, version(3, "a"), reloaded));
        let doubtful = |entry: &mut Entry| {
            entry.hear_of_changes();
            entry.doubt();
        };
        assert!(is_due(doubtful, version(3, "a"), version(3, "b")));
        assert!(
            !is_due(doubtful, version(3, "a"), version(3, "a")),
            "nothing changed after all"
        );
    }

    #[test]
    fn one_that_a_request_made_was_empty() {
        let mut made = Entry::made(1);
        made.hear_of_arrivals(2);
        made.see(&version(2, "a"));
        assert!(!made.is_reset);
        let mut filled = Entry::made(1);
        filled.see(&version(2, "a"));
        assert!(filled.is_reset, "by someone else");
    }

    #[test]
    fn comparisons_are_not_asked_for_one_after_the_other() {
        let mut entry = Entry::found(1, true);
        let now = Instant::now();
        assert!(entry.take_reset(now));
        entry.is_reset = true;
        assert!(!entry.take_reset(now + RESET_GAP / 2));
        assert!(entry.take_reset(now + RESET_GAP));
        assert!(!entry.take_reset(now + RESET_GAP * 3), "none is due");
    }
}
