//! Names of people, organisations and places by their context: a multinomial logistic regression over hashed features, that tags a
//! text from left to right.
//!
//! The built-in model (`model.bin`; its `README.md` tells what it was taught from) is made by `cargo xtask train-entities`.
//!
//! Invariants:
//! - tagging is deterministic and linear in the text; a token that begins with a small letter never begins a name, so most tokens
//!   cost nothing;
//! - training is determined by the examples and their order.

mod features;
mod names;
mod train;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

pub use train::Teacher;

use super::context::tokens;
use super::{EntityKind, Extractor, Mention};
use features::{BUCKETS, OUTSIDE, Sentence, TAGS};

/// The built-in model.
const BUILTIN: &[u8] = include_bytes!("model.bin");
/// What a model's file begins with.
const MAGIC: &[u8; 8] = b"VZNTAG01";

/// The kinds of names, in the order of their tags; the last one helps to tell the others apart and is not reported.
const KINDS: [Option<EntityKind>; 4] = [
    Some(EntityKind::Person),
    Some(EntityKind::Organisation),
    Some(EntityKind::Location),
    None,
];

/// How a lead over the second best tag becomes a confidence; fitted by eye on held-out documents.
const LEAD: f32 = 0.01;

/// Finds names of people, organisations and places by their context: a multinomial logistic regression over hashed features, that tags a
/// text from left to right.
#[derive(Debug, Clone)]
pub struct Tagger {
    /// By bucket, then tag.
    weights: Arc<[i16]>,
}

/// A model that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a model of this release: it has {bytes} bytes")]
pub struct ModelError {
    /// Its size.
    pub bytes: usize,
}

impl Tagger {
    /// The built-in one. One that cannot be read finds nothing; the tests see that it can.
    #[must_use]
    pub fn builtin() -> Self {
        static MODEL: OnceLock<Tagger> = OnceLock::new();
        let model = MODEL.get_or_init(|| {
            Self::from_bytes(BUILTIN).unwrap_or_else(|error| {
                tracing::error!(%error, "the built-in tagger is damaged");
                Self {
                    weights: vec![0; BUCKETS * TAGS].into(),
                }
            })
        });
        model.clone()
    }

    /// Changes with the built-in model.
    pub(super) fn fingerprint() -> &'static str {
        static FINGERPRINT: OnceLock<String> = OnceLock::new();
        FINGERPRINT.get_or_init(|| {
            let sum = BUILTIN.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
                (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            format!("{sum:016x}")
        })
    }

    /// Reads a model.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let damaged = ModelError { bytes: bytes.len() };
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(damaged)?;
        let mut weights = vec![0_i16; BUCKETS * TAGS];
        let mut place = 0_usize;
        while !rest.is_empty() {
            let (gap, behind) = postcard::take_from_bytes::<u32>(rest).map_err(|_| damaged)?;
            let (weight, behind) = postcard::take_from_bytes::<i16>(behind).map_err(|_| damaged)?;
            place += gap as usize;
            *weights.get_mut(place).ok_or(damaged)? = weight;
            rest = behind;
        }
        Ok(Self {
            weights: weights.into(),
        })
    }

    /// The model as it is kept in a file: the weights that are not 0, each behind the distance from the one before, both as
    /// variable-length integers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut last = 0;
        for (place, weight) in self
            .weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight != 0)
        {
            let entry = postcard::to_stdvec(&((place - last) as u32, *weight));
            bytes.extend(entry.unwrap_or_default());
            last = place;
        }
        bytes
    }

    /// The tag of each token with its lead over the next best.
    fn tag(&self, sentence: &Sentence) -> Vec<(u8, f32)> {
        walk(sentence, |features| {
            let mut scores = [0_i32; TAGS];
            for bucket in features {
                let from = *bucket as usize * TAGS;
                for (score, weight) in scores.iter_mut().zip(&self.weights[from..from + TAGS]) {
                    *score += i32::from(*weight);
                }
            }
            scores.map(|score| score as f32)
        })
    }
}

/// Tags from left to right. `score` weighs features.
fn walk(sentence: &Sentence, mut score: impl FnMut(&[u32]) -> [f32; TAGS]) -> Vec<(u8, f32)> {
    let mut tags = Vec::with_capacity(sentence.len());
    let mut before = [OUTSIDE; 2];
    let mut earlier: HashMap<u64, u8> = HashMap::new();
    for at in 0..sentence.len() {
        let (tag, lead) = if sentence.is_open(at, before[0]) {
            let seen = earlier.get(&sentence.word(at)).copied().unwrap_or(OUTSIDE);
            let (features, count) = sentence.features(at, before, seen);
            best(&score(&features[..count]), before[0])
        } else {
            (OUTSIDE, f32::INFINITY)
        };
        if tag != OUTSIDE {
            earlier.insert(sentence.word(at), tag);
        }
        before = [tag, before[0]];
        tags.push((tag, lead));
    }
    tags
}

/// Whether a tag may follow another: the inside of a name only goes on with its own kind.
fn may_follow(tag: u8, before: u8) -> bool {
    let is_inside = tag != OUTSIDE && tag.is_multiple_of(2);
    !is_inside || before == tag || before + 1 == tag && before != OUTSIDE
}

fn best(scores: &[f32; TAGS], before: u8) -> (u8, f32) {
    let (mut first, mut second) = ((OUTSIDE, f32::NEG_INFINITY), f32::NEG_INFINITY);
    for (tag, score) in (0_u8..).zip(scores) {
        if !may_follow(tag, before) {
            continue;
        }
        if *score > first.1 {
            second = first.1;
            first = (tag, *score);
        } else {
            second = second.max(*score);
        }
    }
    (first.0, first.1 - second)
}

impl Extractor for Tagger {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        let tokens = tokens(text);
        let sentence = Sentence::new(text, &tokens);
        let tags = self.tag(&sentence);
        let mut at = 0;
        while at < tags.len() {
            let (tag, mut lead) = tags[at];
            let begun = at;
            at += 1;
            if tag == OUTSIDE {
                continue;
            }
            while tags
                .get(at)
                .is_some_and(|(next, _)| *next != OUTSIDE && *next == tag + tag % 2 && next.is_multiple_of(2))
            {
                lead = lead.min(tags[at].1);
                at += 1;
            }
            if let Some(kind) = &KINDS[usize::from((tag - 1) / 2)] {
                found.push(Mention {
                    kind: kind.clone(),
                    span: tokens[begun].start..tokens[at - 1].span().end,
                    value: None,
                    confidence: 0.6 + 0.35 * (1.0 - (-LEAD * lead).exp()),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        Tagger::builtin().extract(text, &mut found);
        found
            .into_iter()
            .map(|mention| (mention.kind.name().to_owned(), text[mention.span].to_owned()))
            .collect()
    }

    #[test]
    fn people_organisations_and_places_are_told_apart_by_context() {
        let found =
            names("John Miller moved from Vienna to Canada, where he joined the University of Toronto.");
        for (kind, name) in [
            ("person", "John Miller"),
            ("location", "Canada"),
            ("organisation", "University of Toronto"),
        ] {
            assert!(
                found.contains(&(kind.to_owned(), name.to_owned())),
                "{name}: {found:?}"
            );
        }
        assert!(names("the quick brown fox jumps over the lazy dog").is_empty());
    }

    #[test]
    fn a_model_survives_its_file_and_others_are_refused() {
        let bytes = Tagger::builtin().to_bytes();
        assert!(bytes == BUILTIN);
        assert_eq!(
            Tagger::from_bytes(&bytes[1..100]).unwrap_err(),
            ModelError { bytes: 99 }
        );
        assert!(Tagger::from_bytes(&[0; 8]).is_err());
        let far = [MAGIC.as_slice(), &[255, 255, 255, 255, 15, 2]].concat();
        assert!(Tagger::from_bytes(&far).is_err());
    }

    #[test]
    fn a_long_text_in_any_script_is_tagged_without_fault() {
        let text = "Ärzte 東京 договор יוחנן 😀 McDONALD’s U.S. ".repeat(2_000);
        let mut found = Vec::new();
        Tagger::builtin().extract(&text, &mut found);
        assert!(
            found
                .iter()
                .all(|mention| text.get(mention.span.clone()).is_some())
        );
    }
}
