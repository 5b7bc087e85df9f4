//! Whether an answer is near enough to what was put.

use super::Outcome;
use super::trial::ensure;
use crate::api::model::{CollectionInfo, Document, Metric};

/// How far a component may be off, as a share of the greatest, and a score, where vectors are not exact.
const TOLERANCE: f32 = 0.02;
/// The same where they are: sums in another order, and directions.
const ROUNDING: f32 = 1e-4;

fn tolerance(info: &CollectionInfo) -> f32 {
    if info.exact_vectors { ROUNDING } else { TOLERANCE }
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// The vector of length one in the same direction.
pub(super) fn direction(vector: &[f32]) -> Vec<f32> {
    let length = length(vector);
    vector.iter().map(|x| x / length).collect()
}

/// Whether a document is as it was put.
pub(super) fn ensure_is(found: &Document, put: &Document, info: &CollectionInfo) -> Outcome {
    ensure(found.id == put.id, || format!("{:?} is {:?}", put.id, found.id))?;
    ensure(found.payload == put.payload, || {
        format!(
            "the payload of {:?} is {:?}, not {:?}",
            put.id, found.payload, put.payload
        )
    })?;
    ensure_near(&found.vector, &put.vector, info)
}

/// Whether a vector that was read is the one that was put.
pub(super) fn ensure_near(found: &[f32], put: &[f32], info: &CollectionInfo) -> Outcome {
    let near = match (info.metric, info.exact_vectors) {
        (Metric::Euclidean | Metric::Dot, true) => found == put,
        (Metric::Euclidean | Metric::Dot, false) => within(found, put, TOLERANCE),
        (Metric::Cosine, _) => within(&direction(found), &direction(put), tolerance(info)),
    };
    ensure(near, || format!("a vector is {found:?}, not {put:?}"))
}

fn within(found: &[f32], put: &[f32], tolerance: f32) -> bool {
    let greatest = put.iter().fold(0.0f32, |greatest, x| greatest.max(x.abs()));
    found.len() == put.len()
        && found
            .iter()
            .zip(put)
            .all(|(a, b)| (a - b).abs() <= tolerance * greatest)
}

/// Whether a score is that of two vectors.
pub(super) fn ensure_score(found: f32, wanted: f32, info: &CollectionInfo) -> Outcome {
    ensure((found - wanted).abs() <= tolerance(info), || {
        format!("a score by {} is {found}, not {wanted}", info.metric)
    })
}

/// Whether one score is greater than another by more than can be told apart.
pub(super) fn exceeds(one: f32, other: f32, info: &CollectionInfo) -> bool {
    one > other + 2.0 * tolerance(info)
}

/// The score of two vectors, as [`Metric`] has it.
pub(super) fn score(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    match metric {
        Metric::Cosine => dot / (length(a) * length(b)),
        Metric::Euclidean => {
            let difference: Vec<f32> = a.iter().zip(b).map(|(x, y)| x - y).collect();
            1.0 / (1.0 + length(&difference))
        }
        Metric::Dot => 1.0 / (1.0 + (-dot).exp()),
    }
}
