//! What an answer says, once it is complete.
//!
//! An answer to a statement counts as success only as complete JSON without `error`, with `columns`, and with `rows` of
//! their arity.

use serde::Deserialize;
use serde_json::Value;

use super::config::ApiKey;
use super::error::NexusError;
use super::fault;

/// The rows of one answer; every row has as many values as there are columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// The counters of `/stats`. They grow on creation and do not fall on deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ServerStats {
    /// Labels ever used; the server loses nodes under the 65th.
    pub label_count: u64,
    /// Nodes ever created.
    pub node_count: u64,
    /// Relationships ever created.
    pub rel_count: u64,
}

/// `/health`.
#[derive(Deserialize)]
pub(super) struct Health {
    pub(super) version: String,
    pub(super) uptime_seconds: u64,
}

/// `/stats`.
#[derive(Deserialize)]
pub(super) struct Stats {
    pub(super) catalog: ServerStats,
}

/// `/schema/labels` and `/schema/rel_types`.
#[derive(Deserialize)]
pub(super) struct Names {
    #[serde(alias = "types")]
    pub(super) labels: Vec<Name>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

/// A label or a type; its number is of no use.
#[derive(Deserialize)]
pub(super) struct Name {
    pub(super) name: String,
}

/// An answer to a statement as it comes; what is absent is told apart from what is empty.
#[derive(Deserialize)]
struct Answer {
    columns: Option<Vec<String>>,
    rows: Option<Vec<Vec<Value>>>,
    error: Option<Value>,
    #[serde(default)]
    notifications: Value,
}

impl Rows {
    /// Reads the answer to the statement `name`; `secret` is blanked in what it says.
    ///
    /// # Errors
    ///
    /// What the server reports, or [`NexusError::BadAnswer`].
    pub(super) fn of(body: &[u8], name: &'static str, secret: Option<&ApiKey>) -> Result<Self, NexusError> {
        let bad = |what: &str| NexusError::BadAnswer {
            request: name,
            what: what.to_owned(),
        };
        let answer: Answer = parse(body, name)?;
        refuse_error(answer.error.as_ref(), name, secret)?;
        let columns = answer.columns.ok_or_else(|| bad("`columns` is missing"))?;
        let rows = answer.rows.ok_or_else(|| bad("`rows` is missing"))?;
        if rows.iter().any(|row| row.len() != columns.len()) {
            return Err(bad("a row has another number of values than there are columns"));
        }
        if answer
            .notifications
            .to_string()
            .contains("UnindexedPropertyAccess")
        {
            tracing::warn!(statement = name, "Nexus misses an index for this statement");
        }
        Ok(Self { columns, rows })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, each with one value a column.
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// Takes the rows out when the columns are exactly `expected`; no rows need no columns.
    ///
    /// # Errors
    ///
    /// [`NexusError::BadAnswer`] when the server names other columns.
    pub fn with_columns(
        self,
        statement: &'static str,
        expected: &[&str],
    ) -> Result<Vec<Vec<Value>>, NexusError> {
        if self.rows.is_empty() || self.columns == expected {
            return Ok(self.rows);
        }
        Err(NexusError::BadAnswer {
            request: statement,
            what: format!("the columns are not {expected:?}"),
        })
    }
}

/// Reads a JSON object.
///
/// # Errors
///
/// [`NexusError::BadAnswer`]; where it is no JSON, with the place of the fault: the parser's own message may quote the answer.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], name: &'static str) -> Result<T, NexusError> {
    // Serde would take a list for an object, its values in the order of our fields.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(NexusError::BadAnswer {
            request: name,
            what: "it is no JSON object".to_owned(),
        });
    }
    serde_json::from_slice(body).map_err(|error| NexusError::BadAnswer {
        request: name,
        what: format!(
            "{:?} error at line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ),
    })
}

/// Gives up on an answer that reports an error.
///
/// # Errors
///
/// What the report means.
pub(super) fn refuse_error(
    error: Option<&Value>,
    name: &'static str,
    secret: Option<&ApiKey>,
) -> Result<(), NexusError> {
    let message = match error {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(message)) => ApiKey::blanked(secret, message),
        Some(other) => ApiKey::blanked(secret, &other.to_string()),
    };
    Err(fault::of_message(&message, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_answer() {
        for body in [r#"[["n"],[[1]],null,null]"#, "", " ", "7", "null"] {
            let refused = Rows::of(body.as_bytes(), "s", None);
            assert!(matches!(refused, Err(NexusError::BadAnswer { .. })), "{body}");
        }
        assert!(parse::<Health>(br#"["2.5.0",7]"#, "health").is_err());
        assert!(Rows::of(b" \n{\"columns\":[\"n\"],\"rows\":[[1]]}", "s", None).is_ok());
    }
}
