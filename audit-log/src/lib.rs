//! The audit log: what was decided, by whom, in a file that shows whether somebody changed it afterwards.
//!
//! One JSON object a line, each with the SHA-256 of the line before it, and of itself:
//!
//! ```json
//! {"number":8,"at":"2026-01-01T00:00:00.000Z","actor":"ann","action":"webhook.deleted","details":{"id":"…"},"previous":"…","hash":"…"}
//! ```
//!
//! Invariants:
//! - lines are only ever added. A line that a crash tore is taken off at the next start, which is written down; a file whose end cannot be
//!   read is put aside, and a new chain begins, which is written down too;
//! - no payload text and no secret is in it;
//! - who decides does not wait for it: where it cannot be written, that is logged and counted.
//!
//! A full file is renamed to `audit-<number of its last line>.jsonl` and the chain goes on in the next one; the oldest are deleted beyond
//! the configured number. Lines are with the operating system when [`AuditLog::record`] returns; a loss of power may take the last ones.

mod chain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;
mod repeats;
mod verify;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Value, json};

pub use verify::{ChainFault, Verified, verify, verify_since};

use chain::{Link, line};
use repeats::Repeats;

const NAME: &str = "audit.jsonl";
/// The log itself, as one who does something.
const LOG: &str = "log";
/// Bytes at the end of a file among which its last line is looked for.
const TAIL: u64 = 1 << 16;

/// What a log is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether there is one.
    pub enabled: bool,
    /// Bytes at which a new file is begun.
    pub max_bytes: u64,
    /// Full files that are kept.
    pub keep_files: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_bytes: 16 << 20,
            keep_files: 10,
        }
    }
}

/// See the [crate](self).
#[derive(Debug)]
pub struct AuditLog {
    log: Option<Mutex<Log>>,
    repeats: Mutex<Repeats>,
    unwritten: AtomicU64,
}

#[derive(Debug)]
struct Log {
    folder: PathBuf,
    file: File,
    bytes: u64,
    last: Link,
    settings: Settings,
}

impl AuditLog {
    /// Opens the log in `folder`, or none where it is switched off.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(settings: &Settings, folder: &Path) -> io::Result<Self> {
        let log = match settings.enabled {
            true => Some(Mutex::new(Log::open(settings, folder)?)),
            false => None,
        };
        Ok(Self {
            log,
            repeats: Mutex::default(),
            unwritten: AtomicU64::new(0),
        })
    }

    /// Writes down what `actor` did. `details` hold no payload text and no secret.
    pub fn record(&self, actor: &str, action: &str, details: &Value) {
        let Some(log) = &self.log else {
            return;
        };
        if let Err(error) = log.lock().append(actor, action, details) {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, action, "the audit log could not be written");
        }
    }

    /// As [`AuditLog::record`], of what happens for one of a few reasons and may happen very often: once a minute for each reason, with how
    /// often it was, and `details` of the last one.
    pub fn record_repeated(&self, actor: &str, action: &'static str, reason: &'static str, details: &Value) {
        if let Some(times) = self.repeats.lock().note(action, reason, Instant::now()) {
            self.record(
                actor,
                action,
                &json!({"reason": reason, "times": times, "last": details}),
            );
        }
    }

    /// Records that could not be written since the start.
    pub fn unwritten(&self) -> u64 {
        self.unwritten.load(Ordering::Relaxed)
    }
}

impl Log {
    fn open(settings: &Settings, folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        let mut file = append_to(&path)?;
        let (mut last, mut bytes, mut happened) = (Link::first(), file.metadata()?.len(), None);
        if bytes > 0 {
            let end = tail(&mut file, bytes)?;
            let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let torn = (end.len() - whole) as u64;
            match last_link(&end[..whole]) {
                Some(link) => last = link,
                None => {
                    let aside = folder.join(format!("audit-unreadable-{}.jsonl", now_text()));
                    fs::rename(&path, &aside)?;
                    file = append_to(&path)?;
                    bytes = 0;
                    happened = Some((
                        "audit.unreadable",
                        json!({"put_aside": aside.file_name().map(|name| name.to_string_lossy())}),
                    ));
                }
            }
            if torn > 0 && bytes > 0 {
                bytes -= torn;
                file.set_len(bytes)?;
                happened = Some(("audit.torn", json!({"bytes": torn})));
            }
        } else if let Some(link) = last_of_full(folder)? {
            last = link;
        }
        let mut log = Self {
            folder: folder.to_owned(),
            file,
            bytes,
            last,
            settings: settings.clone(),
        };
        if let Some((action, details)) = happened {
            log.append(LOG, action, &details)?;
        }
        Ok(log)
    }

    fn append(&mut self, actor: &str, action: &str, details: &Value) -> io::Result<()> {
        if self.bytes >= self.settings.max_bytes {
            self.turn_over()?;
        }
        let (text, link) = line(&self.last, &now_text(), actor, action, details)?;
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.bytes += text.len() as u64;
                self.last = link;
                Ok(())
            }
            Err(error) => {
                // Whatever part of the line is there is taken off again.
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }

    /// Begins the next file.
    fn turn_over(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let path = self.folder.join(NAME);
        fs::rename(
            &path,
            self.folder.join(format!("audit-{:020}.jsonl", self.last.number)),
        )?;
        self.file = append_to(&path)?;
        self.bytes = 0;
        let full = full_files(&self.folder)?;
        for old in full.iter().rev().skip(self.settings.keep_files) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)
}

/// The end of a file.
fn tail(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL)))?;
    let mut end = Vec::new();
    file.take(TAIL).read_to_end(&mut end)?;
    Ok(end)
}

/// Of whole lines.
fn last_link(lines: &[u8]) -> Option<Link> {
    let text = std::str::from_utf8(lines.strip_suffix(b"\n")?).ok()?;
    Link::of(text.rsplit('\n').next()?).ok()
}

/// The end of the newest full file: the process ended between two files.
fn last_of_full(folder: &Path) -> io::Result<Option<Link>> {
    let Some(newest) = full_files(folder)?.pop() else {
        return Ok(None);
    };
    let mut file = File::open(newest)?;
    let bytes = file.metadata()?.len();
    Ok(last_link(&tail(&mut file, bytes)?))
}

/// The full files, oldest first.
fn full_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        if number.is_some_and(|number| number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Now: RFC 3339 in UTC, always of the same width.
fn now_text() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

#[cfg(test)]
mod tests;
