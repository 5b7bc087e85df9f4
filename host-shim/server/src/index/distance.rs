//! The geometry inside a graph: distances that are never negative and never NaN, as `hnsw_rs` asserts.
//!
//! Cosine and euclidean vectors lie in it as they are. For the dot product each vector `x` becomes the unit
//! vector `(x / r, sqrt(1 - |x / r|^2))` for a radius `r` at least as long as any of them, and a query `q` the
//! unit vector `(q / |q|, 0)`: then the largest dot product is the smallest angle. A vector longer than `r`
//! does not fit; a few of those are better kept apart than allowed to shrink all others into one point.

use std::borrow::Cow;

use hnsw_rs::prelude::Distance;
use vectorizer_plugin_api::model::Metric;

/// How vectors of a collection lie in its graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Space {
    /// Unit vectors, compared by angle.
    Angular,
    /// Any vectors, compared by L2 distance.
    Euclidean,
    /// Vectors no longer than the radius, compared by dot product.
    Dot { radius: f64 },
}

impl Space {
    /// The space for vectors of these lengths. With `dot`, all but the longest half percent fit.
    pub(super) fn fitting(metric: Metric, lengths: impl Iterator<Item = f64>) -> Self {
        match metric {
            Metric::Cosine => Self::Angular,
            Metric::Euclidean => Self::Euclidean,
            Metric::Dot => {
                let mut lengths: Vec<f64> = lengths.collect();
                lengths.sort_unstable_by(f64::total_cmp);
                let fitting = lengths.len() - lengths.len() / 200;
                let radius = fitting.checked_sub(1).and_then(|at| lengths.get(at)).copied();
                // Room for somewhat longer ones that come later.
                Self::Dot {
                    radius: radius.unwrap_or(1.0).max(f64::MIN_POSITIVE) * 1.1,
                }
            }
        }
    }

    /// Whether the vector has a place in this space.
    pub(super) fn admits(&self, vector: &[f32]) -> bool {
        match self {
            Self::Angular | Self::Euclidean => true,
            Self::Dot { radius } => length(vector) <= *radius,
        }
    }

    /// A vector's place.
    pub(super) fn place<'a>(&self, vector: &'a [f32]) -> Cow<'a, [f32]> {
        match self {
            Self::Angular | Self::Euclidean => Cow::Borrowed(vector),
            Self::Dot { radius } => {
                let rest = 1.0 - (length(vector) / radius).powi(2);
                Cow::Owned(scaled(vector, *radius, rest.max(0.0).sqrt()))
            }
        }
    }

    /// A query's place.
    pub(super) fn place_query<'a>(&self, query: &'a [f32]) -> Cow<'a, [f32]> {
        match self {
            Self::Angular | Self::Euclidean => Cow::Borrowed(query),
            Self::Dot { .. } => Cow::Owned(scaled(query, length(query).max(f64::MIN_POSITIVE), 0.0)),
        }
    }

    /// The vector whose place this is, up to rounding.
    pub(super) fn restore(&self, place: &[f32]) -> Vec<f32> {
        match (self, place) {
            (Self::Dot { radius }, [vector @ .., _]) => {
                vector.iter().map(|x| (f64::from(*x) * radius) as f32).collect()
            }
            _ => place.to_vec(),
        }
    }
}

/// Length of a vector.
pub(super) fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

fn scaled(vector: &[f32], by: f64, last: f64) -> Vec<f32> {
    vector
        .iter()
        .map(|x| (f64::from(*x) / by) as f32)
        .chain([last as f32])
        .collect()
}

impl Distance<f32> for Space {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        // f32::max and min also turn a NaN into the other number.
        match self {
            Self::Angular | Self::Dot { .. } => (1.0 - fold(a, b, |x, y| x * y)).max(0.0),
            Self::Euclidean => fold(a, b, |x, y| (x - y) * (x - y)).min(f32::MAX),
        }
    }
}

/// Partial sums that the compiler keeps in vector registers.
const LANES: usize = 16;

#[inline]
fn fold(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a_chunks, a_tail), (b_chunks, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0f32; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane], y[lane]);
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(&x, &y)| term(x, y)).sum();
    lanes.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_dot_product_is_the_smallest_angle() {
        let vectors = [[3.0f32, 1.0], [1.0, 3.0], [-2.0, 0.5], [0.1, 0.1]];
        let space = Space::fitting(Metric::Dot, vectors.iter().map(|v| length(v)));
        for query in [[1.0f32, 0.0], [0.2, 0.9], [-5.0, 1.0], [1e-20, 1e-20]] {
            let mut by_dot = vectors;
            by_dot.sort_by(|a, b| {
                let dot = |v: &[f32; 2]| f64::from(v[0] * query[0]) + f64::from(v[1] * query[1]);
                dot(b).total_cmp(&dot(a))
            });
            let mut by_angle = vectors;
            by_angle.sort_by(|a, b| {
                let angle = |v: &[f32]| space.eval(&space.place(v), &space.place_query(&query));
                angle(a).total_cmp(&angle(b))
            });
            assert_eq!(by_angle, by_dot, "{query:?}");
        }
    }

    #[test]
    fn an_outlier_does_not_shrink_the_others() {
        let lengths = std::iter::repeat_n(1.0, 1_000).chain([1e30]);
        let space = Space::fitting(Metric::Dot, lengths);
        assert!(space.admits(&[1.0, 0.0]));
        assert!(!space.admits(&[1e30, 0.0]));
    }

    #[test]
    fn distances_are_never_negative_or_nan() {
        let extreme = [f32::MAX, f32::MIN];
        for space in [Space::Angular, Space::Euclidean, Space::Dot { radius: 1.0 }] {
            for (a, b) in [
                (extreme, [f32::MIN, f32::MAX]),
                (extreme, extreme),
                ([0.0; 2], [0.0; 2]),
            ] {
                assert!(space.eval(&a, &b) >= 0.0, "{space:?} {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_place_gives_back_its_vector() {
        let space = Space::Dot { radius: 10.0 };
        let back = space.restore(&space.place(&[3.0, -4.0]));
        assert!(back.iter().zip([3.0, -4.0]).all(|(x, y)| (x - y).abs() < 1e-5));
    }
}
