//! The host in front of a Vectorizer: another host, and the real one where `VECTORIZER_BIN` names its program.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[path = "../setup/mod.rs"]
mod setup;

mod behind;
mod collections;
mod conformance;
mod enrichment;
mod routes;
mod users;

use std::time::Duration;

use serde_json::{Value, json};
use setup::{Graph, Setup};
use vectorizer_tests::nexus::Kind;
use vectorizer_tests::process::{Server, wait_until};
use vectorizer_tests::upstream::Origin;
use vectorizer_tests::vectorizer::Vectorizer;

/// A graph, a Vectorizer, and a host in front of it.
struct Rig {
    setup: Setup,
    _graph: Graph,
    host: Option<Server>,
    /// By the host.
    client: Vectorizer,
    /// Behind its back.
    direct: Vectorizer,
}

impl Rig {
    fn start(origin: Origin, more: &Value) -> Self {
        let mut setup = Setup::in_front_of(origin, false, Kind::measured(), more);
        let graph = setup.nexus();
        let (host, client) = setup.host();
        let direct = Vectorizer::new(&setup.host.upstream().unwrap().url);
        Self {
            setup,
            _graph: graph,
            host: Some(host),
            client,
            direct,
        }
    }

    /// One for each origin that there is.
    fn each(test: impl Fn(&mut Self)) {
        for origin in Origin::available() {
            println!("in front of {origin:?}");
            test(&mut Self::start(origin, &json!({})));
        }
    }

    fn is_real(&mut self) -> bool {
        self.setup.host.upstream().unwrap().origin == Origin::Real
    }

    /// Vectorizer and graph say the same, in the end. What came in behind the host's back is found first.
    fn assert_equal_in_the_end(&self, documents: usize) {
        let mut last = Vec::new();
        let equal = wait_until(
            "the graph says what Vectorizer says",
            Duration::from_secs(60),
            || {
                self.client.settle(Duration::from_secs(60))?;
                let expect = setup::EXPECT;
                let findings = vectorizer_tests::oracle::compare(&self.client, &self.setup.graph(), expect)?;
                let is_equal = findings.mismatches.is_empty() && findings.documents == documents;
                last = findings.mismatches;
                last.push(format!("{} documents", findings.documents));
                Ok(is_equal)
            },
        );
        assert!(equal.is_ok(), "{last:#?}");
    }

    /// The ids of the nodes of a collection.
    fn nodes(&self, collection: &str) -> Vec<String> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let nodes = self.setup.graph().documents().unwrap().into_iter();
        let mut ids: Vec<String> = nodes
            .filter(|node| text(node.properties.get("collection")) == collection)
            .map(|node| text(node.properties.get("vector_id")))
            .collect();
        ids.sort();
        ids
    }

    fn wait_for_nodes(&self, collection: &str, wanted: &[&str]) {
        let mut last = Vec::new();
        let reached = wait_until("the nodes are there", Duration::from_secs(60), || {
            last = self.nodes(collection);
            Ok(last == wanted)
        });
        assert!(reached.is_ok(), "{collection}: {last:?} instead of {wanted:?}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            host.stop().unwrap();
        }
    }
}
