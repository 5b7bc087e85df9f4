//! Which vectors a metric accepts, how it stores them, and how it scores them.
//!
//! - `cosine` stores the direction: the vector scaled to length one, unless its length is within 1e-6 of one
//!   already. So a vector read back and stored again stays the same, and finds its own document. The zero
//!   vector has no direction and is refused, stored or as a query.
//! - `euclidean` and `dot` store what they are given.
//! - A number that is not finite (or too large for 32 bits) is refused by all.
//!
//! Ranks use a closeness in 64 bits, scores are derived from it: the score of `dot` saturates, its rank must
//! not.

use vectorizer_plugin_api::model::Metric;

use super::DbError;

/// How far from one the length of a stored direction may be, as in Vectorizer.
const UNIT_TOLERANCE: f64 = 1e-6;

/// The vector as the collection stores it and compares with it.
///
/// # Errors
/// [`DbError::DimensionMismatch`]; [`DbError::Invalid`] for a number that is not finite, or for the zero
/// vector under cosine.
pub fn prepare(metric: Metric, dimension: usize, mut vector: Vec<f32>) -> Result<Vec<f32>, DbError> {
    if vector.len() != dimension {
        return Err(DbError::DimensionMismatch {
            expected: dimension,
            actual: vector.len(),
        });
    }
    if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
        return Err(DbError::invalid(
            "vector",
            format!("component {at} is not a finite 32-bit number"),
        ));
    }
    if metric == Metric::Cosine {
        let length = dot(&vector, &vector).sqrt();
        if length == 0.0 {
            return Err(DbError::invalid(
                "vector",
                "the zero vector has no direction, so no cosine",
            ));
        }
        if (length - 1.0).abs() > UNIT_TOLERANCE {
            for x in &mut vector {
                *x = (f64::from(*x) / length) as f32;
            }
        }
    }
    Ok(vector)
}

/// How close two prepared vectors are; higher is closer. Orders hits, without a scale.
pub(crate) fn closeness(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        // For directions this is the cosine, but exactly 1 for a vector and itself, so that nothing that is
        // merely close can outrank it.
        Metric::Cosine => 1.0 - squared_distance(a, b) / 2.0,
        Metric::Dot => dot(a, b),
        Metric::Euclidean => -squared_distance(a, b).sqrt(),
    }
}

/// The score that a client sees for a closeness.
pub(crate) fn score(metric: Metric, closeness: f64) -> f32 {
    let score = match metric {
        Metric::Cosine => closeness.clamp(-1.0, 1.0),
        Metric::Euclidean => 1.0 / (1.0 - closeness),
        Metric::Dot => 1.0 / (1.0 + (-closeness).exp()),
    };
    score as f32
}

/// Partial sums that the compiler may keep in one register each.
const LANES: usize = 8;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    fold(a, b, |x, y| x * y)
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

fn fold(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(&x, &y)| term(f64::from(x), f64::from(y)))
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += term(f64::from(x), f64::from(y));
        }
    }
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_vector_is_stored_with_length_one_and_then_left_alone() {
        let once = prepare(Metric::Cosine, 3, vec![3.0, 4.0, 12.0]).unwrap();
        assert!((dot(&once, &once) - 1.0).abs() < 1e-6);
        let twice = prepare(Metric::Cosine, 3, once.clone()).unwrap();
        assert_eq!(once, twice);
    }

    #[test]
    fn tiny_and_huge_vectors_have_a_direction_too() {
        let tiny = prepare(Metric::Cosine, 2, vec![1e-40, 0.0]).unwrap();
        assert_eq!(tiny, [1.0, 0.0]);
        let huge = prepare(Metric::Cosine, 2, vec![3e38, 3e38]).unwrap();
        assert!((f64::from(huge[0]) - 0.5f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn other_metrics_keep_every_bit() {
        let given = vec![3.0, -0.0, 1e-42];
        assert_eq!(prepare(Metric::Euclidean, 3, given.clone()).unwrap(), given);
        assert_eq!(prepare(Metric::Dot, 3, given.clone()).unwrap(), given);
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        assert_eq!(
            prepare(Metric::Dot, 3, vec![1.0]),
            Err(DbError::DimensionMismatch {
                expected: 3,
                actual: 1
            })
        );
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let refused = prepare(Metric::Euclidean, 2, vec![0.0, bad]).unwrap_err();
            assert!(refused.to_string().contains("component 1"), "{refused}");
        }
        assert!(prepare(Metric::Cosine, 2, vec![0.0, -0.0]).is_err());
        assert!(prepare(Metric::Euclidean, 2, vec![0.0, 0.0]).is_ok());
    }

    #[test]
    fn scores_follow_the_contract() {
        let (a, b) = ([1.0, 0.0], [0.6, 0.8]);
        let of = |metric| score(metric, closeness(metric, &a, &b));
        assert!((of(Metric::Cosine) - 0.6).abs() < 1e-6);
        assert!((of(Metric::Euclidean) - 1.0 / (1.0 + 0.8f32.sqrt())).abs() < 1e-6);
        assert!((of(Metric::Dot) - 1.0 / (1.0 + (-0.6f32).exp())).abs() < 1e-6);
    }

    #[test]
    fn a_direction_is_closest_to_itself() {
        let own = prepare(Metric::Cosine, 3, vec![0.1, 0.7, 0.3]).unwrap();
        let near = prepare(Metric::Cosine, 3, vec![0.1, 0.7, 0.300_001]).unwrap();
        assert_eq!(closeness(Metric::Cosine, &own, &own), 1.0);
        assert!(closeness(Metric::Cosine, &own, &near) < 1.0);
    }

    #[test]
    fn dot_ranks_where_its_score_saturates() {
        let (near, far) = ([1000.0, 0.0], [900.0, 0.0]);
        let query = [1.0, 0.0];
        let (near, far) = (
            closeness(Metric::Dot, &near, &query),
            closeness(Metric::Dot, &far, &query),
        );
        assert_eq!(score(Metric::Dot, near), score(Metric::Dot, far));
        assert!(near > far);
    }
}
