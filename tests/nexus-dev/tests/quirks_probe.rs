//! The capability probe of the dialect page, step by step, and the other dangerous forms: with quirks they come out as
//! on Nexus 2.5.0, without them rightly. What a form did is always read back by a form that is right on both.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use nexus_dev::{NexusDev, Quirks};
use serde_json::{Value, json};
use support::process::Process;
use support::{UPSERT_EDGES, UPSERT_NODES, answer, client, rows, send, server, start};

const UPSERT: &str = "UNWIND $rows AS row MERGE (d:VzProbe {key: row.key}) SET d += row.props RETURN d.key";
const LINK: &str = "UNWIND $rows AS row MATCH (a:VzProbe {key: row.a}) MATCH (b:VzProbe {key: row.b}) \
    MERGE (a)-[r:VZ_PROBE]->(b) ON CREATE SET r.n = row.n ON MATCH SET r.n = row.n";
async fn quirky() -> NexusDev {
    start(NexusDev::builder().quirks(Quirks::V2_5)).await
}

async fn get(url: &str, path: &str) -> Value {
    client()
        .get(format!("{url}{path}"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// The steps 2 to 13 of the probe; the answers in order, rows sorted where the statement does not order them.
async fn probe(url: &str) -> Vec<(u32, Value)> {
    let mut answers = Vec::new();
    for property in ["key", "tag"] {
        let index = format!("CREATE INDEX IF NOT EXISTS FOR (n:VzProbe) ON (n.{property})");
        rows(url, &index, json!({})).await;
    }
    let nodes = ["a", "b", "c", "q'x"].iter().enumerate();
    let nodes: Vec<Value> = nodes
        .map(|(n, key)| json!({"key": key, "props": {"tag": "vzprobe", "n": n}}))
        .collect();
    answers.push((3, rows(url, UPSERT, json!({"rows": nodes})).await));
    let seeks = |keys: &[&str]| {
        let branch = |key: &&str| format!("MATCH (d:VzProbe {{key:'{key}'}}) RETURN d.n AS n");
        keys.iter().map(branch).collect::<Vec<_>>().join(" UNION ALL ")
    };
    answers.push((4, rows(url, &seeks(&["a", "zz", "c"]), json!({})).await));
    answers.push((5, rows(url, &seeks(&["q\\'x", "a"]), json!({})).await));
    let filtered = "MATCH (d:VzProbe {tag:'vzprobe'}) WHERE d.key = $k RETURN d.key";
    let mut found = rows(url, filtered, json!({"k": "b"})).await;
    if let Some(rows) = found.as_array_mut() {
        rows.sort_by_key(Value::to_string);
    }
    answers.push((6, found));
    let skipped = "MATCH (d:VzProbe {tag:'vzprobe'}) RETURN d.key AS k ORDER BY k SKIP 1 LIMIT 1";
    answers.push((7, rows(url, skipped, json!({})).await));
    let links = json!({"rows": [{"a": "a", "b": "b", "n": 1}, {"a": "a", "b": "c", "n": 2}]});
    rows(url, LINK, links).await;
    let hop = "MATCH (a:VzProbe {key:'a'})-[r:VZ_PROBE*1..1]->(b) RETURN b.key AS k, r.n AS n ORDER BY k";
    answers.push((8, rows(url, hop, json!({})).await));
    let plain = LINK.split(" ON CREATE").next().unwrap().to_string() + " SET r.n = row.n";
    let links = json!({"rows": [{"a": "a", "b": "b", "n": 3}, {"a": "a", "b": "c", "n": 4}]});
    rows(url, &plain, links).await;
    answers.push((9, rows(url, hop, json!({})).await));
    let plain_hop = "MATCH (a:VzProbe {key:'a'})-[r:VZ_PROBE]->(b) RETURN b.key AS k ORDER BY k";
    answers.push((10, rows(url, plain_hop, json!({})).await));
    let incoming = "MATCH (b:VzProbe {key:'b'})<-[r:VZ_PROBE*1..1]-(a) RETURN a.key AS k";
    answers.push((11, rows(url, incoming, json!({})).await));
    let delete = "MATCH (a:VzProbe {key:$a})-[r:VZ_PROBE]->(b:VzProbe {key:$b}) DELETE r";
    rows(url, delete, json!({"a": "a", "b": "b"})).await;
    answers.push((
        12,
        rows(
            url,
            "MATCH (:VzProbe)-[r:VZ_PROBE]->() RETURN count(r)",
            json!({}),
        )
        .await,
    ));
    rows(
        url,
        "MATCH (d:VzProbe {tag:'vzprobe'}) DETACH DELETE d",
        json!({}),
    )
    .await;
    answers.push((
        13,
        rows(url, "MATCH (d:VzProbe {tag:'vzprobe'}) RETURN d.key", json!({})).await,
    ));
    answers
}

/// More than 600 relationships between documents.
async fn crowd(url: &str) {
    let nodes: Vec<_> = (0..621)
        .map(|n| json!({"key": format!("f{n}"), "props": {}}))
        .collect();
    rows(url, support::INDEX_KEY, json!({})).await;
    rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
    let edges: Vec<_> = (1..621)
        .map(|n| json!({"a": "f0", "b": format!("f{n}"), "score": 0.5, "active": true}))
        .collect();
    rows(url, UPSERT_EDGES, json!({"rows": edges})).await;
}

#[tokio::test]
async fn each_step_of_the_probe_answers_as_nexus_2_5_does() {
    let server = quirky().await;
    crowd(server.url()).await;
    assert_eq!(get(server.url(), "/health").await["version"], "2.5.0");
    let catalog = get(server.url(), "/stats").await["catalog"].take();
    assert_eq!(
        (&catalog["label_count"], &catalog["rel_count"]),
        (&json!(1), &json!(620))
    );
    let expected = [
        (3, json!([["a"], ["b"], ["c"], ["q'x"]])),
        (4, json!([[0], [2]])),
        (5, json!([[0]])),
        (6, json!([["a"], ["b"], ["c"], ["q'x"]])),
        (7, json!([["a"]])),
        (8, json!([["b", 1], ["c", 2]])),
        (9, json!([["b", 4], ["c", 4]])),
        (10, json!([[null]])),
        (11, json!([])),
        (12, json!([[2]])),
        (13, json!([])),
    ];
    assert_eq!(probe(server.url()).await, expected);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn each_step_of_the_probe_is_answered_rightly_without_quirks() {
    let server = server().await;
    crowd(server.url()).await;
    let expected = [
        (3, json!([["a"], ["b"], ["c"], ["q'x"]])),
        (4, json!([[0], [2]])),
        (5, json!([[3], [0]])),
        (6, json!([["b"]])),
        (7, json!([["b"]])),
        (8, json!([["b", 1], ["c", 2]])),
        (9, json!([["b", 3], ["c", 4]])),
        (10, json!([["b"], ["c"]])),
        (11, json!([["a"]])),
        (12, json!([[1]])),
        (13, json!([])),
    ];
    assert_eq!(probe(server.url()).await, expected);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn incoming_relationships_are_found_only_among_the_first_of_the_database() {
    let server = quirky().await;
    let url = server.url();
    crowd(url).await;
    let incoming =
        |key: &str| format!("MATCH (d:Document {{key:'{key}'}})<-[r:SIMILAR_TO*1..1]-(x) RETURN x.key");
    assert_eq!(rows(url, &incoming("f10"), json!({})).await, json!([["f0"]]));
    assert_eq!(rows(url, &incoming("f620"), json!({})).await, json!([]));
    let scan = "MATCH (d:Document {key:$k})<-[r:SIMILAR_TO]-(x) RETURN x.key";
    assert_eq!(rows(url, scan, json!({"k": "f620"})).await, json!([]));
    let outgoing = "MATCH (x:Document)-[r:SIMILAR_TO]->(d:Document) WHERE d.key = $k RETURN x.key";
    assert_eq!(rows(url, outgoing, json!({"k": "f620"})).await, json!([["f0"]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn deleting_anonymous_relationships_deletes_the_nodes_with_their_ids() {
    let server = quirky().await;
    let url = server.url();
    let nodes: Vec<_> = (0..6)
        .map(|n| json!({"key": format!("v{n}"), "props": {}}))
        .collect();
    rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
    let edges = json!({"rows": [{"a": "v4", "b": "v5"}, {"a": "v5", "b": "v0"}, {"a": "v3", "b": "v4"}]});
    rows(url, UPSERT_EDGES, edges).await;
    let delete = "MATCH ()-[r:SIMILAR_TO]->() DELETE r";
    assert_eq!(rows(url, delete, json!({})).await, json!([[3]]));
    let left = "MATCH (d:Document) RETURN d.key AS k ORDER BY k";
    assert_eq!(rows(url, left, json!({})).await, json!([["v3"], ["v4"], ["v5"]]));
    let count = "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)";
    assert_eq!(rows(url, count, json!({})).await, json!([[3]]));
    let dangling = "MATCH (a:Document {key:'v5'})-[r:SIMILAR_TO*1..1]->(b) RETURN b.key";
    assert_eq!(rows(url, dangling, json!({})).await, json!([[null]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_condition_behind_a_seek_does_not_save_the_bucket_from_deletion() {
    for (quirks, left) in [(Some(Quirks::V2_5), 0), (None, 3)] {
        let mut builder = NexusDev::builder();
        if let Some(quirks) = quirks {
            builder = builder.quirks(quirks);
        }
        let server = start(builder).await;
        let url = server.url();
        rows(url, "CREATE INDEX FOR (n:Document) ON (n.bucket)", json!({})).await;
        let nodes: Vec<_> = (0..6)
            .map(|n| json!({"key": format!("d{n}"), "props": {"bucket": "b", "half": n % 2}}))
            .collect();
        rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
        rows(
            url,
            "MATCH (d:Document {bucket:'b'}) WHERE d.half = 1 DETACH DELETE d",
            json!({}),
        )
        .await;
        assert_eq!(
            rows(url, "MATCH (d:Document) RETURN count(d)", json!({})).await,
            json!([[left]])
        );
        server.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_literal_on_an_unindexed_property_is_an_injection() {
    let server = quirky().await;
    let url = server.url();
    rows(
        url,
        UPSERT_NODES,
        json!({"rows": [{"key": "a", "props": {}}, {"key": "it's", "props": {}}]}),
    )
    .await;
    let attack = r"MATCH (d:Document {key:'yy\' OR true OR \'a\' = \''}) RETURN d.key AS k ORDER BY k";
    assert_eq!(rows(url, attack, json!({})).await, json!([["a"], ["it's"]]));
    assert_eq!(
        rows(url, r"MATCH (d:Document {key:'it\'s'}) RETURN d.key", json!({})).await,
        json!([])
    );
    let parameter = "MATCH (d:Document {key:$k}) RETURN d.key";
    assert_eq!(
        rows(url, parameter, json!({"k": "it's"})).await,
        json!([["it's"]])
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failing_row_keeps_the_rows_before_it_and_may_leave_a_bare_node() {
    let server = quirky().await;
    let url = server.url();
    let batch = json!({"rows": [{"key": "a", "props": {"n": 1}}, {"key": "b", "props": [1]}, {"key": "c", "props": {}}]});
    assert!(
        answer(url, UPSERT_NODES, batch).await["error"]
            .as_str()
            .unwrap()
            .contains("ERR_SET_NON_MAP")
    );
    let read = "MATCH (d:Document) RETURN d.key AS k, d.n AS n ORDER BY k";
    assert_eq!(rows(url, read, json!({})).await, json!([["a", 1], ["b", null]]));
    let batch = json!({"rows": [{"a": "a", "b": "b", "score": 1}, {"a": "a", "b": "zz", "score": 2}, {"a": "b", "b": "a", "score": 3}]});
    let error = answer(url, UPSERT_EDGES, batch).await["error"].take();
    assert_eq!(
        error,
        "Execution error: Cypher execution error: Unknown variable 'r' in SET clause"
    );
    let read = "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Document) RETURN a.key, b.key, r.score";
    assert_eq!(rows(url, read, json!({})).await, json!([["a", "b", 1]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_setting_beside_a_missing_end_node_hits_every_node() {
    let server = quirky().await;
    let url = server.url();
    rows(
        url,
        UPSERT_NODES,
        json!({"rows": [{"key": "a", "props": {}}, {"key": "b", "props": {}}]}),
    )
    .await;
    let stray = "UNWIND $rows AS row MATCH (a:Document {key: row.a}) MATCH (b:Document {key: row.b}) \
        MERGE (a)-[r:T]->(b) SET a.hit = row.x";
    rows(url, stray, json!({"rows": [{"a": "a", "b": "zz", "x": 7}]})).await;
    let hit = "MATCH (n) WHERE n.hit = 7 RETURN count(n)";
    assert_eq!(rows(url, hit, json!({})).await, json!([[2]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn nodes_of_a_label_past_the_sixty_fourth_are_never_found_by_it() {
    let server = quirky().await;
    let url = server.url();
    for n in 0..64 {
        rows(url, &format!("MATCH (n:L{n}) RETURN count(n)"), json!({})).await;
    }
    let late = "UNWIND $rows AS row MERGE (d:Late {key: row.key}) SET d += row.props";
    let batch = json!({"rows": [{"key": "a", "props": {"x": 1}}]});
    rows(url, late, batch.clone()).await;
    rows(url, late, batch).await;
    assert_eq!(
        rows(url, "MATCH (d:Late) RETURN d.key", json!({})).await,
        json!([])
    );
    assert_eq!(
        rows(url, "MATCH (d) WHERE d.x = 1 RETURN d.key", json!({})).await,
        json!([["a"], ["a"]])
    );
    assert_eq!(get(url, "/stats").await["catalog"]["label_count"], 65);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn labels_are_added_to_nodes_of_the_same_statement() {
    let server = quirky().await;
    let url = server.url();
    let batch = json!({"rows": [{"key": "a", "props": {"x": 1}}], "more": ["M1", "M2"]});
    rows(url, &format!("{UPSERT_NODES} SET d:L1 SET d:$more"), batch).await;
    for label in ["L1", "M1", "M2"] {
        let read = format!("MATCH (d:{label}) RETURN d.key, d.x");
        assert_eq!(rows(url, &read, json!({})).await, json!([["a", 1]]), "{label}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_far_end_of_a_hop_matches_whatever_its_pattern_says() {
    let server = quirky().await;
    let url = server.url();
    let nodes = ["a", "b", "c"].map(|key| json!({"key": key, "props": {}}));
    rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
    let edges = json!({"rows": [{"a": "a", "b": "b"}, {"a": "a", "b": "c"}]});
    rows(url, UPSERT_EDGES, edges).await;
    let read = "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Other {key:'b'}) RETURN b.key AS k ORDER BY k";
    assert_eq!(rows(url, read, json!({})).await, json!([["b"], ["c"]]));
    let filtered = "MATCH (a:Document)-[r:SIMILAR_TO]->(b) WHERE b.key = 'b' RETURN b.key AS k";
    assert_eq!(rows(url, filtered, json!({})).await, json!([["b"]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn counters_do_not_fall_on_deletion() {
    let server = quirky().await;
    let url = server.url();
    rows(
        url,
        UPSERT_NODES,
        json!({"rows": [{"key": "a", "props": {}}, {"key": "b", "props": {}}]}),
    )
    .await;
    rows(url, UPSERT_EDGES, json!({"rows": [{"a": "a", "b": "b"}]})).await;
    rows(url, "MATCH (d:Document) DETACH DELETE d", json!({})).await;
    let catalog = get(url, "/stats").await["catalog"].take();
    assert_eq!(
        (&catalog["node_count"], &catalog["rel_count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        rows(url, "MATCH (n) RETURN count(n)", json!({})).await,
        json!([[0]])
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_explicit_null_stays_on_a_relationship() {
    let server = quirky().await;
    let url = server.url();
    rows(
        url,
        UPSERT_NODES,
        json!({"rows": [{"key": "a", "props": {}}, {"key": "b", "props": {}}]}),
    )
    .await;
    rows(
        url,
        UPSERT_EDGES,
        json!({"rows": [{"a": "a", "b": "b", "score": null, "active": true}]}),
    )
    .await;
    let read = rows(url, "MATCH (:Document)-[r:SIMILAR_TO]->() RETURN r", json!({})).await;
    assert_eq!(
        read[0][0],
        json!({"_nexus_id": 0, "type": "SIMILAR_TO", "score": null, "active": true})
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_unindexed_lookup_is_noted_beside_the_answer() {
    let server = quirky().await;
    let url = server.url();
    let batch = json!({"rows": [{"key": "a", "props": {}}]});
    let noted = answer(url, UPSERT_NODES, batch.clone()).await;
    assert_eq!(
        noted["notifications"][0]["code"],
        "Nexus.Performance.UnindexedPropertyAccess"
    );
    rows(url, support::INDEX_KEY, json!({})).await;
    assert_eq!(answer(url, UPSERT_NODES, batch).await.get("notifications"), None);
    server.shutdown().await.unwrap();
}

fn union(branches: usize) -> String {
    let branch = |n| format!("MATCH (d:Document {{key:'k{n}'}}) RETURN d.key AS k");
    (0..branches).map(branch).collect::<Vec<_>>().join(" UNION ALL ")
}

#[tokio::test]
async fn a_union_of_a_thousand_branches_takes_the_server_down() {
    let server = quirky().await;
    let url = server.url();
    assert_eq!(rows(url, &union(500), json!({})).await, json!([]));
    assert!(send(url, &union(1000), json!({})).await.is_err(), "no answer");
    server.died().await;
    assert!(send(url, "RETURN 1 AS x", json!({})).await.is_err());
    assert!(client().get(format!("{url}/health")).send().await.is_err());
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_binary_ends_with_an_error_where_the_real_one_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut process = Process::start(&["--quirks", "2.5", "--data", data]);
    rows(
        &process.url,
        UPSERT_NODES,
        json!({"rows": [{"key": "a", "props": {}}]}),
    )
    .await;
    assert!(send(&process.url, &union(1000), json!({})).await.is_err());
    assert!(!process.ended().success());
    let process = Process::start(&["--quirks", "2.5", "--data", data]);
    assert_eq!(support::documents(&process.url).await, 1);
}
