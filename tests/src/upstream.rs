//! A Vectorizer behind the host: the real one, where `VECTORIZER_BIN` names its program or `VECTORIZER_URL` one that runs.
//!
//! Where either is set, every host of the tests stands in front of one, with fresh data, and the end-to-end suite runs on it
//! unchanged. It listens on the loopback interface only, but for its gRPC port, for which it has no setting.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::TestError;
use crate::build::{Artifacts, Profile};
use crate::process::{Server, free_port};
use crate::vectorizer::Vectorizer;

/// Which program stands behind a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Another host, with a store of its own. It has no GraphQL, no aliases and no users.
    Host,
    /// The real Vectorizer, from the program that `VECTORIZER_BIN` names.
    Real,
}

impl Origin {
    /// Those that there are.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut origins = vec![Self::Host];
        if program().is_some() {
            origins.push(Self::Real);
        }
        origins
    }
}

/// The user of a Vectorizer that wants to know who asks, and its password.
pub const USER: (&str, &str) = ("admin", "Sidecar-t3sts");

/// Whether hosts stand in front of a real Vectorizer.
#[must_use]
pub fn is_wanted() -> bool {
    program().is_some() || given().is_some()
}

/// The program, if one is named.
#[must_use]
pub fn program() -> Option<PathBuf> {
    std::env::var_os("VECTORIZER_BIN")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// The address of one that runs, if it is given.
#[must_use]
pub fn given() -> Option<String> {
    std::env::var("VECTORIZER_URL").ok().filter(|url| !url.is_empty())
}

static LENT: Mutex<()> = Mutex::new(());

/// A running Vectorizer. Dropped, it ends, or is given back empty.
#[derive(Debug)]
pub struct Upstream {
    /// Its address.
    pub url: String,
    /// What it is.
    pub origin: Origin,
    folder: PathBuf,
    port: u16,
    has_users: bool,
    server: Option<Server>,
    lent: Option<MutexGuard<'static, ()>>,
}

impl Upstream {
    /// One that lets everyone in: the one at `VECTORIZER_URL`, which has to be empty, or a new one with its data below `folder`.
    ///
    /// # Errors
    /// [`TestError::Process`].
    pub fn take(folder: &Path) -> Result<Self, TestError> {
        let Some(url) = given() else {
            return Self::start(Origin::Real, folder, false);
        };
        let alone = LENT.lock().unwrap_or_else(PoisonError::into_inner);
        let mut upstream = Self::at(&url);
        let collections = Vectorizer::new(&upstream.url).collections()?.len();
        if collections > 0 {
            return Err(TestError::Process(format!(
                "the server at VECTORIZER_URL holds {collections} collections; tests would delete them, so they only take an empty one"
            )));
        }
        upstream.lent = Some(alone);
        Ok(upstream)
    }

    /// One that runs, and stays as it is.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            origin: Origin::Real,
            folder: PathBuf::new(),
            port: 0,
            has_users: false,
            server: None,
            lent: None,
        }
    }

    /// A new one with its data below `folder`, which knows [`USER`] only, or everyone.
    ///
    /// # Errors
    /// [`TestError::Process`].
    pub fn start(origin: Origin, folder: &Path, has_users: bool) -> Result<Self, TestError> {
        let port = free_port()?;
        let folder = folder.join("vectorizer");
        std::fs::create_dir_all(folder.join("data")).map_err(|error| TestError::file(&folder, &error))?;
        let mut upstream = Self {
            url: format!("http://127.0.0.1:{port}"),
            origin,
            folder,
            port,
            has_users,
            server: None,
            lent: None,
        };
        upstream.again()?;
        Ok(upstream)
    }

    /// Starts it again on the same data, after [`kill`](Self::kill).
    ///
    /// # Errors
    /// [`TestError::Process`].
    pub fn again(&mut self) -> Result<(), TestError> {
        let config = self.folder.join("config.yml");
        let (settings, mut command) = match self.origin {
            Origin::Host => (
                self.host_settings(),
                Command::new(Artifacts::of(Profile::Dev).host()),
            ),
            Origin::Real => {
                let program =
                    program().ok_or_else(|| TestError::Process("VECTORIZER_BIN is not set".to_owned()))?;
                (self.real_settings(), self.real_command(&program))
            }
        };
        std::fs::write(&config, settings.to_string()).map_err(|error| TestError::file(&config, &error))?;
        command.current_dir(&self.folder).arg("--config").arg(&config);
        let log = self.folder.join("vectorizer.log");
        let server = Server::start_at("vectorizer", &mut command, &self.url, "/health", &log)?;
        self.server = Some(server);
        Ok(())
    }

    fn host_settings(&self) -> Value {
        let address = format!("127.0.0.1:{}", self.port);
        json!({"server": {"bind": address, "data_dir": self.data()}})
    }

    /// A section that is not complete makes Vectorizer pass over the whole file.
    fn real_settings(&self) -> Value {
        json!({
            "server": {"host": "127.0.0.1", "port": self.port, "mcp_port": self.port},
            "rpc": {"enabled": false},
            "auth": {
                "enabled": self.has_users, "jwt_secret": "0123456789abcdef0123456789abcdef", "jwt_expiration": 3600,
                "api_key_length": 32, "rate_limit_per_minute": 1000, "rate_limit_per_hour": 100_000,
            },
            "file_watcher": {"enabled": false},
            "logging": {
                "level": "warn", "format": "text", "log_requests": false, "log_responses": false, "log_errors": true,
                "correlation_id_enabled": false,
            },
        })
    }

    fn real_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--data-dir",
            ])
            .arg(self.data())
            .env("VECTORIZER_ADMIN_USERNAME", USER.0)
            .env("VECTORIZER_ADMIN_PASSWORD", USER.1)
            .env("HOME", &self.folder);
        command
    }

    /// Where its data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Ends it at once, as a crash would: it forgets what it has not saved.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// The section `server.upstream` of a host in front of it.
    #[must_use]
    pub fn section(&self) -> Value {
        let mut section = json!({"url": self.url, "settle_ms": 300, "poll_interval_ms": 300});
        if self.has_users {
            section["username"] = USER.0.into();
            section["password"] = USER.1.into();
        }
        section
    }

    fn empty(&self) -> Result<(), TestError> {
        let client = Vectorizer::new(&self.url);
        for (name, _) in client.collections()? {
            client.call("DELETE", &format!("/collections/{name}"), None)?;
        }
        Ok(())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if self.lent.is_some()
            && let Err(error) = self.empty()
        {
            eprintln!("the Vectorizer at VECTORIZER_URL could not be emptied: {error}");
        }
    }
}
