//! Searches over several domains, and questions about the graph around one document, through the host's API.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::vectorizer::Vectorizer;

const CROSS: &str = "/api/v1/search/cross-domain";
const ADA: &str = "ada.lovelace@example.org";

/// A vector near one axis.
fn near(axis: usize, n: usize) -> Vec<f32> {
    (0..DIMENSION)
        .map(|at| match at == axis {
            true => 1.0,
            false => 0.02 * (n as f32 + 1.0) * ((at * (n + 2)) as f32).sin(),
        })
        .collect()
}

/// Makes edges of a type that is not the plugin's, as an application would.
fn link(graph: &Nexus, kind: &str, edges: &[(&str, &str)]) {
    let statement = format!(
        "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
         MERGE (a)-[r:{kind}]->(b) ON CREATE SET r.since = row.s ON MATCH SET r.since = row.s"
    );
    let rows: Vec<Value> = edges
        .iter()
        .map(|(a, b)| json!({"a": a, "b": b, "s": 2020}))
        .collect();
    graph.run(&statement, &json!({"rows": rows})).unwrap();
}

/// Contracts (of legal), ledgers (of financial) with vectors of 8 components, and handbooks (of hr) with texts that the host embeds.
fn section(more: Value) -> Value {
    let mut section = json!({
        "sync": {"max_retry_delay_ms": 500},
        "similarity": {"top_k": 3, "threshold": {"cosine": 0.6}},
        "domains": {"builtin": false, "default": "none", "rules": [
            {"name": "contracts", "parent": "legal", "collections": ["contracts"]},
            {"name": "ledgers", "parent": "financial", "collections": ["ledgers"]},
            {"name": "hr", "collections": ["handbooks"]},
        ]},
    });
    for (name, value) in more.as_object().unwrap() {
        section[name] = value.clone();
    }
    section
}

fn fill(client: &Vectorizer) {
    for (collection, axis) in [("contracts", 0), ("ledgers", 1)] {
        client.create(collection, DIMENSION, "Cosine").unwrap();
        let documents: Vec<(String, Vec<f32>, Value)> = (0..6)
            .map(|n| {
                let contact = if n == 0 { ADA } else { "nobody" };
                let content = format!("Payment of the rent, number {n} of the {collection}; ask {contact}.");
                (
                    format!("{collection}-{n}"),
                    near(axis, n),
                    json!({"content": content}),
                )
            })
            .collect();
        client.insert(collection, &documents).unwrap();
    }
    let texts: Vec<Value> = (0..3)
        .map(|n| json!({"id": format!("handbook-{n}"), "text": format!("The rent of staff flats, part {n}."), "metadata": {"title": format!("rent of flats {n}")}}))
        .collect();
    let body = json!({"collection": "handbooks", "texts": texts});
    client.call("POST", "/insert_texts", Some(&body)).unwrap();
    client.settle(PATIENCE).unwrap();
    client.settle_texts(PATIENCE).unwrap();
}

fn post(client: &Vectorizer, body: &Value) -> Value {
    let answer = client.call("POST", CROSS, Some(body)).unwrap();
    assert_eq!(answer["degraded"], false, "{answer:#}");
    answer
}

fn domains(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["domain"].as_str().unwrap_or("-").to_owned())
        .collect()
}

fn count(domains: &[String], name: &str) -> usize {
    domains.iter().filter(|domain| *domain == name).count()
}

#[test]
fn every_domain_has_its_say_and_what_links_them_is_told() {
    for kind in Kind::available() {
        let setup = Setup::with(kind, &section(json!({})));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        fill(&client);
        let graph = setup.graph();
        link(
            &graph,
            "BOOKED_AS",
            &[("contracts/contracts-1", "ledgers/ledgers-2")],
        );

        // Near the contracts by the vector, and each by the words; the vector fits two collections, the text all.
        let body = json!({
            "vector": near(0, 0), "text": "rent payments", "limit": 6, "min_per_domain": 2, "graph": {"types": ["BOOKED_AS"]},
        });
        let answer = post(&client, &body);
        let found = domains(&answer);
        for domain in ["legal", "financial", "hr"] {
            assert!(count(&found, domain) >= 2, "{kind:?} {domain}: {answer:#}");
        }
        let scores: Vec<f64> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| result["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|one, other| one >= other), "{scores:?}");
        let mut all = body.clone();
        all["limit"] = json!(15);
        let answer = post(&client, &all);
        let entities = answer["links"]["entities"].as_array().unwrap();
        let shared = entities
            .iter()
            .find(|entity| entity["entity"].as_str().unwrap().contains("ada"))
            .unwrap_or_else(|| panic!("{kind:?}: {answer:#}"));
        assert_eq!(shared["documents"].as_array().unwrap().len(), 2, "{shared}");
        let edges = answer["links"]["edges"].as_array().unwrap();
        assert!(
            edges.iter().any(|edge| edge["type"] == "BOOKED_AS"
                && edge["from"]["id"] == "contracts-1"
                && edge["to"]["domain"] == "financial"),
            "{kind:?}: {edges:#?}"
        );

        // A parent includes its children; what is excluded is not there; weights decide.
        let only = |more: Value| {
            let mut body = body.clone();
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            post(&client, &body)
        };
        let legal = domains(&only(json!({"domains": ["legal"]})));
        assert!(
            !legal.is_empty() && legal.iter().all(|domain| domain == "legal"),
            "{legal:?}"
        );
        let child = domains(&only(json!({"domains": ["contracts", "hr"]})));
        assert!(
            child.iter().all(|domain| domain == "contracts" || domain == "hr"),
            "{child:?}"
        );
        let without = domains(&only(json!({"exclude_domains": ["legal"], "limit": 20})));
        assert!(
            !without.is_empty() && count(&without, "legal") == 0,
            "{without:?}"
        );
        let two = domains(&only(json!({"exclude_collections": ["handbooks"], "limit": 20})));
        assert!(count(&two, "hr") == 0 && count(&two, "legal") == 6, "{two:?}");
        let first = |answer: &Value| answer["results"][0]["domain"].as_str().unwrap().to_owned();
        assert_eq!(first(&only(json!({"text": "the contracts"}))), "legal");
        let weighed = json!({"text": "the contracts", "domain_weights": {"contracts": 0}});
        assert_ne!(first(&only(weighed)), "legal");

        let grouped = only(json!({"results": "grouped", "limit": 2}));
        let groups = grouped["groups"].as_array().unwrap();
        let names: Vec<&str> = groups
            .iter()
            .map(|group| group["domain"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for group in groups {
            assert_eq!(group["results"].as_array().unwrap().len(), 2, "{group}");
        }

        let nowhere = json!({"collections": ["ledgers"], "exclude_collections": ["ledgers"]});
        let nowhere = only(nowhere);
        assert_eq!(
            (&nowhere["results"], &nowhere["links"]),
            (&json!([]), &json!({"entities": [], "edges": []}))
        );

        // A collection that is named has to take what is asked.
        let named = json!({"text": "rent", "collections": ["contracts"]});
        let (status, answer) = client.send("POST", CROSS, Some(&named)).unwrap();
        assert_eq!(status, 400, "{answer}");
        let unknown = json!({"text": "rent", "domains": ["leagl"]});
        let (status, answer) = client.send("POST", CROSS, Some(&unknown)).unwrap();
        assert_eq!(
            (status, answer["message"].as_str().unwrap()),
            (400, "domains[0]: there is no domain 'leagl'")
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn what_depends_on_a_document_is_found_hop_by_hop_and_cycles_end() {
    for kind in Kind::available() {
        let setup = Setup::with(kind, &section(json!({})));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        fill(&client);
        let graph = setup.graph();
        link(
            &graph,
            "CITES",
            &[
                ("contracts/contracts-1", "contracts/contracts-0"),
                ("contracts/contracts-2", "contracts/contracts-0"),
                ("ledgers/ledgers-3", "contracts/contracts-1"),
                // Round and round.
                ("contracts/contracts-0", "ledgers/ledgers-3"),
                // Not a dependent: it leads away.
                ("contracts/contracts-0", "contracts/contracts-5"),
            ],
        );
        link(
            &graph,
            "AMENDS",
            &[("contracts/contracts-4", "ledgers/ledgers-3")],
        );
        let impact = |query: &str| {
            let path = format!("/api/v1/documents/contracts/contracts-0/impact{query}");
            let answer = client.call("GET", &path, None).unwrap();
            assert_eq!(answer["degraded"], false, "{kind:?}: {answer:#}");
            let rows: Vec<String> = answer["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| {
                    format!(
                        "{} {} {} -> {}",
                        row["hops"],
                        row["type"].as_str().unwrap(),
                        row["id"].as_str().unwrap(),
                        row["depends_on"]["id"].as_str().unwrap()
                    )
                })
                .collect();
            (rows, answer["by_type"].clone())
        };
        let (rows, by_type) = impact("");
        assert_eq!(
            rows,
            [
                "1 CITES contracts-1 -> contracts-0",
                "1 CITES contracts-2 -> contracts-0",
                "2 CITES ledgers-3 -> contracts-1",
                "3 AMENDS contracts-4 -> ledgers-3",
            ],
            "{kind:?}"
        );
        assert_eq!(by_type, json!({"CITES": 3, "AMENDS": 1}));
        assert_eq!(impact("?hops=1").0.len(), 2);
        assert_eq!(impact("?types=CITES").0.len(), 3);
        assert_eq!(impact("?types=UNHEARD_OF").0.len(), 0);
        let (status, _) = client
            .send("GET", "/api/v1/documents/contracts/nowhere/impact", None)
            .unwrap();
        assert_eq!(status, 404);

        // A way over a shared person, and one over edges, also against them.
        let path = |query: &str| {
            let path = format!("/api/v1/documents/contracts/contracts-0/path?{query}");
            client.call("GET", &path, None).unwrap()
        };
        let shared = path("to_collection=ledgers&to_id=ledgers-0");
        assert_eq!(
            (&shared["found"], &shared["hops"]),
            (&json!(true), &json!(1)),
            "{kind:?}: {shared:#}"
        );
        assert_eq!(shared["steps"][0]["type"], "MENTIONS");
        assert!(shared["steps"][0]["via"].as_str().unwrap().contains("ada"));
        let edges = path("to_collection=ledgers&to_id=ledgers-3&types=CITES&hops=1");
        assert_eq!(edges["steps"][0]["type"], "CITES", "{edges:#}");
        let back = client
            .call(
                "GET",
                "/api/v1/documents/ledgers/ledgers-3/path?to_collection=contracts&to_id=contracts-4&types=AMENDS",
                None,
            )
            .unwrap();
        assert_eq!(back["found"], true, "{kind:?}: {back:#}");
        let nothing = path("to_collection=handbooks&to_id=handbook-0&hops=2");
        assert_eq!(nothing["exhaustive"], true, "{nothing:#}");
        assert_eq!(
            (&nothing["found"], &nothing["steps"]),
            (&json!(false), &Value::Null),
            "{nothing:#}"
        );
        let itself = path("to_id=contracts-0");
        assert_eq!((&itself["found"], &itself["hops"]), (&json!(true), &json!(0)));
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn documents_that_may_not_be_seen_are_in_no_answer_and_lead_nowhere() {
    let setup = Setup::with(Kind::Dev, &section(json!({"permissions": {"mode": "filter"}})));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    fill(&client);
    let hidden = json!({"content": format!("Payment of the rent, restricted; ask {ADA}."), "acl": ["board"]});
    let hidden: Vec<(String, Vec<f32>, Value)> = ["contracts", "contracts"]
        .iter()
        .enumerate()
        .map(|(n, _)| (format!("hidden-{n}"), near(0, n), hidden.clone()))
        .collect();
    client.insert("contracts", &hidden).unwrap();
    client.settle(PATIENCE).unwrap();
    client.settle_texts(PATIENCE).unwrap();
    link(
        &setup.graph(),
        "CITES",
        &[
            ("contracts/hidden-0", "contracts/contracts-0"),
            ("ledgers/ledgers-5", "contracts/hidden-0"),
        ],
    );
    let body = |principals: Value| {
        json!({
            "text": "rent payments", "vector": near(0, 0), "limit": 50, "explain": true, "principals": principals,
            "graph": {"types": ["CITES"], "hops": 3},
        })
    };
    let open = post(&client, &body(json!([])));
    assert!(!open.to_string().contains("hidden"), "{open:#}");
    assert!(
        post(&client, &body(json!(["board"])))
            .to_string()
            .contains("hidden-1")
    );
    let impact = "/api/v1/documents/contracts/contracts-0/impact";
    let open = client.call("GET", impact, None).unwrap();
    assert_eq!(
        (&open["found"], &open["by_type"]),
        (&json!(0), &json!({})),
        "{open:#}"
    );
    let board = client
        .call("GET", &format!("{impact}?principals=board"), None)
        .unwrap();
    assert_eq!(board["found"], 2, "{board:#}");
    let path = "/api/v1/documents/contracts/contracts-0/path?to_id=hidden-0";
    assert_eq!(client.send("GET", path, None).unwrap().0, 404);
    let way = "/api/v1/documents/ledgers/ledgers-5/path?to_collection=contracts&to_id=contracts-0&types=CITES&hops=6";
    let open = client.call("GET", way, None).unwrap();
    assert!(!open.to_string().contains("hidden"), "{open:#}");
    let board = client
        .call("GET", &format!("{way}&principals=board"), None)
        .unwrap();
    assert_eq!(board["found"], true, "{board:#}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn without_nexus_domains_are_still_searched_within_the_budget() {
    let setup = Setup::with(Kind::Dev, &section(json!({})));
    let nexus = setup.nexus();
    let (server, client) = setup.host();
    fill(&client);
    nexus.kill();
    vectorizer_tests::process::wait_until("the plugin notices", PATIENCE, || {
        Ok(client.status()?["nexus"]["state"] != "ready")
    })
    .unwrap();
    let body = json!({"text": "rent payments", "vector": near(0, 0), "limit": 9, "budget_ms": 500});
    let answer = client.call("POST", CROSS, Some(&body)).unwrap();
    assert_eq!(answer["degraded"], true, "{answer:#}");
    assert!(answer["took_ms"].as_u64().unwrap() < 500, "{answer:#}");
    assert_eq!(domains(&answer).len(), 9);
    let impact = client
        .call("GET", "/api/v1/documents/contracts/contracts-0/impact", None)
        .unwrap();
    assert_eq!((&impact["degraded"], &impact["found"]), (&json!(true), &json!(0)));
    server.kill();
}
