//! Errors that Cypher demands and the engine does not raise. It would create a node without its key, or ignore the
//! properties, and report success.
//!
//! Checked before anything runs, so a refused statement changes nothing:
//! * every parameter is there;
//! * MERGE on a null property value;
//! * `SET x += v` and `SET x = v` where `v` is neither a map nor null.
//!
//! Limit: values are followed through `$param`, `row.path` of `UNWIND $param AS row`, and null literals. A value that
//! is computed in the statement is not seen here.

use serde_json::Value as Json;

use super::error::CypherError;
use super::shape::Clause;
use super::{JsonParams, Statement, TokenKind};

/// Checks a statement with its parameters.
///
/// # Errors
/// [`CypherError::MissingInRead`], [`CypherError::MissingInWrite`] or [`CypherError::Execution`], in Nexus's words.
pub(crate) fn check(statement: &Statement<'_>, params: &JsonParams) -> Result<(), CypherError> {
    if let Some(missing) = statement.parameters().find(|name| !params.contains_key(*name)) {
        let name = missing.to_string();
        return Err(match statement.is_plain_read() {
            true => CypherError::MissingInRead(name),
            false => CypherError::MissingInWrite(name),
        });
    }
    let clauses = statement.clauses();
    let scope = Scope {
        statement,
        params,
        rows: unwound_rows(statement, &clauses),
    };
    for clause in &clauses {
        match clause.keyword {
            "MERGE" => scope.check_merge(clause)?,
            "SET" => scope.check_set(clause)?,
            _ => {}
        }
    }
    Ok(())
}

/// The variables of `UNWIND $param AS variable` and the parameter each runs over.
fn unwound_rows<'s>(statement: &'s Statement<'_>, clauses: &[Clause]) -> Vec<(&'s str, &'s str)> {
    let unwinds = clauses
        .iter()
        .filter(|clause| clause.keyword == "UNWIND" && clause.body.len() == 3);
    unwinds
        .filter_map(|clause| {
            let at = clause.body.start;
            let TokenKind::Parameter(parameter) = &statement.tokens[at].kind else {
                return None;
            };
            statement
                .is_word(at + 1, "AS")
                .then(|| (statement.text(&statement.tokens[at + 2]), parameter.as_str()))
        })
        .collect()
}

struct Scope<'s, 'a> {
    statement: &'s Statement<'a>,
    params: &'s JsonParams,
    rows: Vec<(&'s str, &'s str)>,
}

impl<'s> Scope<'s, '_> {
    /// The values an expression takes over all rows, if it is a plain path, and the token behind it.
    fn values(&self, at: usize) -> Option<(Vec<&'s Json>, usize)> {
        let token = self.statement.tokens.get(at)?;
        let roots: Vec<&Json> = match &token.kind {
            TokenKind::Parameter(name) => vec![self.params.get(name)?],
            TokenKind::Word if self.statement.is_word(at, "null") => vec![&Json::Null],
            TokenKind::Word => {
                let variable = self.statement.text(token);
                let (_, parameter) = self.rows.iter().find(|(name, _)| *name == variable)?;
                match self.params.get(*parameter)? {
                    Json::Array(rows) => rows.iter().collect(),
                    Json::Null => Vec::new(),
                    single => vec![single],
                }
            }
            _ => return None,
        };
        let (mut path, mut next) = (Vec::new(), at + 1);
        while self.statement.is_symbol(next, '.') {
            path.push(self.statement.text(self.statement.tokens.get(next + 1)?));
            next += 2;
        }
        let follow = |root: &'s Json| {
            path.iter()
                .try_fold(root, |value, name| value.get(name))
                .unwrap_or(&Json::Null)
        };
        Some((roots.into_iter().map(follow).collect(), next))
    }

    fn check_merge(&self, clause: &Clause) -> Result<(), CypherError> {
        let mut kind = "node";
        for at in clause.body.clone() {
            match self.statement.tokens[at].kind {
                TokenKind::Symbol('(') => kind = "node",
                TokenKind::Symbol('[') => kind = "relationship",
                TokenKind::Symbol(':') => {
                    let Some((values, next)) = self.values(at + 1) else {
                        continue;
                    };
                    let ends = self.statement.is_symbol(next, ',') || self.statement.is_symbol(next, '}');
                    if ends && values.iter().any(|value| value.is_null()) {
                        let key = self.statement.text(&self.statement.tokens[at - 1]);
                        return Err(CypherError::Execution(format!(
                            "Cannot merge {kind} using null property value for {key}"
                        )));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_set(&self, clause: &Clause) -> Result<(), CypherError> {
        for at in self
            .statement
            .projection_items(clause)
            .into_iter()
            .map(|item| item.start)
        {
            let adds = self.statement.is_symbol(at + 1, '+') && self.statement.is_symbol(at + 2, '=');
            let value_at = match adds {
                true => at + 3,
                false if self.statement.is_symbol(at + 1, '=') => at + 2,
                false => continue,
            };
            let Some((values, next)) = self.values(value_at) else {
                continue;
            };
            let ends = next >= clause.body.end || self.statement.is_symbol(next, ',');
            let wrong = values
                .into_iter()
                .find(|value| !value.is_object() && !value.is_null());
            if let Some(wrong) = wrong.filter(|_| ends) {
                let variable = self.statement.text(&self.statement.tokens[at]);
                let operator = if adds { "+=" } else { "=" };
                return Err(CypherError::Execution(format!(
                    "ERR_SET_NON_MAP: SET {variable} {operator} <rhs> requires a MAP or NULL (got {})",
                    type_name(wrong)
                )));
            }
        }
        Ok(())
    }
}

fn type_name(json: &Json) -> &'static str {
    match json {
        Json::Null => "NULL",
        Json::Bool(_) => "BOOLEAN",
        Json::Number(number) if number.is_f64() => "FLOAT",
        Json::Number(_) => "INTEGER",
        Json::String(_) => "STRING",
        Json::Array(_) => "LIST",
        Json::Object(_) => "MAP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const UPSERT: &str = "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props";

    fn check(source: &str, params: Json) -> Result<(), String> {
        let params = params.as_object().unwrap().clone();
        super::check(&Statement::parse(source).unwrap(), &params).map_err(|error| error.to_string())
    }

    #[test]
    fn a_missing_parameter_is_worded_by_read_and_write() {
        let write = check(UPSERT, json!({})).unwrap_err();
        assert_eq!(
            write,
            "Execution error: Cypher execution error: Parameter `$rows` was not provided"
        );
        let read = check("MATCH (d {key: $k}) RETURN d", json!({})).unwrap_err();
        assert_eq!(
            read,
            "Cypher execution error: ERR_MISSING_PARAMETER: parameter $k not provided"
        );
    }

    #[test]
    fn merging_on_null_is_refused() {
        let refused =
            "Execution error: Cypher execution error: Cannot merge node using null property value for key";
        let rows = json!({"rows": [{"key": "a", "props": {}}, {"key": null, "props": {}}]});
        assert_eq!(check(UPSERT, rows).unwrap_err(), refused);
        assert_eq!(
            check(UPSERT, json!({"rows": [{"props": {}}]})).unwrap_err(),
            refused
        );
        assert_eq!(
            check("MERGE (d:D {key: $k})", json!({"k": null})).unwrap_err(),
            refused
        );
        assert_eq!(check("MERGE (d:D {key: null})", json!({})).unwrap_err(), refused);
        let edge = check("MATCH (a), (b) MERGE (a)-[r:T {s: $s}]->(b)", json!({"s": null})).unwrap_err();
        assert!(
            edge.ends_with("Cannot merge relationship using null property value for s"),
            "{edge}"
        );
    }

    #[test]
    fn only_maps_and_null_are_set_as_properties() {
        let list = check(UPSERT, json!({"rows": [{"key": "a", "props": [1, 2]}]})).unwrap_err();
        assert!(
            list.ends_with("ERR_SET_NON_MAP: SET d += <rhs> requires a MAP or NULL (got LIST)"),
            "{list}"
        );
        assert!(check("MATCH (d) SET d.x = 1, d = $p", json!({"p": "x"})).is_err());
        assert!(check("MATCH (a) MATCH (b) SET a += b, a.x = $p", json!({"p": 1})).is_ok());
    }

    #[test]
    fn good_batches_and_absent_properties_pass() {
        assert!(
            check(
                UPSERT,
                json!({"rows": [{"key": "a", "props": {"x": null}}, {"key": "b"}]})
            )
            .is_ok()
        );
        assert!(check(UPSERT, json!({"rows": []})).is_ok());
        assert!(check(UPSERT, json!({"rows": null})).is_ok());
    }
}
