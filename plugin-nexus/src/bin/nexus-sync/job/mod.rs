//! A comparison or a backfill, as the host tells of it.

mod causes;
mod follow;
mod pace;
mod progress;
mod report;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use causes::tally;
pub(crate) use follow::{Follow, Followed};
pub(crate) use report::Report;

use crate::error::Error;
use crate::route::Route;
use crate::session::Session;

/// How a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It has not begun.
    Queued,
    /// It goes on.
    Running,
    /// It waits to be resumed.
    Paused,
    /// It came to its end.
    Done,
    /// It was ended before.
    Cancelled,
    /// It could not go on.
    Failed,
    /// This program does not know it.
    #[default]
    #[serde(other)]
    Unknown,
}

impl State {
    /// Whether nothing follows.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sample {
    /// Its collection.
    pub(crate) collection: String,
    /// Its id.
    pub(crate) id: String,
}

/// What the program needs of a job. What a host does not say is empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Job {
    /// Its id.
    pub(crate) id: String,
    /// `reconcile` or `backfill`.
    pub(crate) kind: String,
    /// Why it came to be.
    pub(crate) trigger: String,
    /// How it is.
    pub(crate) state: State,
    /// What it looks at.
    pub(crate) phase: Option<String>,
    /// In which collection.
    pub(crate) current_collection: Option<String>,
    /// For which collections; none: all.
    pub(crate) collections: Option<Vec<String>>,
    /// Whether it only counts.
    pub(crate) dry_run: bool,
    /// Stands in every log line about it.
    pub(crate) correlation_id: String,
    /// Documents in its collections when it was ordered.
    pub(crate) estimated_total: u64,
    /// Its share that is done.
    pub(crate) progress: f64,
    /// What was looked at, what was found, and what came of it.
    pub(crate) counts: BTreeMap<String, u64>,
    /// What is remarkable about it.
    pub(crate) notes: Vec<String>,
    /// Why it does not go on.
    pub(crate) error: Option<String>,
    /// When it was ordered.
    pub(crate) created_at: Option<String>,
    /// When it began.
    pub(crate) started_at: Option<String>,
    /// When it ended.
    pub(crate) ended_at: Option<String>,
    /// Some documents of each finding.
    pub(crate) samples: BTreeMap<String, Vec<Sample>>,
}

/// The differences that a job looks for, and what each means.
pub(crate) const FINDINGS: [(&str, &str); 5] = [
    ("missing", "in the store, not in the graph"),
    ("stale", "the graph shows another version than was written"),
    ("changed", "the store has another version than was written"),
    ("gone", "no longer in the store"),
    ("orphan", "a node that neither store nor journal knows"),
];

impl Job {
    /// One of its counts.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Documents that it is done with, for its rate: those that are in the graph where it brings documents there, else those that it
    /// looked at.
    pub(crate) fn handled(&self) -> u64 {
        if self.kind == "backfill" || self.phase.as_deref() == Some("draining") {
            self.count("settled")
        } else {
            self.count("compared").saturating_add(self.count("nodes"))
        }
    }

    /// Its share that is done, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        if self.progress.is_finite() {
            self.progress.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Whether it is for these collections and no others; none: for all.
    pub(crate) fn is_for(&self, wanted: Option<&[String]>) -> bool {
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names.dedup();
            names
        };
        match (self.collections.as_deref(), wanted) {
            (None, None) => true,
            (Some(own), Some(wanted)) => sorted(own) == sorted(wanted),
            _ => false,
        }
    }

    /// Its collections in words.
    pub(crate) fn scope(&self) -> String {
        match &self.collections {
            None => "all collections".to_owned(),
            Some(names) => names.join(", "),
        }
    }
}

/// The route of one job.
pub(crate) fn item(id: &str) -> Route {
    Route::sync("jobs/item").with("id", id)
}

/// Asks for one job, whole and as far as it is understood.
pub(crate) async fn get(session: &Session, id: &str) -> Result<(Value, Job), Error> {
    let route = item(id);
    let value = session.client.get(&route).await?;
    let job = crate::answer::read(&value, route.path())?;
    Ok((value, job))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(value: Value) -> Job {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_job_is_read_whatever_is_missing_or_new() {
        let empty = job(json!({}));
        assert_eq!(
            (empty.state, empty.share(), empty.handled()),
            (State::Unknown, 0.0, 0)
        );
        let new = job(json!({"state": "melting", "phase": "orbit", "more": {}}));
        assert!(!new.state.is_end());
        for state in ["queued", "running", "paused", "done", "cancelled", "failed"] {
            assert_eq!(job(json!({"state": state})).state.name(), state);
        }
    }

    #[test]
    fn documents_are_counted_by_what_the_job_is_for() {
        let counts = json!({"compared": 70, "nodes": 30, "settled": 40});
        let handled =
            |kind: &str, phase: &str| job(json!({"kind": kind, "phase": phase, "counts": counts})).handled();
        assert_eq!(handled("backfill", "store"), 40);
        assert_eq!(handled("reconcile", "graph"), 100);
        assert_eq!(handled("reconcile", "draining"), 40);
    }

    #[test]
    fn a_job_is_for_exactly_the_collections_that_it_names() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let two = job(json!({"collections": ["b", "a"]}));
        assert!(two.is_for(Some(&names(&["a", "b", "a"]))));
        assert!(!two.is_for(Some(&names(&["a"]))) && !two.is_for(None));
        let all = job(json!({"collections": null}));
        assert!(all.is_for(None) && !all.is_for(Some(&names(&["a"]))));
        assert_eq!(
            (two.scope(), all.scope()),
            ("b, a".to_owned(), "all collections".to_owned())
        );
    }
}
