//! `status`: how the sync does.

use serde::Deserialize;
use serde_json::Value;

use crate::answer;
use crate::error::Error;
use crate::exit::Code;
use crate::figures;
use crate::page::{Page, Tone};
use crate::route::Route;
use crate::session::Session;

/// What the program needs of the status. What a host does not say is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// Whether documents are synced.
    pub(crate) enabled: Option<bool>,
    /// Since when, by whom and why nothing is written.
    pub(crate) paused: Option<Paused>,
    /// The way to Nexus.
    pub(crate) nexus: Nexus,
    /// How the journal does.
    pub(crate) journal: Journal,
    /// Documents that are dead letters.
    pub(crate) dead_letters: u64,
    total_synced: u64,
    total_deleted: u64,
    total_errors: u64,
    last_sync: Option<String>,
    in_progress: u64,
    worker_threads: u64,
    queue_depth: u64,
    queue_oldest_seconds: f64,
    jobs: Jobs,
    collections: Vec<Collection>,
}

/// A pause of the whole sync.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Paused {
    since: Option<String>,
    by: Option<String>,
    reason: Option<String>,
}

impl Paused {
    /// In words.
    pub(crate) fn described(&self) -> String {
        let mut text = String::from("paused");
        for (word, value) in [("since", &self.since), ("by", &self.by)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                text.push_str(&format!(" {word} {value}"));
            }
        }
        if let Some(reason) = self.reason.as_ref().filter(|reason| !reason.is_empty()) {
            text.push_str(&format!(": {reason}"));
        }
        text
    }
}

/// The way to Nexus.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Nexus {
    /// Its address.
    pub(crate) url: String,
    /// `connecting`, `ready`, `degraded` or `down`.
    pub(crate) state: String,
    /// Its version.
    pub(crate) version: Option<String>,
    /// Why nothing is written.
    pub(crate) reason: Option<String>,
    /// Whether it does its work.
    pub(crate) breaker: Option<Breaker>,
}

/// Whether Nexus does its work.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Breaker {
    /// `closed`, `half_open` or `open`.
    pub(crate) state: String,
    /// The last failure.
    pub(crate) reason: Option<String>,
}

/// How the journal does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Journal {
    /// Why nothing is read or written.
    pub(crate) failure: Option<String>,
    /// Bytes on disk.
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Jobs {
    running: u64,
    queued: u64,
    paused: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Collection {
    name: String,
    enabled: Option<bool>,
    domain: Option<String>,
    synced: u64,
    deleted: u64,
    errors: u64,
    last_error: Option<String>,
    last_sync: Option<String>,
    queue_depth: u64,
    dead_letters: u64,
}

/// Asks for the status, whole and as far as it is understood.
pub(crate) async fn get(session: &Session) -> Result<(Value, Status), Error> {
    let route = Route::sync("status");
    let value = session.client.get(&route).await?;
    let status = answer::read(&value, route.path())?;
    Ok((value, status))
}

/// Shows it.
pub(crate) async fn run(session: &Session) -> Result<Code, Error> {
    let (value, status) = get(session).await?;
    session.output.result(&value, |page| write(page, &status))?;
    Ok(Code::Fine)
}

/// The status for people.
pub(crate) fn write(page: &mut Page, status: &Status) {
    let (tone, word, rest) = match (&status.paused, status.enabled) {
        (_, Some(false)) => (Tone::Doubtful, "switched off", String::new()),
        (Some(paused), _) => {
            let text = paused.described();
            (Tone::Doubtful, "paused", text["paused".len()..].to_owned())
        }
        (None, _) => (Tone::Good, "enabled", String::new()),
    };
    page.toned(tone, word, &rest);
    let nexus = &status.nexus;
    let tone = match nexus.state.as_str() {
        "ready" => Tone::Good,
        "connecting" => Tone::Doubtful,
        _ => Tone::Bad,
    };
    let version = nexus
        .version
        .as_ref()
        .map(|version| format!(", version {version}"));
    let reason = nexus.reason.as_ref().map(|reason| format!(": {reason}"));
    page.toned(
        tone,
        &format!("Nexus {}", nexus.state),
        &format!(
            " at {}{}{}",
            nexus.url,
            version.unwrap_or_default(),
            reason.unwrap_or_default()
        ),
    );
    if let Some(breaker) = nexus.breaker.as_ref().filter(|breaker| breaker.state != "closed") {
        let reason = breaker.reason.as_deref().unwrap_or("no reason is known");
        page.toned(Tone::Bad, "breaker", &format!(" {}: {reason}", breaker.state));
    }
    if let Some(failure) = &status.journal.failure {
        page.toned(Tone::Bad, "journal", &format!(" cannot be used: {failure}"));
    }
    page.gap();
    let jobs = &status.jobs;
    page.fields(&[
        ("synced", figures::count(status.total_synced)),
        ("deleted", figures::count(status.total_deleted)),
        ("errors", figures::count(status.total_errors)),
        ("dead letters", figures::count(status.dead_letters)),
        (
            "waiting",
            match status.queue_depth {
                0 => "0".to_owned(),
                depth => {
                    let oldest = figures::seconds(status.queue_oldest_seconds);
                    format!("{} (the oldest for {oldest})", figures::count(depth))
                }
            },
        ),
        (
            "at work",
            format!(
                "{} in {}",
                figures::count(status.in_progress),
                figures::counted(status.worker_threads, "lane", "lanes")
            ),
        ),
        (
            "jobs",
            format!(
                "{} running, {} queued, {} paused",
                jobs.running, jobs.queued, jobs.paused
            ),
        ),
        (
            "last sync",
            status.last_sync.clone().unwrap_or_else(|| "never".to_owned()),
        ),
    ]);
    if !status.collections.is_empty() {
        page.gap();
        write_collections(page, &status.collections);
    }
}

fn write_collections(page: &mut Page, collections: &[Collection]) {
    let rows: Vec<Vec<String>> = collections
        .iter()
        .map(|collection| {
            vec![
                collection.name.clone(),
                match collection.enabled {
                    Some(false) => "no".to_owned(),
                    Some(true) | None => "yes".to_owned(),
                },
                collection.domain.clone().unwrap_or_else(|| "-".to_owned()),
                figures::count(collection.synced),
                figures::count(collection.deleted),
                figures::count(collection.errors),
                figures::count(collection.queue_depth),
                figures::count(collection.dead_letters),
                collection.last_sync.clone().unwrap_or_else(|| "-".to_owned()),
                collection.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let head = [
        "COLLECTION",
        "SYNCED?",
        "DOMAIN",
        "SYNCED",
        "DELETED",
        "ERRORS",
        "WAITING",
        "DEAD",
        "LAST SYNC",
        "LAST ERROR",
    ];
    page.table(&head, &rows);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(value: Value) -> String {
        let status: Status = serde_json::from_value(value).unwrap();
        let mut page = Page::new(false);
        write(&mut page, &status);
        page.into_text()
    }

    #[test]
    fn a_status_is_shown_with_what_is_wrong_first() {
        let text = shown(json!({
            "enabled": true, "paused": {"since": "2026-01-01T00:00:00Z", "by": "ann", "reason": "upgrade\u{7}"},
            "nexus": {"url": "http://n", "state": "down", "reason": "refused", "breaker": {"state": "open", "reason": "500"}},
            "journal": {"failure": "disk full"},
            "total_synced": 12_345, "queue_depth": 7, "queue_oldest_seconds": 75.0, "worker_threads": 1,
            "collections": [{"name": "c", "enabled": false, "last_error": "bad \u{1b}[m"}],
        }));
        for part in [
            "paused since 2026-01-01T00:00:00Z by ann: upgrade\\u{7}\n",
            "Nexus down at http://n: refused\n",
            "breaker open: 500\n",
            "journal cannot be used: disk full\n",
            "synced        12,345\n",
            "waiting       7 (the oldest for 1 min 15 s)\n",
            "at work       0 in 1 lane\n",
            "bad \\u{1b}[m\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_host_that_says_little_is_understood() {
        let text = shown(json!({}));
        assert!(
            text.starts_with("enabled\n") && text.contains("last sync     never"),
            "{text}"
        );
        assert!(shown(json!({"enabled": false})).starts_with("switched off\n"));
    }
}
