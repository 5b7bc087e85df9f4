//! The words of an entry as the index counts them: each behind the prefix of its collection.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::analysis::Analyzer;

/// Parts the prefix from the text in what is given to the index.
const BREAK: char = '\n';
/// Steps of length up to the longest text that is indexed: each is the square root of two times the one before.
pub(super) const STEPS: u32 = 44;

/// A text, to be indexed with this prefix.
pub(super) fn prefixed(prefix: &str, title: &str, body: &str) -> String {
    format!("{prefix}{BREAK}{title}{BREAK}{body}")
}

/// Stands for each document whose length is of this step. No word has its sign.
pub(super) fn of_length(prefix: &str, step: u32) -> String {
    format!("{prefix}#{step}")
}

/// The step of so many words.
fn step(words: usize) -> u32 {
    let step = (2.0 * (words.max(1) as f64).log2()).round();
    (step as u32).min(STEPS)
}

/// The length that a step stands for.
pub(super) fn length(step: u32) -> f64 {
    (f64::from(step) / 2.0).exp2()
}

/// Takes what [`prefixed`] made apart: the prefix alone, which counts the document; the step of its length; and each word behind the
/// prefix.
#[derive(Clone)]
pub(super) struct PrefixedWords(pub(super) Analyzer);

impl Tokenizer for PrefixedWords {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        let (prefix, text) = text.split_once(BREAK).unwrap_or((text, ""));
        let mut words = vec![prefix.to_owned(), String::new()];
        self.0.words(text, |word| words.push([prefix, word].concat()));
        words[1] = of_length(prefix, step(words.len()));
        Words {
            words: words.into_iter(),
            token: Token::default(),
        }
    }
}

/// See [`PrefixedWords`].
pub(super) struct Words {
    words: std::vec::IntoIter<String>,
    token: Token,
}

impl TokenStream for Words {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else {
            return false;
        };
        // Before the first, the position is the greatest there is.
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text = word;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::super::analysis::Language;
    use super::*;

    #[test]
    fn words_stand_behind_the_prefix_and_the_prefix_and_the_length_count_the_document() {
        let mut tokenizer = PrefixedWords(Analyzer::new(Language::English));
        let text = prefixed("7o", "Lease", "two\nleases");
        let mut stream = tokenizer.token_stream(&text);
        let mut words = Vec::new();
        while let Some(token) = stream.next() {
            words.push(token.text.clone());
        }
        assert_eq!(words, ["7o", "7o#5", "7oleas", "7otwo", "7oleas"]);
    }

    #[test]
    fn lengths_are_told_by_steps_of_half_a_power_of_two() {
        for (words, told) in [(1, 1.0), (64, 64.0), (60, 64.0), (90, 90.509_667_991_878_08)] {
            assert!((length(step(words)) - told).abs() < 1e-9, "{words}");
        }
        assert_eq!(step(usize::MAX), STEPS);
    }
}
