//! Answers on their way out: from the engine's values to what Nexus sends.
//!
//! * `value`: JSON to engine values and back, without loss
//! * this file: the answer's outer form, and rows by the shape of the statement

pub(crate) mod value;

use grafeo_engine::database::QueryResult;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::statement::shape::AnswerShape;

/// The body of every answer of `POST /cypher`.
///
/// Invariant: with `error`, columns and rows are empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    /// One list per row, in the order of the columns.
    pub(crate) rows: Vec<Json>,
    pub(crate) execution_time_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notifications: Vec<Json>,
}

impl Answer {
    /// An answer with columns and rows.
    pub(crate) fn table(columns: Vec<String>, rows: Vec<Json>) -> Self {
        Self {
            columns,
            rows,
            execution_time_ms: 0,
            error: None,
            notifications: Vec::new(),
        }
    }

    /// An answer with one column and one value.
    pub(crate) fn single(column: &str, value: Json) -> Self {
        Self::table(vec![column.to_string()], vec![json!([value])])
    }

    /// An answer that reports a failure with these words.
    pub(crate) fn failure(error: impl ToString) -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
            execution_time_ms: 0,
            error: Some(error.to_string()),
            notifications: Vec::new(),
        }
    }

    /// Shapes an engine result. Node ids and working columns that the engine adds to writes are dropped.
    pub(crate) fn shaped(shape: AnswerShape, result: &QueryResult) -> Self {
        match shape {
            AnswerShape::Nothing => Self::table(Vec::new(), Vec::new()),
            AnswerShape::DeletedCount => {
                let counters = &result.counters;
                let deleted = match counters.nodes_deleted {
                    0 => counters.edges_deleted,
                    nodes => nodes,
                };
                Self::single("count", json!(deleted))
            }
            AnswerShape::Rows(names) => {
                let named = names.filter(|names| names.len() == result.columns.len());
                let row = |row: &Vec<_>| Json::Array(row.iter().map(value::from_engine).collect());
                Self::table(
                    named.unwrap_or_else(|| result.columns.clone()),
                    result.rows().iter().map(row).collect(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::error::CypherError;
    use grafeo_common::types::Value;

    fn result(columns: &[&str], row: Vec<Value>) -> QueryResult {
        let mut result = QueryResult::new(columns.iter().map(|name| name.to_string()).collect()).unwrap();
        result.push_row(row);
        result
    }

    #[test]
    fn a_write_without_return_shows_none_of_the_engines_working_columns() {
        let engine = result(
            &["__list__", "row", "d"],
            vec![Value::Null, Value::Int64(1), Value::Int64(2)],
        );
        assert_eq!(
            Answer::shaped(AnswerShape::Nothing, &engine),
            Answer::table(vec![], vec![])
        );
    }

    #[test]
    fn a_delete_counts_nodes_and_without_nodes_relationships() {
        let mut engine = result(&["r"], vec![Value::Int64(1)]);
        engine.counters.edges_deleted = 4;
        assert_eq!(
            Answer::shaped(AnswerShape::DeletedCount, &engine).rows,
            [json!([4])]
        );
        engine.counters.nodes_deleted = 2;
        assert_eq!(
            Answer::shaped(AnswerShape::DeletedCount, &engine).rows,
            [json!([2])]
        );
    }

    #[test]
    fn columns_take_the_names_of_the_statement() {
        let engine = result(&["_path_length_p"], vec![Value::Int64(2)]);
        let shaped = Answer::shaped(AnswerShape::Rows(Some(vec!["length(p)".into()])), &engine);
        assert_eq!(
            (shaped.columns, shaped.rows),
            (vec!["length(p)".to_string()], vec![json!([2])])
        );
    }

    #[test]
    fn an_error_is_left_out_of_a_good_answer() {
        let good = serde_json::to_value(Answer::single("n", json!(1))).unwrap();
        assert_eq!(
            good,
            json!({"columns": ["n"], "rows": [[1]], "execution_time_ms": 0})
        );
        let bad = serde_json::to_value(Answer::failure(CypherError::Empty)).unwrap();
        assert_eq!(bad["rows"], json!([]));
        assert_eq!(
            bad["error"],
            "Cypher syntax error: Query must contain at least one clause"
        );
    }
}
