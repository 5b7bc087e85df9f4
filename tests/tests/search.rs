//! Searches over vectors and the graph, through the host's API.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, set_faults, vector};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

const HYBRID: &str = "/api/v1/search/hybrid";

/// Makes an edge of a type that is not the plugin's, as an application would.
fn link(graph: &Nexus, kind: &str, from: &str, to: &str) {
    let statement = format!(
        "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
         MERGE (a)-[r:{kind}]->(b) ON CREATE SET r.since = row.s ON MATCH SET r.since = row.s"
    );
    let rows = json!({"rows": [{"a": from, "b": to, "s": 2020}]});
    graph.run(&statement, &rows).unwrap();
}

fn search(client: &Vectorizer, body: &Value) -> Value {
    client.call("POST", HYBRID, Some(body)).unwrap()
}

fn ids(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Vectors on two axes: `a` near the first, `b` near the second.
fn near(axis: usize, n: usize) -> Vec<f32> {
    (0..DIMENSION)
        .map(|at| {
            if at == axis {
                1.0
            } else {
                0.01 * (n as f32 + 1.0) * (at as f32 - 3.0).abs() / 4.0
            }
        })
        .collect()
}

/// `a0..a4` and `b0..b4`, which have nothing to do with each other but that `a0` and `b0` mention the same person.
fn fill(client: &Vectorizer) {
    client.create("c", DIMENSION, "Cosine").unwrap();
    let mut documents = Vec::new();
    for (axis, letter) in ["a", "b"].into_iter().enumerate() {
        for n in 0..5 {
            let mention = if n == 0 {
                "Please write to ada.lovelace@example.org about it."
            } else {
                "Nothing to see."
            };
            let payload = json!({"title": format!("{letter} {n}"), "content": mention, "doc_type": if n < 3 { "note" } else { "letter" }});
            documents.push((format!("{letter}{n}"), near(axis, n), payload));
        }
    }
    client.insert("c", &documents).unwrap();
}

#[test]
fn the_graph_brings_in_what_vectors_do_not_and_the_answer_explains_how() {
    for kind in Kind::available() {
        // Its vectors are closer to each other than Vectorizer's rounding leaves them.
        let setup = Setup::alone(
            kind,
            &json!({"sync": {"max_retry_delay_ms": 500}, "similarity": {"top_k": 3, "threshold": {"cosine": 0.6}}}),
        );
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        fill(&client);
        client.settle(PATIENCE).unwrap();
        link(&setup.graph(), "CITES", "c/a1", "c/b4");

        let body = json!({
            "vector": near(0, 0), "collections": ["c"], "limit": 8, "explain": true, "with_payload": true,
            "graph": {"types": ["CITES", "UNHEARD_OF"], "seeds": 3}, "weights": {"vector": 1.0, "graph": 1.0},
        });
        let answer = search(&client, &body);
        assert_eq!(answer["degraded"], false, "{kind:?}: {answer:#}");
        let found = ids(&answer);
        let way = |id: &str, kind: &str| -> Value {
            let results = answer["results"].as_array().unwrap();
            let result = results.iter().find(|result| result["id"] == id).unwrap();
            let paths = result["explain"]["paths"].as_array().unwrap();
            paths
                .iter()
                .find(|path| path["type"] == kind)
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(way("b4", "CITES")["from"]["id"], "a1", "{kind:?}: {answer:#}");
        let shared = way("b0", "MENTIONS");
        assert_eq!(shared["from"]["id"], "a0");
        assert!(shared["via"].as_str().unwrap().contains("ada"), "{shared}");
        // Of those that are far away, the ones that the graph leads to come first.
        let place = |id: &str| found.iter().position(|found| found == id).unwrap_or(usize::MAX);
        for reached in ["b0", "b4"] {
            for other in ["b1", "b2", "b3"] {
                assert!(place(reached) < place(other), "{found:?}");
            }
        }
        assert!(found[..3].iter().all(|id| id.starts_with('a')), "{found:?}");
        assert_eq!(answer["results"][0]["payload"]["doc_type"], "note");

        // By vectors alone, those are the last.
        let mut alone = body.clone();
        alone["weights"] = json!({"graph": 0.0});
        alone["limit"] = json!(5);
        let alone = search(&client, &alone);
        assert!(ids(&alone).iter().all(|id| id.starts_with('a')), "{alone}");

        // A page is a part of the whole.
        let mut second = body.clone();
        second["offset"] = json!(3);
        second["limit"] = json!(3);
        assert_eq!(ids(&search(&client, &second)), found[3..6]);

        // By a document: what is near it, and not itself.
        let about = search(&client, &json!({"document": {"collection": "c", "id": "a0"}}));
        assert!(
            !ids(&about).contains(&"a0".to_owned()) && ids(&about).contains(&"b0".to_owned()),
            "{about}"
        );
        let path = "/api/v1/documents/c/a1/related?types=CITES&limit=50";
        let related = client.call("GET", path, None).unwrap();
        assert!(
            ids(&related).contains(&"b4".to_owned()) && !ids(&related).contains(&"a1".to_owned()),
            "{related}"
        );
        assert!(
            !ids(&related).contains(&"b3".to_owned()),
            "nothing leads there: {related}"
        );
        let refused = client
            .send("GET", "/api/v1/documents/c/a1/related?types=A-B", None)
            .unwrap();
        assert_eq!(refused.0, 400, "{refused:?}");
        let typed = json!({"vector": near(0, 0), "collections": ["c"], "filter": {"doc_types": ["letter"]}});
        let letters = ids(&search(&client, &typed));
        assert!(
            !letters.is_empty() && letters.iter().all(|id| id.ends_with('3') || id.ends_with('4')),
            "{letters:?}"
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_document_that_its_reader_may_not_see_shows_nowhere() {
    for mode in ["filter", "isolate"] {
        let setup = Setup::with(
            Kind::Dev,
            &json!({
                "sync": {"max_retry_delay_ms": 500}, "permissions": {"mode": mode},
                "similarity": {"top_k": 3, "threshold": {"cosine": 0.6}},
            }),
        );
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("c", DIMENSION, "Cosine").unwrap();
        let mention = "Please write to ada.lovelace@example.org about it.";
        let document = |id: &str, n: usize, acl: Option<&str>| {
            let mut payload = json!({"title": format!("title of {id}"), "content": mention});
            if let Some(name) = acl {
                payload["acl"] = json!([name]);
            }
            (id.to_owned(), near(0, n), payload)
        };
        let documents: Vec<_> = (0..4)
            .map(|n| document(&format!("open{n}"), n, None))
            .chain((0..4).map(|n| document(&format!("secret{n}"), n, Some("board"))))
            .collect();
        client.insert("c", &documents).unwrap();
        client.settle(PATIENCE).unwrap();
        link(&setup.graph(), "CITES", "c/open0", "c/secret3");
        let body = |principals: Value| {
            json!({
                "vector": near(0, 0), "collections": ["c"], "limit": 50, "explain": true, "with_payload": true,
                "graph": {"types": ["CITES"]}, "principals": principals,
            })
        };
        for principals in [json!([]), json!(["sales"])] {
            let answer = search(&client, &body(principals));
            assert!(!answer.to_string().contains("secret"), "{mode}: {answer:#}");
            assert_eq!((&answer["found"], ids(&answer).len()), (&json!(4), 4));
        }
        let board = search(&client, &body(json!(["board"])));
        assert_eq!(board["found"], 8, "{board:#}");
        let about = json!({"document": {"collection": "c", "id": "secret0"}});
        let related = client
            .call(
                "GET",
                "/api/v1/documents/c/open0/related?types=CITES&limit=100",
                None,
            )
            .unwrap();
        assert!(!related.to_string().contains("secret"), "{mode}: {related:#}");
        let path = "/api/v1/documents/c/secret0/related";
        assert_eq!(client.send("GET", path, None).unwrap().0, 404);
        let board = client
            .call("GET", &format!("{path}?principals=board"), None)
            .unwrap();
        assert!(!ids(&board).is_empty(), "{board}");
        let hidden = client.send("POST", HYBRID, Some(&about)).unwrap();
        let missing = json!({"document": {"collection": "c", "id": "nowhere"}});
        let missing = client.send("POST", HYBRID, Some(&missing)).unwrap();
        assert_eq!(hidden, missing, "nobody learns that it is there");
        assert_eq!(hidden.0, 404);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn a_nexus_that_is_slow_or_down_costs_the_graph_and_no_more_than_the_budget() {
    let setup = Setup::with(Kind::Dev, &json!({"sync": {"max_retry_delay_ms": 500}}));
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    fill(&client);
    client.settle(PATIENCE).unwrap();
    let body = json!({"vector": near(0, 0), "collections": ["c"], "limit": 5, "budget_ms": 300});
    assert_eq!(search(&client, &body)["degraded"], false);
    set_faults(&setup.nexus_url, &json!([{"latency_ms": 20_000}]));
    let begun = Instant::now();
    let slow = search(&client, &body);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(slow["degraded"], true, "{slow}");
    assert_eq!(slow["degraded_reason"], "Nexus did not answer in time");
    assert!(slow["took_ms"].as_u64().unwrap() <= 400, "{slow}");
    assert!(
        ids(&slow).len() == 5 && ids(&slow).iter().all(|id| id.starts_with('a')),
        "{slow}"
    );
    nexus.kill();
    wait_until("the plugin notices", PATIENCE, || {
        Ok(client.status()?["nexus"]["state"] != "ready")
    })
    .unwrap();
    let down = search(&client, &body);
    assert_eq!((&down["degraded"], ids(&down)), (&json!(true), ids(&slow)));
    assert!(down["took_ms"].as_u64().unwrap() < 300, "{down}");
    server.kill();
}

#[test]
fn texts_are_embedded_by_the_host() {
    // By the words in them, which Vectorizer's provider does only where it has learnt a vocabulary.
    let setup = Setup::alone(Kind::Dev, &json!({"sync": {"max_retry_delay_ms": 500}}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    let texts = json!({"collection": "texts", "texts": [
        {"id": "rust", "text": "The borrow checker of Rust forbids data races."},
        {"id": "bread", "text": "Bread is baked of flour, water, salt and yeast."},
    ]});
    client.call("POST", "/insert_texts", Some(&texts)).unwrap();
    client.settle(PATIENCE).unwrap();
    let answer = search(
        &client,
        &json!({"text": "flour and yeast for bread", "collections": ["texts"]}),
    );
    assert_eq!(ids(&answer)[0], "bread", "{answer}");
    client.create("c", DIMENSION, "Cosine").unwrap();
    let mixed = json!({"text": "flour", "collections": ["texts", "c"]});
    let (status, answer) = client.send("POST", HYBRID, Some(&mixed)).unwrap();
    assert_eq!(
        (status, &answer["error_type"]),
        (400, &json!("validation_error")),
        "{answer}"
    );
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .starts_with("text: collection 'c'"),
        "{answer}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn what_cannot_be_searched_for_is_refused_by_its_field() {
    let setup = Setup::with(Kind::Dev, &json!({}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("c", DIMENSION, "Cosine").unwrap();
    for (body, status, beginning) in [
        (json!({}), 400, "body: "),
        (
            json!({"vector": vector(1), "collections": ["nowhere"]}),
            400,
            "collections[0]: there is no such",
        ),
        (
            json!({"vector": [1.0, 2.0], "collections": ["c"]}),
            400,
            "collections[0]: 'c' cannot be searched",
        ),
        (
            json!({"vector": vector(1), "collections": ["c"], "limit": 0}),
            400,
            "limit: ",
        ),
        (
            json!({"vector": vector(1), "collections": ["c"], "limit": 1_000_000_000}),
            400,
            "limit: ",
        ),
        (json!({"text": "", "collections": ["c"]}), 400, "text: "),
        (
            json!({"text": "ä".repeat(1 << 19), "collections": ["c"]}),
            400,
            "text: ",
        ),
        (
            json!({"document": {"collection": "c", "id": "\u{202e}"}}),
            404,
            "there is no such document",
        ),
    ] {
        let (found, answer) = client.send("POST", HYBRID, Some(&body)).unwrap();
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(found, status, "{answer}");
        assert!(message.starts_with(beginning), "{message}");
    }
    let empty = search(&client, &json!({"vector": vector(1), "collections": ["c"]}));
    assert_eq!((&empty["found"], &empty["results"]), (&json!(0), &json!([])));
    assert!(server.stop().unwrap().success());
}
