//! Graph servers, and reading a graph by forms that the plugin does not use: full scans.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use ureq::Agent;

use crate::TestError;
use crate::build::Artifacts;
use crate::process::{Server, free_port};

/// Marks what a test removes, as long as the marks of the plugin.
const OVER: &str = "the-test-is-over-000000000000000";

/// A Cypher client.
#[derive(Debug, Clone)]
pub struct Nexus {
    url: String,
    agent: Agent,
}

/// A document's node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its key.
    pub key: String,
    /// All its properties.
    pub properties: Map<String, Value>,
}

/// A SIMILAR_TO edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// The source's key.
    pub source: String,
    /// The target's key.
    pub target: String,
    /// Its score.
    pub score: Option<f64>,
    /// Whether it holds.
    pub active: bool,
}

impl Nexus {
    /// A client for the server at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: crate::agent(Duration::from_secs(120)),
        }
    }

    /// Starts a server of a kind that has a process of its own. Data go into `folder`.
    ///
    /// # Errors
    /// [`TestError::Process`].
    pub fn start(
        kind: Kind,
        artifacts: &Artifacts,
        folder: &Path,
        port: Option<u16>,
    ) -> Result<Server, TestError> {
        let port = match port {
            Some(port) => port,
            None => free_port()?,
        };
        let address = format!("127.0.0.1:{port}");
        let data = folder.join("nexus-data");
        std::fs::create_dir_all(&data).map_err(|error| TestError::file(&data, &error))?;
        let log = folder.join("nexus.log");
        match kind {
            Kind::Dev | Kind::Quirks => {
                let mut command = Command::new(artifacts.nexus_dev());
                command
                    .args(["--addr", &address, "--data"])
                    .arg(&data)
                    .arg("--allow-faults");
                if kind == Kind::Quirks {
                    command.args(["--quirks", "2.5"]);
                }
                Server::start("nexus-dev", &mut command, &log)
            }
            Kind::Given => Err(TestError::Process(
                "the server at NEXUS_URL is not ours to start".into(),
            )),
            Kind::Real => {
                let program = std::env::var_os("NEXUS_SERVER_BIN")
                    .ok_or_else(|| TestError::Process("NEXUS_SERVER_BIN is not set".into()))?;
                let mut command = Command::new(program);
                // With these in its environment Nexus takes itself for its own test, and forgets its labels at a restart.
                for (name, _) in
                    std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO"))
                {
                    command.env_remove(name);
                }
                command
                    .current_dir(folder)
                    .env("NEXUS_ADDR", &address)
                    .env("NEXUS_DATA_DIR", &data)
                    .env("NEXUS_RPC_ENABLED", "false");
                Server::start_at(
                    "nexus-server",
                    &mut command,
                    &format!("http://{address}"),
                    "/health",
                    &log,
                )
            }
        }
    }

    /// Takes every node of a label out.
    ///
    /// # Errors
    /// As [`Nexus::run`].
    pub fn remove(&self, label: &str) -> Result<(), TestError> {
        let rows: Vec<Value> = self
            .run(&format!("MATCH (d:{label}) RETURN d.key AS k"), &json!({}))?
            .into_iter()
            .map(|row| json!({"key": row.first(), "props": {"gc": OVER}}))
            .collect();
        for rows in rows.chunks(100) {
            self.run(
                &format!("UNWIND $rows AS row MATCH (d:{label} {{key: row.key}}) SET d += row.props"),
                &json!({"rows": rows}),
            )?;
            self.run(
                &format!("MATCH (d:{label} {{gc:'{OVER}'}}) DETACH DELETE d"),
                &json!({}),
            )?;
        }
        Ok(())
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// [`TestError::Http`], [`TestError::Answer`].
    pub fn run(&self, statement: &str, params: &Value) -> Result<Vec<Vec<Value>>, TestError> {
        let url = format!("{}/cypher", self.url);
        let failed = |error: ureq::Error| TestError::Http {
            url: url.clone(),
            reason: error.to_string(),
        };
        let mut answer = self
            .agent
            .post(&url)
            .send_json(json!({"query": statement, "params": params}))
            .map_err(failed)?;
        let status = answer.status().as_u16();
        let body = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .map_err(failed)?;
        let parsed: Value = serde_json::from_str(&body).unwrap_or_default();
        let rows = parsed["rows"]
            .as_array()
            .filter(|_| status == 200 && parsed["error"].is_null());
        let rows = rows.ok_or_else(|| TestError::Answer {
            url,
            status,
            body: body.chars().take(400).collect(),
        })?;
        Ok(rows
            .iter()
            .map(|row| row.as_array().cloned().unwrap_or_default())
            .collect())
    }

    /// All document nodes.
    ///
    /// # Errors
    /// As [`Nexus::run`].
    pub fn documents(&self) -> Result<Vec<Node>, TestError> {
        self.nodes("Document")
    }

    /// All nodes of a label.
    ///
    /// # Errors
    /// As [`Nexus::run`].
    pub fn nodes(&self, label: &str) -> Result<Vec<Node>, TestError> {
        let rows = self.run(
            &format!("MATCH (d:{label}) RETURN d.key AS k, d AS d"),
            &json!({}),
        )?;
        Ok(rows
            .into_iter()
            .map(|row| Node {
                key: row.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
                properties: row.get(1).and_then(Value::as_object).cloned().unwrap_or_default(),
            })
            .collect())
    }

    /// All SIMILAR_TO edges between documents, those that do not hold included.
    ///
    /// # Errors
    /// As [`Nexus::run`].
    pub fn similar(&self) -> Result<Vec<Edge>, TestError> {
        self.edges("Document", "SIMILAR_TO", "Document", "score")
    }

    /// All edges of a type between nodes of these labels, those that do not hold included, with one numeric property.
    ///
    /// # Errors
    /// As [`Nexus::run`].
    pub fn edges(&self, from: &str, kind: &str, to: &str, property: &str) -> Result<Vec<Edge>, TestError> {
        let rows = self.run(
            &format!(
                "MATCH (a:{from})-[r:{kind}]->(b:{to}) \
                 RETURN a.key AS a, b.key AS b, r.{property} AS s, r.active AS act"
            ),
            &json!({}),
        )?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(rows
            .into_iter()
            .map(|row| Edge {
                source: text(row.first()),
                target: text(row.get(1)),
                score: row.get(2).and_then(Value::as_f64),
                active: row.get(3).is_some_and(|active| active == 1 || active == true),
            })
            .collect())
    }
}

/// Which graph server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The one of this workspace.
    Dev,
    /// The same with the wrong answers of Nexus 2.5.
    Quirks,
    /// The real one, started from the program that `NEXUS_SERVER_BIN` names.
    Real,
    /// One that runs at `NEXUS_URL`. It must hold no documents, and cannot be restarted.
    Given,
}

impl Kind {
    /// The servers that the end-to-end tests run on: nexus-dev with and without quirks, and the real ones that
    /// `NEXUS_SERVER_BIN` and `NEXUS_URL` name.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut kinds = Self::restartable();
        if given_url().is_some() {
            kinds.push(Self::Given);
        }
        kinds
    }

    /// The one that figures are taken on: the real server where it is there.
    #[must_use]
    pub fn measured() -> Self {
        match Self::restartable().contains(&Self::Real) {
            true => Self::Real,
            false => Self::Dev,
        }
    }

    /// Those of them that a test can stop and start.
    #[must_use]
    pub fn restartable() -> Vec<Self> {
        let mut kinds = vec![Self::Dev, Self::Quirks];
        if std::env::var_os("NEXUS_SERVER_BIN").is_some() {
            kinds.push(Self::Real);
        }
        kinds
    }
}

/// The address of the server that is given, if one is.
#[must_use]
pub fn given_url() -> Option<String> {
    std::env::var("NEXUS_URL").ok().filter(|url| !url.is_empty())
}

/// The server at `NEXUS_URL`, lent to one test at a time of a process. It has to be empty at first, and is emptied at the end.
#[derive(Debug)]
pub struct Lent {
    graph: Nexus,
    _alone: MutexGuard<'static, ()>,
}

static LENT: Mutex<()> = Mutex::new(());

impl Lent {
    /// Waits for other tests to give it back.
    ///
    /// # Errors
    /// [`TestError::Process`] where there is none, or it holds documents.
    pub fn take() -> Result<Self, TestError> {
        let alone = LENT.lock().unwrap_or_else(PoisonError::into_inner);
        let url = given_url().ok_or_else(|| TestError::Process("NEXUS_URL is not set".into()))?;
        let graph = Nexus::new(&url);
        let documents = graph.documents()?.len();
        if documents > 0 {
            return Err(TestError::Process(format!(
                "the server at NEXUS_URL holds {documents} documents; tests would delete them, so they only take an empty one"
            )));
        }
        Ok(Self { graph, _alone: alone })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for label in ["Document", "Entity", "Domain", "Source", "VzProbe"] {
            if let Err(error) = self.graph.remove(label) {
                eprintln!("the server at NEXUS_URL could not be emptied: {error}");
            }
        }
    }
}
