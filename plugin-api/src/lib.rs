//! The stable ABI between a vector database (the *host*) and its *plugins*: everything that crosses the
//! boundary of a shared library, and nothing else.
//!
//! # Writing a plugin
//!
//! Implement [`Plugin`], export it with [`export_plugin!`], build a `cdylib`:
//!
//! ```no_run
//! use vectorizer_plugin_api::{
//!     ChangeBatch, Fault, FaultCode, Health, Host, Plugin, Setup, export_plugin, model::CollectionEvent,
//! };
//!
//! struct Counter(std::sync::atomic::AtomicUsize);
//!
//! impl Plugin for Counter {
//!     fn create(_host: Host, _setup: Setup<'_>) -> Result<Self, Fault> {
//!         Ok(Self(0.into()))
//!     }
//!     fn notify(&self, batch: ChangeBatch<'_>) -> Result<(), FaultCode> {
//!         self.0.fetch_add(batch.len(), std::sync::atomic::Ordering::Relaxed);
//!         Ok(())
//!     }
//!     fn collection_event(&self, _event: CollectionEvent<'_>) -> Result<(), FaultCode> {
//!         Ok(())
//!     }
//!     fn health(&self) -> Health {
//!         Health::healthy()
//!     }
//! }
//!
//! export_plugin!(Counter, name: "counter", config_section: "counter");
//! # fn main() {}
//! ```
//!
//! # Rules that hold at the boundary
//!
//! - A [`handshake`] record can be read from the file without running anything in it; only then is it loaded.
//! - A panic never crosses. Either side turns it into a [`Fault`] with [`FaultCode::Panicked`].
//! - Neither the library nor the plugin instance is ever unloaded or freed, so no pointer dangles. What a plugin
//!   holds it releases in [`Plugin::drain`].
//! - Host callbacks may be made from any thread and at any time; after shutdown they answer
//!   [`FaultCode::Closed`], inside a hook [`FaultCode::Reentrant`].
//! - Changes are hints: the ids that changed, borrowed, no state and no allocation.
//! - `abi_stable` types appear in the private module `abi` only.

mod abi;
mod change;
pub mod correlation;
mod export;
mod fault;
mod guard;
pub mod handshake;
mod host;
mod http;
#[cfg(feature = "host")]
pub mod library;
mod merge;
pub mod model;
mod plugin;

pub use change::{ChangeBatch, NOTIFY_CHUNK, in_chunks};
pub use fault::{Fault, FaultCode};
pub use host::{Host, HostCallbacks, LogLevel};
pub use http::{Access, Caller, Request, Responder, Response, Role, Route};
pub use merge::merge_patch;
pub use plugin::{Health, HealthStatus, Plugin, Setup};

/// What [`export_plugin!`] expands to; not meant to be named by hand.
#[doc(hidden)]
pub mod private {
    pub use crate::export::{ROOT_SYMBOL, RootHeader, root_header};
    pub use crate::handshake::{RECORD_LEN, encode};
}
