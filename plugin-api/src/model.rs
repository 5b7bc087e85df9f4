//! The plain Rust values that both sides of the boundary speak in.
//!
//! Nothing here is ABI: the private module `abi` translates these values to C-like layouts and back, so that neither
//! a host nor a plugin names a type of the ABI library.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A JSON object, the shape of every payload.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;

/// How a collection compares vectors. Scores are not comparable across metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Cosine similarity, in `[-1, 1]`.
    Cosine,
    /// `1 / (1 + d)` for the L2 distance `d`, in `(0, 1]`.
    Euclidean,
    /// The logistic function of the dot product, in `(0, 1)`.
    Dot,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::Euclidean => "euclidean",
            Self::Dot => "dot",
        })
    }
}

/// What a change did to the documents it names. A hint: the reader of the hint looks at the store again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// The documents were inserted or replaced.
    Upsert,
    /// Vector or payload of existing documents changed.
    Update,
    /// The documents were removed.
    Delete,
}

/// Something that happened to a whole collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectionEvent<'a> {
    /// The collection now exists.
    Created(&'a str),
    /// The collection and all it held are gone.
    Deleted(&'a str),
    /// The collection is known by another name; ids and contents are the same.
    Renamed {
        /// The name before.
        from: &'a str,
        /// The name now.
        to: &'a str,
    },
    /// The contents may have changed in ways no hint told of (bulk load, restore): compare afresh.
    Reset(&'a str),
}

/// What a collection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionInfo {
    /// Its canonical name, never an alias.
    pub name: String,
    /// Components of every vector in it.
    pub dimension: u32,
    /// How it compares vectors.
    pub metric: Metric,
    /// Documents in it now.
    pub count: u64,
    /// Whether a vector read back is always the vector stored, bit for bit. False for stores that quantise:
    /// there a digest of the vector says nothing about change.
    pub exact_vectors: bool,
}

/// Which parts of a document a call returns. The id always comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Return the vector.
    pub vector: bool,
    /// Return the payload.
    pub payload: bool,
}

impl Fields {
    /// Only the id.
    pub const NONE: Self = Self {
        vector: false,
        payload: false,
    };
    /// Id and payload.
    pub const PAYLOAD: Self = Self {
        vector: false,
        payload: true,
    };
    /// Id and vector.
    pub const VECTOR: Self = Self {
        vector: true,
        payload: false,
    };
    /// Everything.
    pub const ALL: Self = Self {
        vector: true,
        payload: true,
    };
}

/// A document as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Unique in its collection. Any non-empty string.
    pub id: String,
    /// Empty unless [`Fields::vector`] was asked for.
    pub vector: Vec<f32>,
    /// `None` where the document has none, or [`Fields::payload`] was not asked for.
    pub payload: Option<JsonMap>,
}

/// A document found by a vector search.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The document.
    pub document: Document,
    /// Closeness by the collection's [`Metric`]; higher is closer.
    pub score: f32,
}

/// What became of a merge into a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It is there.
    Merged,
    /// A field was not as expected; nothing was changed.
    Differs,
    /// The document is gone.
    Gone,
}

/// A part of a collection, in the store's own stable order.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The documents of this page. Those that exist during the whole scan come exactly once.
    pub documents: Vec<Document>,
    /// Where the next page starts; `None` after the last one. Opaque. It survives a restart of the store; a store that cannot go on
    /// from it, since the collection was made anew, answers [`FaultCode::Invalid`](crate::FaultCode::Invalid), and the scan is begun anew.
    pub next: Option<String>,
}
