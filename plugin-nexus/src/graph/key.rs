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

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::literal::{LiteralError, Part, SafeLiteral};
use super::schema::NodeLabel;

/// Buckets per collection. Changing it moves nearly every document to another bucket.
pub const BUCKETS: u16 = 1024;

/// Characters of a [`RunId`].
pub const RUN_ID_LEN: usize = 32;

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

/// The key of a document node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentKey(SafeLiteral);

impl DocumentKey {
    /// The key of vector `id` in `collection`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when either is empty.
    pub fn new(collection: &str, id: &str) -> Result<Self, LiteralError> {
        SafeLiteral::encode(&[("collection", collection), ("vector id", id)]).map(Self)
    }

    /// Reads a key back, accepting exactly what [`DocumentKey::new`] produces.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Alphabet`] or [`LiteralError::NotCanonical`] for any other text.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        let key = Self(SafeLiteral::verify(text)?);
        key.parts().map(|_| key)
    }

    /// The collection and the vector id; a part that was too long comes back as its digest.
    ///
    /// # Errors
    ///
    /// [`LiteralError::NotCanonical`]; never for a key that was constructed or parsed.
    pub fn parts(&self) -> Result<(Part, Part), LiteralError> {
        let mut parts = self.0.decode()?.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(collection), Some(id), None) => Ok((collection, id)),
            _ => Err(LiteralError::NotCanonical {
                what: "a document key has two parts",
            }),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl NodeKey for DocumentKey {
    const LABEL: NodeLabel = NodeLabel::Document;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for DocumentKey {
    type Error = LiteralError;

    fn try_from(text: String) -> Result<Self, LiteralError> {
        Self::parse(&text)
    }
}

impl From<DocumentKey> for String {
    fn from(key: DocumentKey) -> Self {
        key.0.into()
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
        let literal = SafeLiteral::verify(text)?;
        match literal.decode()?.len() {
            2 => Ok(Self(literal)),
            _ => Err(LiteralError::NotCanonical {
                what: "a scratch key has two parts",
            }),
        }
    }
}

impl NodeKey for ScratchKey {
    const LABEL: NodeLabel = NodeLabel::Scratch;

    fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

/// A share of one collection's documents, small enough to be listed in one statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(SafeLiteral);

impl Bucket {
    /// The bucket of vector `id` in `collection`: a stable hash of the id modulo [`BUCKETS`].
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when either is empty.
    pub fn of(collection: &str, id: &str) -> Result<Self, LiteralError> {
        if id.is_empty() {
            return Err(LiteralError::Empty { field: "vector id" });
        }
        Self::numbered(collection, Self::number_of(id))
    }

    /// The number of the bucket of vector `id`, below [`BUCKETS`].
    #[must_use]
    pub fn number_of(id: &str) -> u16 {
        let digest = Sha256::digest(id.as_bytes());
        let number = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (number % u64::from(BUCKETS)) as u16
    }

    /// Every bucket of `collection`, in order.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when the collection's name is empty.
    pub fn all(collection: &str) -> Result<Vec<Self>, LiteralError> {
        (0..BUCKETS)
            .map(|index| Self::numbered(collection, index))
            .collect()
    }

    /// The bucket as text, which is the value of the `bucket` property.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The bucket as proof for a statement.
    pub fn literal(&self) -> &SafeLiteral {
        &self.0
    }

    /// Bucket `index` of `collection`.
    ///
    /// # Errors
    ///
    /// [`LiteralError::Empty`] when the collection's name is empty.
    pub fn numbered(collection: &str, index: u16) -> Result<Self, LiteralError> {
        let index = format!("{index:04}");
        SafeLiteral::encode(&[("collection", collection), ("bucket", &index)]).map(Self)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The mark of one deletion run: 32 lower-case hex digits, new for every run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(SafeLiteral);

impl RunId {
    /// A run id that was never used before (128 random bits).
    ///
    /// # Errors
    ///
    /// None in practice: hex digits are in the safe alphabet; the check is kept all the same.
    pub fn fresh() -> Result<Self, LiteralError> {
        let bits: u128 = rand::rng().random();
        SafeLiteral::verify(format!("{bits:0RUN_ID_LEN$x}")).map(Self)
    }

    /// The mark as it was read back from a node.
    ///
    /// # Errors
    ///
    /// [`LiteralError`] for a text that no run writes.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        let literal = SafeLiteral::verify(text)?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == RUN_ID_LEN && text.bytes().all(hex) {
            Ok(Self(literal))
        } else {
            Err(LiteralError::NotCanonical {
                what: "a mark has 32 hex digits",
            })
        }
    }

    /// The run id as text, which is the value of the `gc` property.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The run id as proof for a statement.
    pub fn literal(&self) -> &SafeLiteral {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_readable_and_keeps_the_separator_unambiguous() {
        assert_eq!(
            DocumentKey::new("wiki", "doc-17").unwrap().as_str(),
            "wiki/doc-17"
        );
        assert_eq!(DocumentKey::new("a/b", "c").unwrap().as_str(), "a%2Fb/c");
        assert_ne!(
            DocumentKey::new("a/b", "c").unwrap(),
            DocumentKey::new("a", "b/c").unwrap()
        );
    }

    #[test]
    fn an_empty_collection_or_id_is_refused() {
        assert_eq!(
            DocumentKey::new("", "x"),
            Err(LiteralError::Empty { field: "collection" })
        );
        assert_eq!(
            DocumentKey::new("c", ""),
            Err(LiteralError::Empty { field: "vector id" })
        );
        assert!(Bucket::of("c", "").is_err());
        assert!(Bucket::of("", "x").is_err());
    }

    #[test]
    fn only_two_canonical_parts_parse_as_a_key() {
        for text in ["", "one", "a/b/c", "a/", "/b", "a/b'", "a/%62"] {
            assert!(DocumentKey::parse(text).is_err(), "{text}");
            assert!(
                serde_json::from_value::<DocumentKey>(text.into()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_huge_id_has_a_bounded_key_that_still_tells_ids_apart() {
        let huge = "long id ".repeat(100_000);
        let key = DocumentKey::new("c", &huge).unwrap();
        assert!(key.as_str().len() < 100);
        assert_eq!(key, DocumentKey::new("c", &huge).unwrap());
        assert_ne!(key, DocumentKey::new("c", &format!("{huge}x")).unwrap());
        assert_eq!(DocumentKey::parse(key.as_str()), Ok(key.clone()));
        assert!(matches!(key.parts(), Ok((Part::Text(_), Part::Digest(_)))));
    }

    #[test]
    fn a_bucket_never_moves() {
        // First eight bytes of SHA-256("d1"), big-endian, modulo 1024; computed elsewhere.
        assert_eq!(Bucket::of("wiki", "d1").unwrap().as_str(), "wiki/0966");
        assert_eq!(Bucket::of("a b", "d1").unwrap().as_str(), "a%20b/0966");
    }

    #[test]
    fn every_document_falls_into_one_of_the_listed_buckets_and_they_fill_evenly() {
        let all = Bucket::all("c").unwrap();
        assert_eq!(all.len(), usize::from(BUCKETS));
        assert_eq!((all[0].as_str(), all[1023].as_str()), ("c/0000", "c/1023"));
        let known: HashSet<_> = all.iter().collect();
        let mut used = HashSet::new();
        for number in 0..8_192 {
            let bucket = Bucket::of("c", &format!("id-{number}")).unwrap();
            assert!(known.contains(&bucket));
            used.insert(bucket);
        }
        assert!(used.len() > 1_000, "only {} of 1024 buckets used", used.len());
    }

    #[test]
    fn run_ids_have_one_length_and_do_not_repeat() {
        let ids: HashSet<_> = (0..1_000).map(|_| RunId::fresh().unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.as_str().len(), RUN_ID_LEN);
            assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }

    proptest! {
        #[test]
        fn any_unicode_ids_come_back(collection in any::<String>(), id in any::<String>()) {
            prop_assume!(!collection.is_empty() && !id.is_empty());
            let key = DocumentKey::new(&collection, &id).unwrap();
            prop_assert_eq!(&DocumentKey::parse(key.as_str()).unwrap(), &key);
            let (back_collection, back_id) = key.parts().unwrap();
            if let Part::Text(text) = back_collection { prop_assert_eq!(text, collection); }
            if let Part::Text(text) = back_id { prop_assert_eq!(text, id); }
        }
    }
}
