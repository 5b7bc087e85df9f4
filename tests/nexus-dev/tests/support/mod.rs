//! A small client for the tests of this crate.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod process;
pub(crate) mod recording;

use nexus_dev::{NexusDev, NexusDevBuilder};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

/// The batch upsert of nodes that clients send.
pub(crate) const UPSERT_NODES: &str =
    "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props";

/// The batch upsert of edges that clients send.
pub(crate) const UPSERT_EDGES: &str = "UNWIND $rows AS row MATCH (a:Document {key: row.a}) MATCH (b:Document {key: row.b}) \
    MERGE (a)-[r:SIMILAR_TO]->(b) ON CREATE SET r.score = row.score, r.active = row.active \
    ON MATCH SET r.score = row.score, r.active = row.active";

/// The index every client declares first.
pub(crate) const INDEX_KEY: &str = "CREATE INDEX IF NOT EXISTS FOR (n:Document) ON (n.key)";

/// A client that opens a new connection for every request, so a cut one never hits the next request.
pub(crate) fn client() -> Client {
    // Nothing here speaks TLS, but the client will not be built without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .unwrap()
}

/// A server in memory.
pub(crate) async fn server() -> NexusDev {
    start(NexusDev::builder()).await
}

/// A server with these settings.
pub(crate) async fn start(builder: NexusDevBuilder) -> NexusDev {
    builder.start().await.unwrap()
}

/// Sends a statement and returns whatever comes back.
pub(crate) async fn send(url: &str, query: &str, params: Value) -> reqwest::Result<Response> {
    client()
        .post(format!("{url}/cypher"))
        .json(&json!({"query": query, "params": params}))
        .send()
        .await
}

/// The answer to a statement, which must be HTTP 200.
pub(crate) async fn answer(url: &str, query: &str, params: Value) -> Value {
    let response = send(url, query, params).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{query}");
    response.json().await.unwrap()
}

/// The rows of a statement that must succeed.
pub(crate) async fn rows(url: &str, query: &str, params: Value) -> Value {
    let mut answer = answer(url, query, params).await;
    assert_eq!(answer.get("error"), None, "{query}");
    answer["rows"].take()
}

/// How many documents there are.
pub(crate) async fn documents(url: &str) -> u64 {
    rows(url, "MATCH (d:Document) RETURN count(d)", json!({})).await[0][0]
        .as_u64()
        .unwrap()
}
