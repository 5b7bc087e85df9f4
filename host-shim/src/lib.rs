//! What a vector database embeds to load and run plugins.
//!
//! A server implements [`store::Store`], opens a [`PluginHost`] with its configuration, and calls
//! [`PluginHost::notify`] after each committed change. Everything else (trust in plugin files, the handshake, states,
//! panics, routes, metrics, shutdown) happens here. There is no HTTP server and no index inside.
//!
//! ```text
//! open -> plugins created (hooks may come) -> ready -> started (callbacks answer) -> shutdown: stop intake, drain
//! ```
//!
//! A server that has faults of its own to tell opens in two steps, by [`Loaded`]: all of them then go into one list. One whose
//! store is in memory, and loads collections when they are named, puts [`embedded`] in between.
//!
//! Promises to the server:
//! - with no plugin enabled, `notify` costs one atomic load;
//! - nothing a plugin does (refusing, failing, panicking, being slow to report) keeps the server from running;
//! - a plugin that panicked is marked faulted and not called again.

mod asking;
mod calls;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
pub mod embedded;
mod error;
mod histogram;
mod host;
mod loaded;
mod loader;
pub mod metrics;
mod plugin;
mod routes;
pub mod store;
pub mod trust;

#[cfg(feature = "axum")]
pub mod http;

pub use config::PluginsConfig;
pub use context::LOG_TARGET;
pub use error::{HostError, LoadError};
pub use host::PluginHost;
pub use loaded::Loaded;
pub use plugin::{PluginReport, State};
pub use routes::RouteMatch;
pub use vectorizer_plugin_api as api;
