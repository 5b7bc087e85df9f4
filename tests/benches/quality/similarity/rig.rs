//! A host with the plugin, and a graph server.

use std::time::Duration;

use serde_json::{Value, json};
use vectorizer_plugin_nexus::config::Config;
use vectorizer_plugin_nexus::journal::Journal;
use vectorizer_plugin_nexus::similarity::TermStatistics;
use vectorizer_tests::agreement::{self, Edges};
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::churn::Item;
use vectorizer_tests::data;
use vectorizer_tests::nexus::{Kind, Nexus};
use vectorizer_tests::process::Server;
use vectorizer_tests::scrape;
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

const COLLECTION: &str = "documents";
/// The host searches through its approximate index from so many documents on.
const GRAPH_FROM: usize = 200;

/// Both servers, with their files.
pub(crate) struct Rig {
    client: Vectorizer,
    graph: Nexus,
    host: Server,
    _nexus: Server,
    folder: tempfile::TempDir,
}

/// Which graph server it is.
pub(crate) fn server_name() -> &'static str {
    match Kind::measured() {
        Kind::Real => "the server of NEXUS_SERVER_BIN",
        _ => "nexus-dev",
    }
}

impl Rig {
    /// Fresh servers, with these settings of similarity.
    pub(crate) fn start(similarity: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::of(Profile::Release);
        let nexus = Nexus::start(Kind::measured(), &artifacts, folder.path(), None).unwrap();
        let section = json!({"nexus_url": nexus.url, "similarity": similarity});
        let server = json!({"graph_from": GRAPH_FROM});
        let host = HostFolder::new(folder.path(), &artifacts, 0, &server, &section).unwrap();
        let host = host.start().unwrap();
        let client = Vectorizer::new(&host.url);
        client.create(COLLECTION, data::DIMENSION, "Cosine").unwrap();
        Self {
            client,
            graph: Nexus::new(&nexus.url),
            host,
            _nexus: nexus,
            folder,
        }
    }

    pub(crate) fn insert(&self, items: &[Item]) {
        let documents: Vec<_> = items.iter().map(Item::to_document).collect();
        self.client.insert(COLLECTION, &documents).unwrap();
    }

    pub(crate) fn delete(&self, id: &str) {
        self.client.delete(COLLECTION, &[id]).unwrap();
    }

    /// Waits until the plugin has nothing left to do.
    pub(crate) fn settle(&self, patience: Duration) {
        self.client.settle(patience).unwrap();
        assert_eq!(self.client.status().unwrap()["total_errors"], 0);
    }

    /// SIMILAR_TO edges written so far, as holding and as no longer holding.
    pub(crate) fn edges_written(&self) -> f64 {
        let text = self.client.metrics().unwrap();
        let count = |name: &str| scrape::counter(&text, name, "type=\"SIMILAR_TO\"");
        count("vectorizer_nexus_relationships_created_total")
            + count("vectorizer_nexus_relationships_retracted_total")
    }

    /// All active edges.
    pub(crate) fn edges(&self) -> Edges {
        agreement::read(&self.graph, COLLECTION).unwrap()
    }

    /// Stops the host, and reads the word counts out of the plugin's journal, if it has made any.
    pub(crate) fn stop(self) -> Option<TermStatistics> {
        self.host.stop().unwrap();
        let config = Config::from_json(&json!({"nexus_url": "http://127.0.0.1:9"}).to_string()).unwrap();
        let folder = self.folder.path().join("data/plugins/nexus/journal");
        let journal = Journal::open(&folder, config.sync.journal()).unwrap();
        journal.term_statistics(COLLECTION).unwrap()
    }
}
