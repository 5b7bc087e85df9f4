//! A classifier that learns from vectors: multinomial logistic regression, with the vectors it has seen as a measure of how
//! much it knows about another one.
//!
//! It was chosen by measurement over the vote of nearest neighbours and over centroids (`cargo xtask quality --only domains`): on
//! sources it knows it is the best of the three, and it costs one product per domain. Far from everything it has seen it is no
//! better than they are, so [`Verdict::familiarity`] tells how near that is.
//!
//! Invariants: training is deterministic and bounded in examples and steps; vectors without length, with components that are
//! no numbers, or of another dimension are left out, and named as such when they are to be classified.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::sync::{settings_digest, vector_digest};

/// Most examples that are learned from; of more, every n-th.
const MAX_EXAMPLES: usize = 20_000;
/// Most examples that are kept to compare with.
const MAX_SEEN: usize = 1_024;
/// Nearest examples whose mean similarity is the familiarity.
const NEAREST: usize = 5;
/// Steps of training.
const STEPS: usize = 300;
/// Weight of the squared parameters in what is minimised, divided by the number of examples (the inverse of scikit-learn's `C`).
const REGULARISATION: f32 = 1.0 / 3.0;

/// A labelled vector.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// Its domain.
    pub domain: &'a str,
    /// The vector.
    pub vector: &'a [f32],
}

/// Why a vector says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its dimension is not the one that was learned from.
    #[error("the vector has another dimension than the labelled ones")]
    Dimension,
    /// It has no length, or components that are no numbers.
    #[error("the vector has no direction")]
    Direction,
}

/// What a vector says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The probability of each domain.
    pub probabilities: BTreeMap<String, f32>,
    /// The mean cosine similarity to the nearest labelled vectors.
    pub familiarity: f32,
}

/// What was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorModel {
    domains: Vec<String>,
    dimension: usize,
    /// One row a domain: the weights, then the bias.
    weights: Vec<f32>,
    /// Examples of unit length, one behind the other.
    seen: Vec<f32>,
    /// Of all of that.
    digest: u64,
}

impl VectorModel {
    /// Learns. `None` where the examples are of fewer than two domains, or none can be used.
    #[must_use]
    pub fn train(examples: &[Example<'_>]) -> Option<Self> {
        let dimension = examples.first()?.vector.len();
        let every = examples.len().div_ceil(MAX_EXAMPLES).max(1);
        let usable: Vec<(&str, Vec<f32>)> = examples
            .iter()
            .step_by(every)
            .filter_map(|example| Some((example.domain, unit(example.vector, dimension).ok()?)))
            .collect();
        let names: BTreeSet<&str> = usable.iter().map(|(domain, _)| *domain).collect();
        let domains: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if domains.len() < 2 {
            return None;
        }
        let labels: Vec<usize> = usable
            .iter()
            .map(|(domain, _)| domains.iter().position(|name| name == domain).unwrap_or(0))
            .collect();
        let vectors: Vec<&[f32]> = usable.iter().map(|(_, vector)| vector.as_slice()).collect();
        let weights = descend(&vectors, &labels, domains.len(), dimension);
        let every = vectors.len().div_ceil(MAX_SEEN).max(1);
        let seen: Vec<f32> = vectors
            .iter()
            .step_by(every)
            .flat_map(|vector| vector.iter().copied())
            .collect();
        let numbers = [&weights, &seen].map(|numbers| vector_digest(numbers).to_string());
        let parts = domains.iter().chain(&numbers).map(String::as_str);
        Some(Self {
            digest: settings_digest(parts),
            seen,
            domains,
            dimension,
            weights,
        })
    }

    /// Changes with what was learned.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The domains that it knows.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// What a vector says.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn classify(&self, vector: &[f32]) -> Result<Verdict, Unusable> {
        let vector = unit(vector, self.dimension)?;
        let mut scores: Vec<f32> = self
            .weights
            .chunks_exact(self.dimension + 1)
            .map(|row| score(row, &vector))
            .collect();
        softmax(&mut scores);
        let mut near: Vec<f32> = self
            .seen
            .chunks_exact(self.dimension)
            .map(|seen| dot(seen, &vector))
            .collect();
        near.sort_unstable_by(|one, other| other.total_cmp(one));
        near.truncate(NEAREST);
        Ok(Verdict {
            probabilities: self.domains.iter().cloned().zip(scores).collect(),
            familiarity: near.iter().sum::<f32>() / near.len().max(1) as f32,
        })
    }
}

/// Minimises the regularised cross entropy by Nesterov's accelerated gradient. The loss of unit vectors has a gradient that
/// changes by at most one half as fast as its argument, whence the step.
fn descend(vectors: &[&[f32]], labels: &[usize], domains: usize, dimension: usize) -> Vec<f32> {
    let row = dimension + 1;
    let count = vectors.len() as f32;
    let decay = REGULARISATION / count;
    let step = 1.0 / (1.0 + decay);
    let mut weights = vec![0.0_f32; domains * row];
    let mut ahead = weights.clone();
    let mut gradient = vec![0.0_f32; domains * row];
    let mut scores = vec![0.0_f32; domains];
    for round in 0..STEPS {
        gradient.fill(0.0);
        for (vector, label) in vectors.iter().zip(labels) {
            for (score_of, weights) in scores.iter_mut().zip(ahead.chunks_exact(row)) {
                *score_of = score(weights, vector);
            }
            softmax(&mut scores);
            scores[*label] -= 1.0;
            for (error, gradient) in scores.iter().zip(gradient.chunks_exact_mut(row)) {
                for (gradient, component) in gradient.iter_mut().zip(vector.iter()) {
                    *gradient += error * component;
                }
                gradient[dimension] += error;
            }
        }
        let momentum = round as f32 / (round as f32 + 3.0);
        for at in 0..weights.len() {
            // The bias is free.
            let pull = if at % row == dimension {
                0.0
            } else {
                decay * ahead[at]
            };
            let next = ahead[at] - step * (gradient[at] / count + pull);
            ahead[at] = next + momentum * (next - weights[at]);
            weights[at] = next;
        }
    }
    weights
}

fn score(row: &[f32], vector: &[f32]) -> f32 {
    dot(row, vector) + row.last().copied().unwrap_or(0.0)
}

/// The product of the components both have.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    // In eight sums, so that they need not wait for each other.
    let mut sums = [0.0_f32; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let length = one.len().min(other.len()) / 8 * 8;
    for (one, other) in ones.zip(others) {
        for at in 0..8 {
            sums[at] += one[at] * other[at];
        }
    }
    let rest = one.iter().skip(length).zip(other.iter().skip(length));
    sums.iter().sum::<f32>() + rest.map(|(one, other)| one * other).sum::<f32>()
}

/// Turns scores into probabilities.
pub(super) fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

fn unit(vector: &[f32], dimension: usize) -> Result<Vec<f32>, Unusable> {
    if vector.len() != dimension || vector.is_empty() {
        return Err(Unusable::Dimension);
    }
    let norm = dot(vector, vector).sqrt();
    if !norm.is_finite() || norm <= f32::MIN_POSITIVE {
        return Err(Unusable::Direction);
    }
    Ok(vector.iter().map(|component| component / norm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> VectorModel {
        let vectors: Vec<(usize, [f32; 3])> = (0..60)
            .map(|n| {
                let noise = (n as f32 * 1.7).sin() * 0.2;
                (
                    n % 2,
                    if n % 2 == 0 {
                        [1.0, noise, 0.1]
                    } else {
                        [noise, 1.0, 0.1]
                    },
                )
            })
            .collect();
        let examples: Vec<Example<'_>> = vectors
            .iter()
            .map(|(domain, vector)| Example {
                domain: ["x", "y"][*domain],
                vector,
            })
            .collect();
        VectorModel::train(&examples).unwrap()
    }

    #[test]
    fn it_tells_apart_what_it_was_taught_and_how_much_it_knows() {
        let model = model();
        let near = model.classify(&[2.0, 0.1, 0.2]).unwrap();
        assert!(near.probabilities["x"] > 0.9, "{near:?}");
        let far = model.classify(&[0.0, 0.0, -1.0]).unwrap();
        assert!(far.familiarity < 0.0 && near.familiarity > 0.9, "{far:?}");
        assert!((far.probabilities.values().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(model, self::model());
    }

    #[test]
    fn a_vector_without_direction_or_of_another_dimension_says_nothing() {
        let model = model();
        for vector in [[0.0; 3], [f32::NAN; 3], [f32::INFINITY, 0.0, 0.0]] {
            assert_eq!(model.classify(&vector), Err(Unusable::Direction));
        }
        assert_eq!(model.classify(&[1.0]), Err(Unusable::Dimension));
    }

    #[test]
    fn one_domain_or_useless_vectors_teach_nothing() {
        let one = Example {
            domain: "x",
            vector: &[1.0, 0.0],
        };
        let useless = Example {
            domain: "y",
            vector: &[f32::NAN, 0.0],
        };
        assert_eq!(VectorModel::train(&[one, one, useless]), None);
        assert_eq!(VectorModel::train(&[]), None);
    }
}
