//! Splits a Cypher statement into tokens that remember where they stood.
//!
//! Invariants:
//! * tokens are in source order, never overlap, and everything between two tokens is white space or a comment;
//! * string literals are decoded exactly once, here, with Nexus's escapes (`\\ \' \" \n \r \t`; an unknown escape drops
//!   its backslash), so no later step can disagree about where a literal ends;
//! * nesting is bounded, because the engine's parser is recursive and a stack overflow would end the process.

use super::error::CypherError;

/// Deepest nesting of `(`, `[` and `{` that is passed to the engine.
const MAX_NESTING: usize = 64;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare name or keyword.
    Word,
    /// A name in backticks.
    QuotedName,
    /// An unsigned number.
    Number,
    /// A string literal, decoded.
    Text(String),
    /// `$name`, without the dollar sign.
    Parameter(String),
    /// Any other single character.
    Symbol(char),
}

/// One token and its place in the source (byte offsets).
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Splits `source` into tokens.
///
/// # Errors
/// [`CypherError::Syntax`] for an unterminated literal, name or comment, for unbalanced brackets and for nesting
/// beyond the limit.
pub(crate) fn tokenize(source: &str) -> Result<Vec<Token>, CypherError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        tokens.push(token);
    }
    check_brackets(source, &tokens)?;
    Ok(tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.bump();
        }
    }

    fn skip_blank(&mut self) -> Result<(), CypherError> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(length) => self.at += length + 2,
                    None => return Err(CypherError::syntax(self.source, self.at, "Unterminated comment")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next_token(&mut self) -> Result<Option<Token>, CypherError> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.bump() else { return Ok(None) };
        let kind = match first {
            '\'' | '"' => TokenKind::Text(self.literal(start, first)?),
            '`' => match self.rest().find('`') {
                Some(length) => {
                    self.at += length + 1;
                    TokenKind::QuotedName
                }
                None => {
                    return Err(CypherError::syntax(
                        self.source,
                        start,
                        "Unterminated quoted name",
                    ));
                }
            },
            '$' => {
                self.take_while(is_name_part);
                if self.at == start + 1 {
                    return Err(CypherError::syntax(
                        self.source,
                        start,
                        "Expected a parameter name",
                    ));
                }
                TokenKind::Parameter(self.source[start + 1..self.at].to_string())
            }
            c if c.is_ascii_digit() => {
                self.number();
                TokenKind::Number
            }
            c if is_name_start(c) => {
                self.take_while(is_name_part);
                TokenKind::Word
            }
            c => TokenKind::Symbol(c),
        };
        Ok(Some(Token {
            kind,
            start,
            end: self.at,
        }))
    }

    /// Digits, and a fraction or an exponent if they follow; `1..2` stays a `1` before a range.
    fn number(&mut self) {
        self.take_while(|c| c.is_ascii_alphanumeric());
        let mut ahead = self.rest().chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.bump();
            self.take_while(|c| c.is_ascii_alphanumeric());
        }
        let exponent = self.source[..self.at].ends_with(['e', 'E']);
        if exponent && self.peek().is_some_and(|c| c == '-' || c == '+') {
            self.bump();
            self.take_while(|c| c.is_ascii_digit());
        }
    }

    fn literal(&mut self, start: usize, quote: char) -> Result<String, CypherError> {
        let mut text = String::new();
        while let Some(next) = self.bump() {
            match next {
                c if c == quote => return Ok(text),
                '\\' => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(CypherError::syntax(
            self.source,
            start,
            "Unterminated string literal",
        ))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn check_brackets(source: &str, tokens: &[Token]) -> Result<(), CypherError> {
    let mut open = Vec::new();
    for token in tokens {
        let TokenKind::Symbol(symbol) = token.kind else {
            continue;
        };
        match symbol {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => match open.pop() {
                Some(expected) if expected == symbol => {}
                Some(expected) => {
                    return Err(CypherError::syntax(
                        source,
                        token.start,
                        &format!("Expected '{expected}'"),
                    ));
                }
                None => {
                    return Err(CypherError::syntax(
                        source,
                        token.start,
                        &format!("Unexpected '{symbol}'"),
                    ));
                }
            },
            _ => {}
        }
        if open.len() > MAX_NESTING {
            return Err(CypherError::syntax(
                source,
                token.start,
                "Brackets are nested too deeply",
            ));
        }
    }
    match open.pop() {
        Some(expected) => Err(CypherError::syntax(
            source,
            source.len(),
            &format!("Expected '{expected}'"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        let tokens = tokenize(source).unwrap();
        tokens
            .iter()
            .map(|t| source[t.start..t.end].to_string())
            .collect()
    }

    #[test]
    fn a_hop_range_is_not_read_as_a_fraction() {
        assert_eq!(
            texts("[r:T*1..1]"),
            ["[", "r", ":", "T", "*", "1", ".", ".", "1", "]"]
        );
        assert_eq!(texts("1.5e-3"), ["1.5e-3"]);
    }

    #[test]
    fn a_literal_is_decoded_with_its_escapes() {
        let tokens = tokenize(r#"'it\'s' "a\\b" 'x\qy' 'l1\nl2'"#).unwrap();
        let decoded: Vec<_> = tokens.into_iter().map(|t| t.kind).collect();
        let text = |s: &str| TokenKind::Text(s.to_string());
        assert_eq!(decoded, [text("it's"), text("a\\b"), text("xqy"), text("l1\nl2")]);
    }

    #[test]
    fn comments_and_keywords_inside_literals_are_not_tokens() {
        assert_eq!(
            texts("RETURN 1 // DELETE\n, '/* x */' /* SET */"),
            ["RETURN", "1", ",", "'/* x */'"]
        );
    }

    #[test]
    fn unterminated_parts_are_syntax_errors() {
        for source in ["RETURN 'x", "RETURN `x", "RETURN /* x", "RETURN 'x\\", "RETURN $"] {
            assert!(
                matches!(tokenize(source), Err(CypherError::Syntax { .. })),
                "{source}"
            );
        }
    }

    #[test]
    fn brackets_must_balance_and_stay_shallow() {
        assert!(tokenize("MATCH (n RETURN n").is_err());
        assert!(tokenize("RETURN (1]").is_err());
        assert!(tokenize("RETURN 1)").is_err());
        let deep = format!("RETURN {}1{}", "(".repeat(1000), ")".repeat(1000));
        assert!(tokenize(&deep).is_err());
    }
}
