//! Requests under way that change something, and what becomes of them.

use std::collections::btree_map;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use vectorizer_plugin_api::model::{CollectionEvent, Op};

use super::entry::{Entry, Traffic};
use super::{Catalogue, State};
use crate::sidecar::effects::Effect;

/// Effects on names that are not known yet, that are kept at most. Past that everything is compared.
const MOST_DEFERRED: usize = 1_000;

/// What a request may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sidecar) enum Scope {
    /// Documents of these collections.
    Collections(Vec<String>),
    /// This collection as a whole: it goes, or gets another name.
    Whole(String),
    /// Documents anywhere.
    Anywhere,
    /// Any collection as a whole.
    Everything,
}

/// A request under way. One that is let go of without an end leaves doubt about what it touches.
pub(in crate::sidecar) struct Write {
    catalogue: Arc<Catalogue>,
    scope: Scope,
    began: u64,
    /// Where it is counted.
    counted: Vec<Arc<Traffic>>,
    is_over: bool,
}

impl Catalogue {
    /// A request begins.
    pub(in crate::sidecar) fn begin(self: &Arc<Self>, scope: Scope) -> Write {
        let mut state = self.state.lock();
        let began = state.tick();
        let named: &[String] = match &scope {
            Scope::Collections(names) => names,
            Scope::Whole(name) => std::slice::from_ref(name),
            Scope::Anywhere => &[],
            Scope::Everything => {
                state.closing_all += 1;
                &[]
            }
        };
        let mut counted: Vec<Arc<Traffic>> = Vec::new();
        for name in named {
            let known = state.resolve(name).and_then(|name| state.collections.get(name));
            if let Some(entry) = known
                && !counted.iter().any(|traffic| Arc::ptr_eq(traffic, &entry.traffic))
            {
                counted.push(Arc::clone(&entry.traffic));
            }
        }
        for traffic in &counted {
            traffic.writers.fetch_add(1, Ordering::Relaxed);
            let closing = usize::from(matches!(scope, Scope::Whole(_)));
            traffic.closing.fetch_add(closing, Ordering::Relaxed);
        }
        drop(state);
        Write {
            catalogue: Arc::clone(self),
            scope,
            began,
            counted,
            is_over: false,
        }
    }
}

impl Catalogue {
    /// A write of this server's own begins.
    pub(in crate::sidecar) fn begin_own(self: &Arc<Self>, collection: &str) -> Write {
        self.begin(Scope::Collections(vec![collection.to_owned()]))
    }

    /// Tells of documents while the request that wrote them is still under way.
    pub(in crate::sidecar) fn tell(&self, collection: &str, op: Op, ids: &[String]) {
        let mut state = self.state.lock();
        let now = state.tick();
        if let Some(name) = state.resolve(collection).map(str::to_owned) {
            self.tell_documents(&mut state, &name, now, op, ids);
        }
    }
}

impl Write {
    /// Whether it may be handed on: nobody is at what it is about to take away.
    pub(in crate::sidecar) fn may_go_on(&self) -> bool {
        self.is_free(&self.catalogue.state.lock())
    }

    /// Waits until it may be handed on, `patience` at the longest.
    pub(in crate::sidecar) fn wait(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.catalogue.state.lock();
        while !self.is_free(&state) {
            if self.catalogue.turned.wait_until(&mut state, until).timed_out() {
                return self.is_free(&state);
            }
        }
        true
    }

    fn is_free(&self, state: &State) -> bool {
        match &self.scope {
            Scope::Collections(_) | Scope::Anywhere => true,
            Scope::Whole(_) => {
                state.listings == 0 && !self.counted.iter().any(|traffic| traffic.is_visited())
            }
            Scope::Everything => {
                let mut all = state.collections.values();
                state.listings == 0 && !all.any(|entry| entry.traffic.is_visited())
            }
        }
    }

    /// It was done, with these effects, which are told.
    pub(in crate::sidecar) fn done(mut self, effects: Vec<Effect>) {
        self.end(effects, false);
    }

    /// It was done, and whoever is told of changes made it.
    pub(in crate::sidecar) fn done_silently(mut self) {
        self.end(Vec::new(), true);
    }

    /// It was refused, and changed nothing.
    pub(in crate::sidecar) fn refused(mut self) {
        self.end(Vec::new(), false);
    }

    fn end(&mut self, effects: Vec<Effect>, is_own: bool) {
        self.is_over = true;
        let mut state = self.catalogue.state.lock();
        let now = state.tick();
        let is_told = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Dropped(_) | Effect::Renamed { .. }));
        let is_whole = matches!(self.scope, Scope::Whole(_));
        for traffic in &self.counted {
            traffic.writers.fetch_sub(1, Ordering::Relaxed);
            traffic.written(now);
            traffic
                .closing
                .fetch_sub(usize::from(is_whole), Ordering::Relaxed);
            let mut entries = state.collections.values_mut();
            let Some(entry) = entries.find(|entry| Arc::ptr_eq(&entry.traffic, traffic)) else {
                continue;
            };
            if is_own {
                entry.hear_of_changes();
            }
            // What became of it is not known.
            if is_whole && !is_told && !effects.is_empty() {
                entry.missing_since.get_or_insert_with(Instant::now);
            }
        }
        let is_everything = self.scope == Scope::Everything;
        state.closing_all -= usize::from(is_everything);
        // A name that nobody knows may be another one of any collection.
        let is_unsure = is_everything || is_whole && self.counted.is_empty();
        if is_unsure && !effects.is_empty() {
            state.unsure_since = Some(now);
            state.is_awaited = true;
        }
        for effect in effects {
            self.catalogue.take(&mut state, self.began, now, effect);
        }
        drop(state);
        self.catalogue.turned.notify_all();
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(vec![Effect::Anything], false);
        }
    }
}

impl Catalogue {
    /// Takes an effect over and tells of it. `began` is when the request did that it comes from.
    pub(super) fn take(&self, state: &mut State, began: u64, now: u64, effect: Effect) {
        match effect {
            Effect::Documents { collection, op, ids } => match state.resolve(&collection) {
                Some(name) => {
                    let name = name.to_owned();
                    self.tell_documents(state, &name, now, op, &ids);
                }
                None => defer(state, began, Effect::Documents { collection, op, ids }),
            },
            Effect::Promised { collection, points } => {
                let ids = points.into_iter().map(|point| point.id).collect();
                let op = Op::Upsert;
                self.take(state, began, now, Effect::Documents { collection, op, ids });
            }
            Effect::Created(name) => {
                if state.dropped.get(&name).is_some_and(|dropped| *dropped >= began) {
                    state.is_awaited = true;
                } else if let btree_map::Entry::Vacant(vacant) = state.collections.entry(name) {
                    self.observer.collection(CollectionEvent::Created(vacant.key()));
                    vacant.insert(Entry::made(now));
                }
            }
            Effect::Dropped(name) => {
                let name = state.resolve(&name).map_or(name.clone(), str::to_owned);
                self.drop_collection(state, &name, now);
            }
            Effect::Renamed { from, to } => {
                let from = state.resolve(&from).map_or(from.clone(), str::to_owned);
                let entry = state.collections.remove(&from);
                let entry = entry.unwrap_or_else(|| Entry::found(now, true));
                state.collections.insert(to.clone(), entry.renamed(now));
                self.observer
                    .collection(CollectionEvent::Renamed { from: &from, to: &to });
                // A listing from before says nothing of either name.
                state.dropped.remove(&to);
                state.dropped.insert(from.clone(), now);
                for target in state.aliases.values_mut().filter(|target| **target == from) {
                    target.clone_from(&to);
                }
                state.aliases.insert(from, to);
                state.aliased = now;
                state.is_awaited = true;
            }
            Effect::Collection(name) => {
                state.is_awaited = true;
                let name = state.resolve(&name).map(str::to_owned);
                // One that is not known is new when it is listed, and compared as such.
                if let Some(entry) = name.and_then(|name| state.collections.get_mut(&name)) {
                    entry.is_reset = true;
                    entry.lose_track();
                }
            }
            Effect::Anything => {
                state.is_awaited = true;
                for entry in state.collections.values_mut() {
                    entry.doubt(now);
                }
            }
        }
    }

    fn tell_documents(&self, state: &mut State, name: &str, now: u64, op: Op, ids: &[String]) {
        if let Some(entry) = state.collections.get_mut(name) {
            entry.traffic.written(now);
            entry.note(ids);
            match op {
                Op::Upsert => entry.hear_of_arrivals(ids.len()),
                Op::Update => entry.hear_of_changes(),
                Op::Delete => entry.hear_of_leaving(ids.len()),
            }
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.observer.changed(name, op, &ids);
    }

    /// A collection is gone.
    pub(super) fn drop_collection(&self, state: &mut State, name: &str, now: u64) {
        state.collections.remove(name);
        state.aliases.retain(|_, target| target != name);
        state.dropped.insert(name.to_owned(), now);
        self.observer.collection(CollectionEvent::Deleted(name));
    }
}

fn defer(state: &mut State, began: u64, effect: Effect) {
    state.is_awaited = true;
    if state.deferred.len() < MOST_DEFERRED {
        state.deferred.push((began, effect));
    } else {
        // Whatever they were, they are compared.
        state.deferred.clear();
        let now = state.tick();
        for entry in state.collections.values_mut() {
            entry.doubt(now);
        }
    }
}
