//! Statements about edges: upsert, retraction, neighbourhoods, counting.
//!
//! Both ends are matched by key before an edge is written; which labels they have and which properties the edge has is
//! fixed by its type. An edge that is retracted softly stays with `active` 0.

use serde_json::{Value, json};

use super::{RowTooLarge, Statement, batches, by_keys, quoted, unions};
use crate::graph::foreign::ForeignType;
use crate::graph::literal::SafeLiteral;
use crate::graph::record::{ACTIVE, EDGE_PAD, EdgeRecord};
use crate::graph::schema::{EdgeType, NodeLabel};

/// How the outgoing edges of a node are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HopForm {
    /// A plain hop from nodes given as a parameter: the standard. Nexus 2.5 scans for it.
    ParameterHop,
    /// A plain hop behind a seek by literal. Nexus 2.5 answers one row of nulls (section 8).
    PlainHop,
    /// A hop of the range `1..1` behind a seek by literal: the one that Nexus 2.5 answers right. On standard servers the
    /// edge is then a list, and has no properties.
    RangeHop,
}

impl HopForm {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::ParameterHop, Self::PlainHop, Self::RangeHop];

    /// The form's name in the capability table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ParameterHop => "parameter_hop",
            Self::PlainHop => "plain_hop",
            Self::RangeHop => "range_hop",
        }
    }

    fn range(self) -> &'static str {
        match self {
            Self::ParameterHop | Self::PlainHop => "",
            Self::RangeHop => "*1..1",
        }
    }
}

/// Creates or updates edges of existing nodes (section 4), each row on its own: of all ways to set properties, only the
/// branches of the MERGE are per row on Nexus 2.5.
///
/// A missing end fails the statement on Nexus, after the rows before it were applied; other servers skip the row. So the
/// ends are looked up first.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, an edge record has a fixed small width.
pub fn upsert_edges<'a>(
    kind: EdgeType,
    rows: impl IntoIterator<Item = (&'a SafeLiteral, &'a SafeLiteral, &'a EdgeRecord)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let settings: Vec<String> = kind
        .properties()
        .iter()
        .chain(&[ACTIVE, EDGE_PAD])
        .map(|name| format!("r.{name} = row.{name}"))
        .collect();
    let settings = settings.join(", ");
    let merge = merge(kind);
    batches(
        "upsert_edges",
        &format!("{merge} ON CREATE SET {settings} ON MATCH SET {settings}"),
        rows.into_iter()
            .map(|(source, target, record)| row(source, target, record))
            .collect(),
    )
}

/// The beginning of every edge write: both ends by key, then the edge between them.
pub(super) fn merge(kind: EdgeType) -> String {
    format!(
        "UNWIND $rows AS row MATCH (a:{} {{key: row.a}}) MATCH (b:{} {{key: row.b}}) MERGE (a)-[r:{}]->(b)",
        kind.source().name(),
        kind.target().name(),
        kind.name()
    )
}

pub(super) fn row(source: &SafeLiteral, target: &SafeLiteral, record: &EdgeRecord) -> Value {
    let mut row = record.props().clone();
    row.insert("a".to_owned(), source.as_str().into());
    row.insert("b".to_owned(), target.as_str().into());
    Value::Object(row)
}

/// Deletes edges; absent ones are skipped. Nexus 2.5 answers 0 and does nothing (section 5), so this is sent only where
/// the probe saw it delete the edge and nothing but the edge.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, a key is bounded.
pub fn delete_edges<'a>(
    kind: EdgeType,
    ends: impl IntoIterator<Item = (&'a SafeLiteral, &'a SafeLiteral)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    removal("delete_edges", kind, "", ends)
}

/// Deletes those of the edges that are retracted. The condition is the server's, so an edge that is asserted again
/// meanwhile stays.
///
/// # Errors
///
/// [`RowTooLarge`]; not in practice, a key is bounded.
pub fn sweep_edges<'a>(
    kind: EdgeType,
    ends: impl IntoIterator<Item = (&'a SafeLiteral, &'a SafeLiteral)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    removal("sweep_edges", kind, " WHERE r.active = 0", ends)
}

fn removal<'a>(
    name: &'static str,
    kind: EdgeType,
    condition: &str,
    ends: impl IntoIterator<Item = (&'a SafeLiteral, &'a SafeLiteral)>,
) -> Result<Vec<Statement>, RowTooLarge> {
    let rows = ends
        .into_iter()
        .map(|(source, target)| json!({"a": source.as_str(), "b": target.as_str()}));
    batches(
        name,
        &format!(
            "UNWIND $rows AS row MATCH (a:{} {{key: row.a}})-[r:{}]->(b:{} {{key: row.b}}){condition} DELETE r",
            kind.source().name(),
            kind.name(),
            kind.target().name()
        ),
        rows.collect(),
    )
}

/// Lists the outgoing edges of some types (section 8), one branch a node and type: columns `a`, `t`, `b`, `w`, `act`. `w`
/// is the type's first property, or `active` where it has none. A dangling edge has a null `b`.
pub fn neighbours(form: HopForm, kinds: &[EdgeType], sources: &[&SafeLiteral]) -> Vec<Statement> {
    let columns = |a: &str, kind: EdgeType| {
        let weight = weight(kind);
        format!(
            "RETURN {a} AS a, '{}' AS t, b.key AS b, r.{weight} AS w, r.active AS act",
            kind.name()
        )
    };
    match form {
        HopForm::ParameterHop => kinds
            .iter()
            .flat_map(|kind| {
                let (label, name) = (kind.source().name(), kind.name());
                let columns = columns("k", *kind);
                let text =
                    format!("UNWIND $keys AS k MATCH (a:{label} {{key: k}})-[r:{name}]->(b) {columns}");
                by_keys("neighbours", &text, sources)
            })
            .collect(),
        HopForm::PlainHop | HopForm::RangeHop => {
            let branches: Vec<(&SafeLiteral, EdgeType)> = sources
                .iter()
                .flat_map(|source| kinds.iter().map(move |kind| (*source, *kind)))
                .collect();
            unions("neighbours", &branches, |(source, kind)| {
                let key = quoted(source);
                let (label, name, range) = (kind.source().name(), kind.name(), form.range());
                let columns = columns(&format!("'{key}'"), *kind);
                format!("MATCH (a:{label} {{key:'{key}'}})-[r:{name}{range}]->(b) {columns}")
            })
        }
    }
}

/// Lists the outgoing edges of documents that are of other people's types (section 8), one branch a document and type: columns `a`,
/// `t`, `k`, `c`, `i`, the last three the key, the collection and the id of the node at the other end, null where it has none.
pub fn foreign_edges(form: HopForm, kinds: &[ForeignType], sources: &[&SafeLiteral]) -> Vec<Statement> {
    let label = NodeLabel::Document.name();
    let columns = |a: &str, kind: &ForeignType| {
        format!(
            "RETURN {a} AS a, '{}' AS t, b.key AS k, b.collection AS c, b.vector_id AS i",
            kind.as_str()
        )
    };
    match form {
        HopForm::ParameterHop => kinds
            .iter()
            .flat_map(|kind| {
                let (name, columns) = (kind.as_str(), columns("k", kind));
                let text =
                    format!("UNWIND $keys AS k MATCH (a:{label} {{key: k}})-[r:{name}]->(b) {columns}");
                by_keys("foreign_edges", &text, sources)
            })
            .collect(),
        HopForm::PlainHop | HopForm::RangeHop => {
            let branches: Vec<(&SafeLiteral, &ForeignType)> = sources
                .iter()
                .flat_map(|source| kinds.iter().map(move |kind| (*source, kind)))
                .collect();
            unions("foreign_edges", &branches, |(source, kind)| {
                let (key, name, range) = (quoted(source), kind.as_str(), form.range());
                let columns = columns(&format!("'{key}'"), kind);
                format!("MATCH (a:{label} {{key:'{key}'}})-[r:{name}{range}]->(b) {columns}")
            })
        }
    }
}

/// Lists the edges of another people's type that lead away from documents, `most` of them at most, by a scan (section 8): columns as
/// of [`foreign_edges`].
pub fn scan_foreign(kind: &ForeignType, most: usize) -> Statement {
    let (label, kind) = (NodeLabel::Document.name(), kind.as_str());
    Statement::quoting(
        "scan_foreign",
        format!(
            "MATCH (a:{label})-[r:{kind}]->(b) \
             RETURN a.key AS a, '{kind}' AS t, b.key AS k, b.collection AS c, b.vector_id AS i LIMIT {most}"
        ),
    )
}

/// Walks two hops (section 8), every path: columns `a`, `b`, `c`, `w`, `act`, `w2`, `act2`.
pub fn two_hops(
    form: HopForm,
    first: EdgeType,
    second: EdgeType,
    sources: &[&SafeLiteral],
) -> Vec<Statement> {
    let (label, one, two, range) = (first.source().name(), first.name(), second.name(), form.range());
    let (weight, weight2) = (weight(first), weight(second));
    let path = format!("-[r:{one}{range}]->(b)-[q:{two}{range}]->(c)");
    let columns = |a: &str| {
        format!(
            "RETURN {a} AS a, b.key AS b, c.key AS c, r.{weight} AS w, r.active AS act, q.{weight2} AS w2, \
             q.active AS act2"
        )
    };
    match form {
        HopForm::ParameterHop => by_keys(
            "two_hops",
            &format!(
                "UNWIND $keys AS k MATCH (a:{label} {{key: k}}){path} {}",
                columns("k")
            ),
            sources,
        ),
        HopForm::PlainHop | HopForm::RangeHop => unions("two_hops", sources, |source| {
            let key = quoted(source);
            format!(
                "MATCH (a:{label} {{key:'{key}'}}){path} {}",
                columns(&format!("'{key}'"))
            )
        }),
    }
}

/// Lists the incoming edges of nodes: columns `b`, `a`, `w`, `act`. Nexus 2.5 answers them right on small graphs and leaves
/// most out on others (section 8), so this is sent only where the probe could prove it.
pub fn incoming(form: HopForm, kind: EdgeType, targets: &[&SafeLiteral]) -> Vec<Statement> {
    let (label, name, range) = (kind.target().name(), kind.name(), form.range());
    let weight = weight(kind);
    let columns = format!("a.key AS a, r.{weight} AS w, r.active AS act");
    match form {
        HopForm::ParameterHop => by_keys(
            "incoming",
            &format!(
                "UNWIND $keys AS k MATCH (b:{label} {{key: k}})<-[r:{name}]-(a) RETURN k AS b, {columns}"
            ),
            targets,
        ),
        HopForm::PlainHop | HopForm::RangeHop => unions("incoming", targets, |target| {
            let key = quoted(target);
            format!("MATCH (b:{label} {{key:'{key}'}})<-[r:{name}{range}]-(a) RETURN '{key}' AS b, {columns}")
        }),
    }
}

/// Counts the edges of a type, dangling and retracted ones included (section 9): one row, column `n`. Scans all edges.
pub fn count_edges(kind: EdgeType) -> Statement {
    Statement::quoting(
        "count_edges",
        format!("MATCH ()-[r:{}]->() RETURN count(r) AS n", kind.name()),
    )
}

fn weight(kind: EdgeType) -> &'static str {
    kind.properties().first().copied().unwrap_or(ACTIVE)
}
