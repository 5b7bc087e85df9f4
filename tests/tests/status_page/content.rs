//! What there is to be seen: documents that have to do with each other, some that Nexus refuses, and a text that looks like markup.

use serde_json::{Value, json};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::setup::Setup;

pub(crate) const EVIL: &str = "<img src=x onerror=alert(1)>";
/// More than are on one page.
pub(crate) const DEAD: usize = 12;

pub(crate) fn insert(client: &Vectorizer, collection: &str, texts: &[(&str, &str, &str)]) {
    let texts: Vec<Value> = texts
        .iter()
        .map(|(id, title, text)| json!({"id": id, "text": format!("{title}. {text}"), "metadata": {"title": title, "content": text}}))
        .collect();
    let body = json!({"collection": collection, "texts": texts});
    let answer = client.call("POST", "/insert_texts", Some(&body)).unwrap();
    assert_eq!(answer["failed"], 0, "{answer}");
}

/// Documents that have to do with each other, an odd title among them.
pub(crate) fn fill(client: &Vectorizer) {
    insert(
        client,
        "contracts",
        &[
            (
                "lease-2021",
                "Lease of the Harbour Street offices",
                "Acme Ltd rents the offices at Harbour Street from Northgate Properties for ten years; the rent is $ 1.2 million a year. Contact: anna@acme.example.",
            ),
            (
                "lease-2021/a1",
                "First amendment to the lease of the Harbour Street offices",
                "Acme Ltd and Northgate Properties change the rent of the offices at Harbour Street to $ 1.4 million a year. Contact: anna@acme.example.",
            ),
            (
                "lease-2021/a2",
                "Second amendment to the lease of the Harbour Street offices",
                "Acme Ltd and Northgate Properties add a second floor of the offices at Harbour Street to the lease. Contact: anna@acme.example.",
            ),
            (
                "guaranty-7",
                "Guaranty for the rent of Harbour Street",
                "Acme Holding guarantees Northgate Properties the rent of the offices at Harbour Street that Acme Ltd owes.",
            ),
            (
                "odd",
                EVIL,
                "Acme Ltd rents offices at Harbour Street; this lease has an odd title. Contact: anna@acme.example.",
            ),
            (
                "nda-12",
                "Non-disclosure agreement with Beta Labs",
                "Acme Ltd and Beta Labs keep each other's drawings and samples secret for five years.",
            ),
            (
                "supply-3",
                "Supply agreement for lithium cells",
                "Beta Labs delivers lithium cells to Acme Ltd, 40,000 a month, and replaces those that fail within a year.",
            ),
            (
                "supply-3/a1",
                "Amendment to the supply agreement for lithium cells",
                "Beta Labs delivers 60,000 lithium cells a month to Acme Ltd.",
            ),
        ],
    );
    insert(
        client,
        "handbook",
        &[
            (
                "onboarding",
                "Onboarding of engineers",
                "In the first week engineers get their machine, read access to the repositories, and a mentor. Questions: anna@acme.example.",
            ),
            (
                "interviews",
                "Interviews of engineers",
                "Engineers are interviewed by three engineers, one of them from another team.",
            ),
            (
                "leave",
                "Parental leave",
                "Parents take up to fourteen months of leave. The office keeps their place.",
            ),
            (
                "travel",
                "Travel to the Harbour Street offices",
                "Engineers who travel to the offices at Harbour Street book a desk there.",
            ),
            (
                "incident",
                "Incidents",
                "Whoever sees an incident first leads it until somebody takes over; the report is written within three days.",
            ),
        ],
    );
}

pub(crate) fn plugin(more: &Value) -> Setup {
    let mut section = json!({
        "sync": {
            "max_retry_delay_ms": 500, "refused_delay_ms": 20, "max_refused_delay_ms": 200, "dead_letter_after": 2,
        },
        "similarity": {"top_k": 4, "threshold": {"cosine": 0.15, "euclidean": 0.5, "dot": 0.5}},
        "collections": [{"name": "contracts", "domain": "legal"}, {"name": "drafts"}],
    });
    for (name, value) in more.as_object().unwrap() {
        section[name] = value.clone();
    }
    Setup::with(Kind::Dev, &section)
}
