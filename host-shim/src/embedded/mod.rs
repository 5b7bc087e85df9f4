//! Embedding in a server whose store is in memory, behind locks, and loads collections when they are named.
//!
//! Such a store cannot be handed to plugins as it is: a hook under its locks could call back into them, and a plugin that
//! asks for a collection which was just deleted would bring it back from disk. Three parts keep that from happening:
//!
//! - [`MutationObserver`] is what the store tells of its changes, after its locks are released; [`Touched`] keeps that order
//!   where a whole loop runs under a lock.
//! - [`Gate`] lets calls of plugins into collections that are in memory only, and lets a deletion wait for those inside;
//!   [`GatedStore`] is the store behind it.
//! - [`Lifecycle`] is the order: hooks, then data, then callbacks, then the end.
//!
//! ```text
//! server:   configuration -> store made -> collections loaded ------> serving ------> signal -> loaders end -> last save
//! here:     Lifecycle::new   hooks come    Lifecycle::ready            calls, hints    draining     stop
//! ```
//!
//! Routes are mounted by `http` (feature `axum`), metrics joined by [`crate::metrics::append`]. `docs/embedding.md` goes through a
//! server hook by hook, and `examples/embedded_store` does all of it.

mod gate;
mod gated;
mod lifecycle;
mod observer;
mod touched;

pub use gate::{Excluded, Gate};
pub use gated::{GatedStore, LazyStore};
pub use lifecycle::{Lifecycle, Phase};
pub use observer::MutationObserver;
pub use touched::Touched;
