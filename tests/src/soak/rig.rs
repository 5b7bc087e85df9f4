//! The servers of a run: started on fixed ports, so that writers find them again after a restart.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{EXPECT, Options};
use crate::TestError;
use crate::build::Artifacts;
use crate::nexus::{Kind, Nexus};
use crate::process::{Server, free_port, without_size_signal};
use crate::vectorizer::{HostFolder, Vectorizer};

/// How often a start is tried: another process may hold the port for a moment.
const STARTS: u32 = 5;

/// The servers and their folder.
#[derive(Debug)]
pub(super) struct Rig {
    kind: Kind,
    pub(super) folder: PathBuf,
    artifacts: Artifacts,
    host_folder: HostFolder,
    host: Option<Server>,
    pub(super) host_url: String,
    nexus: Option<Server>,
    nexus_port: u16,
    pub(super) nexus_url: String,
    /// How often the host was killed.
    pub(super) host_kills: u64,
    /// How often the graph server was killed.
    pub(super) nexus_kills: u64,
    /// What should not have happened.
    pub(super) findings: Vec<String>,
}

impl Rig {
    pub(super) fn start(options: &Options, artifacts: &Artifacts, folder: &Path) -> Result<Self, TestError> {
        std::fs::create_dir_all(folder).map_err(|error| TestError::file(folder, &error))?;
        let (port, nexus_port) = (free_port()?, free_port()?);
        let nexus_url = format!("http://127.0.0.1:{nexus_port}");
        let threshold = EXPECT.threshold;
        let section = json!({
            "nexus_url": nexus_url,
            "sync": {
                "max_retry_delay_ms": 300, "refused_delay_ms": 100, "max_refused_delay_ms": 500, "batch_size": 50,
            },
            "breaker": {"open_ms": 200, "max_open_ms": 1_000},
            "similarity": {
                "top_k": EXPECT.top_k,
                "threshold": {"cosine": threshold, "euclidean": threshold, "dot": threshold},
            },
        });
        let mut rig = Self {
            kind: options.kind,
            folder: folder.to_owned(),
            artifacts: artifacts.clone(),
            host_folder: HostFolder::new(folder, artifacts, port, &json!({}), &section)?,
            host: None,
            host_url: format!("http://127.0.0.1:{port}"),
            nexus: None,
            nexus_port,
            nexus_url,
            host_kills: 0,
            nexus_kills: 0,
            findings: Vec::new(),
        };
        rig.start_nexus()?;
        rig.start_host()?;
        Ok(rig)
    }

    pub(super) fn client(&self) -> Vectorizer {
        Vectorizer::new(&self.host_url)
    }

    pub(super) fn graph(&self) -> Nexus {
        Nexus::new(&self.nexus_url)
    }

    /// Ends the host at once, does what can only be done without it, and starts it.
    pub(super) fn kill_host(
        &mut self,
        meanwhile: impl FnOnce(&Path) -> Result<(), TestError>,
    ) -> Result<(), TestError> {
        if let Some(mut host) = self.host.take() {
            if host.has_ended() {
                self.findings.push("the host ended by itself".to_owned());
            }
            host.kill();
            self.host_kills += 1;
        }
        meanwhile(&self.folder)?;
        self.start_host()
    }

    /// Ends the graph server, at once or as asked, and starts it after a while.
    pub(super) fn restart_nexus(&mut self, kill: bool, away: Duration) -> Result<(), TestError> {
        if let Some(mut nexus) = self.nexus.take() {
            if nexus.has_ended() {
                self.findings.push("the graph server ended by itself".to_owned());
            }
            if kill {
                nexus.kill();
                self.nexus_kills += 1;
            } else {
                nexus.stop()?;
            }
        }
        thread::sleep(away);
        self.start_nexus()
    }

    /// Replaces the fault rules of a `nexus-dev`.
    pub(super) fn set_rules(&self, rules: &Value) -> Result<(), TestError> {
        let url = format!("{}/_faults", self.nexus_url);
        match ureq::post(&url).send_json(json!({"rules": rules})) {
            Ok(_) => Ok(()),
            Err(error) => Err(TestError::Http {
                url,
                reason: error.to_string(),
            }),
        }
    }

    /// Lets the host write no file beyond so many bytes.
    pub(super) fn limit_files(&self, bytes: Option<u64>) -> Result<(), TestError> {
        match &self.host {
            Some(host) => host.limit_file_size(bytes),
            None => Ok(()),
        }
    }

    /// All that the host wrote to its log.
    pub(super) fn host_log(&self) -> String {
        self.host.as_ref().map(Server::log).unwrap_or_default()
    }

    fn start_host(&mut self) -> Result<(), TestError> {
        let log = self.folder.join("host.log");
        let mut command = without_size_signal(&self.host_folder.command());
        self.host = Some(patiently(|| {
            Server::start("vectorizer-host", &mut command, &log)
        })?);
        Ok(())
    }

    fn start_nexus(&mut self) -> Result<(), TestError> {
        self.nexus = Some(patiently(|| {
            Nexus::start(self.kind, &self.artifacts, &self.folder, Some(self.nexus_port))
        })?);
        Ok(())
    }
}

fn patiently(mut start: impl FnMut() -> Result<Server, TestError>) -> Result<Server, TestError> {
    for _ in 1..STARTS {
        if let Ok(server) = start() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(400));
    }
    start()
}
