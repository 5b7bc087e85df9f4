//! Statements on their way in: from Nexus's dialect to what the engine understands.
//!
//! * `lexer`: tokens, with string literals decoded once
//! * `shape`: what kind of statement it is, and what its answer looks like
//! * `index_ddl`: index declarations, which the engine spells differently
//! * `guard`: errors the engine does not raise
//! * `foreach`: loops whose rows the engine would get wrong
//! * `merge`: settings of MERGE that the engine would drop
//! * `rewrite`: the text and parameters for the engine
//! * `error`: failures in Nexus's words
//!
//! Nothing here touches the graph, so every step is a pure function of the statement and its parameters.

pub(crate) mod error;
pub(crate) mod foreach;
pub(crate) mod guard;
pub(crate) mod index_ddl;
pub(crate) mod lexer;
mod merge;
pub(crate) mod rewrite;
pub(crate) mod shape;

use error::CypherError;
pub(crate) use lexer::{Token, TokenKind};

/// Parameters as they came with the request.
pub(crate) type JsonParams = serde_json::Map<String, serde_json::Value>;

/// A tokenized statement without a trailing semicolon.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    source: &'a str,
    tokens: Vec<Token>,
}

impl<'a> Statement<'a> {
    /// Tokenizes one statement.
    ///
    /// # Errors
    /// [`CypherError::Empty`] without any clause, [`CypherError::Syntax`] for broken tokens and for a second
    /// statement behind a semicolon (which would otherwise be dropped silently).
    pub(crate) fn parse(source: &'a str) -> Result<Self, CypherError> {
        let mut tokens = lexer::tokenize(source)?;
        if let Some(end) = tokens
            .iter()
            .position(|token| token.kind == TokenKind::Symbol(';'))
        {
            if let Some(second) = tokens[end..]
                .iter()
                .find(|token| token.kind != TokenKind::Symbol(';'))
            {
                return Err(CypherError::syntax(
                    source,
                    second.start,
                    "Expected one statement per request",
                ));
            }
            tokens.truncate(end);
        }
        if tokens.is_empty() {
            return Err(CypherError::Empty);
        }
        Ok(Self { source, tokens })
    }

    /// All tokens, in source order.
    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The source text of a token.
    pub(crate) fn text(&self, token: &Token) -> &'a str {
        &self.source[token.start..token.end]
    }

    /// Whether token `at` is this bare word, in any case.
    pub(crate) fn is_word(&self, at: usize, word: &str) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| t.kind == TokenKind::Word && self.text(t).eq_ignore_ascii_case(word))
    }

    /// Whether token `at` is this symbol.
    pub(crate) fn is_symbol(&self, at: usize, symbol: char) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| t.kind == TokenKind::Symbol(symbol))
    }

    /// Whether token `at` is a name by its place: behind `.`, `:` or `AS`, or in front of `.`.
    fn is_name_by_place(&self, at: usize) -> bool {
        let behind = at.checked_sub(1).is_some_and(|before| {
            self.is_symbol(before, '.') || self.is_symbol(before, ':') || self.is_word(before, "AS")
        });
        behind || self.is_symbol(at + 1, '.')
    }

    /// A syntax error at token `at`, or at the end.
    pub(crate) fn syntax_error(&self, at: usize, message: &str) -> CypherError {
        let offset = self.tokens.get(at).map_or(self.source.len(), |token| token.start);
        CypherError::syntax(self.source, offset, message)
    }

    /// The names of all parameters, in order of appearance.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match &token.kind {
            TokenKind::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_semicolon_is_dropped_and_a_second_statement_refused() {
        assert_eq!(Statement::parse("RETURN 1 ; ").unwrap().tokens.len(), 2);
        let error = Statement::parse("RETURN 1; MATCH (n) DETACH DELETE n").unwrap_err();
        assert!(matches!(error, CypherError::Syntax { column: 11, .. }), "{error}");
    }

    #[test]
    fn a_statement_without_a_clause_is_empty() {
        for source in ["", " \n", "// nothing", ";"] {
            assert_eq!(Statement::parse(source).unwrap_err(), CypherError::Empty);
        }
    }
}
