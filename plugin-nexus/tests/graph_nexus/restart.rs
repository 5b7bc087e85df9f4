//! Restarts after updates with shorter values: nothing may be lost. The same updates without padding lose records, on the
//! real server and on the development server with its quirks.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use vectorizer_plugin_nexus::graph::canary::{Canary, CanaryState};
use vectorizer_plugin_nexus::graph::{Edge, Graph, JsonMap, NodeWrite, RecordShape};

use crate::server::{Server, key, props, put, put_edges};

const SEED: u64 = 20_261_125;

/// Rounds between two restarts; `HISTORY_ROUNDS` makes the history longer.
fn rounds() -> usize {
    std::env::var("HISTORY_ROUNDS").map_or(5, |text| text.parse().unwrap())
}

/// What a random history should have led to.
#[derive(Default)]
struct Model {
    nodes: BTreeMap<u32, JsonMap>,
    shapes: BTreeMap<u32, RecordShape>,
    edges: BTreeMap<(u32, u32), (f64, bool)>,
}

/// A document's properties, of any length and number.
fn random_properties(random: &mut StdRng) -> JsonMap {
    let title = "t".repeat(random.random_range(1..300));
    let mut node = props(json!({"title": title, "rev": random.random_range(1..1_000_000)}));
    let optional = [
        ("flag", json!(random.random_bool(0.5))),
        ("score", json!(random.random::<f64>())),
        ("tags", json!(vec!["tag"; random.random_range(0..9)])),
        ("text", json!("é漢\n\"".repeat(random.random_range(0..60)))),
    ];
    for (name, value) in optional {
        if random.random_bool(0.5) {
            node.insert(name.to_owned(), value);
        }
    }
    node
}

impl Model {
    /// One round: old documents change, new ones come, edges change.
    async fn round(&mut self, graph: &Graph, random: &mut StdRng) {
        for _ in 0..6 {
            let first_new = self.nodes.keys().next_back().map_or(0, |last| last + 1);
            let changed: Vec<u32> = (0..first_new).filter(|_| random.random_bool(0.3)).collect();
            let mut writes = Vec::new();
            for n in changed.into_iter().chain(first_new..first_new + 8) {
                let desired = random_properties(random);
                let write = NodeWrite::build(key(n), &desired, self.shapes.get(&n)).unwrap();
                self.shapes.insert(n, write.shape().clone());
                // Floats that do not survive the server's own reading are rounded by the codec.
                let mut sent = write.record().props().clone();
                sent.retain(|name, value| name != "_pad" && !value.is_null());
                self.nodes.insert(n, sent);
                writes.push(write);
            }
            put(graph, &writes).await;
            let count = self.nodes.len() as u32;
            for _ in 0..20 {
                let (source, target) = (random.random_range(0..count), random.random_range(0..count));
                if source != target {
                    let digits = 10_f64.powi(random.random_range(1..7));
                    let score = (random.random::<f64>() * digits).round() / digits;
                    self.edges
                        .insert((source, target), (score, random.random_bool(0.8)));
                }
            }
            let edges: Vec<Edge> = self
                .edges
                .iter()
                .map(|((source, target), (score, active))| {
                    let (source, target) = (key(source), key(target));
                    Edge::similar(&source, &target, *score, "m", "2026-01-01T00:00:00Z", *active).unwrap()
                })
                .collect();
            put_edges(graph, &edges).await;
        }
    }

    /// What the server holds otherwise, by full scans.
    async fn lost(&self, server: &Server) -> Vec<String> {
        let mut lost = Vec::new();
        let rows = server.ask("MATCH (d:Document) RETURN d", json!({})).await;
        if rows.len() != self.nodes.len() {
            lost.push(format!("{} nodes, not {}", rows.len(), self.nodes.len()));
        }
        let mut found: BTreeMap<String, JsonMap> = BTreeMap::new();
        for row in rows {
            let mut node = row[0].as_object().cloned().unwrap_or_default();
            node.retain(|name, _| !name.starts_with("_nexus") && name != "_pad");
            let name = node.remove("key").and_then(|key| key.as_str().map(str::to_owned));
            found.insert(name.unwrap_or_default(), node);
        }
        for (n, wanted) in &self.nodes {
            if found.get(&format!("c/{n}")) != Some(wanted) {
                lost.push(format!("c/{n}"));
            }
        }
        let rows = server
            .ask(
                "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Document) RETURN a.key AS a, b.key AS b, r.score AS s, r.active AS act",
                json!({}),
            )
            .await;
        let found: BTreeMap<(String, String), (Value, Value)> = rows
            .into_iter()
            .filter_map(|row| {
                let [a, b, score, active] = <[Value; 4]>::try_from(row).ok()?;
                Some(((a.as_str()?.to_owned(), b.as_str()?.to_owned()), (score, active)))
            })
            .collect();
        for ((source, target), (score, active)) in &self.edges {
            let ends = (format!("c/{source}"), format!("c/{target}"));
            let read = found.get(&ends);
            let same = read.is_some_and(|(found, holds)| {
                found.as_f64() == Some(*score) && holds == &json!(u8::from(*active))
            });
            if !same {
                lost.push(format!("{} -> {}: {read:?}", ends.0, ends.1));
            }
        }
        lost
    }
}

#[tokio::test]
async fn a_random_history_of_updates_and_restarts_loses_nothing() {
    for mut server in Server::of_2_5().await {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut model = Model::default();
        let canary = Canary::of("0123").unwrap();
        let mut perch = None;
        for round in 0..rounds() {
            let graph = server.graph().await;
            model.round(&graph, &mut random).await;
            perch = Some(graph.move_canary(&canary, perch, 0).await.unwrap());
            server.restart(round % 2 == 0).await;
            let lost = model.lost(&server).await;
            assert!(
                lost.is_empty(),
                "{}, seed {SEED}, round {round}: {lost:?}",
                server.name
            );
            let state = server.graph().await.canary(&canary).await.unwrap();
            assert_eq!(state, CanaryState::Sound(perch.unwrap()), "{}", server.name);
        }
        println!(
            "{}: {} restarts, {} documents, {} edges, none lost",
            server.name,
            rounds(),
            model.nodes.len(),
            model.edges.len()
        );
    }
}

/// Writes as a client would that has not heard of it: no padding, nulls for what vanished.
async fn put_bare(server: &Server, n: u32, before: Option<&JsonMap>, node: &JsonMap) {
    let mut sent = node.clone();
    for name in before.into_iter().flat_map(JsonMap::keys) {
        sent.entry(name.clone()).or_insert(Value::Null);
    }
    server
        .ask(
            "UNWIND $rows AS row MERGE (d:Document {key: row.key}) SET d += row.props",
            json!({"rows": [{"key": format!("c/{n}"), "props": sent}]}),
        )
        .await;
}

#[tokio::test]
async fn the_same_history_without_padding_loses_records() {
    for mut server in Server::of_2_5().await {
        drop(server.graph().await);
        let mut random = StdRng::seed_from_u64(SEED);
        let mut model = Model::default();
        for round in 0..3 {
            for _ in 0..6 {
                let first_new = model.nodes.len() as u32;
                let changed: Vec<u32> = (0..first_new).filter(|_| random.random_bool(0.3)).collect();
                for n in changed.into_iter().chain(first_new..first_new + 8) {
                    let mut node = random_properties(&mut random);
                    // Precise floats change on their own on this server, which is not the point here.
                    node.remove("score");
                    put_bare(&server, n, model.nodes.get(&n), &node).await;
                    model.nodes.insert(n, node);
                }
            }
            if round == 0 {
                assert!(model.lost(&server).await.is_empty(), "{}", server.name);
            }
            server.restart(round % 2 == 0).await;
        }
        let lost = model.lost(&server).await;
        println!(
            "{}: without padding {} of {} documents lost",
            server.name,
            lost.iter().filter(|what| what.starts_with("c/")).count(),
            model.nodes.len()
        );
        assert!(lost.len() > 5, "{}: {lost:?}", server.name);
    }
}

#[tokio::test]
async fn the_canary_tells_a_damaged_file_before_anything_is_written() {
    for gently in [true, false] {
        for mut server in Server::of_2_5().await {
            let graph = server.graph().await;
            let canary = Canary::of("0123").unwrap();
            assert_eq!(
                graph.canary(&canary).await.unwrap(),
                CanaryState::Absent,
                "{}",
                server.name
            );
            // Somebody else's record, ours behind it, the canary behind ours; moved twice, so that old records of it lie about.
            let theirs = "UNWIND $rows AS row MERGE (d:Theirs {key: row.key}) SET d += row.props";
            let rows = json!({"rows": [{"key": "x", "props": {"text": "rather long"}}]});
            server.ask(theirs, rows).await;
            let perch = graph.move_canary(&canary, None, 0).await.unwrap();
            put(
                &graph,
                &[NodeWrite::build(key(1), &JsonMap::new(), None).unwrap()],
            )
            .await;
            let perch = graph.move_canary(&canary, Some(perch), 0).await.unwrap();
            server.restart(gently).await;
            let graph = server.graph().await;
            assert_eq!(
                graph.canary(&canary).await.unwrap(),
                CanaryState::Sound(perch),
                "{}",
                server.name
            );

            let rows = json!({"rows": [{"key": "x", "props": {"text": "short"}}]});
            server.ask(theirs, rows).await;
            server.restart(gently).await;
            // No probe: nothing is written to this file any more.
            let reader = Graph::new(server.session().await, graph.forms());
            assert_eq!(
                reader.canary(&canary).await.unwrap(),
                CanaryState::Lost,
                "{}",
                server.name
            );
        }
    }
}

#[tokio::test]
async fn a_canary_is_made_anew_before_it_grows_too_large() {
    for server in Server::all().await {
        let graph = server.graph().await;
        let canary = Canary::of("0123").unwrap();
        let mut perch = graph.move_canary(&canary, None, 41).await.unwrap();
        assert_eq!((perch.number, perch.width), (42, 96), "{}", server.name);
        perch.width = 1_118;
        let mut widths = Vec::new();
        for _ in 0..3 {
            perch = graph.move_canary(&canary, Some(perch), 0).await.unwrap();
            assert_eq!(
                graph.canary(&canary).await.unwrap(),
                CanaryState::Sound(perch),
                "{}",
                server.name
            );
            widths.push(perch.width);
        }
        assert_eq!(
            (widths, perch.number),
            (vec![1_119, 96, 97], 45),
            "{}",
            server.name
        );
        let edges = server
            .ask("MATCH ()-[r:VZ_CANARY]->() RETURN count(r) AS n", json!({}))
            .await;
        assert_eq!(edges, [[json!(1)]], "{}", server.name);
    }
}
