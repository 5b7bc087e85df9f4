//! From a Nexus statement to the engine's text and parameters.
//!
//! What is changed, and why:
//! * comments go, and string literals are written anew with every white space but single blanks escaped: the engine's
//!   plan cache folds white space, literals included, and would answer `'a  b'` with the plan of `'a b'`;
//! * `-[r:T*1..1]->` becomes `-[r:T]->`: on Nexus `r` is then one relationship, in the engine a list;
//! * parameters in RETURN and WITH become literals: the engine loses maps and lists there, and refuses any parameter
//!   beside an aggregate;
//! * equal `ON CREATE SET` and `ON MATCH SET` become one `SET` where the engine needs it (see `merge`);
//! * a `FOREACH` over nothing goes where it would swallow rows (see `foreach`);
//! * `SET d:$labels` becomes plain labels, checked to be names.
//!
//! Invariant: everything else reaches the engine as it was written.

use std::collections::HashMap;
use std::ops::Range;

use grafeo_common::types::Value;
use serde_json::Value as Json;

use super::error::CypherError;
use super::{JsonParams, Statement, TokenKind, foreach, merge};
use crate::answer::value;

/// A statement in the engine's dialect.
#[derive(Debug)]
pub(crate) struct EngineStatement {
    pub(crate) text: String,
    pub(crate) params: HashMap<String, Value>,
}

/// Translates a statement.
///
/// # Errors
/// A label parameter that is no name, a MERGE or FOREACH the engine would get wrong, or a quoted name whose white
/// space the engine could confuse.
pub(crate) fn rewrite(
    statement: &Statement<'_>,
    params: &JsonParams,
) -> Result<EngineStatement, CypherError> {
    let mut edits = Edits::new(statement);
    edits.literals()?;
    edits.single_hops();
    edits.label_parameters(params)?;
    edits.projected_parameters(params);
    for range in merge::superfluous_branches(statement)? {
        edits.drop(range);
    }
    for range in foreach::idle_clauses(statement)? {
        edits.drop(range);
    }
    let params = params
        .iter()
        .map(|(name, json)| (name.clone(), value::to_engine(json)))
        .collect();
    Ok(EngineStatement {
        text: edits.into_text(),
        params,
    })
}

/// One replacement per token, `None` where the source stays.
struct Edits<'s, 'a> {
    statement: &'s Statement<'a>,
    replacements: Vec<Option<String>>,
}

impl<'s, 'a> Edits<'s, 'a> {
    fn new(statement: &'s Statement<'a>) -> Self {
        Self {
            statement,
            replacements: vec![None; statement.tokens.len()],
        }
    }

    fn literals(&mut self) -> Result<(), CypherError> {
        for (at, token) in self.statement.tokens.iter().enumerate() {
            match &token.kind {
                TokenKind::Text(text) => self.replacements[at] = Some(quote(text)),
                TokenKind::QuotedName => {
                    let name = self.statement.text(token);
                    if name.contains(|c: char| c.is_whitespace() && c != ' ') || name.contains("  ") {
                        return Err(self.statement.syntax_error(at, "Expected identifier"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Drops `*1..1` from relationship patterns.
    fn single_hops(&mut self) {
        let is = |at, symbol| self.statement.is_symbol(at, symbol);
        let one = |at: usize| {
            self.statement
                .tokens
                .get(at)
                .is_some_and(|t| self.statement.text(t) == "1")
        };
        let mut hops: Vec<Range<usize>> = Vec::new();
        let mut relationship_since = None;
        for at in 0..self.statement.tokens.len() {
            if is(at, '[') {
                relationship_since = (at > 0 && is(at - 1, '-')).then_some(at);
            } else if is(at, ']') {
                relationship_since = None;
            }
            let range = is(at, '*') && one(at + 1) && is(at + 2, '.') && is(at + 3, '.') && one(at + 4);
            if relationship_since.is_some() && range && (is(at + 5, ']') || is(at + 5, '{')) {
                hops.push(at..at + 5);
            }
        }
        hops.into_iter().for_each(|range| self.drop(range));
    }

    /// Leaves these tokens out.
    fn drop(&mut self, range: Range<usize>) {
        self.replacements[range].fill(Some(String::new()));
    }

    /// Writes out `:$labels`.
    fn label_parameters(&mut self, params: &JsonParams) -> Result<(), CypherError> {
        let clauses = self.statement.clauses();
        for (at, token) in self.statement.tokens.iter().enumerate() {
            let TokenKind::Parameter(name) = &token.kind else {
                continue;
            };
            // Inside `{key: $k}` a parameter also stands behind a colon; a label's colon stands behind a variable
            // that is not a map key, which only happens in SET and REMOVE.
            let Some(clause) = clauses.iter().find(|clause| clause.body.contains(&at)) else {
                continue;
            };
            let is_label = at > 0
                && self.statement.is_symbol(at - 1, ':')
                && matches!(clause.keyword, "SET" | "REMOVE")
                && self.statement.depth_within(&clause.body, at) == 0;
            if is_label {
                let labels = params.get(name).and_then(label_list).ok_or_else(|| {
                    CypherError::Execution(format!("Parameter `${name}` must be a label or a list of labels"))
                })?;
                self.replacements[at] = Some(labels.join(":"));
            }
        }
        Ok(())
    }

    /// Writes out the parameters of RETURN and WITH.
    fn projected_parameters(&mut self, params: &JsonParams) {
        for clause in self.statement.clauses() {
            if !matches!(clause.keyword, "RETURN" | "WITH") {
                continue;
            }
            for item in self.statement.projection_items(&clause) {
                for at in item.clone() {
                    let token = &self.statement.tokens[at];
                    let TokenKind::Parameter(name) = &token.kind else {
                        continue;
                    };
                    let Some(json) = params.get(name) else { continue };
                    let alone = at == item.start && (item.len() == 1 || self.statement.is_word(at + 1, "AS"));
                    self.replacements[at] = match scalar_literal(json) {
                        Some(literal) => Some(literal),
                        None if alone => Some(format!("coalesce(${name})")),
                        None => None,
                    };
                }
            }
        }
    }

    /// The edited text; white space and comments between tokens become one blank.
    fn into_text(self) -> String {
        let mut text = String::with_capacity(self.statement.source.len());
        let mut end = None;
        for (token, replacement) in self.statement.tokens.iter().zip(&self.replacements) {
            let part = replacement
                .as_deref()
                .unwrap_or_else(|| self.statement.text(token));
            let parted = end.is_some_and(|end| end < token.start);
            if parted && !part.is_empty() {
                text.push(' ');
            }
            text.push_str(part);
            end = Some(token.end);
        }
        text
    }
}

impl Statement<'_> {
    /// How many brackets are open at token `at`, counted from the start of `body`.
    pub(crate) fn depth_within(&self, body: &Range<usize>, at: usize) -> usize {
        self.tokens[body.start..at]
            .iter()
            .fold(0, |depth, token| match token.kind {
                TokenKind::Symbol('(' | '[' | '{') => depth + 1,
                TokenKind::Symbol(')' | ']' | '}') => depth.saturating_sub(1),
                _ => depth,
            })
    }
}

/// A string literal that the engine reads back as `text` and that its plan cache cannot confuse with another.
fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    let mut after_blank = false;
    for c in text.chars() {
        match c {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            ' ' if !after_blank => literal.push(' '),
            c if c.is_whitespace() => literal.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => literal.push(c),
        }
        after_blank = c == ' ';
    }
    literal.push('\'');
    literal
}

/// A number, string, boolean or null as Cypher text; `None` for what has no such form.
fn scalar_literal(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some("null".to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::String(text) => Some(quote(text)),
        Json::Number(number) => match number.as_i64() {
            Some(integer) if integer >= 0 => Some(integer.to_string()),
            Some(integer) if integer > i64::MIN => Some(format!("(-{})", integer.unsigned_abs())),
            _ => None,
        },
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// Labels given as a string or a list of strings, each a plain name.
pub(crate) fn label_list(json: &Json) -> Option<Vec<&str>> {
    let labels: Vec<&str> = match json {
        Json::String(label) => vec![label],
        Json::Array(labels) => labels.iter().map(Json::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let name = |label: &&str| {
        label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    (!labels.is_empty() && labels.iter().all(name)).then_some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(source: &str, params: Json) -> String {
        let params = params.as_object().unwrap().clone();
        rewrite(&Statement::parse(source).unwrap(), &params).unwrap().text
    }

    #[test]
    fn a_single_hop_range_becomes_a_plain_hop() {
        assert_eq!(
            text(
                "MATCH (a {key:'x'})-[r:T*1..1]->(b)-[q:U *1..1 ]->(c) RETURN r",
                json!({})
            ),
            "MATCH (a {key:'x'})-[r:T]->(b)-[q:U ]->(c) RETURN r"
        );
        assert_eq!(
            text("MATCH (a)-[r:T*1..2]->(b) RETURN r", json!({})),
            "MATCH (a)-[r:T*1..2]->(b) RETURN r"
        );
    }

    #[test]
    fn white_space_in_literals_survives_the_plan_cache() {
        assert_eq!(text("RETURN 'a  b' AS x", json!({})), r"RETURN 'a \u0020b' AS x");
        assert_eq!(
            text("RETURN \"l1\nl2\t\u{a0}it's\\\\\" AS x", json!({})),
            r"RETURN 'l1\nl2\t\u00a0it\'s\\' AS x"
        );
    }

    #[test]
    fn comments_do_not_reach_the_engine() {
        assert_eq!(text("RETURN/* a */1 // b\n AS x", json!({})), "RETURN 1 AS x");
    }

    #[test]
    fn projected_parameters_become_literals() {
        assert_eq!(
            text(
                "MATCH (d) RETURN $k AS k, d.n + $i AS n, $m AS m, count(d)",
                json!({"k": "it's", "i": -2, "m": {}})
            ),
            r"MATCH (d) RETURN 'it\'s' AS k, d.n + (-2) AS n, coalesce($m) AS m, count(d)"
        );
        let elsewhere = "MATCH (d {key: $k}) WHERE d.n > $i SET d.x = $k";
        assert_eq!(text(elsewhere, json!({"k": "a", "i": 1})), elsewhere);
    }

    #[test]
    fn label_parameters_are_written_out_and_checked() {
        assert_eq!(
            text("MATCH (d) SET d:$l", json!({"l": ["A", "B_1"]})),
            "MATCH (d) SET d:A:B_1"
        );
        let map_key = "MATCH (d) SET d += {l:$l}";
        assert_eq!(text(map_key, json!({"l": "x y"})), map_key);
        let params = json!({"l": "A) DETACH DELETE (d"}).as_object().unwrap().clone();
        assert!(rewrite(&Statement::parse("MATCH (d) SET d:$l").unwrap(), &params).is_err());
    }
}
