//! Tokens of a text with their byte offsets.

use std::ops::Range;

/// A word, a number, or a single other sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }
}

/// Cuts a text into tokens: runs of letters and digits, with an apostrophe or a full stop inside an abbreviation (`U.S.`, `O'Neil`),
/// and every other visible sign on its own.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::with_capacity(text.len() / 5);
    let mut letters = text.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        if letter.is_whitespace() || letter.is_control() {
            continue;
        }
        let mut end = start + letter.len_utf8();
        if letter.is_alphanumeric() {
            let mut single = 1;
            while let Some(&(at, next)) = letters.peek() {
                let behind = text[at + next.len_utf8()..].chars().next();
                let joins = next.is_alphanumeric()
                    || matches!(next, '\'' | '’')
                        && behind.is_some_and(|behind| behind.is_alphabetic() && behind != 's')
                    || next == '.'
                        && single == 1
                        && letter.is_uppercase()
                        && behind.is_some_and(char::is_uppercase)
                    || is_mark(next);
                if !joins {
                    // The last full stop of `U.S.` belongs to it.
                    if next == '.' && single == 1 && text[start..at].contains('.') {
                        letters.next();
                        end = at + 1;
                    }
                    break;
                }
                single = if next == '.' { 0 } else { single + 1 };
                letters.next();
                end = at + next.len_utf8();
            }
        }
        tokens.push(Token {
            text: &text[start..end],
            start,
        });
    }
    tokens
}

/// A combining mark, which belongs to the letter before it.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{903}' | '\u{93a}'..='\u{94f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_abbreviations_and_signs_are_tokens() {
        assert_eq!(
            texts("O'Neil's U.S. office, $4.25 (J. Smith)."),
            [
                "O'Neil", "'", "s", "U.S.", "office", ",", "$", "4", ".", "25", "(", "J", ".", "Smith", ")",
                "."
            ]
        );
        assert_eq!(texts("Ärzte—договор 契約"), ["Ärzte", "—", "договор", "契約"]);
    }

    proptest! {
        #[test]
        fn tokens_are_where_they_say(text in "\\PC{0,80}") {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.start >= end);
                prop_assert_eq!(&text[token.span()], token.text);
                end = token.span().end;
            }
        }
    }
}
