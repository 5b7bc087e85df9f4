//! Search over vectors, words and the graph, for users (`routes`).
//!
//! Invariants:
//! - who may not see a document learns nothing of it (`visibility`, `shown`);
//! - every search is bounded: in what it may ask for (`request`), in what it follows (`expand`, `follow`), and in time (`hybrid`).

mod answer;
mod candidates;
mod cross;
mod expand;
mod follow;
mod fusion;
mod hybrid;
mod impact;
mod links;
mod path;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod request;
mod routes;
mod shown;
mod visibility;

pub use fusion::{Fused, Fusion, Normalisation, Place, Ranked, fuse};
pub(crate) use routes::endpoints;
