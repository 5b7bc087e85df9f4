//! The key of a document's node.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NodeKey;
use crate::graph::literal::{LiteralError, Part, SafeLiteral};
use crate::graph::schema::NodeLabel;

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

    /// The collection and the vector id; `None` where one of them was too long to be read back.
    pub fn names(&self) -> Option<(String, String)> {
        match self.parts() {
            Ok((Part::Text(collection), Part::Text(id))) => Some((collection, id)),
            _ => None,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::graph::key::Bucket;

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
