//! A text as a vector of its words: weight `(1 + ln tf) * idf` each, scaled to length one (the vector space model of Salton and
//! Buckley 1988, variant `ltc`). The cosine of two such vectors is the weighted overlap of the texts, from 0 to 1.
//!
//! Words are those of [`crate::domains`]: runs of letters and digits in lower case, without the ending of a plural. Scripts that
//! write no spaces give pairs of neighbouring letters instead. A text counts up to 64 KiB, and up to 1,024 different words.

use std::collections::HashMap;

use super::statistics::TermStatistics;
use crate::domains::words;
use crate::payload::Text;

/// The hash of a word.
pub type Term = u64;

/// Of a longer text the beginning counts.
const MOST_BYTES: usize = 64 << 10;
/// Different words of a text that count.
const MOST_TERMS: usize = 1_024;

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TermVector(Box<[(Term, f32)]>);

impl TermVector {
    /// The words of a text; empty where it has none.
    #[must_use]
    pub fn of(text: Text<'_>, statistics: &TermStatistics) -> Self {
        let mut weights: Vec<(Term, f32)> = counts(text)
            .into_iter()
            .map(|(term, count)| (term, (1.0 + (count as f32).ln()) * statistics.weight(term)))
            .collect();
        // In one order, so that sums come out the same.
        weights.sort_unstable_by_key(|(term, _)| *term);
        let length = weights
            .iter()
            .map(|(_, weight)| weight * weight)
            .sum::<f32>()
            .sqrt();
        if length > 0.0 {
            weights.iter_mut().for_each(|(_, weight)| *weight /= length);
        }
        Self(weights.into())
    }

    /// The overlap with another text, 0 to 1; 0 where one of them has no words.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f32 {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut sum = 0.0;
        while let (Some((a, weight)), Some((b, theirs))) = (one.peek(), two.peek()) {
            if a == b {
                sum += weight * theirs;
            }
            let (step_one, step_two) = (a <= b, b <= a);
            if step_one {
                one.next();
            }
            if step_two {
                two.next();
            }
        }
        sum.clamp(0.0, 1.0)
    }
}

/// How often each word of a text occurs.
#[must_use]
pub(super) fn counts(text: Text<'_>) -> HashMap<Term, u32> {
    let mut counts = HashMap::new();
    let mut count = |term: Term| {
        if counts.len() < MOST_TERMS || counts.contains_key(&term) {
            *counts.entry(term).or_insert(0) += 1;
        }
    };
    let mut left = MOST_BYTES;
    for part in [text.title, text.body] {
        let part = &part[..part.floor_char_boundary(left)];
        left -= part.len();
        for word in words(part) {
            if word.chars().next().is_some_and(is_unspaced) {
                pairs(&word, &mut count);
            } else {
                count(hash(word.bytes()));
            }
        }
    }
    counts
}

/// Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar are written without spaces.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn pairs(run: &str, count: &mut impl FnMut(Term)) {
    let starts = run.char_indices().map(|(at, _)| at);
    let ends = run
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8())
        .skip(1);
    let mut alone = true;
    for (start, end) in starts.zip(ends) {
        alone = false;
        count(hash(run[start..end].bytes()));
    }
    if alone {
        count(hash(run.bytes()));
    }
}

/// FNV-1a of 64 bits, and the finaliser of MurmurHash3, so that the low bits are good: the same on every machine and for ever, since
/// counts by it are kept.
pub(super) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut state = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    state ^= state >> 33;
    state = state.wrapping_mul(0xff51_afd7_ed55_8ccd);
    state ^= state >> 33;
    state = state.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    state ^ (state >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(body: &str) -> TermVector {
        TermVector::of(Text { title: "", body }, &TermStatistics::of_collection(0))
    }

    fn weighed(body: &str) -> TermVector {
        let mut statistics = TermStatistics::of_collection(10);
        for n in 0..10 {
            let body = format!("the of and {n}");
            statistics.add(Text {
                title: "",
                body: &body,
            });
        }
        TermVector::of(Text { title: "", body }, &statistics)
    }

    #[test]
    fn the_same_words_in_another_order_overlap_whole() {
        let overlap =
            weighed("Leases of land, and of houses").overlap(&weighed("and of land of house lease"));
        assert!((overlap - 1.0).abs() < 1e-5, "{overlap}");
        assert_eq!(weighed("lease").overlap(&weighed("osmosis")), 0.0);
    }

    #[test]
    fn a_rare_word_in_common_says_more_than_common_ones() {
        let text = weighed("the lease of and");
        assert!(text.overlap(&weighed("a lease")) > text.overlap(&weighed("the flat of and")));
    }

    #[test]
    fn scripts_without_spaces_overlap_by_pairs_of_letters() {
        let overlap = weighed("契約書類").overlap(&weighed("契約条件"));
        assert!(0.1 < overlap && overlap < 0.9, "{overlap}");
        assert_ne!(weighed("契"), TermVector::default());
    }

    #[test]
    fn long_texts_are_cut_at_a_letter() {
        let long = "ä".repeat(1 << 20);
        let words = (0..100_000).map(|n| format!("w{n} ")).collect::<String>();
        assert_eq!(weighed(&long).0.len(), 1);
        assert_eq!(weighed(&words).0.len(), MOST_TERMS);
    }

    #[test]
    fn where_nothing_is_counted_there_is_no_overlap() {
        assert_eq!(vector("").overlap(&vector("")), 0.0);
        assert_eq!(
            vector("word").overlap(&vector("word")),
            0.0,
            "no document, no weight"
        );
    }

    proptest! {
        #[test]
        fn an_overlap_is_a_share_and_the_same_both_ways(one in any::<String>(), other in any::<String>()) {
            let (one, other) = (weighed(&one), weighed(&other));
            let overlap = one.overlap(&other);
            prop_assert!((0.0..=1.0).contains(&overlap));
            prop_assert_eq!(overlap, other.overlap(&one));
        }
    }
}
