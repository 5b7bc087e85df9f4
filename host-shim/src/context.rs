//! The host's end of the callbacks: one context per plugin, which lives for ever and can be closed.
//!
//! Invariants:
//! - Before `open` the store is not asked, after `close` it is not either; `close` waits for calls under way.
//! - A callback made on a thread that is inside a hook is refused: the store may hold locks there.

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::RwLock;
use vectorizer_plugin_api::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};
use vectorizer_plugin_api::{Fault, FaultCode, HostCallbacks, LogLevel, Route};

use crate::routes::RouteTable;
use crate::store::{Store, StoreError};

/// The target of all plugins' log lines. Their fields are `plugin`, `source` (the target that the plugin named), `fields` (a
/// JSON object as text, or empty) and the message.
pub const LOG_TARGET: &str = "vectorizer_plugin";

thread_local! {
    static INSIDE_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as inside a hook while it lives.
pub(crate) struct InsideHook(bool);

impl InsideHook {
    pub(crate) fn enter() -> Self {
        Self(INSIDE_HOOK.replace(true))
    }
}

impl Drop for InsideHook {
    fn drop(&mut self) {
        INSIDE_HOOK.set(self.0);
    }
}

enum Phase {
    /// The plugin is being created: it registers routes.
    Creating(Arc<RouteTable>),
    /// Created; the host's data is not ready.
    Waiting,
    /// The store answers.
    Open(Arc<dyn Store>),
    /// For good.
    Closed,
}

/// What stands behind a plugin's `Host`.
pub(crate) struct HostContext {
    plugin: String,
    phase: RwLock<Phase>,
}

impl HostContext {
    /// A context for `plugin`, which registers its routes in `routes`. Leaked: a plugin is never unloaded, so what
    /// it may call must not go either. A few dozen bytes per plugin and process.
    pub(crate) fn leaked(plugin: &str, routes: Arc<RouteTable>) -> &'static Self {
        Box::leak(Box::new(Self {
            plugin: plugin.to_owned(),
            phase: RwLock::new(Phase::Creating(routes)),
        }))
    }

    /// Ends the time in which routes can be registered.
    pub(crate) fn created(&self) {
        *self.phase.write() = Phase::Waiting;
    }

    pub(crate) fn open(&self, store: Arc<dyn Store>) {
        *self.phase.write() = Phase::Open(store);
    }

    /// Waits for the callbacks under way; later ones answer `Closed`.
    pub(crate) fn close(&self) {
        *self.phase.write() = Phase::Closed;
    }

    fn with_store<T>(&self, call: impl FnOnce(&dyn Store) -> Result<T, StoreError>) -> Result<T, Fault> {
        if INSIDE_HOOK.get() {
            return Err(Fault::new(
                FaultCode::Reentrant,
                "host callbacks are refused inside a hook",
            ));
        }
        match &*self.phase.read() {
            Phase::Open(store) => call(store.as_ref()).map_err(to_fault),
            Phase::Closed => Err(Fault::new(FaultCode::Closed, "the host has shut down")),
            Phase::Creating(_) | Phase::Waiting => Err(Fault::new(
                FaultCode::Unavailable,
                "the host's data is not ready yet",
            )),
        }
    }
}

fn to_fault(error: StoreError) -> Fault {
    let code = match error {
        StoreError::CollectionNotFound(_) => FaultCode::NotFound,
        StoreError::Invalid(_) => FaultCode::Invalid,
        StoreError::Unavailable(_) => FaultCode::Unavailable,
    };
    Fault::new(code, error.to_string())
}

impl HostCallbacks for HostContext {
    fn collections(&self) -> Result<Vec<CollectionInfo>, Fault> {
        self.with_store(|store| store.collections())
    }

    fn collection(&self, name: &str) -> Result<CollectionInfo, Fault> {
        self.with_store(|store| store.collection(name))
    }

    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, Fault> {
        self.with_store(|store| store.get(collection, ids, fields))
    }

    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, Fault> {
        self.with_store(|store| store.search(collection, vector, limit, fields))
    }

    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, Fault> {
        self.with_store(|store| store.scan(collection, cursor, limit, fields))
    }

    fn count(&self, collection: &str) -> Result<u64, Fault> {
        self.with_store(|store| store.count(collection))
    }

    fn merge_payload_if(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, Fault> {
        self.with_store(|store| store.merge_payload(collection, id, expected, patch))
    }

    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, Fault> {
        self.with_store(|store| store.embed(collection, text))
    }

    fn register_route(&self, route: Route) -> Result<(), Fault> {
        match &*self.phase.read() {
            Phase::Creating(routes) => routes
                .register(&self.plugin, route)
                .map_err(|error| Fault::new(FaultCode::Invalid, error.to_string())),
            _ => Err(Fault::new(
                FaultCode::Invalid,
                "routes are registered while the plugin is created, not later",
            )),
        }
    }

    fn log(&self, level: LogLevel, target: &str, message: &str, fields: &str) {
        let plugin = self.plugin.as_str();
        // A `tracing` level is part of the call site, hence one call a level.
        macro_rules! forward {
            ($level:expr) => {
                tracing::event!(target: LOG_TARGET, $level, plugin, source = target, fields, "{message}")
            };
        }
        match level {
            LogLevel::Trace => forward!(tracing::Level::TRACE),
            LogLevel::Debug => forward!(tracing::Level::DEBUG),
            LogLevel::Info => forward!(tracing::Level::INFO),
            LogLevel::Warn => forward!(tracing::Level::WARN),
            LogLevel::Error => forward!(tracing::Level::ERROR),
        }
    }

    fn log_level(&self) -> Option<LogLevel> {
        macro_rules! taken {
            ($($level:ident $ours:ident),*) => {
                $(if tracing::enabled!(target: LOG_TARGET, tracing::Level::$level) {
                    return Some(LogLevel::$ours);
                })*
            };
        }
        taken!(TRACE Trace, DEBUG Debug, INFO Info, WARN Warn, ERROR Error);
        None
    }

    fn invalidate_cache(&self, collection: &str) -> Result<(), Fault> {
        self.with_store(|store| {
            store.invalidate_cache(collection);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    #[test]
    fn the_level_is_the_most_detailed_one_that_the_log_takes_from_plugins() {
        let context = HostContext::leaked("p", Arc::default());
        for (filter, level) in [
            (LevelFilter::TRACE, Some(LogLevel::Trace)),
            (LevelFilter::DEBUG, Some(LogLevel::Debug)),
            (LevelFilter::INFO, Some(LogLevel::Info)),
            (LevelFilter::WARN, Some(LogLevel::Warn)),
            (LevelFilter::ERROR, Some(LogLevel::Error)),
            (LevelFilter::OFF, None),
        ] {
            // What it takes from others is another matter.
            let filter = Targets::new()
                .with_default(LevelFilter::TRACE)
                .with_target(LOG_TARGET, filter);
            tracing::subscriber::with_default(registry().with(filter), || {
                assert_eq!(context.log_level(), level);
                let _inside = InsideHook::enter();
                assert_eq!(context.log_level(), level, "also inside a hook");
            });
        }
    }
}
