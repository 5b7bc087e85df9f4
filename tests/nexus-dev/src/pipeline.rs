//! One statement's way: statement, engine, answer.
//!
//! 1. *understand*: tokens, shape, guards; nothing has run yet
//! 2. *carry out*: rewrite and run on the engine, or declare an index
//! 3. *answer*: rows in Nexus's form, or the failure in Nexus's words
//!
//! [`Pipeline::run`] is the one place every statement passes. Whoever wants other answers than the right ones (the
//! mistakes of a certain Nexus version, say) intercepts there, between the steps, and nowhere else: with quirks, they
//! decide what is carried out, and use the same steps for it.

use std::time::Instant;

use grafeo_engine::database::QueryResult;
use serde_json::json;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::graph::{Graph, GraphCounts};
use crate::quirks::{Nexus25, Outcome};
use crate::statement::error::CypherError;
use crate::statement::index_ddl::IndexStatement;
use crate::statement::shape::AnswerShape;
use crate::statement::{JsonParams, Statement, guard, index_ddl, rewrite};

/// Carries statements through the three steps. Blocking.
pub(crate) struct Pipeline {
    graph: Graph,
    quirks: Option<Nexus25>,
    /// Whether the process that a server with quirks plays is gone.
    dead: watch::Sender<bool>,
}

impl Pipeline {
    /// A pipeline over an open graph.
    pub(crate) fn new(graph: Graph, quirks: Option<Nexus25>) -> Self {
        Self {
            graph,
            quirks,
            dead: watch::Sender::new(false),
        }
    }

    /// The graph behind it.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The version to report.
    pub(crate) fn version(&self) -> &'static str {
        match self.quirks {
            Some(_) => Nexus25::VERSION,
            None => crate::VERSION,
        }
    }

    /// The counters to report.
    pub(crate) fn counts(&self) -> GraphCounts {
        match &self.quirks {
            Some(quirks) => quirks.counts(),
            None => self.graph.counts(),
        }
    }

    /// The labels to report: with quirks those that were ever used, else those that nodes have.
    pub(crate) fn labels(&self) -> Vec<String> {
        match &self.quirks {
            Some(quirks) => quirks.labels(),
            None => self.graph.labels(),
        }
    }

    /// The types to report: those that edges have.
    pub(crate) fn types(&self) -> Vec<String> {
        self.graph.types()
    }

    /// Tells when a statement has ended the process that is played. Only with quirks it ever does.
    pub(crate) fn death(&self) -> watch::Receiver<bool> {
        self.dead.subscribe()
    }

    /// Answers one statement. Failures are answers too; `None` when the process that is played is gone.
    pub(crate) fn run(&self, query: &str, params: &JsonParams) -> Option<Answer> {
        if *self.dead.borrow() {
            return None;
        }
        let start = Instant::now();
        let result = match &self.quirks {
            None => self.answer(query, params),
            Some(quirks) => match quirks.run(&self.graph, query, params) {
                Outcome::Answered(result) => result,
                Outcome::Died => {
                    self.dead.send_replace(true);
                    return None;
                }
            },
        };
        let mut answer = result.unwrap_or_else(Answer::failure);
        answer.execution_time_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(answer)
    }

    fn answer(&self, query: &str, params: &JsonParams) -> Result<Answer, CypherError> {
        let statement = Statement::parse(query)?;
        if let Some(index) = index_ddl::parse(&statement)? {
            return declare(&self.graph, index);
        }
        guard::check(&statement, params)?;
        let shape: AnswerShape = statement.answer_shape();
        let result = carry_out(&self.graph, &statement, params)?;
        Ok(Answer::shaped(shape, &result))
    }
}

/// Rewrites a statement for the engine and runs it.
///
/// # Errors
/// Whatever the rewriting or the engine refuses.
pub(crate) fn carry_out(
    graph: &Graph,
    statement: &Statement<'_>,
    params: &JsonParams,
) -> Result<QueryResult, CypherError> {
    let reads = statement.is_plain_read();
    let prepared = rewrite::rewrite(statement, params)?;
    graph.execute(prepared, reads)
}

/// Declares or drops an index.
///
/// # Errors
/// An index that exists already, or does not exist, unless the statement tolerates it.
pub(crate) fn declare(graph: &Graph, index: IndexStatement) -> Result<Answer, CypherError> {
    Ok(match graph.declare(index)? {
        Some(name) => Answer::single("index", json!(name)),
        None => Answer::table(vec!["index".to_string()], Vec::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Durability;
    use serde_json::Value as Json;

    fn pipeline() -> Pipeline {
        Pipeline::new(Graph::open(None, Durability::default()).unwrap(), None)
    }

    fn run(pipeline: &Pipeline, query: &str, params: Json) -> Answer {
        pipeline.run(query, params.as_object().unwrap()).unwrap()
    }

    /// Columns and rows of a statement that must succeed.
    fn rows(pipeline: &Pipeline, query: &str, params: Json) -> Json {
        let answer = run(pipeline, query, params);
        assert_eq!(answer.error, None, "{query}");
        Json::Array(answer.rows)
    }

    const UPSERT: &str = "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props";

    #[test]
    fn a_single_hop_range_answers_one_relationship_per_row() {
        let pipeline = pipeline();
        rows(
            &pipeline,
            "CREATE (:D {key:'a'})-[:T {s: 0.5}]->(:D {key:'b'})",
            json!({}),
        );
        let hop =
            "MATCH (a:D {key:'a'})-[r:T*1..1]->(b) RETURN 'a' AS a, b.key AS b, type(r) AS t, r.s AS s, r";
        let expected = json!([["a", "b", "T", 0.5, {"_nexus_id": 0, "s": 0.5, "type": "T"}]]);
        assert_eq!(rows(&pipeline, hop, json!({})), expected);
    }

    #[test]
    fn literals_that_differ_only_in_white_space_stay_apart() {
        let pipeline = pipeline();
        for text in [
            "a b",
            "a  b",
            "a\tb",
            "a\nb",
            " a b",
            "a\u{a0}b",
            "it's",
            "back\\slash",
            "\\n",
        ] {
            let literal = text.replace('\\', "\\\\").replace('\'', "\\'");
            assert_eq!(
                rows(&pipeline, &format!("RETURN '{literal}' AS x"), json!({})),
                json!([[text]])
            );
        }
    }

    #[test]
    fn projected_parameters_keep_their_type_beside_aggregates() {
        let pipeline = pipeline();
        let values = json!({"m": {"a": [1, null]}, "l": [1, "x"], "n": null, "i": -5, "f": 0.1, "s": "é'"});
        let all = "RETURN $m AS m, $l AS l, $n AS n, $i AS i, $f AS f, $s AS s";
        assert_eq!(
            rows(&pipeline, all, values.clone()),
            json!([[{"a": [1, null]}, [1, "x"], null, -5, 0.1, "é'"]])
        );
        let aggregate = "UNWIND [1, 2] AS x RETURN $s AS s, count(x) AS n";
        assert_eq!(rows(&pipeline, aggregate, values.clone()), json!([["é'", 2]]));
        assert_eq!(
            rows(&pipeline, "WITH $m AS m RETURN m.a AS a", values),
            json!([[[1, null]]])
        );
    }

    #[test]
    fn a_batch_with_a_null_key_changes_nothing() {
        let pipeline = pipeline();
        let batch = json!({"rows": [{"key": "a", "props": {}}, {"key": null, "props": {}}]});
        assert!(
            run(&pipeline, UPSERT, batch)
                .error
                .unwrap()
                .contains("null property value for key")
        );
        assert_eq!(
            rows(&pipeline, "MATCH (d:Document) RETURN count(d)", json!({})),
            json!([[0]])
        );
    }

    #[test]
    fn null_removes_a_property_and_the_rest_stays() {
        let pipeline = pipeline();
        let first = json!({"rows": [{"key": "a", "props": {"x": 1, "y": {"z": [{}]}}}]});
        rows(&pipeline, UPSERT, first);
        rows(
            &pipeline,
            UPSERT,
            json!({"rows": [{"key": "a", "props": {"x": null, "w": []}}, {"key": "a"}]}),
        );
        let read = rows(&pipeline, "MATCH (d:Document) RETURN d, keys(d) AS k", json!({}));
        assert_eq!(
            read[0][0],
            json!({"_nexus_id": 0, "key": "a", "y": {"z": [{}]}, "w": []})
        );
        assert_eq!(read[0][1].as_array().unwrap().len(), 3);
    }

    #[test]
    fn maps_set_by_merge_branches_are_kept_per_row() {
        let pipeline = pipeline();
        let query = "UNWIND $rows AS row MERGE (a:D {key: row.a}) MERGE (e:E {key: row.e}) \
            ON CREATE SET e += row.p ON MATCH SET e += row.p MERGE (a)-[r:T]->(e) \
            ON CREATE SET r += row.q ON MATCH SET r += row.q";
        let batch = json!({"rows": [{"a": "a", "e": "x", "p": {"n": 1}, "q": {"s": 0.1}},
            {"a": "a", "e": "y", "p": {"n": 2}, "q": {"s": 0.2}}]});
        rows(&pipeline, query, batch.clone());
        rows(&pipeline, query, batch);
        let read = "MATCH (a:D)-[r:T]->(e:E) RETURN a.key, e.key, e.n, r.s ORDER BY e.key";
        assert_eq!(
            rows(&pipeline, read, json!({})),
            json!([["a", "x", 1, 0.1], ["a", "y", 2, 0.2]])
        );
        assert!(
            run(
                &pipeline,
                "MERGE (d:D {key: 'z'}) ON CREATE SET d += $p",
                json!({"p": {}})
            )
            .error
            .is_some()
        );
        assert_eq!(
            rows(&pipeline, "MATCH (d:D) RETURN count(d)", json!({})),
            json!([[1]])
        );
    }

    #[test]
    fn settings_on_a_new_end_node_are_kept() {
        let pipeline = pipeline();
        let query = "MERGE (a:D {key: 'a'}) MERGE (a)-[r:T]->(c:C {key: 'c'}) \
            ON CREATE SET c.x = 1, r.y = 2 ON MATCH SET c.x = 1, r.y = 2";
        rows(&pipeline, query, json!({}));
        let read = rows(&pipeline, "MATCH (:D)-[r:T]->(c:C) RETURN c.x, r.y", json!({}));
        assert_eq!(read, json!([[1, 2]]));
    }

    #[test]
    fn an_index_is_declared_once_and_dropped_by_label() {
        let pipeline = pipeline();
        let create = "CREATE INDEX FOR (n:Document) ON (n.key)";
        assert_eq!(
            rows(&pipeline, create, json!({})),
            json!([["Document.key.property"]])
        );
        let again = run(&pipeline, create, json!({})).error.unwrap();
        assert_eq!(
            again,
            "Execution error: Cypher execution error: Index on :Document(key) already exists"
        );
        rows(&pipeline, "CREATE INDEX ON :Entity(key)", json!({}));
        rows(&pipeline, "DROP INDEX ON :Entity(key)", json!({}));
        assert!(
            run(&pipeline, "DROP INDEX ON :Entity(key)", json!({}))
                .error
                .is_some()
        );
        assert_eq!(
            rows(&pipeline, "DROP INDEX IF EXISTS ON :Entity(key)", json!({})),
            json!([])
        );
        assert!(
            run(&pipeline, create, json!({})).error.is_some(),
            "the other label keeps its index"
        );
    }

    #[test]
    fn a_seek_through_the_write_path_finds_its_node() {
        let pipeline = pipeline();
        rows(&pipeline, UPSERT, json!({"rows": [{"key": "it's", "props": {}}]}));
        let seek = "MATCH (d:Document {key:$k}) FOREACH (x IN null | SET x.a = 1) RETURN d.key AS k";
        assert_eq!(rows(&pipeline, seek, json!({"k": "it's"})), json!([["it's"]]));
        assert!(
            run(&pipeline, "SHOW INDEXES", json!({}))
                .error
                .unwrap()
                .starts_with("Parse error: ")
        );
    }

    #[test]
    fn a_closed_graph_refuses_writes() {
        let pipeline = pipeline();
        pipeline.graph().close().unwrap();
        assert!(
            run(&pipeline, "CREATE (:D)", json!({}))
                .error
                .unwrap()
                .contains("shutting down")
        );
    }

    #[test]
    fn many_union_branches_fit_a_small_stack() {
        let pipeline = pipeline();
        rows(&pipeline, "CREATE (:D {key:'k7'})", json!({}));
        let branch = |i| format!("MATCH (d:D {{key:'k{i}'}}) RETURN d.key AS k");
        let query = (0..500).map(branch).collect::<Vec<_>>().join(" UNION ALL ");
        assert_eq!(rows(&pipeline, &query, json!({})), json!([["k7"]]));
    }
}
