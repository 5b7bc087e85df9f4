//! Traversal as Nexus 2.5 does it (section 8 of the dialect page).
//!
//! * `*1..1` leaves self-edges out, follows the first of several types, and without a type or a direction shows one
//!   relationship per neighbour: the newest;
//! * incoming relationships are found among the first ids of the whole database only, because nodes do not know them;
//! * a plain hop behind a seek leads nowhere: its row is there, with nulls.
//!
//! The rules are put into the statement as conditions on ids; the engine carries them out.

use serde_json::Value as Json;

use super::pattern::{Direction, Hop};
use crate::graph::Graph;
use crate::pipeline::carry_out;
use crate::statement::error::CypherError;
use crate::statement::{JsonParams, Statement};

/// The last relationship id that is looked at for a node without outgoing relationships.
const LAST_SCANNED: u64 = 500;

/// A type no relationship has.
pub(crate) const NOWHERE: &str = "QuirkNowhere";

/// The text of a hop.
pub(crate) fn arrow(direction: Direction, inner: &str) -> String {
    match direction {
        Direction::Outgoing => format!("-[{inner}]->"),
        Direction::Incoming => format!("<-[{inner}]-"),
        Direction::Either => format!("-[{inner}]-"),
    }
}

/// The condition that hides what a plain incoming hop does not find.
pub(crate) fn among_the_first(relationship: &str) -> String {
    format!("id({relationship}) <= {LAST_SCANNED}")
}

/// One `*1..1` hop between named nodes.
pub(crate) struct SingleHop<'n> {
    /// The node on the left, as a whole pattern.
    pub(crate) start_pattern: String,
    /// Its variable.
    pub(crate) start: &'n str,
    /// The variable of the relationship.
    pub(crate) relationship: &'n str,
    /// The variable on the right.
    pub(crate) end: &'n str,
    /// The first type.
    pub(crate) type_name: Option<&'n str>,
    pub(crate) direction: Direction,
}

impl SingleHop<'_> {
    /// The hop without its range.
    pub(crate) fn text(&self) -> String {
        let type_name = self.type_name.map(|name| format!(":{name}")).unwrap_or_default();
        arrow(self.direction, &format!("{}{type_name}", self.relationship))
    }

    /// The condition that leaves what Nexus finds.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub(crate) fn condition(&self, graph: &Graph, params: &JsonParams) -> Result<String, CypherError> {
        let no_loop = format!("id({}) <> id({})", self.start, self.end);
        match (self.type_name, self.direction) {
            (Some(_), Direction::Outgoing) => Ok(no_loop),
            (Some(_), Direction::Incoming) => {
                Ok(format!("{no_loop} AND {}", among_the_first(self.relationship)))
            }
            (None, _) | (_, Direction::Either) => {
                let kept: Vec<String> = self
                    .newest_per_neighbour(graph, params)?
                    .iter()
                    .map(u64::to_string)
                    .collect();
                Ok(format!("id({}) IN [{}]", self.relationship, kept.join(", ")))
            }
        }
    }

    fn newest_per_neighbour(&self, graph: &Graph, params: &JsonParams) -> Result<Vec<u64>, CypherError> {
        let mut newest = std::collections::BTreeMap::new();
        let mut find = |direction: Direction| -> Result<(), CypherError> {
            let type_name = self.type_name.map(|name| format!(":{name}")).unwrap_or_default();
            let hop = arrow(direction, &format!("quirk_r{type_name}"));
            let text = format!(
                "MATCH {}{hop}(quirk_b) RETURN id({}) AS a, id(quirk_r) AS r, id(quirk_b) AS b",
                self.start_pattern, self.start
            );
            for row in id_rows(graph, &text, params)? {
                let [a, r, b] = row[..] else { continue };
                let seen = direction == Direction::Outgoing || r <= LAST_SCANNED;
                if a != b && seen {
                    let newest = newest.entry((a, b)).or_insert(r);
                    *newest = r.max(*newest);
                }
            }
            Ok(())
        };
        if self.direction != Direction::Incoming {
            find(Direction::Outgoing)?;
        }
        if self.direction != Direction::Outgoing {
            find(Direction::Incoming)?;
        }
        Ok(newest.into_values().collect())
    }
}

/// The rows of a read that returns nothing but ids.
///
/// # Errors
/// Whatever the engine refuses.
pub(crate) fn id_rows(graph: &Graph, text: &str, params: &JsonParams) -> Result<Vec<Vec<u64>>, CypherError> {
    let result = carry_out(graph, &Statement::parse(text)?, params)?;
    Ok(result.rows().iter().map(|row| row_ids(row)).collect())
}

/// The ids in one row of a result.
pub(crate) fn row_ids(row: &[grafeo_common::types::Value]) -> Vec<u64> {
    let id = |value| match crate::answer::value::from_engine(value) {
        Json::Number(number) => number.as_u64(),
        _ => None,
    };
    row.iter().filter_map(id).collect()
}

/// The first type of a hop.
pub(crate) fn first_type<'a>(statement: &Statement<'a>, hop: &Hop) -> Option<&'a str> {
    hop.types
        .first()
        .map(|at| statement.text(&statement.tokens()[*at]))
}

/// Writes quantified paths `((x)-[r:T]->(y)){1,2}(b)` as hops with a range, which the engine knows. Their `r` is a list
/// even for one hop.
///
/// # Errors
/// [`CypherError`] when the statement does not parse.
pub(crate) fn without_quantifiers(source: &str) -> Result<Option<String>, CypherError> {
    let statement = Statement::parse(source)?;
    let is = |at, symbol| statement.is_symbol(at, symbol);
    let tokens = statement.tokens();
    for open in 0..tokens.len() {
        let after_node = open > 0 && is(open - 1, ')');
        if !(after_node && is(open, '(') && is(open + 1, '(')) {
            continue;
        }
        let Some(close) = (open..tokens.len()).find(|at| is(*at, ')') && is(at + 1, ')') && is(at + 2, '{'))
        else {
            continue;
        };
        let Some(paths) = super::pattern::paths(&statement, &(open + 1..close + 1)) else {
            continue;
        };
        let ([path], true) = (&paths[..], is(close + 4, ',') && is(close + 6, '}')) else {
            continue;
        };
        let [hop] = &path.hops[..] else { continue };
        let number = |at: usize| statement.text(&tokens[at]);
        let (least, most) = (number(close + 3), number(close + 5));
        let range = match (least, most) {
            ("1", "1") => "*1".to_string(),
            _ => format!("*{least}..{most}"),
        };
        let variable = hop
            .variable
            .map(|at| statement.text(&tokens[at]))
            .unwrap_or_default();
        let types: Vec<&str> = hop.types.iter().map(|at| statement.text(&tokens[*at])).collect();
        let types = match types.is_empty() {
            true => String::new(),
            false => format!(":{}", types.join("|")),
        };
        let mut draft = super::draft::Draft::new(&statement);
        draft.replace(
            open..close + 7,
            arrow(hop.direction, &format!("{variable}{types}{range}")),
        );
        return Ok(Some(draft.into_text()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantified_path_becomes_a_hop_with_a_range() {
        let text = |source| without_quantifiers(source).unwrap();
        assert_eq!(
            text("MATCH (a {k:'x'})((x)-[r:T|U]->(y)){1,2}(b) RETURN r").unwrap(),
            "MATCH (a {k:'x'})-[r:T|U*1..2]->(b) RETURN r"
        );
        assert_eq!(
            text("MATCH (a)((x)-[r:T]->(y)){1,1}(b) RETURN r").unwrap(),
            "MATCH (a)-[r:T*1]->(b) RETURN r"
        );
        assert_eq!(text("MATCH (a)-[r:T]->(b) RETURN r"), None);
    }
}
