//! Shares of a collection that are small enough to be listed.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::graph::literal::{LiteralError, SafeLiteral};

/// Buckets per collection. Changing it moves nearly every document to another bucket.
pub const BUCKETS: u16 = 1024;

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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
}
