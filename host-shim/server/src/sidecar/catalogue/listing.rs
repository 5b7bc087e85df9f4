//! What Vectorizer lists, compared with what is known.

use std::time::{Duration, Instant};

use vectorizer_plugin_api::model::CollectionEvent;

use super::entry::Entry;
use super::{Catalogue, Listed, Listing, Phase, State};

/// How many times as long as collections have to stay the same they may go on changing, until only their names count.
const BUSY_FACTOR: u32 = 6;

/// How many times as long collections have to stay the same where known ones are not among them.
const MISSING_FACTOR: u32 = 6;

/// What came of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sidecar) enum Outcome {
    /// Its collections may still be loading.
    Settling,
    /// It can be asked.
    Settled,
}

impl Catalogue {
    /// Vectorizer did not answer.
    pub(in crate::sidecar) fn unreached(&self, reason: String) {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Unreached(_)) {
            tracing::warn!(reason, "Vectorizer cannot be reached");
            // It may have died, and have lost what was heard of.
            let now = state.tick();
            for entry in state.collections.values_mut() {
                entry.doubt(now);
            }
        }
        state.phase = Phase::Unreached(reason);
    }

    /// Vectorizer listed its collections; the listing began at `began`.
    pub(in crate::sidecar) fn listed(&self, began: u64, listing: Listing, now: Instant) -> Outcome {
        let mut state = self.state.lock();
        // One that was away for a moment, and still has what it had, was not started anew.
        let was_settled =
            state.phase == Phase::Settled || state.was_settled && state.has_not_changed(&listing);
        if was_settled && state.is_reloaded(&listing) {
            tracing::warn!("Vectorizer was started anew; waiting for its collections");
            state.phase = Phase::settling(now, listing);
            return Outcome::Settling;
        }
        // What is missing may still be loading: there is no telling, and its nodes would be deleted.
        let patience = match state.is_any_missing(&listing) {
            true => self.settle * MISSING_FACTOR,
            false => self.settle,
        };
        if !was_settled && !state.phase.settle(&listing, now, patience) {
            return Outcome::Settling;
        }
        self.take_listing(&mut state, began, &listing, now, was_settled);
        if state.phase != Phase::Settled {
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
            if is_listed(name) || entry.known_since > began || entry.traffic.is_written() {
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
            // What is under way, or was when the list was made, may be in it or not.
            if entry.traffic.is_quiet_since(began) {
                entry.missing_since = None;
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
    /// The collections that are known from a list.
    fn listed(&self) -> impl Iterator<Item = &Listed> {
        self.collections
            .values()
            .filter_map(|entry| entry.listed.as_ref())
    }

    /// Whether what is known was loaded again: all of it that is listed is of another time, or none of it is listed.
    fn is_reloaded(&self, listing: &Listing) -> bool {
        let (mut known, mut there, mut again) = (0, 0, 0);
        for before in self
            .listed()
            .filter(|before| !before.version.created_at.is_empty())
        {
            known += 1;
            let now = listing.collections.iter().find(|now| now.name == before.name);
            there += usize::from(now.is_some());
            again += usize::from(now.is_some_and(|now| now.version.created_at != before.version.created_at));
        }
        known > 0 && (there == 0 || again == there)
    }

    /// Whether each collection that is known is there and of the same time.
    fn has_not_changed(&self, listing: &Listing) -> bool {
        let is_there = |before: &Listed| {
            let mut all = listing.collections.iter();
            all.any(|now| now.name == before.name && now.version.created_at == before.version.created_at)
        };
        let is_dated = |before: &Listed| !before.version.created_at.is_empty();
        self.listed().next().is_some() && self.listed().all(|before| is_dated(before) && is_there(before))
    }

    fn is_any_missing(&self, listing: &Listing) -> bool {
        let is_missing = |before: &Listed| !listing.collections.iter().any(|now| now.name == before.name);
        self.listed().any(is_missing)
    }
}
