//! What the tagger looks at around a token: words, shapes, endings, hints of names, what was decided before, and what else the document says of
//! the same word.

use std::collections::HashSet;

use super::super::context::Token;
use super::names::hints;

/// Tags: nothing, and the beginning and the inside of each kind of name.
pub(super) const TAGS: usize = 9;
/// Nothing.
pub(super) const OUTSIDE: u8 = 0;
/// Buckets that features are hashed into.
pub(super) const BUCKETS: usize = 1 << 18;

/// Most features of a token.
const MOST: usize = 40;

/// One token, in numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    /// The word in lower case, and as it is written.
    lower: u64,
    raw: u64,
    shape: u64,
    prefixes: [u64; 2],
    suffixes: [u64; 3],
    hints: u8,
    /// Whether a sentence may begin here.
    begins: bool,
    /// Whether the document has the word in lower case, too.
    common: bool,
    /// Whether it can begin a name: it does not begin with a small letter.
    may_begin: bool,
}

/// A document's tokens, ready to be tagged.
#[derive(Debug)]
pub(super) struct Sentence {
    words: Vec<Word>,
}

fn hash(seed: u64, text: impl Iterator<Item = char>) -> u64 {
    text.fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, letter| {
        (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn mix(one: u64, other: u64) -> u64 {
    let mixed = (one ^ other.rotate_left(31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The forms of its letters, runs of one form cut to two: `McDonald's` is `XxXxx'x`.
fn shape(text: &str) -> u64 {
    let mut forms: Vec<char> = Vec::with_capacity(text.len());
    for letter in text.chars() {
        let form = if letter.is_uppercase() {
            'X'
        } else if letter.is_lowercase() {
            'x'
        } else if letter.is_numeric() {
            'd'
        } else if letter.is_alphabetic() {
            'a'
        } else {
            letter
        };
        if forms.len() < 2 || forms[forms.len() - 2..] != [form, form] {
            forms.push(form);
        }
    }
    hash(7, forms.into_iter())
}

impl Sentence {
    pub(super) fn new(text: &str, tokens: &[Token<'_>]) -> Self {
        let mut words: Vec<Word> = Vec::with_capacity(tokens.len());
        let mut in_lower: HashSet<u64> = HashSet::new();
        let mut end = 0;
        for (at, token) in tokens.iter().enumerate() {
            let lower: String = token.text.to_lowercase();
            let letters: Vec<char> = lower.chars().collect();
            let first = token.text.chars().next().unwrap_or(' ');
            let word = Word {
                lower: hash(1, letters.iter().copied()),
                raw: hash(2, token.text.chars()),
                shape: shape(token.text),
                prefixes: [2, 3].map(|length| hash(3, letters.iter().copied().take(length))),
                suffixes: [2, 3, 4].map(|length| hash(4, letters.iter().copied().rev().take(length))),
                hints: hints(&lower),
                begins: at == 0
                    || text[end..token.start].contains('\n')
                    || matches!(
                        tokens[at - 1].text,
                        "." | "!" | "?" | ":" | "\"" | "“" | "(" | "-" | "—"
                    ),
                common: false,
                may_begin: first.is_alphanumeric() && !first.is_lowercase(),
            };
            if first.is_lowercase() {
                in_lower.insert(word.lower);
            }
            end = token.span().end;
            words.push(word);
        }
        for word in &mut words {
            word.common = in_lower.contains(&word.lower);
        }
        Self { words }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Names the word of a token, for what is remembered of it.
    pub(super) fn word(&self, at: usize) -> u64 {
        self.words[at].lower
    }

    /// Whether a name may begin, or go on, at this token.
    pub(super) fn is_open(&self, at: usize, before: u8) -> bool {
        before != OUTSIDE || self.words[at].may_begin
    }

    /// The buckets of a token's features. `before` are the last two tags, `earlier` is the tag that the same word had before.
    pub(super) fn features(&self, at: usize, before: [u8; 2], earlier: u8) -> ([u32; MOST], usize) {
        let none = Word::default();
        let word = |offset: isize| {
            let at = at.checked_add_signed(offset);
            at.and_then(|at| self.words.get(at)).unwrap_or(&none)
        };
        let (this, left, right) = (word(0), word(-1), word(1));
        let (left2, right2) = (word(-2), word(2));
        let [last, second] = before.map(|tag| u64::from(tag) + 1);
        let earlier = u64::from(earlier) + 1;
        let hints = |word: &Word| u64::from(word.hints) + 1;
        let mut buckets = [0_u32; MOST];
        let mut count = 0;
        let mut add = |value: u64| {
            let mixed = mix(value, 0x5bd1_e995 + count as u64 * 0x1000_0001);
            buckets[count] = (mixed >> 40) as u32 & (BUCKETS as u32 - 1);
            count += 1;
        };
        add(1);
        for word in [this, left, right, left2, right2] {
            add(word.lower);
        }
        add(this.raw);
        add(mix(left.lower, this.lower));
        add(mix(this.lower, right.lower));
        add(mix(left.lower, right.lower));
        add(this.shape);
        add(mix(left.shape, this.shape));
        add(mix(this.shape, right.shape));
        add(mix(mix(left.shape, this.shape), right.shape));
        add(mix(mix(this.shape, right.shape), right2.shape));
        for affix in this.prefixes.into_iter().chain(this.suffixes) {
            add(affix);
        }
        add(mix(this.suffixes[1], this.shape));
        add(mix(right.suffixes[1], right.shape));
        add(last);
        add(mix(last, second));
        add(mix(last, this.lower));
        add(mix(last, this.shape));
        add(mix(last, right.lower));
        add(mix(last, left.lower));
        add(hints(this));
        add(hints(left));
        add(hints(right));
        add(mix(hints(this), hints(right)));
        add(mix(last, hints(this)));
        add(mix(mix(hints(left), hints(this)), this.shape));
        add(earlier);
        add(mix(earlier, last));
        add(mix(u64::from(this.common) + 1, this.shape));
        add(mix(u64::from(this.begins) + 1, this.shape));
        add(mix(
            mix(u64::from(this.begins) + 1, u64::from(this.common) + 1),
            hints(this),
        ));
        (buckets, count)
    }
}
