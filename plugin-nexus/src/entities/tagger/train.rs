//! Teaching a tagger.
//!
//! Token by token, the cross entropy of the softmax over the tags is lowered by AdaGrad (Duchi et al. 2011). What is decided before a token
//! is what the tagger itself decides at that time, so that it learns to go on from its own faults.

use std::ops::Range;

use super::super::EntityKind;
use super::super::context::tokens;
use super::features::{BUCKETS, OUTSIDE, Sentence, TAGS};
use super::{Tagger, best, may_follow};

/// Times that all examples are gone through.
const ROUNDS: usize = 6;
/// How far a step goes at first.
const RATE: f32 = 0.1;
/// How strongly weights are drawn to nothing.
const DECAY: f32 = 1e-5;
/// Least weight that is kept.
const LEAST: f32 = 0.04;
/// What a weight of one is in a model.
const SCALE: f32 = 50.0;

struct Example {
    sentence: Sentence,
    tags: Vec<u8>,
}

/// Collects examples, and teaches.
#[derive(Default)]
pub struct Teacher {
    examples: Vec<Example>,
}

impl std::fmt::Debug for Teacher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teacher")
            .field("examples", &self.examples.len())
            .finish()
    }
}

impl Teacher {
    /// Adds a text with the names in it, by byte offsets; `None` for a name of another kind than people, organisations and
    /// places.
    pub fn add(&mut self, text: &str, names: &[(Range<usize>, Option<EntityKind>)]) {
        let tokens = tokens(text);
        let mut tags = vec![OUTSIDE; tokens.len()];
        for (span, kind) in names {
            let Some(kind) = super::KINDS.iter().position(|known| known == kind) else {
                continue;
            };
            let mut first = true;
            for (token, tag) in tokens.iter().zip(&mut tags) {
                if token.start >= span.start && token.span().end <= span.end {
                    *tag = kind as u8 * 2 + if first { 1 } else { 2 };
                    first = false;
                }
            }
        }
        self.examples.push(Example {
            sentence: Sentence::new(text, &tokens),
            tags,
        });
    }

    /// Teaches a tagger all examples.
    #[must_use]
    pub fn teach(&self) -> Tagger {
        let mut model = Learning {
            weights: vec![0.0; BUCKETS * TAGS],
            squares: vec![0.0; BUCKETS * TAGS],
        };
        let mut order: Vec<usize> = (0..self.examples.len()).collect();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..ROUNDS {
            for at in (1..order.len()).rev() {
                // xorshift64*, so that the same examples give the same model everywhere.
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                let drawn = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
                order.swap(at, drawn as usize % (at + 1));
            }
            for at in &order {
                model.learn(&self.examples[*at]);
            }
        }
        Tagger {
            weights: model.weights.iter().map(|weight| kept(*weight)).collect(),
        }
    }
}

/// A weight as it is kept; one that hardly counts is nothing.
fn kept(weight: f32) -> i16 {
    if weight.abs() < LEAST {
        return 0;
    }
    (weight * SCALE).round() as i16
}

/// Weights on their way.
struct Learning {
    weights: Vec<f32>,
    /// The sum of the squared gradients of each.
    squares: Vec<f32>,
}

impl Learning {
    fn learn(&mut self, example: &Example) {
        let mut before = [OUTSIDE; 2];
        let mut earlier = std::collections::HashMap::new();
        for at in 0..example.sentence.len() {
            let mut tag = OUTSIDE;
            if example.sentence.is_open(at, before[0]) {
                let seen = earlier
                    .get(&example.sentence.word(at))
                    .copied()
                    .unwrap_or(OUTSIDE);
                let (features, count) = example.sentence.features(at, before, seen);
                let truth = example.tags[at];
                // Where the inside of a name cannot follow what was decided, its beginning is the next best thing to learn.
                let truth = if may_follow(truth, before[0]) {
                    truth
                } else {
                    truth - 1
                };
                tag = self.step(&features[..count], truth, before[0]);
            }
            if tag != OUTSIDE {
                earlier.insert(example.sentence.word(at), tag);
            }
            before = [tag, before[0]];
        }
    }

    /// One step for one token; answers the tag that it would have been given.
    fn step(&mut self, features: &[u32], truth: u8, before: u8) -> u8 {
        let mut scores = [0.0_f32; TAGS];
        for bucket in features {
            let from = *bucket as usize * TAGS;
            for (score, weight) in scores.iter_mut().zip(&self.weights[from..from + TAGS]) {
                *score += weight;
            }
        }
        let (tag, _) = best(&scores, before);
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut shares = scores.map(|score| (score - most).exp());
        let sum: f32 = shares.iter().sum();
        for share in &mut shares {
            *share /= sum;
        }
        shares[usize::from(truth)] -= 1.0;
        for bucket in features {
            let from = *bucket as usize * TAGS;
            for (at, gradient) in (from..).zip(&shares) {
                let gradient = gradient + DECAY * self.weights[at];
                self.squares[at] += gradient * gradient;
                self.weights[at] -= RATE * gradient / (self.squares[at].sqrt() + 1e-6);
            }
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Extractor, Mention};
    use super::*;

    fn taught() -> Tagger {
        let mut teacher = Teacher::default();
        for (name, city) in [
            ("Ada Byron", "Vienna"),
            ("Karl Rahn", "Oslo"),
            ("Eve Lind", "Lima"),
        ] {
            let text = format!("Yesterday {name} moved to {city} for good.");
            let span = |part: &str| {
                let start = text.find(part).unwrap();
                start..start + part.len()
            };
            let names = [
                (span(name), Some(EntityKind::Person)),
                (span(city), Some(EntityKind::Location)),
                (0..0, Some(EntityKind::Date)),
            ];
            teacher.add(&text, &names);
        }
        teacher.teach()
    }

    #[test]
    fn what_was_taught_is_found_in_other_texts_of_the_same_form() {
        let text = "Yesterday Ivo Horn moved to Riga for good.";
        let mut found: Vec<Mention> = Vec::new();
        taught().extract(text, &mut found);
        let found: Vec<_> = found
            .into_iter()
            .map(|mention| (mention.kind, &text[mention.span]))
            .collect();
        assert_eq!(
            found,
            [(EntityKind::Person, "Ivo Horn"), (EntityKind::Location, "Riga")]
        );
    }

    #[test]
    fn the_same_examples_give_the_same_model() {
        assert!(taught().to_bytes() == taught().to_bytes());
    }
}
