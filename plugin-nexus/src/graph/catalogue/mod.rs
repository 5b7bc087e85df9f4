//! The catalogue: every statement that is ever sent, and the only Cypher text of the crate.
//!
//! - One file a subject: [`nodes`], [`edges`], and what only the [`probe`] sends. Each function is a named form of one
//!   operation; where an operation has several forms, an enum names them and the capabilities found at connect choose
//!   ([`super::capabilities`]).
//! - Values travel as parameters. What is quoted into a statement is a [`SafeLiteral`], never anything else; property
//!   names, labels and types are fixed text ([`super::schema`]).
//! - Nexus 2.5 ignores every further predicate behind a seek by literal, so only the probe asks for one.
//! - A write returns nothing: a function in its RETURN would rescan the label.
//! - The limits of the server are enforced here ([`limits`]): branches of a union, rows and bytes of a batch.
//!
//! What each form does on Nexus 2.5 is measured in `contracts/nexus-dialect.md`; the functions name its sections.

use serde_json::{Value, json};

use super::literal::SafeLiteral;

pub mod edges;
pub mod limits;
pub mod nodes;
pub mod probe;

pub use limits::RowTooLarge;

use limits::{MAX_BRANCHES, batch_ranges};

/// The parameter that holds the rows of a write.
const ROWS: &str = "rows";

/// One statement with its parameters. Only this module makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    name: &'static str,
    text: String,
    params: Value,
    /// Position of the first row in the slice that the statements were made for.
    first_row: usize,
}

impl Statement {
    /// The statement's name, for logs and errors: it contains no data.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The Cypher text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parameters, an object.
    pub fn params(&self) -> &Value {
        &self.params
    }

    /// Position of the statement's first row in the slice that it was made for.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Two statements with half of the rows each, in order; `None` where there is but one row, or none.
    #[must_use]
    pub fn halves(&self) -> Option<[Self; 2]> {
        let rows = self.params.get(ROWS)?.as_array()?;
        let middle = rows.len().div_ceil(2);
        let (front, back) = rows.split_at_checked(middle)?;
        if back.is_empty() {
            return None;
        }
        let part = |rows: &[Value], first_row| Self {
            params: json!({ ROWS: rows }),
            first_row,
            ..self.clone()
        };
        Some([part(front, self.first_row), part(back, self.first_row + middle)])
    }

    fn quoting(name: &'static str, text: String) -> Self {
        Self::new(name, text, json!({}))
    }

    fn new(name: &'static str, text: String, params: Value) -> Self {
        Self {
            name,
            text,
            params,
            first_row: 0,
        }
    }
}

/// The one door from data into a statement's text.
fn quoted(literal: &SafeLiteral) -> &str {
    literal.as_str()
}

/// Reads with one branch an item, no union longer than the server bears.
fn unions<T>(name: &'static str, items: &[T], branch: impl Fn(&T) -> String) -> Vec<Statement> {
    items
        .chunks(MAX_BRANCHES)
        .map(|chunk| {
            let branches: Vec<String> = chunk.iter().map(&branch).collect();
            Statement::quoting(name, branches.join(" UNION ALL "))
        })
        .collect()
}

/// Reads with the keys as a parameter.
fn by_keys(name: &'static str, text: &str, keys: &[&SafeLiteral]) -> Vec<Statement> {
    keys.chunks(limits::MAX_ROWS)
        .map(|chunk| {
            let keys: Vec<&str> = chunk.iter().map(|key| key.as_str()).collect();
            Statement::new(name, text.to_owned(), json!({ "keys": keys }))
        })
        .collect()
}

/// Writes with these rows, cut by the limits.
fn batches(name: &'static str, text: &str, rows: Vec<Value>) -> Result<Vec<Statement>, RowTooLarge> {
    let sizes: Vec<u64> = rows
        .iter()
        .map(|row| super::record::json_bytes(row) + 1)
        .collect();
    let mut rows = rows.into_iter();
    let statements = batch_ranges(name, &sizes)?
        .into_iter()
        .map(|range| Statement {
            first_row: range.start,
            ..Statement::new(
                name,
                text.to_owned(),
                json!({ ROWS: rows.by_ref().take(range.len()).collect::<Vec<_>>() }),
            )
        })
        .collect();
    Ok(statements)
}

#[cfg(test)]
mod tests;
