//! What a statement is by its clauses: read or write, and what its answer looks like.
//!
//! Invariants:
//! * a statement counts as a read only if no word in it could write; in doubt it is a write and takes the lock;
//! * the answer's columns come from the statement's own text, never from the engine's internal names.

use std::ops::Range;

use super::{Statement, TokenKind};

/// Words that may change the graph or its schema.
const WRITING: [&str; 14] = [
    "CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "FOREACH", "DROP", "ALTER", "CALL", "LOAD",
    "INSERT", "GRANT", "BEGIN",
];

/// Words that may begin a read.
const READING: [&str; 5] = ["MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN"];

/// Words that begin a clause or a part of one, at the top level of a statement.
const CLAUSES: [&str; 21] = [
    "MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN", "WHERE", "ORDER", "SKIP", "LIMIT", "UNION", "CREATE",
    "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "FOREACH", "CALL", "YIELD", "ON", "LOAD",
];

/// What the answer of a statement holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnswerShape {
    /// The rows of the statement's RETURN, with column names where the text gives them.
    Rows(Option<Vec<String>>),
    /// One row with the number of deleted nodes or relationships.
    DeletedCount,
    /// Neither columns nor rows: a write without RETURN.
    Nothing,
}

/// A clause keyword and the tokens up to the next one.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    /// The keyword in upper case.
    pub(crate) keyword: &'static str,
    /// The tokens behind the keyword.
    pub(crate) body: Range<usize>,
}

impl Statement<'_> {
    /// Whether the statement plainly only reads.
    pub(crate) fn is_plain_read(&self) -> bool {
        let could_write = (0..self.tokens.len()).any(|at| {
            let name = at > 0 && (self.is_symbol(at - 1, '.') || self.is_symbol(at - 1, ':'));
            !name && WRITING.iter().any(|word| self.is_word(at, word))
        });
        !could_write && READING.iter().any(|word| self.is_word(0, word))
    }

    /// The top-level clauses in order.
    pub(crate) fn clauses(&self) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = Vec::new();
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Symbol('(' | '[' | '{') => depth += 1,
                TokenKind::Symbol(')' | ']' | '}') => depth = depth.saturating_sub(1),
                TokenKind::Word if depth == 0 => {
                    if let Some(keyword) = self.clause_at(at) {
                        if let Some(last) = clauses.last_mut() {
                            last.body.end = at;
                        }
                        clauses.push(Clause {
                            keyword,
                            body: at + 1..self.tokens.len(),
                        });
                    }
                }
                _ => {}
            }
        }
        clauses
    }

    fn clause_at(&self, at: usize) -> Option<&'static str> {
        let keyword = *CLAUSES.iter().find(|word| self.is_word(at, word))?;
        let part_of_operator = keyword == "WITH"
            && at
                .checked_sub(1)
                .is_some_and(|b| self.is_word(b, "STARTS") || self.is_word(b, "ENDS"));
        (!part_of_operator && !self.is_name_by_place(at)).then_some(keyword)
    }

    /// What the answer looks like.
    pub(crate) fn answer_shape(&self) -> AnswerShape {
        let clauses = self.clauses();
        if let Some(clause) = clauses.iter().find(|clause| clause.keyword == "RETURN") {
            return AnswerShape::Rows(self.column_names(clause));
        }
        if clauses.iter().any(|clause| clause.keyword == "DELETE") {
            return AnswerShape::DeletedCount;
        }
        let first = clauses.first().map(|clause| clause.keyword);
        if first.is_none() || first == Some("CALL") {
            return AnswerShape::Rows(None);
        }
        AnswerShape::Nothing
    }

    /// The items of a RETURN or WITH, as token ranges without `DISTINCT`.
    pub(crate) fn projection_items(&self, clause: &Clause) -> Vec<Range<usize>> {
        let first = clause.body.start;
        let mut start = if self.is_word(first, "DISTINCT") {
            first + 1
        } else {
            first
        };
        let mut items = Vec::new();
        let mut depth = 0_usize;
        for at in clause.body.clone() {
            match self.tokens[at].kind {
                TokenKind::Symbol('(' | '[' | '{') => depth += 1,
                TokenKind::Symbol(')' | ']' | '}') => depth = depth.saturating_sub(1),
                TokenKind::Symbol(',') if depth == 0 => {
                    items.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        items.push(start..clause.body.end);
        items
    }

    fn column_names(&self, clause: &Clause) -> Option<Vec<String>> {
        self.projection_items(clause)
            .into_iter()
            .map(|item| self.column_name(item))
            .collect()
    }

    /// The alias of an item, or its own text; `None` for `*` and for an empty item.
    fn column_name(&self, item: Range<usize>) -> Option<String> {
        let last = item.end.checked_sub(1).filter(|last| *last >= item.start)?;
        if item.len() == 1 && self.is_symbol(item.start, '*') {
            return None;
        }
        if item.len() >= 3 && self.is_word(last - 1, "AS") {
            return Some(self.text(&self.tokens[last]).trim_matches('`').to_string());
        }
        Some(self.source[self.tokens[item.start].start..self.tokens[last].end].to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(source: &str) -> AnswerShape {
        Statement::parse(source).unwrap().answer_shape()
    }

    fn rows(names: &[&str]) -> AnswerShape {
        AnswerShape::Rows(Some(names.iter().map(|name| name.to_string()).collect()))
    }

    fn is_read(source: &str) -> bool {
        Statement::parse(source).unwrap().is_plain_read()
    }

    #[test]
    fn columns_are_named_by_alias_or_by_their_own_text() {
        assert_eq!(
            shape("MATCH (d) RETURN DISTINCT d.key AS k, labels(d), {a: 1, b: 2} AS m ORDER BY k LIMIT 1"),
            rows(&["k", "labels(d)", "m"])
        );
        assert_eq!(shape("RETURN 'a, b' UNION ALL RETURN 'c'"), rows(&["'a, b'"]));
        assert_eq!(shape("MATCH (d) RETURN *"), AnswerShape::Rows(None));
    }

    #[test]
    fn a_write_without_return_answers_nothing_and_a_delete_its_count() {
        assert_eq!(
            shape("UNWIND $r AS row MERGE (d:D {key: row.key}) SET d += row.p"),
            AnswerShape::Nothing
        );
        assert_eq!(
            shape("MATCH (d:D {key:'x'}) DETACH DELETE d"),
            AnswerShape::DeletedCount
        );
        assert_eq!(
            shape("MATCH (d) FOREACH (x IN d | DELETE x)"),
            AnswerShape::Nothing
        );
        assert_eq!(shape("MATCH (d) DELETE d RETURN count(d) AS n"), rows(&["n"]));
    }

    #[test]
    fn property_and_label_names_are_not_clauses() {
        assert_eq!(
            shape("MATCH (d:Set {delete: 1}) SET d.return = 1"),
            AnswerShape::Nothing
        );
        assert_eq!(
            shape("MATCH (d) WHERE d.k STARTS WITH 'x' RETURN d.set AS delete"),
            rows(&["delete"])
        );
    }

    #[test]
    fn only_statements_without_any_writing_word_are_reads() {
        assert!(is_read("MATCH (d:Delete) WHERE d.set = 'MERGE' RETURN d.create"));
        assert!(!is_read("MATCH (d) SET d.x = 1"));
        assert!(!is_read("MATCH (d) FOREACH (x IN d | SET x.y = 1) RETURN d"));
        assert!(!is_read("CALL db.labels()"));
        assert!(!is_read("CREATE INDEX FOR (n:D) ON (n.k)"));
    }
}
