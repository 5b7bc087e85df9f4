//! `ON CREATE SET` and `ON MATCH SET` that the engine would drop without a word.
//!
//! The engine ignores `x += map` in both, and any setting on a node that the same MERGE introduces beside a
//! relationship. Where both branches say the same, a plain `SET` behind the MERGE means the same and works, so the
//! branches are merged into one. Where they differ, the statement is refused: an error is better than lost properties.
//!
//! Invariant: a MERGE the engine handles is left as it is.

use std::ops::Range;

use super::error::CypherError;
use super::shape::Clause;
use super::{Statement, TokenKind};

/// One `ON CREATE SET ..` or `ON MATCH SET ..`.
#[derive(Debug)]
struct Branch {
    /// From `ON` to the end of the settings.
    whole: Range<usize>,
    /// The settings behind `SET`.
    settings: Range<usize>,
}

/// The token ranges to leave out, so that only plain `SET`s remain where the engine needs them.
///
/// # Errors
/// [`CypherError::Execution`] when the branches differ and the engine would drop one.
pub(crate) fn superfluous_branches(statement: &Statement<'_>) -> Result<Vec<Range<usize>>, CypherError> {
    let clauses = statement.clauses();
    let mut dropped = Vec::new();
    for (at, clause) in clauses
        .iter()
        .enumerate()
        .filter(|(_, clause)| clause.keyword == "MERGE")
    {
        let branches = branches(&clauses[at + 1..]);
        let lost = branches
            .iter()
            .any(|branch| statement.engine_drops(clause, &branch.settings));
        if !lost {
            continue;
        }
        let [first, second] = branches.as_slice() else {
            return Err(unsupported());
        };
        if !statement.same_text(&first.settings, &second.settings) {
            return Err(unsupported());
        }
        // `ON CREATE` goes, its `SET ..` stays; the second branch goes altogether.
        dropped.push(first.whole.start..first.settings.start - 1);
        dropped.push(second.whole.clone());
    }
    Ok(dropped)
}

fn unsupported() -> CypherError {
    CypherError::Execution(
        "nexus-dev carries out += and settings on new end nodes only when ON CREATE SET and ON MATCH SET are the same"
            .to_string(),
    )
}

/// The branches directly behind a MERGE.
fn branches(behind: &[Clause]) -> Vec<Branch> {
    let groups = behind.chunks(3).map_while(|group| match group {
        [on, event, set] if on.keyword == "ON" && set.keyword == "SET" => {
            matches!(event.keyword, "CREATE" | "MATCH").then(|| Branch {
                whole: on.body.start - 1..set.body.end,
                settings: set.body.clone(),
            })
        }
        _ => None,
    });
    groups.collect()
}

impl Statement<'_> {
    /// Whether the engine would drop one of these settings of a MERGE.
    fn engine_drops(&self, merge: &Clause, settings: &Range<usize>) -> bool {
        let settings = Clause {
            keyword: "SET",
            body: settings.clone(),
        };
        let relationship = merge.body.clone().any(|at| self.is_symbol(at, '['));
        self.projection_items(&settings).iter().any(|item| {
            let adds = self.is_symbol(item.start + 1, '+') && self.is_symbol(item.start + 2, '=');
            let replaces = self.is_symbol(item.start + 1, '=');
            adds || replaces || (relationship && self.introduces_node(merge, item.start))
        })
    }

    /// Whether the variable at token `at` is a node that this MERGE brings in.
    fn introduces_node(&self, merge: &Clause, at: usize) -> bool {
        let Some(variable) = self.tokens.get(at).map(|token| self.text(token)) else {
            return false;
        };
        let is_variable = |at: usize| {
            self.tokens[at].kind == TokenKind::Word
                && self.text(&self.tokens[at]) == variable
                && !(at > 0 && (self.is_symbol(at - 1, '.') || self.is_symbol(at - 1, ':')))
        };
        let before = (0..merge.body.start).any(is_variable);
        let node = merge
            .body
            .clone()
            .any(|at| is_variable(at) && at > 0 && self.is_symbol(at - 1, '('));
        node && !before
    }

    /// Whether two token ranges say the same.
    fn same_text(&self, a: &Range<usize>, b: &Range<usize>) -> bool {
        let texts = |range: &Range<usize>| -> Vec<&str> {
            self.tokens[range.clone()]
                .iter()
                .map(|token| self.text(token))
                .collect()
        };
        texts(a) == texts(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statement without what is superfluous, tokens parted by blanks.
    fn kept(source: &str) -> Result<String, CypherError> {
        let statement = Statement::parse(source).unwrap();
        let dropped = superfluous_branches(&statement)?;
        let tokens = statement.tokens.iter().enumerate();
        let kept = tokens.filter(|(at, _)| !dropped.iter().any(|range| range.contains(at)));
        Ok(kept
            .map(|(_, token)| statement.text(token))
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn equal_branches_with_maps_become_one_plain_set() {
        assert_eq!(
            kept("MERGE (e:E {k: r.k}) ON CREATE SET e += r.p ON MATCH SET e += r.p MERGE (e)-[x:T]->(e)")
                .unwrap(),
            "MERGE ( e : E { k : r . k } ) SET e + = r . p MERGE ( e ) - [ x : T ] -> ( e )"
                .replace("->", "- >")
        );
    }

    #[test]
    fn equal_branches_on_a_new_end_node_become_one_plain_set() {
        let source =
            "MERGE (a)-[r:T]->(c:C {k: 1}) ON MATCH SET c.x = 1, r.y = 2 ON CREATE SET c.x = 1, r.y = 2";
        assert!(kept(source).unwrap().ends_with(") SET c . x = 1 , r . y = 2"));
    }

    #[test]
    fn branches_the_engine_handles_stay() {
        for source in [
            "MERGE (a)-[r:T]->(b) ON CREATE SET r.x = 1 ON MATCH SET r.x = 2",
            "MATCH (a) MERGE (a)-[r:T]->(b:B {k: 1}) ON CREATE SET r.x = row.b, a.y = 1",
            "MERGE (d:D {k: 1}) ON CREATE SET d.x = 1",
        ] {
            let statement = Statement::parse(source).unwrap();
            assert!(superfluous_branches(&statement).unwrap().is_empty(), "{source}");
        }
    }

    #[test]
    fn different_branches_that_would_be_dropped_are_refused() {
        for source in [
            "MERGE (d:D {k: 1}) ON CREATE SET d += r.p",
            "MERGE (d:D {k: 1}) ON CREATE SET d += r.p ON MATCH SET d += r.q",
            "MERGE (a)-[r:T]->(c:C {k: 1}) ON CREATE SET c.x = 1",
        ] {
            assert!(matches!(kept(source), Err(CypherError::Execution(_))), "{source}");
        }
    }
}
