//! How alike two texts are by their words, and both two texts and two vectors.
//!
//! - [`statistics`]: how common a word is in a collection;
//! - [`terms`]: a text as a vector of its words, rare ones weighing more, and the cosine of two such vectors.
//!
//! Pure functions. The score of a pair depends on the two documents and on the collection's statistics, and on no third
//! document: so a change concerns the pairs that it is in, and nothing else.

pub mod statistics;
pub mod terms;

pub use statistics::TermStatistics;
pub use terms::TermVector;

use crate::config::{Similarity, SimilarityMethod};

/// Scores pairs of one collection by its method.
#[derive(Debug, Clone, Copy)]
pub struct Scorer {
    method: SimilarityMethod,
    vector_weight: f64,
}

impl Scorer {
    /// By these settings.
    #[must_use]
    pub fn new(settings: &Similarity) -> Self {
        Self {
            method: settings.method,
            vector_weight: settings.hybrid.vector_weight,
        }
    }

    /// The score of a pair whose vectors have this score and whose texts overlap so much. For `hybrid` it is the weighted mean of
    /// both, a negative cosine counting as 0.
    #[must_use]
    pub fn score(self, vector: f32, overlap: f32) -> f32 {
        match self.method {
            SimilarityMethod::Embedding => vector,
            SimilarityMethod::Keyword => overlap,
            SimilarityMethod::Hybrid => {
                let (vector, overlap) = (f64::from(vector.max(0.0)), f64::from(overlap));
                (self.vector_weight * vector + (1.0 - self.vector_weight) * overlap) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(method: SimilarityMethod, vector: f32, overlap: f32) -> f32 {
        let mut settings = Similarity {
            method,
            ..Similarity::default()
        };
        settings.hybrid.vector_weight = 0.75;
        Scorer::new(&settings).score(vector, overlap)
    }

    #[test]
    fn each_method_looks_at_its_own() {
        assert_eq!(score(SimilarityMethod::Embedding, 0.8, 0.4), 0.8);
        assert_eq!(score(SimilarityMethod::Keyword, 0.8, 0.4), 0.4);
        assert!((score(SimilarityMethod::Hybrid, 0.8, 0.4) - 0.7).abs() < 1e-6);
        assert!((score(SimilarityMethod::Hybrid, -0.8, 0.4) - 0.1).abs() < 1e-6);
    }
}
