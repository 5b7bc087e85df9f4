//! The words of an entry as the index counts them: each behind the prefix of its collection.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::analysis::Analyzer;

/// Parts the prefix from the text in what is given to the index.
const BREAK: char = '\n';
/// Stands for each document, of whatever collection.
pub(super) const ANY: &str = "*";

/// A text, to be indexed with this prefix.
pub(super) fn prefixed(prefix: &str, title: &str, body: &str) -> String {
    format!("{prefix}{BREAK}{title}{BREAK}{body}")
}

/// Takes what [`prefixed`] made apart: [`ANY`], the prefix alone, then each word behind it.
#[derive(Clone)]
pub(super) struct PrefixedWords(pub(super) Analyzer);

impl Tokenizer for PrefixedWords {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        let (prefix, text) = text.split_once(BREAK).unwrap_or((text, ""));
        let mut words = vec![ANY.to_owned(), prefix.to_owned()];
        self.0.words(text, |word| words.push([prefix, word].concat()));
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
    fn words_stand_behind_the_prefix_and_the_prefix_alone_counts_the_documents() {
        let mut tokenizer = PrefixedWords(Analyzer::new(Language::English));
        let text = prefixed("7o", "Lease", "two\nleases");
        let mut stream = tokenizer.token_stream(&text);
        let mut words = Vec::new();
        while let Some(token) = stream.next() {
            words.push(token.text.clone());
        }
        assert_eq!(words, ["*", "7o", "7oleas", "7otwo", "7oleas"]);
    }
}
