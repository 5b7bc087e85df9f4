//! A statement being rewritten, token by token.
//!
//! Invariant: tokens that are not touched reach the new text as they were written; what stood between two tokens
//! (white space, comments) becomes one blank.

use std::ops::Range;

use crate::statement::Statement;

/// Replacements for the tokens of one statement.
pub(crate) struct Draft<'s, 'a> {
    statement: &'s Statement<'a>,
    replacements: Vec<Option<String>>,
    behind: Vec<String>,
}

impl<'s, 'a> Draft<'s, 'a> {
    /// A draft that changes nothing yet.
    pub(crate) fn new(statement: &'s Statement<'a>) -> Self {
        let tokens = statement.tokens().len();
        Self {
            statement,
            replacements: vec![None; tokens],
            behind: vec![String::new(); tokens],
        }
    }

    /// Leaves these tokens out.
    pub(crate) fn drop(&mut self, range: Range<usize>) {
        self.replacements[range].fill(Some(String::new()));
    }

    /// Puts a text in the place of these tokens.
    pub(crate) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        if range.is_empty() {
            return;
        }
        let first = range.start;
        self.drop(range);
        self.replacements[first] = Some(text.into());
    }

    /// Puts a text behind token `at`.
    pub(crate) fn insert_behind(&mut self, at: usize, text: &str) {
        self.behind[at].push_str(text);
    }

    /// The text of the whole draft.
    pub(crate) fn into_text(self) -> String {
        let range = 0..self.replacements.len();
        self.text(range)
    }

    /// The text of some of its tokens.
    pub(crate) fn text(&self, range: Range<usize>) -> String {
        let mut text = String::new();
        let mut end = None;
        for at in range {
            let token = &self.statement.tokens()[at];
            let part = self.replacements[at]
                .as_deref()
                .unwrap_or_else(|| self.statement.text(token));
            let parted = end.is_some_and(|end| end < token.start);
            if parted && !part.is_empty() && !text.ends_with([' ', '(']) {
                text.push(' ');
            }
            text.push_str(part);
            text.push_str(&self.behind[at]);
            end = Some(token.end);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_touched_tokens_change() {
        let statement = Statement::parse("MATCH (d:D {k:'it\\'s'}) /* x */ WHERE d.x = 1 RETURN d").unwrap();
        let mut draft = Draft::new(&statement);
        let clauses = statement.clauses();
        draft.drop(clauses[1].body.start - 1..clauses[1].body.end);
        draft.insert_behind(clauses[0].body.end - 1, " WITH d");
        assert_eq!(draft.into_text(), "MATCH (d:D {k:'it\\'s'}) WITH d RETURN d");
    }
}
