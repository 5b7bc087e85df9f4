//! The host's REST API, as a client sees it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;

use crate::TestError;
use crate::build::Artifacts;
use crate::process::{Server, wait_until};
use crate::upstream::{self, Upstream};

/// A document as the host returns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Its vector.
    pub vector: Vec<f32>,
    /// Its payload, null where it has none.
    pub payload: Value,
}

/// A client of the host.
#[derive(Debug, Clone)]
pub struct Vectorizer {
    url: String,
    agent: Agent,
    key: Option<String>,
}

impl Vectorizer {
    /// A client for the server at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: crate::agent(Duration::from_secs(60)),
            key: None,
        }
    }

    /// As [`Vectorizer::new`], for whoever holds this key.
    #[must_use]
    pub fn with_key(url: &str, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::new(url)
        }
    }

    fn keyed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }

    /// Sends a request; any status is an answer.
    ///
    /// # Errors
    /// [`TestError::Http`].
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), TestError> {
        let url = format!("{}{path}", self.url);
        let failed = |error: ureq::Error| TestError::Http {
            url: url.clone(),
            reason: error.to_string(),
        };
        let mut answer = match (method, body) {
            ("GET", _) => self.keyed(self.agent.get(&url)).call(),
            ("DELETE", _) => self.keyed(self.agent.delete(&url)).call(),
            ("PUT", Some(body)) => self.keyed(self.agent.put(&url)).send_json(body),
            (_, body) => self
                .keyed(self.agent.post(&url))
                .send_json(body.unwrap_or(&Value::Null)),
        }
        .map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .map_err(failed)?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// [`TestError::Http`], [`TestError::Answer`].
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, TestError> {
        match self.send(method, path, body)? {
            (200, answer) => Ok(answer),
            (status, answer) => Err(TestError::Answer {
                url: format!("{}{path}", self.url),
                status,
                body: answer.to_string().chars().take(400).collect(),
            }),
        }
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn create(&self, name: &str, dimension: usize, distance: &str) -> Result<(), TestError> {
        let body = json!({"vectors": {"size": dimension, "distance": distance}});
        self.call("PUT", &format!("/qdrant/collections/{name}"), Some(&body))
            .map(drop)
    }

    /// Inserts or replaces documents; each must be taken.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn insert(&self, collection: &str, documents: &[(String, Vec<f32>, Value)]) -> Result<(), TestError> {
        let vectors: Vec<Value> = documents
            .iter()
            .map(|(id, vector, payload)| json!({"id": id, "embedding": vector, "payload": payload}))
            .collect();
        let body = json!({"collection": collection, "vectors": vectors});
        let answer = self.call("POST", "/insert_vectors", Some(&body))?;
        if answer["failed"] == 0 {
            return Ok(());
        }
        let body = answer.to_string().chars().take(400).collect();
        Err(TestError::Answer {
            url: format!("{}/insert_vectors", self.url),
            status: 200,
            body,
        })
    }

    /// Deletes documents.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn delete(&self, collection: &str, ids: &[&str]) -> Result<(), TestError> {
        self.call(
            "POST",
            "/batch_delete",
            Some(&json!({"collection": collection, "ids": ids})),
        )
        .map(drop)
    }

    /// The names and metrics of all collections.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn collections(&self) -> Result<Vec<(String, String)>, TestError> {
        let answer = self.call("GET", "/collections", None)?;
        let list = answer["collections"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(list
            .iter()
            .map(|entry| (text(&entry["name"]), text(&entry["metric"])))
            .collect())
    }

    /// All documents of a collection.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn documents(&self, collection: &str) -> Result<Vec<Document>, TestError> {
        let path = format!("/qdrant/collections/{collection}/points/scroll");
        let mut found: Vec<Document> = Vec::new();
        let mut offset = Value::Null;
        loop {
            let answer = self.call(
                "POST",
                &path,
                Some(&json!({"limit": 2_000, "offset": offset, "with_payload": true, "with_vector": true})),
            )?;
            for point in answer["result"]["points"].as_array().into_iter().flatten() {
                let id = match &point["id"] {
                    Value::String(id) => id.clone(),
                    other => other.to_string(),
                };
                // The next page begins with the last document of this one.
                if found.last().is_some_and(|last| last.id == id) {
                    continue;
                }
                let vector = point["vector"].as_array().into_iter().flatten();
                let vector = vector
                    .map(|component| component.as_f64().unwrap_or(f64::NAN) as f32)
                    .collect();
                found.push(Document {
                    id,
                    vector,
                    payload: point["payload"].clone(),
                });
            }
            offset = answer["result"]["next_page_offset"].clone();
            if offset.is_null() {
                return Ok(found);
            }
        }
    }

    /// The plugin's status.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn status(&self) -> Result<Value, TestError> {
        self.call("GET", "/api/v1/sync/nexus/status", None)
    }

    /// Waits until the plugin has nothing left to do and has compared the store once.
    ///
    /// # Errors
    /// As [`Vectorizer::call`], or [`TestError::Timeout`].
    pub fn settle(&self, patience: Duration) -> Result<(), TestError> {
        let mut quiet = 0;
        wait_until("the plugin has nothing left to do", patience, || {
            let status = self.status()?;
            let idle = status["queue_depth"] == 0
                && status["nexus"]["state"] == "ready"
                && !status["last_reconcile"].is_null()
                && status["jobs"]["running"] == 0
                && status["jobs"]["queued"] == 0
                && status["orphan_sweep"] == false;
            quiet = if idle { quiet + 1 } else { 0 };
            // Hints may still be on their way from the intake to the queue.
            Ok(quiet >= 5)
        })
    }

    /// Waits until the text index shows the store.
    ///
    /// # Errors
    /// As [`Vectorizer::settle`].
    pub fn settle_texts(&self, patience: Duration) -> Result<(), TestError> {
        let mut quiet = 0;
        wait_until("the text index shows the store", patience, || {
            let lexical = &self.status()?["lexical"];
            let idle =
                lexical["waiting"] == 0 && lexical["comparing"] == false && lexical["failure"].is_null();
            quiet = if idle { quiet + 1 } else { 0 };
            Ok(quiet >= 5)
        })
    }

    /// The scrape.
    ///
    /// # Errors
    /// As [`Vectorizer::call`].
    pub fn metrics(&self) -> Result<String, TestError> {
        match self.call("GET", "/prometheus/metrics", None)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }
}

/// A host's folder: configuration, plugins, data.
#[derive(Debug)]
pub struct HostFolder {
    root: PathBuf,
    artifacts: Artifacts,
    upstream: Option<Upstream>,
}

impl HostFolder {
    /// A folder in which the plugin is installed. `section` is `nexus_integration`; `server` adds to the server's section. Where a
    /// real Vectorizer is wanted, the host stands in front of one.
    ///
    /// # Errors
    /// [`TestError::File`], [`TestError::Process`].
    pub fn new(
        root: &Path,
        artifacts: &Artifacts,
        port: u16,
        server: &Value,
        section: &Value,
    ) -> Result<Self, TestError> {
        let upstream = match upstream::is_wanted() {
            true => Some(Upstream::take(root)?),
            false => None,
        };
        Self::in_front_of(upstream, root, artifacts, port, server, section)
    }

    /// The same in front of this Vectorizer, or with a store of its own.
    ///
    /// # Errors
    /// [`TestError::File`].
    pub fn in_front_of(
        upstream: Option<Upstream>,
        root: &Path,
        artifacts: &Artifacts,
        port: u16,
        server: &Value,
        section: &Value,
    ) -> Result<Self, TestError> {
        let plugins = artifacts.install_plugin(root)?;
        let mut settings = json!({"bind": format!("127.0.0.1:{port}"), "data_dir": root.join("data")});
        if let Some(upstream) = &upstream {
            settings["upstream"] = upstream.section();
        }
        let folder = Self {
            root: root.to_owned(),
            artifacts: artifacts.clone(),
            upstream,
        };
        for (name, value) in server.as_object().into_iter().flatten() {
            settings[name] = value.clone();
        }
        folder.write(&json!({
            "server": settings,
            "plugins": {"directory": plugins, "enabled": ["nexus"]},
            "nexus_integration": section,
        }))?;
        Ok(folder)
    }

    /// Replaces the configuration. JSON is YAML.
    ///
    /// # Errors
    /// [`TestError::File`].
    pub fn write(&self, config: &Value) -> Result<(), TestError> {
        let file = self.config();
        std::fs::write(&file, format!("{config:#}")).map_err(|error| TestError::file(&file, &error))
    }

    /// The Vectorizer that the host stands in front of.
    pub fn upstream(&mut self) -> Option<&mut Upstream> {
        self.upstream.as_mut()
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yml")
    }

    /// The plugin file.
    #[must_use]
    pub fn plugin(&self) -> PathBuf {
        self.root.join("plugins/libvectorizer_plugin_nexus.so")
    }

    /// The command that runs the host here.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.artifacts.host());
        command.arg("--config").arg(self.config());
        // What is set for the tests is not meant for the plugin, which reads such variables, too.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"NEXUS_")) {
            command.env_remove(name);
        }
        command
    }

    /// Starts the host. One that stands in front of a Vectorizer is waited for until that can be asked.
    ///
    /// # Errors
    /// [`TestError::Process`], [`TestError::Timeout`].
    pub fn start(&self) -> Result<Server, TestError> {
        let server = Server::start(
            "vectorizer-host",
            &mut self.command(),
            &self.root.join("host.log"),
        )?;
        if self.upstream.is_some() {
            let client = Vectorizer::new(&server.url);
            wait_until("the host is ready", Duration::from_secs(30), || {
                Ok(client.send("GET", "/health/ready", None)?.0 == 200)
            })?;
        }
        Ok(server)
    }
}
