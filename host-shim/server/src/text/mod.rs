//! Text in, vectors out: splitting long texts into chunks, and turning text into vectors without a model.

mod chunk;
mod hashing;

pub use chunk::{ChunkError, Chunking};
pub use hashing::{PROVIDER, TEXT_DIMENSION, embed};
