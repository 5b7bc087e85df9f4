//! Forms that Nexus 2.5 refuses and a standard server carries out (sections 3 to 6, 12 of the dialect page).
//!
//! Invariant: what is refused here has changed nothing.

use super::pattern;
use crate::statement::error::CypherError;
use crate::statement::lexer::TokenKind;
use crate::statement::{Statement, shape::Clause};

/// Checks a statement for refused forms.
///
/// # Errors
/// The refusal in the server's words.
pub(crate) fn check(statement: &Statement<'_>) -> Result<(), CypherError> {
    let tokens = statement.tokens();
    if let Some(at) = tokens
        .iter()
        .position(|token| token.kind == TokenKind::QuotedName)
    {
        return Err(statement.syntax_error(at, "Expected identifier"));
    }
    let clauses = statement.clauses();
    let has = |keyword: &str| clauses.iter().any(|clause| clause.keyword == keyword);
    for clause in &clauses {
        match clause.keyword {
            "SET" => whole_map(statement, clause)?,
            "MERGE" => external_id(statement, clause)?,
            "FOREACH" => detaching_loop(statement, clause)?,
            "REMOVE" => relationship_property(statement, clause)?,
            _ => {}
        }
    }
    let sets = has("SET") && !has("DELETE");
    if sets && has("MATCH") && has("WHERE") {
        return Err(verbatim(
            "Cypher execution error: Unsupported clause in write query",
        ));
    }
    Ok(())
}

fn verbatim(text: &str) -> CypherError {
    CypherError::Verbatim(text.to_string())
}

/// `SET d = map`
fn whole_map(statement: &Statement<'_>, clause: &Clause) -> Result<(), CypherError> {
    let replaces = statement
        .projection_items(clause)
        .iter()
        .any(|item| statement.is_symbol(item.start + 1, '='));
    match replaces {
        true => Err(verbatim(
            "Parse error: Storage error: SET clause: expected property assignment or label",
        )),
        false => Ok(()),
    }
}

/// `MERGE (d:D {_id: row.key})`: an external id must be a string literal or a parameter.
fn external_id(statement: &Statement<'_>, clause: &Clause) -> Result<(), CypherError> {
    let paths = pattern::paths(statement, &clause.body).unwrap_or_default();
    let entries = paths
        .iter()
        .flat_map(|path| &path.nodes)
        .flat_map(|node| &node.entries);
    for entry in entries.filter(|entry| statement.is_word(entry.name, "_id")) {
        let value = &statement.tokens()[entry.value.start].kind;
        let plain = matches!(value, TokenKind::Text(_) | TokenKind::Parameter(_));
        if !plain || entry.value.len() != 1 {
            return Err(verbatim(
                "Parse error: Executor error: Cypher: _id must be a string literal or parameter",
            ));
        }
    }
    Ok(())
}

/// `REMOVE r.p` on a relationship
fn relationship_property(statement: &Statement<'_>, clause: &Clause) -> Result<(), CypherError> {
    let word = |at: usize| statement.text(&statement.tokens()[at]);
    let clauses = statement.clauses();
    let matched = clauses
        .iter()
        .filter(|clause| matches!(clause.keyword, "MATCH" | "MERGE"));
    let hops = matched
        .filter_map(|clause| pattern::paths(statement, &clause.body))
        .flatten()
        .flat_map(|path| path.hops);
    let names: Vec<&str> = hops.filter_map(|hop| hop.variable).map(word).collect();
    match statement
        .projection_items(clause)
        .iter()
        .map(|item| word(item.start))
        .find(|at| names.contains(at))
    {
        Some(name) => Err(verbatim(&format!(
            "Cypher execution error: Unknown variable '{name}' in REMOVE clause"
        ))),
        None => Ok(()),
    }
}

/// `FOREACH (x IN d | DETACH DELETE x)`
fn detaching_loop(statement: &Statement<'_>, clause: &Clause) -> Result<(), CypherError> {
    match clause.body.clone().find(|at| statement.is_word(*at, "DETACH")) {
        Some(at) => Err(statement.syntax_error(at, "Expected SET or DELETE in FOREACH, found: DETACH")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: &str) -> Option<String> {
        check(&Statement::parse(source).unwrap())
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn refused_forms_name_their_reason() {
        for (source, reason) in [
            ("MERGE (d:D {k: 1}) SET d = $p", "expected property assignment"),
            (
                "UNWIND $r AS row MERGE (d:D {_id: row.k})",
                "_id must be a string literal",
            ),
            ("MATCH (d) FOREACH (x IN d | DETACH DELETE x)", "found: DETACH"),
            (
                "MATCH (a)-[r:T]->(b) WHERE a.k = 1 SET r.x = 1",
                "Unsupported clause",
            ),
            ("MERGE (d:`My Label` {k: 1})", "Expected identifier"),
            ("MATCH (a)-[r:T]->(b) REMOVE r.x", "Unknown variable 'r'"),
        ] {
            let refused = refusal(source).unwrap_or_default();
            assert!(refused.contains(reason), "{source}: {refused}");
        }
    }

    #[test]
    fn the_forms_clients_use_are_not_refused() {
        for source in [
            "UNWIND $rows AS row MERGE (d:D {key: row.key}) SET d += row.props SET d:L",
            "MATCH (d:D {gc:'x'}) WHERE d.x = 1 DETACH DELETE d",
            "MERGE (d:D {_id: $id})",
        ] {
            assert_eq!(refusal(source), None, "{source}");
        }
    }
}
