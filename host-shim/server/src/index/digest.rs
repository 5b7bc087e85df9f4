//! Digests of vectors: equal vectors have equal digests, in one process.

use std::hash::{DefaultHasher, Hasher};

/// The digest of a vector. Both zeros are the same.
pub(super) fn digest(vector: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for x in vector {
        // -0.0 + 0.0 is 0.0.
        hasher.write_u32((x + 0.0).to_bits());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn equal_vectors_have_equal_digests() {
        assert_eq!(digest(&[0.0, 1.5]), digest(&[-0.0, 1.5]));
        assert_ne!(digest(&[0.0, 1.5]), digest(&[1.5, 0.0]));
        assert_ne!(digest(&[1.0]), digest(&[1.000_000_1]));
    }
}
