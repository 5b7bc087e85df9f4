//! The program, and a set-up that it is run on.

use std::process::{Command, Stdio};

use serde_json::Value;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::setup::{DIMENSION, Setup, artifacts, documents};

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The one object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It ended so.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// The command line for one host.
pub(crate) struct Cli {
    url: String,
    environment: Vec<(String, String)>,
}

impl Cli {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn with_key(url: &str, key: &str) -> Self {
        Self {
            environment: vec![("NEXUS_SYNC_API_KEY".to_owned(), key.to_owned())],
            ..Self::new(url)
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = artifacts().nexus_sync();
        assert!(program.exists(), "run the tests with: cargo xtask test");
        let mut command = Command::new(program);
        // What is set for the tests is not meant for the program.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.as_encoded_bytes().starts_with(b"NEXUS_")) {
            command.env_remove(name);
        }
        command
            .env("NEXUS_SYNC_URL", &self.url)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// For people.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// For scripts; it must end with this code.
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        self.run(&[&["--output", "json", "--quiet"], arguments].concat())
            .ended(code)
            .json()
    }
}

/// A set-up with documents in collection `c`, all of them in the graph.
pub(crate) fn filled(setup: &Setup, client: &Vectorizer, count: usize) {
    client.create("c", DIMENSION, "Cosine").unwrap();
    client.insert("c", &documents(0..count, "a document")).unwrap();
    setup.assert_equal(client);
}
