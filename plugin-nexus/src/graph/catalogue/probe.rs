//! Statements that only the probe sends, on scratch nodes: forms that nothing else uses, to see what the server makes of
//! them (`contracts/nexus-dialect.md` section 13).
//!
//! None of them can touch a node that is not the probe's own, whatever the server makes of it, as far as the contract knows:
//! ends are named and exist, nothing is deleted without a name.

use serde_json::json;

use super::edges::{merge, row};
use super::{RowTooLarge, Statement, batches, quoted};
use crate::graph::key::{Bucket, NodeKey, ScratchKey};
use crate::graph::literal::SafeLiteral;
use crate::graph::record::EdgeRecord;
use crate::graph::schema::{EdgeType, NodeLabel};

const LABEL: NodeLabel = NodeLabel::Scratch;
const KIND: EdgeType = EdgeType::Scratch;

/// Lists every scratch node there is: columns `k` and `at` (when it was made, Unix seconds).
pub fn list_scratch() -> Statement {
    let label = LABEL.name();
    Statement::quoting(
        "list_scratch",
        format!("MATCH (d:{label}) RETURN d.key AS k, d.at AS at"),
    )
}

/// A further predicate behind a seek (step 6): column `k`.
pub fn filter_behind_seek(bucket: &Bucket, key: &ScratchKey) -> Statement {
    let (label, bucket) = (LABEL.name(), quoted(bucket.literal()));
    Statement::new(
        "filter_behind_seek",
        format!("MATCH (d:{label} {{bucket:'{bucket}'}}) WHERE d.key = $key RETURN d.key AS k"),
        json!({"key": key.as_str()}),
    )
}

/// The second node of a bucket in the order of keys (step 7): column `k`.
pub fn page_behind_seek(bucket: &Bucket) -> Statement {
    let (label, bucket) = (LABEL.name(), quoted(bucket.literal()));
    Statement::quoting(
        "page_behind_seek",
        format!("MATCH (d:{label} {{bucket:'{bucket}'}}) RETURN d.key AS k ORDER BY k SKIP 1 LIMIT 1"),
    )
}

/// Edge properties by a plain SET behind the MERGE (step 9).
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice.
pub fn plain_set<'a>(
    rows: impl IntoIterator<Item = (&'a SafeLiteral, &'a SafeLiteral, &'a EdgeRecord)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let merge = merge(KIND);
    batches(
        "plain_set",
        &format!("{merge} SET r.value = row.value"),
        rows.into_iter()
            .map(|(source, target, record)| row(source, target, record))
            .collect(),
    )
}

/// Deletes one edge between two nodes that are named and exist (step 12).
pub fn delete_one_edge(source: &ScratchKey, target: &ScratchKey) -> Statement {
    let (label, kind) = (LABEL.name(), KIND.name());
    Statement::new(
        "delete_one_edge",
        format!("MATCH (a:{label} {{key:$a}})-[r:{kind}]->(b:{label} {{key:$b}}) DELETE r"),
        json!({"a": source.as_str(), "b": target.as_str()}),
    )
}
