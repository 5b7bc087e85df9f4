//! What the running server writes to its log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A running server.
struct Running {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Running {
    fn start(log: &str, rust_log: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yml");
        let plugins = folder.path().join("plugins");
        let text = format!(
            "server: {{bind: '127.0.0.1:0', data_dir: {}, api_key: root-key, log: {log}}}\n\
             plugins: {{directory: {}, enabled: [absent]}}\n",
            folder.path().join("data").display(),
            plugins.display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vectorizer-host"));
        command.arg("--config").arg(&config).env_remove("RUST_LOG");
        if let Some(filter) = rust_log {
            command.env("RUST_LOG", filter);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().to_owned();
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    fn get(&self, path: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Correlation-Id: ticket-4711\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("x-correlation-id: ticket-4711\r\n"), "{answer}");
    }

    /// Stops it; returns the lines that it wrote.
    fn stop(mut self) -> Vec<String> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_json_log_has_an_object_a_line_and_a_line_for_each_request() {
    let running = Running::start("{format: json, filter: 'info,vectorizer_host=debug'}", None);
    running.get("/health/live?secret=1");
    running.get("/collections");
    let lines: Vec<Value> = running
        .stop()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let refused = lines.iter().find(|line| line["plugin"] == "absent").unwrap();
    assert_eq!(
        (&refused["level"], &refused["target"]),
        (&"ERROR".into(), &"vectorizer_host_shim::loaded".into()),
        "lines of the server keep their target"
    );
    let answered: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "request answered")
        .collect();
    assert_eq!(answered.len(), 2);
    for (line, (path, status)) in answered
        .iter()
        .zip([("/health/live", 200), ("/collections", 401)])
    {
        assert_eq!(
            (&line["level"], &line["status"]),
            (&"DEBUG".into(), &status.into()),
            "{line}"
        );
        assert!(line["took_ms"].as_f64().is_some(), "{line}");
        let span = &line["spans"][0];
        assert_eq!(
            (
                &span["name"],
                &span["correlation_id"],
                &span["method"],
                &span["path"]
            ),
            (
                &"request".into(),
                &"ticket-4711".into(),
                &"GET".into(),
                &path.into()
            )
        );
        assert!(
            !line.to_string().contains("secret"),
            "a query is not logged: {line}"
        );
    }
}

#[test]
fn a_text_log_is_the_default_and_tells_what_matters() {
    let running = Running::start("{}", None);
    running.get("/health/live");
    let lines = running.stop();
    let ends = " INFO vectorizer_host: stopping";
    assert!(lines.iter().any(|line| line.ends_with(ends)), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("request answered")),
        "{lines:?}"
    );
    let refused =
        "ERROR vectorizer_host_shim::loaded: plugin refused; the host runs on without it plugin=\"absent\"";
    assert!(lines.iter().any(|line| line.contains(refused)), "{lines:?}");
}

#[test]
fn the_environment_wins_over_the_configured_filter() {
    let running = Running::start("{filter: debug}", Some("off"));
    running.get("/health/live");
    assert_eq!(running.stop(), Vec::<String>::new());
    let running = Running::start("{filter: 'off'}", Some("vectorizer_host=debug"));
    running.get("/health/live");
    let lines = running.stop();
    let answered = "DEBUG request{correlation_id=\"ticket-4711\" method=\"GET\" path=\"/health/live\"}: \
                    vectorizer_host::correlation: request answered status=200 took_ms=";
    assert!(lines.iter().any(|line| line.contains(answered)), "{lines:?}");
}
