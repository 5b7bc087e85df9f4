//! What Vectorizer lists, compared with what is known.

use std::time::{Duration, Instant};

use vectorizer_plugin_api::model::CollectionEvent;

use super::entry::Entry;
use super::{Catalogue, Listed, Listing, Phase, State};

/// How many times as long as collections have to stay the same they may go on changing, until only their names count.
const BUSY_FACTOR: u32 = 6;

/// What came of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sidecar) enum Outcome {
    /// Its collections may still be loading.
    Settling,
    /// It can be asked.
    Settled,
}

impl Catalogue {
    /// A listing begins: when, to be given back with it.
    pub(in crate::sidecar) fn begin_listing(&self) -> u64 {
        self.state.lock().tick()
    }

    /// Vectorizer did not answer.
    pub(in crate::sidecar) fn unreached(&self, reason: String) {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Unreached(_)) {
            tracing::warn!(reason, "Vectorizer cannot be reached");
        }
        state.phase = Phase::Unreached(reason);
    }

    /// Vectorizer listed its collections; the listing began at `began`.
    pub(in crate::sidecar) fn listed(&self, began: u64, listing: Listing, now: Instant) -> Outcome {
        let mut state = self.state.lock();
        let was_settled = state.phase == Phase::Settled;
        if was_settled && state.is_reloaded(&listing) {
            tracing::warn!("Vectorizer was started anew; waiting for its collections");
            state.phase = Phase::settling(now, listing);
            return Outcome::Settling;
        }
        if !was_settled && !state.phase.settle(&listing, now, self.settle) {
            return Outcome::Settling;
        }
        self.take_listing(&mut state, began, &listing, now, was_settled);
        if !was_settled {
            tracing::info!(collections = state.collections.len(), "Vectorizer can be asked");
            state.phase = Phase::Settled;
            state.was_settled = true;
        }
        if state.unsure_since.is_some_and(|since| since < began) {
            state.unsure_since = None;
        }
        drop(state);
        self.turned.notify_all();
        Outcome::Settled
    }

    fn take_listing(
        &self,
        state: &mut State,
        began: u64,
        listing: &Listing,
        now: Instant,
        was_settled: bool,
    ) {
        let tick = state.tick();
        if state.aliased < began {
            state.aliases.clone_from(&listing.aliases);
        }
        for listed in &listing.collections {
            self.take_listed(state, began, tick, listed);
        }
        let is_listed = |name: &str| listing.collections.iter().any(|listed| listed.name == name);
        let mut gone = Vec::new();
        for (name, entry) in &mut state.collections {
            if is_listed(name) || entry.known_since > began || entry.writers > 0 {
                continue;
            }
            let missing_since = *entry.missing_since.get_or_insert(now);
            // After a start the whole time of settling has passed.
            if !was_settled || now.saturating_duration_since(missing_since) >= self.settle {
                gone.push(name.clone());
            }
        }
        for name in gone {
            tracing::info!(collection = name, "a collection is gone from Vectorizer");
            self.drop_collection(state, &name, tick);
        }
        // What was dropped before and is not listed can only come anew.
        state
            .dropped
            .retain(|name, dropped| *dropped >= began || is_listed(name));
        for (began, effect) in std::mem::take(&mut state.deferred) {
            if let Some(name) = effect.collection()
                && state.resolve(name).is_some()
            {
                self.take(state, began, tick, effect);
            }
        }
        for (name, entry) in &mut state.collections {
            if entry.take_reset(now) {
                tracing::info!(
                    collection = name,
                    "a collection changed in ways that were not heard of"
                );
                self.observer.collection(CollectionEvent::Reset(name));
            }
        }
    }

    fn take_listed(&self, state: &mut State, began: u64, tick: u64, listed: &Listed) {
        let name = &listed.name;
        if state.dropped.get(name).is_some_and(|dropped| *dropped >= began) {
            return;
        }
        state.dropped.remove(name);
        let is_news = state.was_settled;
        if !state.collections.contains_key(name) {
            if is_news {
                self.observer.collection(CollectionEvent::Created(name));
            }
            state
                .collections
                .insert(name.clone(), Entry::found(tick, is_news));
        }
        if let Some(entry) = state.collections.get_mut(name) {
            entry.missing_since = None;
            // What is under way may be in it or not.
            if entry.writers == 0 && entry.last_written < began {
                entry.see(&listed.version);
            }
            entry.listed = Some(listed.clone());
        }
    }
}

impl Phase {
    fn settling(now: Instant, listing: Listing) -> Self {
        Self::Settling {
            begun: now,
            since: now,
            listing,
        }
    }

    /// Whether the collections were the same for long enough. Where clients write all the time they never are, and after a while it
    /// is enough that none came or went.
    fn settle(&mut self, now_listed: &Listing, now: Instant, patience: Duration) -> bool {
        let Self::Settling {
            begun,
            since,
            listing,
        } = self
        else {
            *self = Self::settling(now, now_listed.clone());
            // Where nothing is waited for, the first listing is as good as the second.
            return patience.is_zero();
        };
        let is_long = now.saturating_duration_since(*begun) >= patience * BUSY_FACTOR;
        let is_same = *listing == *now_listed || (is_long && listing.has_same_collections(now_listed));
        if !is_same {
            *since = now;
            listing.clone_from(now_listed);
        }
        is_same && now.saturating_duration_since(*since) >= patience
    }
}

impl State {
    /// Whether collections that are known were all loaded again.
    fn is_reloaded(&self, listing: &Listing) -> bool {
        let mut known = listing.collections.iter().filter_map(|listed| {
            let before = self.collections.get(&listed.name)?.listed.as_ref()?;
            let (before, now) = (&before.version.created_at, &listed.version.created_at);
            (!before.is_empty()).then_some(before != now)
        });
        known
            .next()
            .is_some_and(|first| first && known.all(|other| other))
    }
}
