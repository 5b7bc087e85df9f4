//! The catalogue: every statement that is ever sent, and the only Cypher text of the crate.
//!
//! - Only forms that were verified on a Nexus server are here; each says which operation it serves.
//! - Values travel as parameters. What is quoted into a statement is a [`SafeLiteral`], never
//!   anything else; property names and labels are fixed text.
//! - After a seek by literal the server ignores every further predicate, so there is none.
//! - Only outgoing edges are walked, as chains of exactly one hop.
//! - A write returns nothing: a function in its RETURN would rescan the label.
//! - The limits of the server are enforced here: branches of a union, rows and bytes of a batch.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Value, json};
use thiserror::Error;

use super::key::{Bucket, DocumentKey, RunId};
use super::literal::SafeLiteral;
use super::record::{self, EdgeRecord, GC, NodeRecord};

/// Branches of one union. The server's cost grows faster than linear, and at about 1000 branches
/// its stack overflows.
pub const MAX_BRANCHES: usize = 100;

/// Rows of one write: enough to spread the fixed cost of a statement.
pub const MAX_ROWS: usize = 500;

/// Bytes of the rows of one write. The server refuses bodies above 16 MiB.
pub const MAX_BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// A row that does not fit into any statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{statement}`: row {row} has {bytes} bytes, a statement holds at most {MAX_BATCH_BYTES}")]
pub struct RowTooLarge {
    /// The statement that the row is for.
    pub statement: &'static str,
    /// Position of the row in the caller's slice.
    pub row: usize,
    /// Bytes of the row as JSON.
    pub bytes: u64,
}

/// One statement with its parameters. Only this module makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    name: &'static str,
    text: Cow<'static, str>,
    params: Value,
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

    fn fixed(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text: Cow::Borrowed(text),
            params: json!({}),
        }
    }

    fn quoting(name: &'static str, text: String) -> Self {
        Self {
            name,
            text: Cow::Owned(text),
            params: json!({}),
        }
    }

    fn with_rows(name: &'static str, text: &'static str, rows: Vec<Value>) -> Self {
        Self {
            name,
            text: Cow::Borrowed(text),
            params: json!({ "rows": rows }),
        }
    }
}

/// Creates the indexes that the other statements rely on. Idempotent; they cannot be listed, so
/// this is sent at every connect.
pub fn ensure_indexes() -> [Statement; 3] {
    [
        Statement::fixed(
            "ensure_key_index",
            "CREATE INDEX IF NOT EXISTS FOR (n:Document) ON (n.key)",
        ),
        Statement::fixed(
            "ensure_bucket_index",
            "CREATE INDEX IF NOT EXISTS FOR (n:Document) ON (n.bucket)",
        ),
        Statement::fixed(
            "ensure_gc_index",
            "CREATE INDEX IF NOT EXISTS FOR (n:Document) ON (n.gc)",
        ),
    ]
}

/// Creates or updates documents. Of two rows with one key the last wins.
///
/// # Errors
///
/// [`RowTooLarge`] when a single record exceeds a whole statement.
pub fn upsert_documents<'a>(
    rows: impl IntoIterator<Item = (&'a DocumentKey, &'a NodeRecord)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = rows
        .into_iter()
        .map(|(key, record)| json!({"key": key.as_str(), "props": record.props()}));
    batches(
        "upsert_documents",
        "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props",
        rows.collect(),
    )
}

/// Reads whole documents: columns `k` and `d`, no row for an absent key.
pub fn read_documents(keys: &[DocumentKey]) -> Vec<Statement> {
    unions("read_documents", keys, |key| {
        format!(
            "MATCH (d:Document {{key:'{}'}}) RETURN d.key AS k, d AS d",
            quoted(key.literal())
        )
    })
}

/// Finds out which documents exist: column `k`, no row for an absent key.
pub fn existing_documents(keys: &[DocumentKey]) -> Vec<Statement> {
    unions("existing_documents", keys, |key| {
        format!(
            "MATCH (d:Document {{key:'{}'}}) RETURN d.key AS k",
            quoted(key.literal())
        )
    })
}

/// Creates or updates SIMILAR_TO edges of existing documents, each row on its own.
///
/// A missing endpoint fails the statement on Nexus, after the rows before it were applied; other
/// servers skip the row. So the endpoints are looked up first.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, an edge record has a fixed small width.
pub fn upsert_similar<'a>(
    rows: impl IntoIterator<Item = (&'a DocumentKey, &'a DocumentKey, EdgeRecord)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = rows.into_iter().map(|(source, target, record)| {
        let mut row = record.props().clone();
        row.insert("a".to_owned(), source.as_str().into());
        row.insert("b".to_owned(), target.as_str().into());
        Value::Object(row)
    });
    batches(
        "upsert_similar",
        "UNWIND $rows AS row MATCH (a:Document {key: row.a}) MATCH (b:Document {key: row.b}) \
         MERGE (a)-[r:SIMILAR_TO]->(b) \
         ON CREATE SET r.score = row.score, r.method = row.method, r.updated_at = row.updated_at, \
         r.active = row.active, r.pad = row.pad \
         ON MATCH SET r.score = row.score, r.method = row.method, r.updated_at = row.updated_at, \
         r.active = row.active, r.pad = row.pad",
        rows.collect(),
    )
}

/// Marks documents for deletion; absent ones are skipped. A mark only ever lengthens a record or
/// replaces a mark of the same length.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, a key is bounded.
pub fn tag_documents(keys: &[DocumentKey], run: &RunId) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = keys
        .iter()
        .map(|key| json!({"key": key.as_str(), "props": {GC: run.as_str()}}));
    batches(
        "tag_documents",
        "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props",
        rows.collect(),
    )
}

/// Lists the documents that are marked by `run`: column `k`.
pub fn list_tagged(run: &RunId) -> Statement {
    let run = quoted(run.literal());
    Statement::quoting(
        "list_tagged",
        format!("MATCH (d:Document {{gc:'{run}'}}) RETURN d.key AS k"),
    )
}

/// Deletes the documents that are marked by `run`, with their edges.
pub fn delete_tagged(run: &RunId) -> Statement {
    let run = quoted(run.literal());
    Statement::quoting(
        "delete_tagged",
        format!("MATCH (d:Document {{gc:'{run}'}}) DETACH DELETE d"),
    )
}

/// Lists the outgoing SIMILAR_TO edges of documents: columns `a`, `b`, `s`, `act`. A dangling edge
/// has a null `b`.
pub fn outgoing_similar(sources: &[DocumentKey]) -> Vec<Statement> {
    unions("outgoing_similar", sources, |source| {
        let key = quoted(source.literal());
        format!(
            "MATCH (a:Document {{key:'{key}'}})-[r:SIMILAR_TO*1..1]->(b) \
             RETURN '{key}' AS a, b.key AS b, r.score AS s, r.active AS act"
        )
    })
}

/// Lists one bucket: columns `k`, `rev`, `fingerprint`, ordered by key.
pub fn list_bucket(bucket: &Bucket) -> Statement {
    let bucket = quoted(bucket.literal());
    Statement::quoting(
        "list_bucket",
        format!(
            "MATCH (d:Document {{bucket:'{bucket}'}}) \
             RETURN d.key AS k, d.rev AS rev, d.fingerprint AS fingerprint ORDER BY k"
        ),
    )
}

/// Counts the documents: one row, one column.
pub fn count_documents() -> Statement {
    Statement::fixed("count_documents", "MATCH (d:Document) RETURN count(d) AS n")
}

/// Counts the SIMILAR_TO edges, dangling and inactive ones included: one row, one column. Scans
/// all edges.
pub fn count_similar() -> Statement {
    Statement::fixed(
        "count_similar",
        "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r) AS n",
    )
}

/// The one door from data into a statement's text.
fn quoted(literal: &SafeLiteral) -> &str {
    literal.as_str()
}

fn unions(
    name: &'static str,
    keys: &[DocumentKey],
    branch: impl Fn(&DocumentKey) -> String,
) -> Vec<Statement> {
    keys.chunks(MAX_BRANCHES)
        .map(|chunk| {
            let branches: Vec<String> = chunk.iter().map(&branch).collect();
            Statement::quoting(name, branches.join(" UNION ALL "))
        })
        .collect()
}

fn batches(name: &'static str, text: &'static str, rows: Vec<Value>) -> Result<Vec<Statement>, RowTooLarge> {
    let sizes: Vec<u64> = rows.iter().map(|row| record::json_bytes(row) + 1).collect();
    let mut rows = rows.into_iter();
    let statements = batch_ranges(name, &sizes)?
        .into_iter()
        .map(|range| Statement::with_rows(name, text, rows.by_ref().take(range.len()).collect()))
        .collect();
    Ok(statements)
}

fn batch_ranges(statement: &'static str, sizes: &[u64]) -> Result<Vec<Range<usize>>, RowTooLarge> {
    let mut ranges = Vec::new();
    let (mut start, mut total) = (0, 0_u64);
    for (row, &bytes) in sizes.iter().enumerate() {
        if bytes > MAX_BATCH_BYTES {
            return Err(RowTooLarge {
                statement,
                row,
                bytes,
            });
        }
        if row - start == MAX_ROWS || total + bytes > MAX_BATCH_BYTES {
            ranges.push(start..row);
            (start, total) = (row, 0);
        }
        total += bytes;
    }
    if start < sizes.len() {
        ranges.push(start..sizes.len());
    }
    Ok(ranges)
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
