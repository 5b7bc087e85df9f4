//! What documents mention, which domains they belong to, and who may see them, kept right in the graph while documents change and
//! go.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

mod setup;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use setup::{DIMENSION, PATIENCE, Setup, change_config, vector};
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

type Pairs = BTreeSet<(String, String)>;

/// The edges of a type that hold, by the names of their ends.
fn pairs(graph: &Nexus, from: (&str, &str), kind: &str, to: (&str, &str)) -> Pairs {
    let names = |(label, property): (&str, &str)| -> BTreeMap<String, String> {
        let nodes = graph.nodes(label).unwrap().into_iter();
        nodes
            .map(|node| {
                let name = node
                    .properties
                    .get(property)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                (node.key, name.to_owned())
            })
            .collect()
    };
    let (sources, targets) = (names(from), names(to));
    let edges = graph.edges(from.0, kind, to.0, "active").unwrap().into_iter();
    edges
        .filter(|edge| edge.active)
        .map(|edge| (sources[&edge.source].clone(), targets[&edge.target].clone()))
        .collect()
}

fn mentions(graph: &Nexus) -> Pairs {
    let there = pairs(graph, ("Document", "vector_id"), "MENTIONS", ("Entity", "name"));
    let back = pairs(
        graph,
        ("Entity", "name"),
        "MENTIONED_IN",
        ("Document", "vector_id"),
    );
    let back: Pairs = back
        .into_iter()
        .map(|(entity, document)| (document, entity))
        .collect();
    assert_eq!(there, back, "every mention is there in both directions");
    there
}

fn memberships(graph: &Nexus) -> Pairs {
    pairs(graph, ("Document", "vector_id"), "BELONGS_TO", ("Domain", "name"))
}

fn entities(graph: &Nexus) -> BTreeSet<String> {
    let nodes = graph.nodes("Entity").unwrap().into_iter();
    nodes
        .map(|node| node.properties["name"].as_str().unwrap().to_owned())
        .collect()
}

fn put(client: &Vectorizer, id: &str, n: usize, payload: Value) {
    client
        .insert("texts", &[(id.to_owned(), vector(n), payload)])
        .unwrap();
}

#[test]
fn entities_come_with_their_first_mention_and_go_with_their_last() {
    for kind in Kind::available() {
        let setup = Setup::with(
            kind,
            &json!({"entities": {"kinds": ["email", "money", "ticket"], "patterns": [
            {"kind": "ticket", "regex": "TCK-[0-9]+"}]}}),
        );
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("texts", DIMENSION, "Cosine").unwrap();
        put(
            &client,
            "a",
            1,
            json!({"content": "Ask Anna@example.com about TCK-7, and anna@example.com again."}),
        );
        put(
            &client,
            "b",
            300,
            json!({"content": "anna@example.com was paid $ 1.5 million."}),
        );
        put(&client, "c", 600, json!({"title": "nothing to see"}));
        client.settle(PATIENCE).unwrap();
        let graph = setup.graph();
        let of = |pairs: &[(&str, &str)]| -> Pairs {
            pairs
                .iter()
                .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
                .collect()
        };
        let all = entities(&graph);
        let anna = all
            .iter()
            .find(|name| name.eq_ignore_ascii_case("anna@example.com"))
            .unwrap()
            .clone();
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(
            mentions(&graph),
            of(&[("a", &anna), ("a", "TCK-7"), ("b", &anna), ("b", "$ 1.5 million")])
        );

        // What is mentioned no more goes, what others mention stays.
        put(&client, "a", 1, json!({"content": "Forget it. TCK-8."}));
        client.settle(PATIENCE).unwrap();
        assert_eq!(
            entities(&graph),
            [anna.as_str(), "$ 1.5 million", "TCK-8"]
                .map(str::to_owned)
                .into()
        );
        client.delete("texts", &["b"]).unwrap();
        client.settle(PATIENCE).unwrap();
        assert_eq!(mentions(&graph), of(&[("a", "TCK-8")]));
        assert_eq!(entities(&graph), ["TCK-8".to_owned()].into());
        client.call("DELETE", "/collections/texts", None).unwrap();
        client.settle(PATIENCE).unwrap();
        assert!(entities(&graph).is_empty());
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn documents_belong_to_domains_and_domains_to_those_above_them() {
    for kind in Kind::available() {
        let setup = Setup::with(
            kind,
            &json!({"domains": {"label_field": "topic", "rules": [
            {"name": "leases", "parent": "contracts", "metadata": {"type": "lease"}}]}}),
        );
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("texts", DIMENSION, "Cosine").unwrap();
        let contract = "WHEREAS the Licensee and the Licensor hereby enter into this Agreement, each party shall indemnify the other.";
        put(&client, "contract", 1, json!({"content": contract}));
        put(
            &client,
            "labelled",
            200,
            json!({"content": contract, "topic": "hr"}),
        );
        put(
            &client,
            "lease",
            400,
            json!({"content": "rooms", "metadata": {"type": "lease"}}),
        );
        put(&client, "empty", 600, json!({"n": 1}));
        client.settle(PATIENCE).unwrap();
        let graph = setup.graph();
        let belongs = memberships(&graph);
        for (document, domain) in [
            ("contract", "legal"),
            ("contract", "contracts"),
            ("labelled", "hr"),
            ("lease", "legal"),
            ("lease", "leases"),
            ("empty", "general"),
        ] {
            assert!(
                belongs.contains(&(document.to_owned(), domain.to_owned())),
                "{document} {domain}: {belongs:?}"
            );
        }
        let above = pairs(&graph, ("Domain", "name"), "SUBDOMAIN_OF", ("Domain", "name"));
        assert!(
            above.contains(&("leases".to_owned(), "contracts".to_owned())),
            "{above:?}"
        );
        assert!(
            above.contains(&("contracts".to_owned(), "legal".to_owned())),
            "{above:?}"
        );
        let shown: BTreeMap<String, Value> = graph
            .documents()
            .unwrap()
            .into_iter()
            .map(|node| {
                (
                    node.properties["vector_id"].as_str().unwrap().to_owned(),
                    node.properties["domain"].clone(),
                )
            })
            .collect();
        assert_eq!(
            (&shown["contract"], &shown["labelled"]),
            (&json!("legal"), &json!("hr"))
        );

        // Another label, another domain; the old edge is gone.
        put(
            &client,
            "labelled",
            200,
            json!({"content": contract, "topic": "engineering"}),
        );
        client.settle(PATIENCE).unwrap();
        let belongs = memberships(&graph);
        let of_labelled: Vec<&String> = belongs
            .iter()
            .filter(|(id, _)| id == "labelled")
            .map(|(_, name)| name)
            .collect();
        assert_eq!(of_labelled, ["engineering"]);
        assert!(server.stop().unwrap().success());

        // Other rules: everything is classified anew.
        change_config(&setup, |config| {
            config["nexus_integration"]["domains"] =
                json!({"builtin": false, "rules": [{"name": "all", "collections": ["*"]}]});
        });
        let (server, client) = setup.host();
        client.settle(PATIENCE).unwrap();
        let belongs = memberships(&graph);
        let all: Pairs = ["contract", "labelled", "lease", "empty"]
            .map(|id| (id.to_owned(), "all".to_owned()))
            .into();
        assert_eq!(belongs, all);
        assert_eq!(
            graph.nodes("Domain").unwrap().len(),
            1,
            "domains go with their last document"
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn documents_with_other_permissions_are_no_neighbours_where_they_are_isolated() {
    for kind in Kind::available() {
        let setup = Setup::with(kind, &json!({"permissions": {"mode": "isolate"}}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("texts", DIMENSION, "Cosine").unwrap();
        // All at one place in space, so that everybody would be everybody's neighbour.
        for (id, acl) in [
            ("a1", json!("a")),
            ("a2", json!(["a"])),
            ("b1", json!(["b"])),
            ("b2", json!("b")),
        ] {
            put(&client, id, 5, json!({"acl": acl}));
        }
        put(&client, "open1", 5, json!({}));
        put(&client, "open2", 5, json!({}));
        client.settle(PATIENCE).unwrap();
        let graph = setup.graph();
        let similar = || {
            pairs(
                &graph,
                ("Document", "vector_id"),
                "SIMILAR_TO",
                ("Document", "vector_id"),
            )
        };
        let both = |groups: &[[&str; 2]]| -> Pairs {
            let both = |[one, other]: &[&str; 2]| {
                [
                    ((*one).to_owned(), (*other).to_owned()),
                    ((*other).to_owned(), (*one).to_owned()),
                ]
            };
            groups.iter().flat_map(both).collect()
        };
        assert_eq!(similar(), both(&[["a1", "a2"], ["b1", "b2"], ["open1", "open2"]]));
        let node = graph
            .documents()
            .unwrap()
            .into_iter()
            .find(|node| node.properties["vector_id"] == "a2")
            .unwrap();
        assert_eq!(node.properties["acl"], json!(["a"]));

        // It changes sides, and its neighbours with it.
        put(&client, "a2", 5, json!({"acl": ["b"]}));
        client.settle(PATIENCE).unwrap();
        assert_eq!(
            similar(),
            both(&[["a2", "b1"], ["a2", "b2"], ["b1", "b2"], ["open1", "open2"]])
        );
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn labelled_documents_teach_which_vectors_belong_to_a_domain() {
    for kind in Kind::available() {
        let settings = json!({"label_field": "topic", "builtin": false, "default": "none", "rules": [{"name": "alpha"}, {"name": "beta"}]});
        let setup = Setup::with(kind, &json!({"domains": settings}));
        let _nexus = setup.nexus();
        let (server, client) = setup.host();
        client.create("texts", DIMENSION, "Cosine").unwrap();
        for n in 0..12 {
            put(&client, &format!("a{n}"), n, json!({"topic": "alpha"}));
            put(&client, &format!("b{n}"), n + 24, json!({"topic": "beta"}));
        }
        put(&client, "near a", 5, json!({"n": 1}));
        put(&client, "near b", 30, json!({"n": 2}));
        client.settle(PATIENCE).unwrap();
        let domains = || -> Vec<Value> {
            let nodes = setup.graph().documents().unwrap();
            ["near a", "near b"]
                .map(|id| {
                    nodes
                        .iter()
                        .find(|node| node.properties["vector_id"] == id)
                        .unwrap()
                        .properties["domain"]
                        .clone()
                })
                .into()
        };
        assert_eq!(domains(), ["none", "none"]);

        assert_eq!(
            client
                .send("POST", "/admin/sync/domains/train", Some(&json!({})))
                .unwrap()
                .0,
            202
        );
        wait_until("documents are classified by what was learned", PATIENCE, || {
            Ok(domains() == ["alpha", "beta"])
        })
        .unwrap();
        client.settle(PATIENCE).unwrap();
        let shown = client.call("GET", "/admin/sync/domains", None).unwrap();
        assert_eq!(
            shown["lesson"]["labelled"],
            json!({"alpha": 12, "beta": 12}),
            "{shown}"
        );

        // Another vector, another domain, though the payload is the same; and a restart forgets nothing.
        put(&client, "near a", 29, json!({"n": 1}));
        client.settle(PATIENCE).unwrap();
        assert_eq!(domains(), ["beta", "beta"]);
        assert!(server.stop().unwrap().success());
        let (server, client) = setup.host();
        put(&client, "near a", 4, json!({"n": 1}));
        client.settle(PATIENCE).unwrap();
        assert_eq!(domains(), ["alpha", "beta"]);
        assert!(server.stop().unwrap().success());
    }
}

#[test]
fn labels_are_taken_from_the_configuration_and_from_requests() {
    const LABELS: &str = "/admin/sync/domains/labels";
    let settings = json!({
        "builtin": false,
        "default": "none",
        "rules": [{"name": "alpha"}, {"name": "beta"}],
        "labels": (0..12).map(|n| json!({"collection": "texts", "id": format!("a{n}"), "domain": "alpha"})).collect::<Vec<_>>(),
    });
    let setup = Setup::with(Kind::Dev, &json!({"domains": settings}));
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("texts", DIMENSION, "Cosine").unwrap();
    for n in 0..12 {
        put(&client, &format!("a{n}"), n, json!({}));
        put(&client, &format!("b{n}"), n + 24, json!({}));
    }
    put(&client, "near b", 30, json!({}));
    client.settle(PATIENCE).unwrap();
    let domain = |id: &str| -> Value {
        let nodes = setup.graph().documents().unwrap();
        let node = nodes.iter().find(|node| node.properties["vector_id"] == id);
        node.unwrap().properties["domain"].clone()
    };
    assert_eq!(
        (domain("a3"), domain("b3"), domain("near b")),
        (json!("alpha"), json!("none"), json!("none")),
        "one domain teaches nothing, but a label is a label"
    );

    let given: Vec<Value> = (0..12)
        .map(|n| json!({"collection": "texts", "id": format!("b{n}"), "domain": "beta"}))
        .collect();
    let (status, answer) = client
        .send("POST", LABELS, Some(&json!({"labels": given})))
        .unwrap();
    assert_eq!((status, &answer["accepted"]), (202, &json!(12)), "{answer}");
    wait_until(
        "the neighbour of labelled documents is classified",
        PATIENCE,
        || Ok(domain("b3") == "beta" && domain("near b") == "beta"),
    )
    .unwrap();
    let page = client
        .call(
            "GET",
            &format!("{LABELS}?collection=texts&limit=5&after=b1"),
            None,
        )
        .unwrap();
    assert_eq!(page["labels"][0], json!({"id": "b10", "domain": "beta"}));
    assert_eq!(page["next"], "b4");

    for (label, field) in [
        (
            json!({"collection": "texts", "id": "b1", "domain": "gamma"}),
            "labels[0].domain",
        ),
        (
            json!({"collection": "", "id": "b1", "domain": "beta"}),
            "labels[0].collection",
        ),
        (json!({"collection": "texts", "domain": "beta"}), "labels[0]"),
    ] {
        let body = json!({"labels": [label]});
        let (status, answer) = client.send("POST", LABELS, Some(&body)).unwrap();
        assert_eq!(status, 400);
        assert!(answer.to_string().contains(field), "{field}: {answer}");
    }

    // Another label, after a restart, over the configured one; and one that is taken away.
    assert!(server.stop().unwrap().success());
    let (server, client) = setup.host();
    let changed = json!({"labels": [
        {"collection": "texts", "id": "a3", "domain": "beta"},
        {"collection": "texts", "id": "b3", "domain": null},
    ]});
    assert_eq!(client.send("POST", LABELS, Some(&changed)).unwrap().0, 202);
    wait_until("labels count over those of the configuration", PATIENCE, || {
        Ok(domain("a3") == "beta")
    })
    .unwrap();
    let page = client
        .call("GET", &format!("{LABELS}?collection=texts"), None)
        .unwrap();
    let ids: Vec<&Value> = page["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| &label["id"])
        .collect();
    assert!(
        ids.contains(&&json!("a3")) && !ids.contains(&&json!("b3")),
        "{ids:?}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_document_that_mentions_ten_thousand_entities_keeps_the_surest_and_the_rest_is_counted() {
    const MENTIONED: usize = 10_000;
    let setup = Setup::new(Kind::Dev);
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    client.create("texts", DIMENSION, "Cosine").unwrap();
    let addresses: Vec<String> = (0..MENTIONED).map(|n| format!("a{n}@example.com")).collect();
    let text = format!("a7@example.com {} a7@example.com", addresses.join(" "));
    put(&client, "crowded", 1, json!({"content": text}));
    client.settle(PATIENCE).unwrap();
    let kept = entities(&setup.graph());
    assert_eq!(kept.len(), 32);
    assert!(
        kept.contains("a7@example.com"),
        "the most mentioned one: {kept:?}"
    );
    let metrics = client.metrics().unwrap();
    let counted = r#"vectorizer_nexus_entities_skipped_total{collection="texts"} "#;
    let skipped = metrics.lines().find_map(|line| line.strip_prefix(counted));
    assert_eq!(skipped, Some((MENTIONED - 32).to_string().as_str()));
    assert!(server.stop().unwrap().success());
}
