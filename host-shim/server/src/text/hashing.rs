//! A vectoriser without a model: feature hashing.
//!
//! Words (runs of letters and digits, lower-cased) and pairs of neighbouring words are hashed to a component
//! and a sign; a feature that occurs `n` times weighs `1 + ln n`. Common English words weigh a fifth, and pairs
//! half, of what the others do. The sum is scaled to length one. The same text has the same vector on every
//! machine and in every version: [`TEXT_DIMENSION`], the hash and the weights are part of the stored data.
//!
//! It knows words, not meanings: texts are similar as far as they share words.

use std::collections::BTreeMap;

/// Components of the vectors of texts.
pub const TEXT_DIMENSION: usize = 512;

/// The name of this vectoriser in the API.
pub const PROVIDER: &str = "hashing";

const STOP_WORD_WEIGHT: f64 = 0.2;
const PAIR_WEIGHT: f64 = 0.5;

/// Sorted, for the binary search.
const STOP_WORDS: [&str; 64] = [
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by",
    "can", "could", "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "if", "in",
    "into", "is", "it", "its", "may", "more", "no", "not", "of", "on", "or", "other", "our", "shall", "she",
    "should", "such", "than", "that", "the", "their", "there", "these", "they", "this", "to", "was", "we",
    "were", "which", "will", "with", "would", "you", "your",
];

/// The vector of a text; `None` for one without any visible character.
#[must_use]
pub fn embed(text: &str) -> Option<Vec<f32>> {
    let lowered = text.to_lowercase();
    let mut words: Vec<&str> = lowered
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    if words.is_empty() {
        // Punctuation only: each run of it counts as a word, so that such a text has a direction too.
        words = lowered.split_whitespace().collect();
    }
    let mut counts: BTreeMap<Feature<'_>, u32> = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        *counts.entry(Feature::Word(word)).or_default() += 1;
        if let Some(next) = words.get(at + 1) {
            *counts.entry(Feature::Pair(word, next)).or_default() += 1;
        }
    }
    let mut sums = [0.0f64; TEXT_DIMENSION];
    for (feature, count) in counts {
        let hash = feature.hash();
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        let component = usize::try_from(hash % TEXT_DIMENSION as u64).unwrap_or_default();
        sums[component] += sign * feature.weight() * (1.0 + f64::from(count).ln());
    }
    let mut length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length == 0.0 {
        // All features cancelled each other, or there were none.
        let first = words.first()?;
        let component = Feature::Word(first).hash() % TEXT_DIMENSION as u64;
        sums[usize::try_from(component).unwrap_or_default()] = 1.0;
        length = 1.0;
    }
    Some(sums.iter().map(|x| (x / length) as f32).collect())
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Feature<'a> {
    Word(&'a str),
    Pair(&'a str, &'a str),
}

impl Feature<'_> {
    fn weight(&self) -> f64 {
        let of_word = |word: &str| {
            if STOP_WORDS.binary_search(&word).is_ok() {
                STOP_WORD_WEIGHT
            } else {
                1.0
            }
        };
        match self {
            Self::Word(word) => of_word(word),
            Self::Pair(a, b) => PAIR_WEIGHT * of_word(a).min(of_word(b)),
        }
    }

    /// FNV-1a over the bytes, finished so that all bits depend on all bytes. Words contain no space.
    fn hash(&self) -> u64 {
        let parts = match self {
            Self::Word(word) => [word, "", ""],
            Self::Pair(a, b) => [a, " ", b],
        };
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in parts.iter().flat_map(|part| part.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &str, b: &str) -> f32 {
        let (a, b) = (embed(a).unwrap(), embed(b).unwrap());
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn vectors_have_length_one_and_never_change() {
        let vector = embed("The tenant pays the rent.").unwrap();
        assert_eq!(vector.len(), TEXT_DIMENSION);
        let length: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-6);
        // Worked out by another program: stored vectors were made by these weights and this hash.
        let pinned = [
            (43, 0.05428),
            (151, -0.05428),
            (187, -0.05428),
            (265, -0.5428),
            (282, -0.2714),
            (303, -0.5428),
            (305, -0.1838),
            (383, -0.5428),
        ];
        for (component, expected) in pinned {
            assert!(
                (vector[component] - expected).abs() < 1e-4,
                "{component}: {}",
                vector[component]
            );
        }
        assert_eq!(vector.iter().filter(|x| **x != 0.0).count(), pinned.len());
    }

    #[test]
    fn shared_words_make_texts_similar() {
        let question = "notice period for ending the lease";
        let on_topic = "The lease may be ended with a notice period of three months.";
        let off_topic = "The database keeps vectors in a graph that is searched from the top.";
        assert!(cosine(question, on_topic) > 0.3);
        assert!(cosine(question, off_topic).abs() < 0.15);
        assert!(cosine(question, "NOTICE   period, for ending the lease!") > 0.999);
    }

    #[test]
    fn order_counts_a_little_and_stop_words_hardly() {
        let same_order = cosine("red wine white bread", "red wine white bread");
        let other_order = cosine("red wine white bread", "white wine red bread");
        assert!(other_order < same_order - 0.05);
        assert!(cosine("contract", "the contract of the") > 0.8);
    }

    #[test]
    fn every_visible_text_has_a_direction() {
        assert!(embed("").is_none());
        assert!(embed(" \n\t ").is_none());
        for text in ["!!!", "the", "世界", "é", "-", "a a a"] {
            assert!(embed(text).is_some(), "{text}");
        }
        assert!(cosine("!!!", "???") < 0.5);
    }

    #[test]
    fn the_stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }
}
