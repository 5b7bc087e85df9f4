//! Statements about nodes: indexes, upsert, look-up, listing, counting, deletion.
//!
//! Every node of the model has a `key` from the safe alphabet, a `rev` that counts its writes and a `fingerprint` of what
//! it shows; a document also has a `bucket`.

use serde_json::json;

use super::{RowTooLarge, Statement, batches, by_keys, quoted, unions};
use crate::graph::key::{Bucket, NodeKey, RunId};
use crate::graph::literal::SafeLiteral;
use crate::graph::record::{GC, NodeRecord};
use crate::graph::schema::NodeLabel;

/// How nodes are found by their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookupForm {
    /// A union of seeks by literal. Nexus 2.5 takes an index for nothing else (section 7).
    LiteralUnion,
    /// One list of keys as a parameter. Right on every server; Nexus 2.5 scans the label for it.
    ParameterList,
}

impl LookupForm {
    /// The form's name in the capability table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LiteralUnion => "literal_union",
            Self::ParameterList => "parameter_list",
        }
    }
}

/// Creates the indexes that the other statements rely on (section 3). Idempotent; they cannot be listed, so this is sent
/// at every connect.
pub fn ensure_indexes(label: NodeLabel) -> Vec<Statement> {
    let name = label.name();
    label
        .indexed()
        .iter()
        .map(|property| {
            Statement::quoting(
                "ensure_index",
                format!("CREATE INDEX IF NOT EXISTS FOR (n:{name}) ON (n.{property})"),
            )
        })
        .collect()
}

/// Creates or updates nodes (section 3). Of two rows with one key the last wins.
///
/// # Errors
///
/// [`RowTooLarge`] when a single record exceeds a whole statement.
pub fn upsert_nodes<'a>(
    label: NodeLabel,
    rows: impl IntoIterator<Item = (&'a SafeLiteral, &'a NodeRecord)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = rows
        .into_iter()
        .map(|(key, record)| json!({"key": key.as_str(), "props": record.props()}));
    let label = label.name();
    batches(
        "upsert_nodes",
        &format!("UNWIND $rows AS row MERGE (d:{label} {{key: row.key}}) SET d += row.props"),
        rows.collect(),
    )
}

/// Reads whole nodes (section 7): columns `k` and `d`, no row for an absent key.
pub fn read_nodes(form: LookupForm, label: NodeLabel, keys: &[&SafeLiteral]) -> Vec<Statement> {
    find("read_nodes", form, label, keys, "d.key AS k, d AS d")
}

/// Looks nodes up (section 7): columns `k`, `rev`, `fingerprint`, no row for an absent key.
pub fn look_up_nodes(form: LookupForm, label: NodeLabel, keys: &[&SafeLiteral]) -> Vec<Statement> {
    find(
        "look_up_nodes",
        form,
        label,
        keys,
        "d.key AS k, d.rev AS rev, d.fingerprint AS fingerprint",
    )
}

fn find(
    name: &'static str,
    form: LookupForm,
    label: NodeLabel,
    keys: &[&SafeLiteral],
    columns: &str,
) -> Vec<Statement> {
    let label = label.name();
    match form {
        LookupForm::LiteralUnion => unions(name, keys, |key| {
            format!("MATCH (d:{label} {{key:'{}'}}) RETURN {columns}", quoted(key))
        }),
        LookupForm::ParameterList => by_keys(
            name,
            &format!("MATCH (d:{label}) WHERE d.key IN $keys RETURN {columns}"),
            keys,
        ),
    }
}

/// Lists buckets (section 9): columns `k`, `rev`, `fingerprint`, in no order.
pub fn list_buckets(label: NodeLabel, buckets: &[Bucket]) -> Vec<Statement> {
    let label = label.name();
    unions("list_buckets", buckets, |bucket| {
        format!(
            "MATCH (d:{label} {{bucket:'{}'}}) RETURN d.key AS k, d.rev AS rev, d.fingerprint AS fingerprint",
            quoted(bucket.literal())
        )
    })
}

/// Reads the whole nodes of buckets (section 9): columns `k` and `d`, in no order.
pub fn read_buckets(label: NodeLabel, buckets: &[Bucket]) -> Vec<Statement> {
    let label = label.name();
    unions("read_buckets", buckets, |bucket| {
        format!(
            "MATCH (d:{label} {{bucket:'{}'}}) RETURN d.key AS k, d AS d",
            quoted(bucket.literal())
        )
    })
}

/// The `most` next nodes of a label behind a key, in the order of keys (section 9): columns `k` and `d`. Scans the label.
pub fn page_nodes(label: NodeLabel, after: &str, most: usize) -> Statement {
    let label = label.name();
    Statement::new(
        "page_nodes",
        format!(
            "MATCH (d:{label}) WHERE d.key > $after RETURN d.key AS k, d AS d ORDER BY d.key LIMIT {most}"
        ),
        json!({ "after": after }),
    )
}

/// Counts the nodes of a label (section 9): one row, column `n`.
pub fn count_nodes(label: NodeLabel) -> Statement {
    let label = label.name();
    Statement::quoting("count_nodes", format!("MATCH (d:{label}) RETURN count(d) AS n"))
}

/// Counts the nodes of a label by collection (section 9): columns `c` and `n`. Scans the label.
pub fn census(label: NodeLabel) -> Statement {
    let label = label.name();
    Statement::quoting(
        "census",
        format!("MATCH (d:{label}) RETURN d.collection AS c, count(d) AS n"),
    )
}

/// Counts the nodes of a label whose record is lost, or that never had a key: one row, column `n`. Scans the label.
pub fn count_unreadable(label: NodeLabel) -> Statement {
    let label = label.name();
    Statement::quoting(
        "count_unreadable",
        format!("MATCH (d:{label}) WHERE d.key IS NULL RETURN count(d) AS n"),
    )
}

/// Marks nodes for deletion (section 6); absent ones are skipped. A mark only ever lengthens a record or replaces a mark
/// of the same length.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, a key is bounded.
pub fn tag_nodes<K: NodeKey>(keys: &[K], run: &RunId) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = keys
        .iter()
        .map(|key| json!({"key": key.as_str(), "props": {GC: run.as_str()}}));
    let label = K::LABEL.name();
    batches(
        "tag_nodes",
        &format!("UNWIND $rows AS row MATCH (d:{label} {{key: row.key}}) SET d += row.props"),
        rows.collect(),
    )
}

/// Lists the nodes that are marked by `run` (section 6): column `k`.
pub fn list_tagged(label: NodeLabel, run: &RunId) -> Statement {
    let (label, run) = (label.name(), quoted(run.literal()));
    Statement::quoting(
        "list_tagged",
        format!("MATCH (d:{label} {{gc:'{run}'}}) RETURN d.key AS k"),
    )
}

/// Deletes the nodes that are marked by `run`, with their edges (section 6).
pub fn delete_tagged(label: NodeLabel, run: &RunId) -> Statement {
    let (label, run) = (label.name(), quoted(run.literal()));
    Statement::quoting(
        "delete_tagged",
        format!("MATCH (d:{label} {{gc:'{run}'}}) DETACH DELETE d"),
    )
}
