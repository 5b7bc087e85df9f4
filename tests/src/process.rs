//! A server as a child process.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::TestError;

/// How long a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a server that is dropped may take to write its counts, where lines are counted.
const COUNTING: Duration = Duration::from_secs(15);

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    log: PathBuf,
}

impl Server {
    /// Starts a program that prints `... listening on URL` when it is ready. What it writes to stderr goes to `log`.
    ///
    /// # Errors
    /// [`TestError::Process`] with the end of the log where it ends before that, [`TestError::Timeout`].
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, TestError> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|error| TestError::file(log, &error))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| TestError::Process(format!("{name} cannot be started: {error}")))?;
        let stdout = child.stdout.take();
        let mut server = Self {
            name: name.to_owned(),
            child,
            url: String::new(),
            log: log.to_owned(),
        };
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let Some(stdout) = stdout else { return };
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                if let Some((_, url)) = line.trim().split_once(" listening on ") {
                    let _ = send.send(url.to_owned());
                    break;
                }
                line.clear();
            }
            // A full pipe would stop the server.
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        server.url = receive.recv_timeout(PATIENCE).map_err(|_| {
            let ended = matches!(server.child.try_wait(), Ok(Some(_)));
            let what = if ended { "ended" } else { "did not get ready" };
            TestError::Process(format!("{name} {what}:\n{}", server.log_tail()))
        })?;
        Ok(server)
    }

    /// Starts a program that says nothing when it is ready, and waits until `url` answers.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_at(
        name: &str,
        command: &mut Command,
        url: &str,
        health: &str,
        log: &Path,
    ) -> Result<Self, TestError> {
        let file = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|error| TestError::file(path, &error))
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(file(log)?)
            .stderr(file(log)?)
            .spawn()
            .map_err(|error| TestError::Process(format!("{name} cannot be started: {error}")))?;
        let mut server = Self {
            name: name.to_owned(),
            child,
            url: url.to_owned(),
            log: log.to_owned(),
        };
        let end = Instant::now() + PATIENCE;
        while ureq::get(format!("{url}{health}")).call().is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(TestError::Process(format!(
                    "{name} ended with {status}:\n{}",
                    server.log_tail()
                )));
            }
            if Instant::now() > end {
                return Err(TestError::Timeout {
                    what: format!("{name} answers"),
                    seconds: PATIENCE.as_secs(),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// [`TestError::Timeout`] where it does not; it is killed then.
    pub fn stop(mut self) -> Result<ExitStatus, TestError> {
        self.signal(Signal::TERM);
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
                _ => {
                    return Err(TestError::Timeout {
                        what: format!("{} stops", self.name),
                        seconds: PATIENCE.as_secs(),
                    });
                }
            }
        }
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Lets it write no file beyond so many bytes, as if the disk were full; `None` lifts that. It must not die of the signal
    /// for it: see [`without_size_signal`].
    ///
    /// # Errors
    /// [`TestError::Process`] where the system refuses.
    pub fn limit_file_size(&self, bytes: Option<u64>) -> Result<(), TestError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit)
            .map(drop)
            .map_err(|error| TestError::Process(format!("the size of files cannot be limited: {error}")))
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Ends it at once (SIGKILL), as a crash would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that is killed takes its counts of lines that it ran along.
        if std::env::var_os("LLVM_PROFILE_FILE").is_some() && matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let end = Instant::now() + COUNTING;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, run so that a write beyond [`Server::limit_file_size`] fails instead of ending the process.
#[must_use]
pub fn without_size_signal(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// A port of this machine's loopback that was free a moment ago.
///
/// # Errors
/// [`TestError::Process`] where there is none.
pub fn free_port() -> Result<u16, TestError> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| TestError::Process(format!("no free port: {error}")))
}

/// Calls `done` until it says true.
///
/// # Errors
/// What `done` answers, or [`TestError::Timeout`].
pub fn wait_until(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool, TestError>,
) -> Result<(), TestError> {
    let end = Instant::now() + patience;
    while !done()? {
        if Instant::now() > end {
            return Err(TestError::Timeout {
                what: what.to_owned(),
                seconds: patience.as_secs(),
            });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
