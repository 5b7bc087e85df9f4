//! One collection, and whether what was heard of it explains what is seen of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Who is at it. Whoever is keeps hold of this, whatever becomes of the name meanwhile.
    pub(super) traffic: Arc<Traffic>,
    /// Since when it is not listed any more.
    pub(super) missing_since: Option<Instant>,
    /// What was heard of since the version that `seen` is.
    heard: Heard,
    seen: Option<Version>,
    /// What changed since it was last asked for; nothing is noted while nobody asks.
    changes: Option<Changes>,
    /// Whether a comparison is due.
    pub(super) is_reset: bool,
    last_reset: Option<Instant>,
}

/// Who is at a collection. Changed under the lock of the catalogue only.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Calls under way.
    pub(super) visits: AtomicUsize,
    /// Requests under way that drop or rename it.
    pub(super) closing: AtomicUsize,
    /// Requests under way that write to it.
    pub(super) writers: AtomicUsize,
    /// When the last of them ended.
    last_written: AtomicU64,
}

impl Traffic {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_visited(&self) -> bool {
        self.visits.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_written(&self) -> bool {
        self.writers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn written(&self, now: u64) {
        self.last_written.fetch_max(now, Ordering::Relaxed);
    }

    /// Whether nothing was written at this moment or since.
    pub(super) fn is_quiet_since(&self, moment: u64) -> bool {
        !self.is_written() && self.last_written.load(Ordering::Relaxed) < moment
    }
}

/// Ids whose changes are noted at most.
const MOST_CHANGES: usize = 10_000;

/// What changed in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sidecar) enum Changes {
    /// Anything may have.
    Unknown,
    /// These documents.
    Of(HashSet<String>),
}

impl Changes {
    pub(in crate::sidecar) fn is_empty(&self) -> bool {
        matches!(self, Self::Of(ids) if ids.is_empty())
    }

    fn note(&mut self, more: &[String]) {
        if let Self::Of(ids) = self {
            ids.extend(more.iter().cloned());
            if ids.len() > MOST_CHANGES {
                *self = Self::Unknown;
            }
        }
    }
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
        self.traffic.written(now);
        Self {
            known_since: now,
            listed: None,
            ..self
        }
    }

    /// What changed since the last time; from now on it is noted.
    pub(super) fn follow(&mut self) -> Changes {
        let changes = self.changes.replace(Changes::Of(HashSet::new()));
        changes.unwrap_or(Changes::Unknown)
    }

    /// What changes need not be noted any more.
    pub(super) fn unfollow(&mut self) {
        self.changes = None;
    }

    /// These documents changed.
    pub(super) fn note(&mut self, ids: &[String]) {
        if let Some(changes) = &mut self.changes {
            changes.note(ids);
        }
    }

    /// Whatever was noted, more may have changed.
    pub(super) fn lose_track(&mut self) {
        if let Some(changes) = &mut self.changes {
            *changes = Changes::Unknown;
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

    /// Something may have changed until now that nobody said.
    pub(super) fn doubt(&mut self, now: u64) {
        self.heard.is_doubtful = true;
        self.traffic.written(now);
    }

    /// Takes note of what it is now, and finds out whether that follows from what was heard.
    pub(super) fn see(&mut self, version: &Version) {
        if let Some(seen) = self.seen.take()
            && !self.heard.explains(&seen, version)
        {
            self.is_reset = true;
            self.lose_track();
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
        self.lose_track();
        self.last_reset = Some(now);
        true
    }
}

impl Heard {
    /// An upsert may add or replace, a deletion may find nothing: between what was heard and what is seen there is room, in which
    /// a change that nobody spoke of may hide until the comparison that is due from time to time.
    fn explains(&self, before: &Version, now: &Version) -> bool {
        let is_written = self.arrived + self.left > 0 || self.is_touched;
        if before == now {
            // What was heard of may have been lost again.
            return !(self.is_doubtful && is_written);
        }
        let is_other = !before.created_at.is_empty() && before.created_at != now.created_at;
        if is_other || self.is_doubtful {
            return false;
        }
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
            entry.doubt(1);
        };
        assert!(is_due(doubtful, version(3, "a"), version(3, "b")));
        assert!(
            is_due(doubtful, version(3, "a"), version(3, "a")),
            "what was heard of is not there"
        );
        assert!(
            !is_due(|entry| entry.doubt(1), version(3, "a"), version(3, "a")),
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
    fn what_changes_is_noted_for_whoever_follows() {
        let of = |ids: &[&str]| Changes::Of(ids.iter().map(|id| (*id).to_owned()).collect());
        let note = |entry: &mut Entry, id: &str| entry.note(&[id.to_owned()]);
        let mut entry = Entry::found(1, false);
        note(&mut entry, "a");
        assert_eq!(entry.follow(), Changes::Unknown, "nobody followed");
        note(&mut entry, "b");
        assert_eq!(entry.follow(), of(&["b"]));
        assert!(entry.follow().is_empty());
        entry.see(&version(3, "a"));
        entry.see(&version(3, "b"));
        note(&mut entry, "c");
        assert_eq!(
            entry.follow(),
            Changes::Unknown,
            "something changed that was not heard of"
        );
        let many: Vec<String> = (0..=MOST_CHANGES).map(|n| n.to_string()).collect();
        entry.note(&many);
        assert_eq!(entry.follow(), Changes::Unknown);
        entry.unfollow();
        assert_eq!(entry.follow(), Changes::Unknown);
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
