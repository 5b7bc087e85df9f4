//! Answers of the store to searches, remembered for a while.
//!
//! During a load most documents are compared more than once, as their neighbours come; and many collections hold the same text
//! many times. An answer is used only in the generation of the collection in which its search began ([`Journal::generation`]): every
//! hint begins a new one. A change of which no hint has come yet is seen by neither a remembered answer nor, perhaps, a fresh one;
//! its hint puts both right, see [`super::ahead`].
//!
//! Keyed by what decides the answer: the collection, and the digest of the document's vector and the settings. A wider answer
//! serves a narrower search.
//!
//! [`Journal::generation`]: crate::journal::Journal::generation

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use super::plan::Found;
use crate::config::SearchCacheSettings;

/// Answers with more candidates are not worth their memory.
const MOST_CANDIDATES: usize = 256;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    collection: Arc<str>,
    likeness: u64,
}

#[derive(Debug)]
struct Remembered {
    generation: u64,
    since: Instant,
    found: Found,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct SearchCache {
    /// `None`: switched off.
    entries: Option<Mutex<LruCache<Key, Remembered>>>,
    ttl: Duration,
}

impl SearchCache {
    /// An empty one.
    pub(super) fn new(settings: SearchCacheSettings) -> Self {
        Self {
            entries: NonZeroUsize::new(settings.entries).map(|entries| Mutex::new(LruCache::new(entries))),
            ttl: Duration::from_secs(settings.ttl_seconds),
        }
    }

    /// What a search found in this generation that was at least so wide.
    pub(super) fn get(
        &self,
        collection: &Arc<str>,
        likeness: u64,
        width: usize,
        generation: u64,
        now: Instant,
    ) -> Option<Found> {
        let key = Key {
            collection: Arc::clone(collection),
            likeness,
        };
        let mut entries = self.entries.as_ref()?.lock();
        let remembered = entries.get(&key)?;
        if remembered.generation != generation || now.saturating_duration_since(remembered.since) >= self.ttl
        {
            entries.pop(&key);
            return None;
        }
        (remembered.found.complete || remembered.found.width >= width).then(|| remembered.found.clone())
    }

    /// Remembers what a search found that began in this generation.
    pub(super) fn put(
        &self,
        collection: &Arc<str>,
        likeness: u64,
        found: &Found,
        generation: u64,
        now: Instant,
    ) {
        let Some(entries) = &self.entries else { return };
        if found.candidates.len() > MOST_CANDIDATES {
            return;
        }
        let key = Key {
            collection: Arc::clone(collection),
            likeness,
        };
        let remembered = Remembered {
            generation,
            since: now,
            found: found.clone(),
        };
        entries.lock().put(key, remembered);
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbours::Candidate;
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn cache(entries: usize) -> SearchCache {
        SearchCache::new(SearchCacheSettings {
            entries,
            ttl_seconds: TTL.as_secs(),
        })
    }

    fn found(width: usize, complete: bool) -> Found {
        let candidate = Candidate {
            id: "a".into(),
            score: 0.5,
        };
        Found {
            width,
            candidates: [candidate].into(),
            complete,
            likeness: 1,
        }
    }

    #[test]
    fn an_answer_serves_as_long_as_nothing_changes_and_searches_are_no_wider() {
        let (cache, now, name) = (cache(2), Instant::now(), Arc::from("c"));
        cache.put(&name, 1, &found(36, false), 7, now);
        assert!(cache.get(&name, 1, 36, 7, now).is_some());
        assert!(cache.get(&name, 1, 20, 7, now).is_some());
        assert!(cache.get(&name, 1, 37, 7, now).is_none(), "wider");
        assert!(cache.get(&name, 2, 36, 7, now).is_none(), "another vector");
        assert!(
            cache.get(&Arc::from("d"), 1, 36, 7, now).is_none(),
            "another collection"
        );
        assert!(cache.get(&name, 1, 36, 8, now).is_none(), "something changed");
        assert!(cache.get(&name, 1, 36, 7, now).is_none(), "for good");
    }

    #[test]
    fn a_complete_answer_serves_any_width() {
        let (cache, now, name) = (cache(2), Instant::now(), Arc::from("c"));
        cache.put(&name, 1, &found(36, true), 7, now);
        assert!(cache.get(&name, 1, 8_192, 7, now).is_some());
    }

    #[test]
    fn answers_grow_old_and_the_least_recently_used_goes_first() {
        let (cache, now, name) = (cache(2), Instant::now(), Arc::from("c"));
        for likeness in [1, 2] {
            cache.put(&name, likeness, &found(36, false), 7, now);
        }
        assert!(cache.get(&name, 1, 36, 7, now).is_some());
        cache.put(&name, 3, &found(36, false), 7, now);
        assert!(cache.get(&name, 2, 36, 7, now).is_none());
        assert!(cache.get(&name, 1, 36, 7, now + TTL).is_none());
        assert!(cache.get(&name, 3, 36, 7, now + TTL / 2).is_some());
    }

    #[test]
    fn without_entries_nothing_is_remembered() {
        let (cache, now, name) = (cache(0), Instant::now(), Arc::from("c"));
        cache.put(&name, 1, &found(36, true), 7, now);
        assert!(cache.get(&name, 1, 1, 7, now).is_none());
    }
}
