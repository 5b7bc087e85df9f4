//! What can be wrong with a statement, and the words Nexus uses for it.
//!
//! Invariant: the `Display` form is the whole text of the answer's `error` field, prefix included. Clients tell
//! failures apart by these prefixes, so they are part of the contract.

use grafeo_common::utils::error::{Error as EngineError, QueryErrorKind};

/// A statement that was refused or failed. Always answered with HTTP 200.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CypherError {
    /// Nothing but white space and comments.
    #[error("Cypher syntax error: Query must contain at least one clause")]
    Empty,
    /// The statement does not parse.
    #[error("Parse error: Cypher syntax error: {message} at line {line}, column {column}")]
    Syntax {
        /// What was expected.
        message: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A read names a parameter the request does not carry.
    #[error("Cypher execution error: ERR_MISSING_PARAMETER: parameter ${0} not provided")]
    MissingInRead(String),
    /// A write names a parameter the request does not carry.
    #[error("Execution error: Cypher execution error: Parameter `${0}` was not provided")]
    MissingInWrite(String),
    /// A unique constraint refused the write.
    #[error("Constraint violation: {0}")]
    Constraint(String),
    /// A failure whose words fit none of the other forms.
    #[error("{0}")]
    Verbatim(String),
    /// The statement parsed but could not be carried out.
    #[error("Execution error: Cypher execution error: {0}")]
    Execution(String),
}

impl CypherError {
    /// A syntax error at a byte offset of `source`.
    pub(crate) fn syntax(source: &str, offset: usize, message: &str) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::Syntax {
            message: message.to_string(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Puts an engine failure into Nexus's words.
    pub(crate) fn from_engine(error: &EngineError) -> Self {
        let EngineError::Query(query) = error else {
            return Self::Execution(first_line(&error.to_string()));
        };
        let message = query
            .message
            .strip_prefix("[Cypher] ")
            .unwrap_or(&query.message)
            .to_string();
        if query.kind == QueryErrorKind::Syntax || query.kind == QueryErrorKind::Lexer {
            let (line, column) = query
                .span
                .as_ref()
                .map_or((1, 1), |span| (span.line, span.column));
            let number = |n| usize::try_from(n).unwrap_or(usize::MAX);
            return Self::Syntax {
                message,
                line: number(line),
                column: number(column),
            };
        }
        if message.to_ascii_lowercase().contains("constraint") {
            return Self::Constraint(first_line(&message));
        }
        Self::Execution(first_line(&message))
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_counts_lines_and_characters() {
        let error = CypherError::syntax(
            "MATCH (é)\nRETURN é)",
            "MATCH (é)\nRETURN é".len(),
            "Unexpected ')'",
        );
        assert_eq!(
            error.to_string(),
            "Parse error: Cypher syntax error: Unexpected ')' at line 2, column 9"
        );
    }

    #[test]
    fn every_failure_carries_its_prefix() {
        assert!(
            CypherError::Empty
                .to_string()
                .starts_with("Cypher syntax error: ")
        );
        assert!(
            CypherError::MissingInRead("k".into())
                .to_string()
                .starts_with("Cypher execution error: ")
        );
        let write = CypherError::MissingInWrite("rows".into()).to_string();
        assert_eq!(
            write,
            "Execution error: Cypher execution error: Parameter `$rows` was not provided"
        );
        assert!(
            CypherError::Constraint("x".into())
                .to_string()
                .starts_with("Constraint violation: ")
        );
    }
}
