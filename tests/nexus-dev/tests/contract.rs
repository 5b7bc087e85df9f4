//! The HTTP contract: answers, refusals, probes, and the statements clients send.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod support;

use nexus_dev::{NexusDev, NexusDevError};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{INDEX_KEY, UPSERT_EDGES, UPSERT_NODES, answer, client, documents, rows, server};

#[tokio::test]
async fn an_answer_has_columns_rows_and_a_time() {
    let server = server().await;
    let body = answer(
        server.url(),
        "RETURN 1 AS one, $p.x AS x",
        json!({"p": {"x": "y"}}),
    )
    .await;
    assert_eq!(body["columns"], json!(["one", "x"]));
    assert_eq!(body["rows"], json!([[1, "y"]]));
    assert!(body["execution_time_ms"].is_u64());
    assert_eq!(
        body.as_object().unwrap().len(),
        3,
        "no error field on success: {body}"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn parameters_may_be_called_parameters_or_be_null() {
    let server = server().await;
    let url = format!("{}/cypher", server.url());
    let send = async |body: Value| -> Value {
        client()
            .post(&url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let named = send(json!({"query": "RETURN $x AS x", "parameters": {"x": 5}})).await;
    assert_eq!(named["rows"], json!([[5]]));
    assert_eq!(
        send(json!({"query": "RETURN 1 AS x", "params": null})).await["rows"],
        json!([[1]])
    );
    assert_eq!(
        send(json!({"query": "RETURN 1 AS x"})).await["rows"],
        json!([[1]])
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_cypher_error_is_http_200_with_its_prefix() {
    let server = server().await;
    let execution = "Execution error: Cypher execution error: ";
    for (query, prefix) in [
        ("", "Cypher syntax error: "),
        ("MATCH (n RETURN n", "Parse error: Cypher syntax error: "),
        ("MATCH (n) RETURN", "Parse error: Cypher syntax error: "),
        ("MATCH (n) RETURN m", execution),
        (
            "MATCH (d:Document {key:$k}) RETURN d",
            "Cypher execution error: ERR_MISSING_PARAMETER: ",
        ),
        (
            UPSERT_NODES,
            "Execution error: Cypher execution error: Parameter `$rows` was not provided",
        ),
    ] {
        let body = answer(server.url(), query, json!({})).await;
        let error = body["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(prefix), "{query}: {error}");
        assert_eq!(
            (&body["columns"], &body["rows"]),
            (&json!([]), &json!([])),
            "{query}"
        );
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn malformed_requests_are_refused_by_status() {
    let server = server().await;
    let cypher = format!("{}/cypher", server.url());
    let post =
        |kind: &'static str, body: Vec<u8>| client().post(&cypher).header("content-type", kind).body(body);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();

    assert_eq!(
        status(post("application/json", b"{bad".to_vec())).await,
        StatusCode::BAD_REQUEST
    );
    let no_query = b"{\"params\":{}}".to_vec();
    assert_eq!(
        status(post("application/json", no_query)).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let bad_params = b"{\"query\":\"RETURN 1\",\"params\":[1]}".to_vec();
    assert_eq!(
        status(post("application/json", bad_params)).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let text = b"{\"query\":\"RETURN 1\"}".to_vec();
    assert_eq!(
        status(post("text/plain", text)).await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        status(client().get(&cypher)).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        status(client().get(format!("{}/nosuch", server.url()))).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        status(client().get(format!("{}/_faults", server.url()))).await,
        StatusCode::NOT_FOUND
    );

    let large =
        |length| serde_json::to_vec(&json!({"query": "RETURN 1 AS x", "p": "x".repeat(length)})).unwrap();
    let above = post("application/json", large(16 << 20)).send().await.unwrap();
    assert_eq!(above.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        above.text().await.unwrap(),
        "Failed to buffer the request body: length limit exceeded"
    );
    assert_eq!(
        status(post("application/json", large((16 << 20) - 100))).await,
        StatusCode::OK
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn probes_report_health_and_counts() {
    let server = server().await;
    rows(
        server.url(),
        "CREATE (:Document {key:'a'})-[:SIMILAR_TO]->(:Entity)-[:PART_OF]->(:Entity)",
        json!({}),
    )
    .await;
    let get = async |path: &str| -> Value {
        client()
            .get(format!("{}{path}", server.url()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let health = get("/health").await;
    assert_eq!(
        (&health["status"], &health["version"]),
        (&json!("Healthy"), &json!(nexus_dev::VERSION))
    );
    assert!(health["uptime_seconds"].is_u64());
    let expected = json!({"label_count": 2, "rel_type_count": 2, "node_count": 3, "rel_count": 2});
    assert_eq!(get("/stats").await["catalog"], expected);
    assert_eq!(get("/schema/labels").await["labels"].as_array().unwrap().len(), 2);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn node_values_come_back_exactly() {
    let server = server().await;
    // As text, so that the numbers on the wire are these digits.
    let props = r#"{"i64":9223372036854775807,"min":-9223372036854775808,"u64":18446744073709551615,"f":0.1,
        "one_f":1.0,"third":0.3333333333333333,"tiny":5e-324,"e":[],"lf":[0.1,0.2,0.30000000000000004],"ls":["a",""],
        "m":{"a":1,"b":{"c":[1,[],{}]},"n":null},"u":"é漢字🎉","nl":"a\nb\tc\"d'e\\f  g","b":false}"#;
    let body = format!(r#"{{"query":"{UPSERT_NODES}","params":{{"rows":[{{"key":"k","props":{props}}}]}}}}"#);
    let request = client()
        .post(format!("{}/cypher", server.url()))
        .header("content-type", "application/json");
    assert_eq!(request.body(body).send().await.unwrap().status(), StatusCode::OK);

    let mut expected: Value = serde_json::from_str(props).unwrap();
    let read = rows(
        server.url(),
        "MATCH (d:Document {key:'k'}) RETURN d.key AS k, d AS d",
        json!({}),
    )
    .await;
    let mut node = read[0][1].clone();
    assert!(node.as_object_mut().unwrap().remove("_nexus_id").is_some());
    expected["key"] = json!("k");
    assert_eq!(node.to_string(), expected.to_string());
    assert_eq!(read[0][0], "k");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn batches_of_seeks_and_hops_answer_every_branch() {
    let server = server().await;
    let url = server.url();
    rows(url, INDEX_KEY, json!({})).await;
    let nodes: Vec<_> = (0..300)
        .map(|i| json!({"key": format!("c1/d{i}"), "props": {"rev": i}}))
        .collect();
    rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
    let edge = |i: u64, step| json!({"a": format!("c1/d{i}"), "b": format!("c1/d{}", (i + step) % 300), "score": 0.5, "active": true});
    let edges: Vec<_> = (0..300).flat_map(|i| [edge(i, 1), edge(i, 7)]).collect();
    rows(url, UPSERT_EDGES, json!({"rows": edges})).await;
    rows(url, UPSERT_EDGES, json!({"rows": edges})).await;

    let seek = |i| format!("MATCH (d:Document {{key:'c1/d{i}'}}) RETURN d.key AS k, d AS d");
    let seeks = (250..350).map(seek).collect::<Vec<_>>().join(" UNION ALL ");
    let found = rows(url, &seeks, json!({})).await;
    assert_eq!(found.as_array().unwrap().len(), 50, "absent keys give no row");
    assert_eq!(found[0][1]["rev"], 250);

    let hop = |i| {
        format!(
            "MATCH (a:Document {{key:'c1/d{i}'}})-[r:SIMILAR_TO*1..1]->(b) \
             RETURN 'c1/d{i}' AS a, b.key AS b, type(r) AS t, r.score AS s, r.active AS act"
        )
    };
    let hops = (0..100).map(hop).collect::<Vec<_>>().join(" UNION ALL ");
    let mut neighbours = rows(url, &hops, json!({})).await.as_array().unwrap().clone();
    neighbours.sort_by_key(|row| row.to_string());
    let neighbour = |i, step| {
        json!([
            format!("c1/d{i}"),
            format!("c1/d{}", i + step),
            "SIMILAR_TO",
            0.5,
            true
        ])
    };
    let mut expected: Vec<_> = (0..100)
        .flat_map(|i| [neighbour(i, 1), neighbour(i, 7)])
        .collect();
    expected.sort_by_key(|row| row.to_string());
    assert_eq!(neighbours, expected);

    let two = "MATCH (a:Document {key:'c1/d0'})-[r:SIMILAR_TO*1..1]->(b)-[q:SIMILAR_TO*1..1]->(c) \
        RETURN b.key, c.key, r.score, q.score ORDER BY b.key, c.key";
    let paths = json!([
        ["c1/d1", "c1/d2", 0.5, 0.5],
        ["c1/d1", "c1/d8", 0.5, 0.5],
        ["c1/d7", "c1/d14", 0.5, 0.5],
        ["c1/d7", "c1/d8", 0.5, 0.5]
    ]);
    assert_eq!(rows(url, two, json!({})).await, paths);
    assert_eq!(
        rows(url, "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)", json!({})).await,
        json!([[600]])
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn tagged_documents_are_deleted_with_their_edges_and_counted() {
    let server = server().await;
    let url = server.url();
    rows(
        url,
        "CREATE INDEX IF NOT EXISTS FOR (n:Document) ON (n.gc)",
        json!({}),
    )
    .await;
    let nodes: Vec<_> = (0..20)
        .map(|i| json!({"key": format!("d{i}"), "props": {"bucket": "b"}}))
        .collect();
    rows(url, UPSERT_NODES, json!({"rows": nodes})).await;
    let edges: Vec<_> = (0..19)
        .map(|i| json!({"a": format!("d{i}"), "b": format!("d{}", i + 1)}))
        .collect();
    rows(url, UPSERT_EDGES, json!({"rows": edges})).await;

    let tag = "UNWIND $rows AS row MATCH (d:Document {key: row.key}) SET d += row.props";
    let tagged: Vec<_> = ["d0", "d1", "absent"]
        .iter()
        .map(|key| json!({"key": key, "props": {"gc": "run-1"}}))
        .collect();
    assert_eq!(rows(url, tag, json!({"rows": tagged})).await, json!([]));
    let delete = "MATCH (d:Document {gc:'run-1'}) DETACH DELETE d";
    let body = answer(url, delete, json!({})).await;
    assert_eq!(
        (&body["columns"], &body["rows"]),
        (&json!(["count"]), &json!([[2]]))
    );
    assert_eq!(rows(url, delete, json!({})).await, json!([[0]]));
    assert_eq!(documents(url).await, 18);
    assert_eq!(
        rows(url, "MATCH ()-[r:SIMILAR_TO]->() RETURN count(r)", json!({})).await,
        json!([[17]])
    );
    let bucket = "MATCH (d:Document {bucket:'b'}) RETURN d.key AS k, d.rev AS rev, d.fingerprint AS fp ORDER BY k LIMIT 1";
    assert_eq!(rows(url, bucket, json!({})).await, json!([["d10", null, null]]));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_relationship_can_be_deleted_and_its_ends_stay() {
    let server = server().await;
    let url = server.url();
    rows(
        url,
        "CREATE (a:D {key:'a'})-[:T]->(b:D {key:'b'}), (a)-[:T]->(:D {key:'c'})",
        json!({}),
    )
    .await;
    let delete = "MATCH (a:D {key:$a})-[r:T]->(b:D {key:$b}) DELETE r";
    assert_eq!(rows(url, delete, json!({"a": "a", "b": "b"})).await, json!([[1]]));
    let left = "MATCH (a:D)-[r:T]->(b:D) RETURN a.key, b.key";
    assert_eq!(rows(url, left, json!({})).await, json!([["a", "c"]]));
    assert_eq!(
        rows(url, "MATCH (d:D) RETURN count(d)", json!({})).await,
        json!([[3]])
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_taken_address_and_a_public_one_without_a_key_are_refused() {
    let server = server().await;
    let taken = NexusDev::builder().bind(server.addr()).start().await.unwrap_err();
    assert!(matches!(taken, NexusDevError::Bind { .. }), "{taken}");
    let public = NexusDev::builder()
        .bind("0.0.0.0:0".parse().unwrap())
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(public, NexusDevError::OpenToTheNetwork { .. }),
        "{public}"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_no_longer_listens() {
    let server = server().await;
    let url = server.url().to_string();
    answer(&url, "RETURN 1 AS x", json!({})).await;
    server.shutdown().await.unwrap();
    assert!(support::send(&url, "RETURN 1 AS x", json!({})).await.is_err());
}
