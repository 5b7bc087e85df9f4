//! The names of things in the graph: document keys, buckets and deletion runs.
//!
//! Each is a newtype whose constructors guarantee the safe alphabet, so a statement may quote it.
//!
//! - [`DocumentKey`] is `enc(collection)/enc(vector id)`: stable, collision-free, reversible. A part
//!   whose encoding is longer than 512 bytes is replaced by `~sha256:<hex>`, which is deterministic
//!   and collision-resistant but not reversible; the raw ids are properties of the node anyway.
//! - [`EntityKey`], [`DomainKey`] and [`SourceKey`] name the other nodes of the model in the same way; [`ScratchKey`] those
//!   of the probe and the canary.
//! - [`Bucket`] is `enc(collection)/NNNN`, the document's shelf for listing. It depends on the
//!   collection and the vector id alone and never changes for a document.
//! - [`RunId`] marks the nodes of one deletion. It has one constant length, because a mark that
//!   replaces an older mark must not shrink the record.

mod bucket;
mod document;
mod run;

use std::fmt;

pub use bucket::{BUCKETS, Bucket};
pub use document::DocumentKey;
pub use run::{RUN_ID_LEN, RunId};

use super::literal::{LiteralError, Part, SafeLiteral};
use super::schema::NodeLabel;

/// A key of one kind of node.
pub trait NodeKey: Clone + Eq + Ord + std::hash::Hash + fmt::Debug {
    /// The label of the nodes that it names.
    const LABEL: NodeLabel;

    /// The key as proof for a statement.
    fn literal(&self) -> &SafeLiteral;

    /// The key as text.
    fn as_str(&self) -> &str {
        self.literal().as_str()
    }
}

/// The key of an entity: its kind and the normal form of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(SafeLiteral);

impl EntityKey {
    /// The key of the entity of `kind` that is called `name`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when either is empty.
    pub fn new(kind: &str, name: &str) -> Result<Self, LiteralError> {
        SafeLiteral::encode(&[("entity kind", kind), ("entity name", name)]).map(Self)
    }

    /// Reads a key back.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Alphabet`] or [`LiteralError::NotCanonical`] for a text that is none.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        parsed(text, 2, "an entity key has two parts").map(Self)
    }
}

impl NodeKey for EntityKey {
    const LABEL: NodeLabel = NodeLabel::Entity;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

/// The key of a domain: its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainKey(SafeLiteral);

impl DomainKey {
    /// The key of the domain that is called `name`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when it is empty.
    pub fn new(name: &str) -> Result<Self, LiteralError> {
        SafeLiteral::encode(&[("domain", name)]).map(Self)
    }

    /// Reads a key back.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Alphabet`] or [`LiteralError::NotCanonical`] for a text that is none.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        parsed(text, 1, "a domain key has one part").map(Self)
    }

    /// The domain's name; `None` for one that was too long to be spelled out.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self.0.decode().ok()?.pop()? {
            Part::Text(name) => Some(name),
            Part::Digest(_) => None,
        }
    }
}

impl NodeKey for DomainKey {
    const LABEL: NodeLabel = NodeLabel::Domain;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

/// The key of what chunks are parts of: its collection and its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(SafeLiteral);

impl SourceKey {
    /// The key of `path` in `collection`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when either is empty.
    pub fn new(collection: &str, path: &str) -> Result<Self, LiteralError> {
        SafeLiteral::encode(&[("collection", collection), ("source path", path)]).map(Self)
    }

    /// Reads a key back.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Alphabet`] or [`LiteralError::NotCanonical`] for a text that is none.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        parsed(text, 2, "a source key has two parts").map(Self)
    }
}

impl NodeKey for SourceKey {
    const LABEL: NodeLabel = NodeLabel::Source;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

/// The key of a scratch node: whose it is, and which one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScratchKey(SafeLiteral);

impl ScratchKey {
    /// The key of the scratch node `name` of `owner`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when either is empty.
    pub fn new(owner: &str, name: &str) -> Result<Self, LiteralError> {
        SafeLiteral::encode(&[("scratch owner", owner), ("scratch name", name)]).map(Self)
    }

    /// Reads a key back.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Alphabet`] or [`LiteralError::NotCanonical`] for a text that is none.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        parsed(text, 2, "a scratch key has two parts").map(Self)
    }
}

impl NodeKey for ScratchKey {
    const LABEL: NodeLabel = NodeLabel::Scratch;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

/// Accepts a literal of so many parts that is as the codec writes it.
fn parsed(text: &str, parts: usize, what: &'static str) -> Result<SafeLiteral, LiteralError> {
    let literal = SafeLiteral::verify(text)?;
    if literal.decode()?.len() == parts {
        Ok(literal)
    } else {
        Err(LiteralError::NotCanonical { what })
    }
}
