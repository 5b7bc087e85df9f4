//! Edges: one of a type for each pair, each with its own values.

use nexus_dev::{FaultRule, Quirks};
use serde_json::{Value, json};
use vectorizer_plugin_nexus::graph::capabilities::RetractForm;
use vectorizer_plugin_nexus::graph::catalogue::edges::upsert_edges;
use vectorizer_plugin_nexus::graph::key::{DomainKey, EntityKey, NodeKey, SourceKey};
use vectorizer_plugin_nexus::graph::record::EdgeRecord;
use vectorizer_plugin_nexus::graph::schema::{EdgeType, NodeLabel};
use vectorizer_plugin_nexus::graph::{Edge, Graph, GraphError, JsonMap, NodeWrite, OutgoingSimilar};
use vectorizer_plugin_nexus::nexus::FaultClass;

use crate::server::{Server, key, new_node, put, put_edges};

/// A SIMILAR_TO edge between numbered documents.
#[derive(Debug, Clone, Copy)]
struct Similar {
    source: u32,
    target: u32,
    score: f64,
    active: bool,
}

fn similar(source: u32, target: u32, score: f64, active: bool) -> Similar {
    Similar {
        source,
        target,
        score,
        active,
    }
}

fn built(edges: &[Similar]) -> Vec<Edge> {
    edges
        .iter()
        .map(|edge| {
            let (source, target) = (key(edge.source), key(edge.target));
            Edge::similar(
                &source,
                &target,
                edge.score,
                "cosine",
                "2026-01-01T00:00:00Z",
                edge.active,
            )
            .unwrap()
        })
        .collect()
}

/// What a read should answer: a retracted edge stays where the server cannot delete it.
fn expected(graph: &Graph, edges: &[Similar]) -> Vec<OutgoingSimilar> {
    let stays = |edge: &&Similar| edge.active || graph.forms().retract == RetractForm::Soft;
    let mut found: Vec<_> = edges
        .iter()
        .filter(stays)
        .map(|edge| OutgoingSimilar {
            source: key(edge.source),
            target: key(edge.target),
            score: Some(edge.score),
            active: Some(edge.active),
        })
        .collect();
    found.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    found
}

async fn outgoing(graph: &Graph, sources: u32) -> Vec<OutgoingSimilar> {
    let sources: Vec<_> = (0..sources).map(key).collect();
    let mut found = graph.outgoing_similar(&sources).await.unwrap();
    found.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    found
}

async fn with_documents(server: &Server, count: u32) -> Graph {
    let graph = server.graph().await;
    let writes: Vec<_> = (0..count).map(|n| new_node(n, json!({"n": n}))).collect();
    put(&graph, &writes).await;
    graph
}

#[tokio::test]
async fn each_edge_has_its_own_values_and_updates_replace_them() {
    for server in Server::all().await {
        let graph = with_documents(&server, 150).await;
        let edges: Vec<_> = (0..150)
            .flat_map(|n| {
                (1..=3).map(move |step| {
                    let score = f64::from(n) / 997.0 + f64::from(step);
                    similar(n, (n + step) % 150, (score * 1e6).round() / 1e6, true)
                })
            })
            .collect();
        put_edges(&graph, &built(&edges)).await;
        assert_eq!(
            outgoing(&graph, 150).await,
            expected(&graph, &edges),
            "{}",
            server.name
        );

        let updated: Vec<_> = edges
            .iter()
            .map(|edge| similar(edge.source, edge.target, 0.5, edge.target != 7))
            .collect();
        put_edges(&graph, &built(&updated)).await;
        put_edges(&graph, &built(&updated)).await;
        let expected = expected(&graph, &updated);
        assert_eq!(outgoing(&graph, 150).await, expected, "{}", server.name);
        let count = graph.count_edges(EdgeType::SimilarTo).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{}", server.name);
    }
}

#[tokio::test]
async fn every_write_of_an_edge_leaves_a_record_of_the_same_width() {
    for server in Server::all().await {
        let graph = with_documents(&server, 2).await;
        for (score, active) in [(0.123456789, true), (0.5, true), (0.5, false), (1.0, true)] {
            put_edges(&graph, &built(&[similar(0, 1, score, active)])).await;
            let rows = server
                .ask(
                    "MATCH (a:Document)-[r:SIMILAR_TO]->(b:Document) RETURN r",
                    json!({}),
                )
                .await;
            let wanted = expected(&graph, &[similar(0, 1, score, active)]);
            assert_eq!(rows.len(), wanted.len(), "{}", server.name);
            for row in rows {
                let mut stored = row[0].as_object().cloned().unwrap();
                stored.retain(|name, _| name != "type" && !name.starts_with("_nexus_"));
                assert_eq!(Value::Object(stored).to_string().len(), 192, "{}", server.name);
            }
            assert_eq!(outgoing(&graph, 1).await, wanted, "{}", server.name);
        }
    }
}

#[tokio::test]
async fn an_edge_to_a_missing_document_is_refused_and_damages_nothing() {
    for server in Server::all().await {
        let graph = with_documents(&server, 3).await;
        let first = similar(0, 1, 0.25, true);
        put_edges(&graph, &built(&[first])).await;
        for missing in [similar(1, 99, 0.9, true), similar(99, 1, 0.9, true)] {
            let edges = built(&[similar(0, 2, 0.75, true), missing]);
            let error = graph.write_edges(&edges).await.unwrap_err();
            let keys = vec![key(99).as_str().to_owned()];
            assert_eq!(error, GraphError::MissingEnds { keys }, "{}", server.name);
        }
        assert_eq!(
            outgoing(&graph, 3).await,
            expected(&graph, &[first]),
            "{}",
            server.name
        );
        let count = graph.count_nodes(NodeLabel::Document).await.unwrap();
        assert_eq!(count, 3, "{}", server.name);
        assert!(server.stored("c/99").await.is_none());
    }
}

/// What the server does when a document goes between the look-up and the write.
#[tokio::test]
async fn nexus_reports_a_missing_endpoint_and_changes_no_node() {
    for server in Server::of_2_5().await {
        let graph = with_documents(&server, 3).await;
        for (source, target) in [(1, 99), (99, 1)] {
            let (source, target) = (key(source), key(target));
            let record = EdgeRecord::similar(0.5, "cosine", "2026-01-01T00:00:00Z", true).unwrap();
            let ends = (source.literal(), target.literal(), &record);
            let statement = upsert_edges(EdgeType::SimilarTo, [ends]).unwrap().remove(0);
            let error = graph.session().run(&statement).await.unwrap_err();
            assert_eq!(error.class(), FaultClass::MissingEndpoint, "{}", server.name);
        }
        assert!(server.stored("c/99").await.is_none());
        for n in 0..3 {
            let node = server.stored(&format!("c/{n}")).await.unwrap();
            assert!(
                !node.contains_key("score") && !node.contains_key("active"),
                "{}: {node:?}",
                server.name
            );
        }
    }
}

#[tokio::test]
async fn a_self_edge_is_refused_before_anything_is_sent() {
    for server in Server::all().await {
        let graph = with_documents(&server, 2).await;
        let edges = built(&[similar(0, 1, 0.5, true), similar(1, 1, 1.0, true)]);
        let refused = graph.write_edges(&edges).await.unwrap_err();
        assert!(matches!(refused, GraphError::SelfEdge { key: found } if found.as_str() == "c/1"));
        let count = graph.count_edges(EdgeType::SimilarTo).await.unwrap();
        assert_eq!(count, 0, "{}", server.name);
    }
}

#[tokio::test]
async fn documents_without_edges_and_absent_documents_have_none() {
    for server in Server::all().await {
        let graph = with_documents(&server, 3).await;
        put_edges(&graph, &built(&[similar(0, 1, 0.5, true)])).await;
        let found = graph.outgoing_similar(&[key(1), key(2), key(77)]).await.unwrap();
        assert!(found.is_empty(), "{}: {found:?}", server.name);
        assert!(graph.outgoing_similar(&[]).await.unwrap().is_empty());
    }
}

/// The whole model: every label, every type, walked forwards, over two hops and backwards.
#[tokio::test]
async fn every_type_of_edge_is_written_walked_and_retracted() {
    for server in Server::all().await {
        let graph = with_documents(&server, 3).await;
        let (d0, d1, d2) = (key(0), key(1), key(2));
        let person = EntityKey::new("person", "Ada L'ovelace").unwrap();
        let [law, contracts] = ["legal", "legal/contracts"].map(|name| DomainKey::new(name).unwrap());
        let file = SourceKey::new("c", "a file/with ' in it.md").unwrap();
        let name = |text: &str| JsonMap::from_iter([("name".to_owned(), text.into())]);
        let entity = NodeWrite::build(person.clone(), &name("Ada"), None).unwrap();
        assert_eq!(graph.upsert_nodes(&[entity]).await.unwrap(), []);
        let domains =
            [&law, &contracts].map(|key| NodeWrite::build(key.clone(), &name("law"), None).unwrap());
        assert_eq!(graph.upsert_nodes(&domains).await.unwrap(), []);
        let source = NodeWrite::build(file.clone(), &name("file"), None).unwrap();
        assert_eq!(graph.upsert_nodes(&[source]).await.unwrap(), []);

        let mentions = Edge::mentions(&d0, &person, 0.75, 3, true).unwrap();
        let part = Edge::part_of(&d1, &file, 4, true).unwrap();
        let edges = [
            mentions.clone(),
            mentions.reversed().unwrap(),
            Edge::mentions(&d1, &person, 0.5, 1, true).unwrap(),
            Edge::mentions(&d1, &person, 0.5, 1, true)
                .unwrap()
                .reversed()
                .unwrap(),
            part.clone(),
            part.reversed().unwrap(),
            Edge::belongs_to(&d0, &contracts, 0.9, true).unwrap(),
            Edge::subdomain_of(&contracts, &law, true).unwrap(),
            Edge::next(&d1, &d2, true).unwrap(),
        ];
        put_edges(&graph, &edges).await;

        let kinds = [
            EdgeType::Mentions,
            EdgeType::PartOf,
            EdgeType::BelongsTo,
            EdgeType::Next,
        ];
        let mut found: Vec<_> = graph
            .neighbours(&kinds, &[d0.clone(), d1.clone()])
            .await
            .unwrap()
            .into_iter()
            .map(|edge| (edge.source, edge.kind, edge.target, edge.weight, edge.active))
            .collect();
        found.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let row = |source: &str, kind, target: &str, weight: Value| {
            (source.to_owned(), kind, target.to_owned(), weight, Some(true))
        };
        assert_eq!(
            found,
            [
                row("c/0", EdgeType::Mentions, person.as_str(), json!(0.75)),
                row("c/0", EdgeType::BelongsTo, contracts.as_str(), json!(0.9)),
                row("c/1", EdgeType::Mentions, person.as_str(), json!(0.5)),
                row("c/1", EdgeType::PartOf, file.as_str(), json!(4)),
                row("c/1", EdgeType::Next, "c/2", json!(1)),
            ],
            "{}",
            server.name
        );

        // From a document over what it mentions to the documents that mention it too.
        let mut related: Vec<_> = graph
            .two_hops(
                EdgeType::Mentions,
                EdgeType::MentionedIn,
                std::slice::from_ref(&d0),
            )
            .await
            .unwrap()
            .into_iter()
            .map(|path| (path.first.target, path.second.target))
            .collect();
        related.sort();
        let over = |target: &str| (person.as_str().to_owned(), target.to_owned());
        assert_eq!(related, [over("c/0"), over("c/1")], "{}", server.name);

        let mut mentioning: Vec<_> = graph
            .incoming(EdgeType::Mentions, std::slice::from_ref(&person), 100)
            .await
            .unwrap()
            .into_iter()
            .map(|edge| (edge.source, edge.target))
            .collect();
        mentioning.sort();
        let to = |source: &str| (source.to_owned(), person.as_str().to_owned());
        assert_eq!(mentioning, [to("c/0"), to("c/1")], "{}", server.name);

        put_edges(&graph, &[Edge::next(&d1, &d2, false).unwrap()]).await;
        let next = graph.neighbours(&[EdgeType::Next], &[d1]).await.unwrap();
        assert!(
            next.iter().all(|edge| edge.active == Some(false)),
            "{}",
            server.name
        );
        assert_eq!(
            next.len(),
            usize::from(graph.forms().retract == RetractForm::Soft)
        );
    }
}

/// A write that fails on the way leaves no edge that leads back to a document which does not own its counterpart.
#[tokio::test]
async fn what_a_document_owns_tells_all_however_far_a_write_came() {
    for quirks in [None, Some(Quirks::V2_5)] {
        let server = Server::dev(quirks).await;
        let graph = with_documents(&server, 1).await;
        let person = EntityKey::new("person", "Ada").unwrap();
        let name = JsonMap::from_iter([("name".to_owned(), "Ada".into())]);
        let entity = NodeWrite::build(person.clone(), &name, None).unwrap();
        assert_eq!(graph.upsert_nodes(&[entity]).await.unwrap(), []);
        let both = |active| {
            let edge = Edge::mentions(&key(0), &person, 0.5, 1, active).unwrap();
            [edge.clone(), edge.reversed().unwrap()]
        };
        let failing = async |kind: &str, edges: &[Edge]| {
            let rule = FaultRule::status(500).matching(kind);
            server.faults().set(vec![rule]).unwrap();
            assert!(graph.write_edges(edges).await.is_err(), "{kind}");
            server.faults().clear();
        };
        let holds = async || {
            let owned = graph.neighbours(&[EdgeType::Mentions], &[key(0)]).await.unwrap();
            let back = graph
                .neighbours(&[EdgeType::MentionedIn], std::slice::from_ref(&person))
                .await
                .unwrap();
            [owned, back].map(|edges| edges.iter().any(|edge| edge.active == Some(true)))
        };
        failing("MENTIONS", &both(true)).await;
        assert_eq!(holds().await, [false, false]);
        failing("MENTIONED_IN", &both(true)).await;
        assert_eq!(holds().await, [true, false]);
        put_edges(&graph, &both(true)).await;
        assert_eq!(holds().await, [true, true]);
        failing("MENTIONED_IN", &both(false)).await;
        assert_eq!(holds().await, [true, true]);
        failing("MENTIONS", &both(false)).await;
        assert_eq!(holds().await, [true, false]);
    }
}
