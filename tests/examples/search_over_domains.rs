//! The examples of `docs/search.md`, run: real documents, the real plugin in the real host, a graph server. Prints what is put there.
//!
//! `cargo run --release -p vectorizer-tests --example search_over_domains`, after `cargo build --release`; with `NEXUS_SERVER_BIN` on the real
//! Nexus. Titles are shown, not texts: those are not ours to copy (`shared/data/README.md`).

#![allow(clippy::unwrap_used, reason = "an example may end with a panic")]

use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::data;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let Some(shared) = data::shared() else {
        return;
    };
    let documents = data::labelled(&shared).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::of(Profile::Release);
    let kind = Kind::measured();
    let nexus = Nexus::start(kind, &artifacts, folder.path(), None).unwrap();
    let section = json!({"nexus_url": nexus.url, "domains": {"label_field": "field"}});
    let host = HostFolder::new(folder.path(), &artifacts, 0, &json!({}), &section).unwrap();
    let host = host.start().unwrap();
    let client = Vectorizer::new(&host.url);
    // A collection each, of texts that the host embeds; half of the documents, since a domain is more than one collection.
    for label in ["legal", "financial", "hr", "engineering"] {
        for (half, name) in [(0, format!("{label}-a")), (1, format!("{label}-b"))] {
            let texts: Vec<Value> = documents
                .iter()
                .filter(|document| document.label == label)
                .skip(half)
                .step_by(2)
                .map(|document| {
                    json!({
                        "id": document.id, "text": document.text, "auto_chunk": false,
                        "metadata": {"title": document.title, "content": document.text, "field": label},
                    })
                })
                .collect();
            for part in texts.chunks(100) {
                let body = json!({"collection": name, "texts": part});
                client.call("POST", "/insert_texts", Some(&body)).unwrap();
            }
        }
    }
    client.settle(PATIENCE).unwrap();
    client.settle_texts(PATIENCE).unwrap();

    for body in [
        json!({
            "text": "interest rate on borrowings under the credit agreement", "domains": ["legal", "financial"],
            "limit": 6, "min_per_domain": 2, "with_payload": true,
        }),
        json!({
            "text": "how engineers are interviewed, hired and onboarded", "domains": ["hr", "engineering"],
            "results": "grouped", "limit": 3, "with_payload": true,
        }),
    ] {
        let answer = client
            .call("POST", "/api/v1/search/cross-domain", Some(&body))
            .unwrap();
        println!("POST /api/v1/search/cross-domain\n{}\n", pretty(&body));
        println!("{}\n", pretty(&shortened(answer)));
    }

    // What an application knows, and says in the graph: two contracts amend a third, and a report cites one of these.
    let ids = |label: &str| -> Vec<&str> {
        let of_it = documents.iter().filter(|document| document.label == label);
        of_it.map(|document| document.id.as_str()).take(6).collect()
    };
    let (legal, financial) = (ids("legal"), ids("financial"));
    let graph = Nexus::new(&nexus.url);
    let key = |collection: &str, id: &str| format!("{collection}/{id}");
    for (kind, from, to) in [
        ("AMENDS", key("legal-a", legal[2]), key("legal-a", legal[0])),
        ("AMENDS", key("legal-a", legal[4]), key("legal-a", legal[2])),
        (
            "CITES",
            key("financial-a", financial[0]),
            key("legal-a", legal[4]),
        ),
    ] {
        let statement = format!(
            "UNWIND $rows AS row MATCH (a:Document {{key: row.a}}) MATCH (b:Document {{key: row.b}}) \
             MERGE (a)-[r:{kind}]->(b) ON CREATE SET r.since = row.s ON MATCH SET r.since = row.s"
        );
        graph
            .run(&statement, &json!({"rows": [{"a": from, "b": to, "s": 2026}]}))
            .unwrap();
    }
    for question in [
        "impact?hops=3".to_owned(),
        format!(
            "path?to_collection=financial-a&to_id={}&types=AMENDS,CITES",
            financial[0]
        ),
    ] {
        let path = format!("/api/v1/documents/legal-a/{}/{question}", legal[0]);
        let answer = client.call("GET", &path, None).unwrap();
        println!("GET {path}\n\n{}\n", pretty(&answer));
    }
    host.stop().unwrap();
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// Of each payload the title only.
fn shortened(mut answer: Value) -> Value {
    for group in answer
        .get_mut("groups")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        titles(&mut group["results"]);
    }
    if let Some(results) = answer.get_mut("results") {
        titles(results);
    }
    answer
}

fn titles(results: &mut Value) {
    for result in results.as_array_mut().into_iter().flatten() {
        result["payload"] = json!({"title": result["payload"]["title"]});
    }
}
