//! Search over vectors and the graph, for users (`routes`).
//!
//! Invariants:
//! - who may not see a document learns nothing of it (`visibility`);
//! - every search is bounded: in what it may ask for (`request`), in what it follows (`expand`), and in time (`hybrid`).

mod expand;
mod fusion;
mod hybrid;
mod request;
mod routes;
mod visibility;

pub use fusion::{Fused, Fusion, Normalisation, Place, Ranked, fuse};
pub(crate) use routes::{respond, routes};
