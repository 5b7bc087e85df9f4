//! The host's callbacks: what a plugin may ask of the server it lives in.
//!
//! Every callback is total, may be made from any thread at any time, and answers a status. None takes the context
//! of a request; none may be made from inside a hook.

use crate::abi::HostRef;
use crate::fault::Fault;
use crate::http::Route;
use crate::model::{CollectionInfo, Document, Fields, Hit, JsonMap, Merge, Page};

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// For a developer looking for a fault.
    Debug,
    /// The course of things.
    Info,
    /// Something an operator should know.
    Warn,
    /// Something an operator should act on.
    Error,
}

impl LogLevel {
    /// The number that travels.
    pub(crate) const fn to_wire(self) -> u32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 2,
            Self::Info => 3,
            Self::Warn => 4,
            Self::Error => 5,
        }
    }

    /// Reads a number that travelled. One that is unknown reads as the next level there is.
    pub(crate) const fn from_wire(wire: u32) -> Self {
        match wire {
            0 | 1 => Self::Trace,
            2 => Self::Debug,
            3 => Self::Info,
            4 => Self::Warn,
            _ => Self::Error,
        }
    }
}

/// The host, as a plugin sees it. Cheap to clone; never dangles.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    raw: HostRef,
}

impl Host {
    /// The host that `callbacks` implement. They must live for ever, because a plugin is never unloaded: a host
    /// leaks one small object per plugin and makes it answer [`crate::FaultCode::Closed`] after shutdown.
    #[must_use]
    pub fn new<T: HostCallbacks>(callbacks: &'static T) -> Self {
        Self {
            raw: HostRef::new(callbacks),
        }
    }

    pub(crate) fn from_raw(raw: HostRef) -> Self {
        Self { raw }
    }

    #[cfg(feature = "host")]
    pub(crate) fn raw(self) -> HostRef {
        self.raw
    }

    /// All collections.
    ///
    /// # Errors
    /// See [`crate::FaultCode`].
    pub fn collections(&self) -> Result<Vec<CollectionInfo>, Fault> {
        self.raw.collections()
    }

    /// One collection.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`] where there is none of that name; see [`crate::FaultCode`].
    pub fn collection(&self, name: &str) -> Result<CollectionInfo, Fault> {
        self.raw.collection(name)
    }

    /// The documents with these ids as they are now; absent ones are left out.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`] where the collection does not exist; see [`crate::FaultCode`].
    pub fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, Fault> {
        self.raw.get(collection, ids, fields)
    }

    /// The `limit` documents closest to `vector`, closest first, perhaps approximately.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`], [`crate::FaultCode::Invalid`] for a wrong dimension; see
    /// [`crate::FaultCode`].
    pub fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, Fault> {
        self.raw.search(collection, vector, limit, fields)
    }

    /// The documents after `cursor`, at most `limit` of them.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`], [`crate::FaultCode::Invalid`] for a foreign cursor; see
    /// [`crate::FaultCode`].
    pub fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, Fault> {
        self.raw.scan(collection, cursor, limit, fields)
    }

    /// Documents in the collection.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`]; see [`crate::FaultCode`].
    pub fn count(&self, collection: &str) -> Result<u64, Fault> {
        self.raw.count(collection)
    }

    /// Merges `patch` into a document's payload by RFC 7396; `false` where the document is gone.
    ///
    /// # Errors
    /// [`crate::FaultCode::NotFound`] where the collection does not exist; see [`crate::FaultCode`].
    pub fn merge_payload(&self, collection: &str, id: &str, patch: &JsonMap) -> Result<bool, Fault> {
        self.raw.merge_payload(collection, id, patch)
    }

    /// As [`Host::merge_payload`], but only where the payload's top-level fields that `expected` names are as there (null: absent):
    /// what somebody changed since it was read is not overwritten. Atomic.
    ///
    /// # Errors
    /// [`crate::FaultCode::Unsupported`] where the host is of a release that cannot; [`crate::FaultCode::NotFound`] where the
    /// collection does not exist; see [`crate::FaultCode`].
    pub fn merge_payload_if(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, Fault> {
        self.raw.merge_payload_if(collection, id, expected, patch)
    }

    /// The vector that a text has in a collection.
    ///
    /// # Errors
    /// [`crate::FaultCode::Unsupported`] where the host is of a release that cannot; [`crate::FaultCode::Invalid`] where the
    /// collection takes no texts, or the text is empty; [`crate::FaultCode::NotFound`]; see [`crate::FaultCode`].
    pub fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, Fault> {
        self.raw.embed(collection, text)
    }

    /// Registers a route. Only while the plugin is being created.
    ///
    /// # Errors
    /// [`crate::FaultCode::Invalid`] for a malformed or taken route, or a call at another time.
    pub fn register_route(&self, route: &Route) -> Result<(), Fault> {
        self.raw.register_route(route)
    }

    /// Writes to the host's log. `fields` is a JSON object of further values, or empty.
    pub fn log(&self, level: LogLevel, target: &str, message: &str, fields: &str) {
        self.raw.log(level, target, message, fields);
    }

    /// The most detailed level that the host's log takes from plugins now; `None` where it takes nothing. Ask before lines are
    /// made that may be read by nobody; what is logged all the same does no harm. [`LogLevel::Debug`] where the host is of a
    /// release that does not say. Allowed inside a hook.
    #[must_use]
    pub fn log_level(&self) -> Option<LogLevel> {
        self.raw.log_level()
    }

    /// Drops the host's cached query results of a collection.
    ///
    /// # Errors
    /// See [`crate::FaultCode`].
    pub fn invalidate_cache(&self, collection: &str) -> Result<(), Fault> {
        self.raw.invalidate_cache(collection)
    }
}

/// The host's side of [`Host`]. Every method has the meaning of the method there with its name; a merge without conditions
/// expects nothing.
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait HostCallbacks: Send + Sync + 'static {
    fn collections(&self) -> Result<Vec<CollectionInfo>, Fault>;
    fn collection(&self, name: &str) -> Result<CollectionInfo, Fault>;
    fn get(&self, collection: &str, ids: &[&str], fields: Fields) -> Result<Vec<Document>, Fault>;
    fn search(
        &self,
        collection: &str,
        vector: &[f32],
        limit: usize,
        fields: Fields,
    ) -> Result<Vec<Hit>, Fault>;
    fn scan(
        &self,
        collection: &str,
        cursor: Option<&str>,
        limit: usize,
        fields: Fields,
    ) -> Result<Page, Fault>;
    fn count(&self, collection: &str) -> Result<u64, Fault>;
    fn merge_payload_if(
        &self,
        collection: &str,
        id: &str,
        expected: &JsonMap,
        patch: &JsonMap,
    ) -> Result<Merge, Fault>;
    fn embed(&self, collection: &str, text: &str) -> Result<Vec<f32>, Fault>;
    fn register_route(&self, route: Route) -> Result<(), Fault>;
    fn log(&self, level: LogLevel, target: &str, message: &str, fields: &str);
    fn log_level(&self) -> Option<LogLevel>;
    fn invalidate_cache(&self, collection: &str) -> Result<(), Fault>;
}
