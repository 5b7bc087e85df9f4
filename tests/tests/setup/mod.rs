//! A host and a graph server for one test, and documents to put in.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use vectorizer_tests::TestError;
use vectorizer_tests::build::{Artifacts, Profile};
use vectorizer_tests::nexus::{Kind, Lent, Nexus, given_url};
use vectorizer_tests::oracle::{self, Expectation, Findings};
use vectorizer_tests::process::{Server, free_port};
use vectorizer_tests::upstream::{Origin, Upstream};
use vectorizer_tests::vectorizer::{HostFolder, Vectorizer};

pub(crate) const EXPECT: Expectation = Expectation {
    top_k: 3,
    threshold: 0.6,
    rounded: false,
};
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const DIMENSION: usize = 8;

/// A host and a graph, with their folders.
pub(crate) struct Setup {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) kind: Kind,
    nexus_port: u16,
    pub(crate) nexus_url: String,
    pub(crate) host: HostFolder,
}

/// A graph server for as long as a test holds it.
pub(crate) enum Graph {
    Own(Server),
    Lent(#[expect(dead_code, reason = "held until the end")] Lent),
}

impl Graph {
    pub(crate) fn stop(self) {
        match self {
            Self::Own(server) => drop(server.stop().unwrap()),
            Self::Lent(_) => {}
        }
    }

    pub(crate) fn kill(self) {
        match self {
            Self::Own(server) => server.kill(),
            Self::Lent(_) => panic!("a server that is lent is not killed"),
        }
    }
}

/// Changes the host's configuration.
pub(crate) fn change_config(setup: &Setup, change: impl FnOnce(&mut Value)) {
    let config = std::fs::read_to_string(setup.host.config()).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    change(&mut config);
    setup.host.write(&config).unwrap();
}

impl Setup {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, &json!({}))
    }

    /// `more` adds to the plugin's section.
    pub(crate) fn with(kind: Kind, more: &Value) -> Self {
        Self::assemble(kind, more, |folder, section| {
            HostFolder::new(folder, &artifacts(), 0, &json!({}), section)
        })
    }

    /// With a store of its own, whatever Vectorizer there is.
    pub(crate) fn alone(kind: Kind, more: &Value) -> Self {
        Self::assemble(kind, more, |folder, section| {
            HostFolder::in_front_of(None, folder, &artifacts(), 0, &json!({}), section)
        })
    }

    /// In front of a Vectorizer of this origin, which has users, or lets everyone in.
    pub(crate) fn in_front_of(origin: Origin, has_users: bool, kind: Kind, more: &Value) -> Self {
        Self::assemble(kind, more, |folder, section| {
            let upstream = Upstream::start(origin, folder, has_users)?;
            HostFolder::in_front_of(Some(upstream), folder, &artifacts(), 0, &json!({}), section)
        })
    }

    fn assemble(
        kind: Kind,
        more: &Value,
        host: impl FnOnce(&Path, &Value) -> Result<HostFolder, TestError>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nexus_port = free_port().unwrap();
        let nexus_url = match kind {
            Kind::Given => given_url().unwrap(),
            Kind::Dev | Kind::Quirks | Kind::Real => format!("http://127.0.0.1:{nexus_port}"),
        };
        let mut section = json!({
            "nexus_url": nexus_url,
            "sync": {"max_retry_delay_ms": 500},
            "similarity": {
                "top_k": EXPECT.top_k,
                "threshold": {"cosine": EXPECT.threshold, "euclidean": EXPECT.threshold, "dot": EXPECT.threshold},
            },
        });
        for (name, value) in more.as_object().unwrap_or(&Map::new()) {
            section[name] = value.clone();
        }
        let host = host(folder.path(), &section).unwrap();
        Self {
            folder,
            kind,
            nexus_port,
            nexus_url,
            host,
        }
    }

    pub(crate) fn nexus(&self) -> Graph {
        match self.kind {
            Kind::Given => Graph::Lent(Lent::take().unwrap()),
            kind => {
                let server = Nexus::start(kind, &artifacts(), self.folder.path(), Some(self.nexus_port));
                Graph::Own(server.unwrap())
            }
        }
    }

    pub(crate) fn host(&self) -> (Server, Vectorizer) {
        let server = self.host.start().unwrap();
        let client = Vectorizer::new(&server.url);
        (server, client)
    }

    pub(crate) fn graph(&self) -> Nexus {
        Nexus::new(&self.nexus_url)
    }

    /// Waits until all is quiet, then compares everything.
    pub(crate) fn assert_equal(&self, client: &Vectorizer) -> Findings {
        client.settle(PATIENCE).unwrap();
        let findings = oracle::compare(client, &self.graph(), EXPECT).unwrap();
        assert!(
            findings.mismatches.is_empty(),
            "{:?}: {:#?}",
            self.kind,
            findings.mismatches
        );
        findings
    }
}

pub(crate) fn artifacts() -> Artifacts {
    let artifacts = Artifacts::of(Profile::Dev);
    assert!(
        artifacts.plugin().exists(),
        "run the tests with: cargo xtask test"
    );
    artifacts
}

/// Sets the fault rules of a `nexus-dev`.
pub(crate) fn set_faults(nexus_url: &str, rules: &Value) {
    let answer = ureq::post(format!("{nexus_url}/_faults"))
        .send_json(json!({"rules": rules}))
        .unwrap();
    assert_eq!(answer.status(), 200);
}

/// A vector that depends on `seed` only; neighbours in number are similar.
pub(crate) fn vector(seed: usize) -> Vec<f32> {
    (0..DIMENSION)
        .map(|axis| {
            ((seed as f32 * 0.13) + axis as f32 * 0.9).sin() + 0.05 * ((seed * (axis + 3)) as f32).cos()
        })
        .collect()
}

pub(crate) fn document(n: usize, title: &str) -> (String, Vec<f32>, Value) {
    let payload = json!({"title": title, "doc_type": "note", "chunk_index": n, "content": "not copied", "nested": {"a": 1}});
    (format!("doc {n}/ä'\\\"{{}}"), vector(n), payload)
}

pub(crate) fn documents(range: std::ops::Range<usize>, title: &str) -> Vec<(String, Vec<f32>, Value)> {
    range.map(|n| document(n, &format!("{title} {n}"))).collect()
}

/// The file of this name, somewhere below a folder.
pub(crate) fn find(folder: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == name {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("there is no {name}");
}
