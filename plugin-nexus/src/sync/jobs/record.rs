//! A job as it is remembered: what it is for, how far it has come, what it found and what came of it.
//!
//! The record is written once a page, so a job goes on where it was after the process was killed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Documents that are shown of each finding.
const SAMPLES: usize = 20;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Compares store, journal and graph, and hints what differs.
    Reconcile,
    /// Hints the documents of the store.
    Backfill,
}

/// Why a job came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The plugin started.
    Start,
    /// Nexus is another process than before.
    NexusRestart,
    /// The time had come.
    Schedule,
    /// Somebody asked for it.
    Request,
    /// Hints were dropped, or anything may have changed in a collection.
    Dirty,
}

impl Trigger {
    /// The trigger's name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::NexusRestart => "nexus_restart",
            Self::Schedule => "schedule",
            Self::Request => "request",
            Self::Dirty => "dirty",
        }
    }
}

/// How a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It has not begun, or gives way to another one.
    Queued,
    /// It goes on, or waits for what it hinted.
    Running,
    /// It waits to be resumed.
    Paused,
    /// It came to its end.
    Done,
    /// It was ended before.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Done,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The state's name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }
}

/// How much of the graph is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GraphScope {
    /// Nothing.
    None,
    /// The number of nodes of each collection, and the collections where it is not the expected one.
    Census,
    /// Every node of the collections.
    Full,
}

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What it does.
    pub kind: JobKind,
    /// Why.
    pub trigger: Trigger,
    /// For which collections; `None`: all.
    pub collections: Option<BTreeSet<String>>,
    /// Whether it only counts.
    pub dry_run: bool,
    /// How much of the graph it reads.
    pub graph: GraphScope,
    /// Whether documents that seem right are written again.
    pub force: bool,
    /// Stands in every log line about it.
    pub correlation_id: String,
    /// Documents in its collections when it was ordered.
    pub estimated_total: u64,
    /// Documents that are read at a time; `None`: what the rate of comparisons allows.
    #[serde(default)]
    pub batch_size: Option<usize>,
}

impl Order {
    /// An order of somebody for all collections, that reads no graph.
    #[must_use]
    pub fn requested(kind: JobKind, correlation_id: String) -> Self {
        Self {
            kind,
            trigger: Trigger::Request,
            collections: None,
            dry_run: false,
            graph: GraphScope::None,
            force: false,
            correlation_id,
            estimated_total: 0,
            batch_size: None,
        }
    }
}

/// What a job looks at now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The store's documents, against the journal.
    #[default]
    Store,
    /// The journal's documents, against the store.
    Journal,
    /// The numbers of nodes.
    Census,
    /// The graph's nodes, against the journal.
    Graph,
    /// Nothing more: it waits for what it hinted.
    Draining,
}

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What it looks at.
    pub phase: Phase,
    /// In which collection; `None`: before the first.
    pub collection: Option<String>,
    /// Behind which page of the store's or document of the journal.
    pub after: Option<String>,
    /// From which bucket on.
    pub bucket: u16,
    /// The collections whose nodes are to be read, the present one first.
    pub graph: Vec<String>,
}

/// A difference that a job looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// In the store, not in the graph.
    Missing,
    /// The graph shows another version than was written.
    Stale,
    /// The store has another version than was written.
    Changed,
    /// No longer in the store.
    Gone,
    /// A node of ours that neither store nor journal knows.
    Orphan,
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Missing,
        Self::Stale,
        Self::Changed,
        Self::Gone,
        Self::Orphan,
    ];

    /// The finding's name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Orphan => "orphan",
        }
    }
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Its collection.
    pub collection: String,
    /// Its id.
    pub id: String,
}

/// What a job found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Documents of the store that were looked at.
    pub compared: u64,
    /// Nodes of the graph that were looked at.
    pub nodes: u64,
    /// Differences by kind.
    pub counts: BTreeMap<Finding, u64>,
    /// Some documents of each kind.
    pub samples: BTreeMap<Finding, Vec<Sample>>,
}

impl Findings {
    /// Takes note of a document.
    pub fn note(&mut self, finding: Finding, collection: &str, id: &str) {
        *self.counts.entry(finding).or_default() += 1;
        let samples = self.samples.entry(finding).or_default();
        if samples.len() < SAMPLES {
            samples.push(Sample {
                collection: collection.to_owned(),
                id: id.to_owned(),
            });
        }
    }

    /// How often it was found.
    #[must_use]
    pub fn count(&self, finding: Finding) -> u64 {
        self.counts.get(&finding).copied().unwrap_or_default()
    }

    /// Differences of all kinds.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Adds what a page found.
    pub fn add(&mut self, page: Self) {
        self.compared += page.compared;
        self.nodes += page.nodes;
        for (finding, count) in page.counts {
            *self.counts.entry(finding).or_default() += count;
        }
        for (finding, samples) in page.samples {
            let kept = self.samples.entry(finding).or_default();
            let room = SAMPLES.saturating_sub(kept.len());
            kept.extend(samples.into_iter().take(room));
        }
    }
}

/// What came of the documents that a job hinted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Documents hinted.
    pub queued: u64,
    /// Those of them whose work is done, one way or another.
    pub settled: u64,
    /// Nodes written.
    pub synced: u64,
    /// Nodes that were right.
    pub unchanged: u64,
    /// Nodes deleted.
    pub deleted: u64,
    /// Documents that became dead letters.
    pub failed: u64,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What it is to do.
    pub order: Order,
    /// How it is.
    pub state: JobState,
    /// How far it has come.
    pub cursor: Cursor,
    /// What it found.
    pub findings: Findings,
    /// What came of it.
    pub effects: Effects,
    /// What is remarkable about it.
    #[serde(default)]
    pub notes: BTreeSet<String>,
    /// Why it does not go on, or did not come to its end.
    pub error: Option<String>,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Job {
    /// A job that has not begun.
    #[must_use]
    pub fn new(order: Order, now: Timestamp) -> Self {
        Self {
            order,
            state: JobState::Queued,
            cursor: Cursor::default(),
            findings: Findings::default(),
            effects: Effects::default(),
            notes: BTreeSet::new(),
            error: None,
            created_at: now,
            started_at: None,
            ended_at: None,
        }
    }

    /// How long it took from its beginning to its end; 0 for one that has not begun.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let span = self.started_at.zip(self.ended_at);
        span.map_or(0.0, |(from, to)| to.duration_since(from).as_secs_f64())
    }

    /// Whether it is for this collection.
    #[must_use]
    pub fn is_for(&self, collection: &str) -> bool {
        let wanted = self.order.collections.as_ref();
        wanted.is_none_or(|collections| collections.contains(collection))
    }

    /// Whether it compared all collections with the whole graph.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.order.kind == JobKind::Reconcile
            && self.order.graph == GraphScope::Full
            && self.order.collections.is_none()
            && !self.order.dry_run
    }

    /// Its share that is done, from 0 to 1, as far as it can be told.
    #[must_use]
    pub fn progress(&self) -> f64 {
        if self.state == JobState::Done {
            return 1.0;
        }
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                1.0
            } else {
                (part as f64 / whole as f64).min(1.0)
            }
        };
        let looked = match self.cursor.phase {
            Phase::Store => share(self.findings.compared, self.order.estimated_total.max(1)),
            Phase::Journal | Phase::Census | Phase::Graph | Phase::Draining => 1.0,
        };
        let settled = share(self.effects.settled, self.effects.queued);
        // Never the whole before the end.
        (looked * 0.5 + looked * settled * 0.5).min(0.999)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_documents_of_each_finding_are_shown_and_all_are_counted() {
        let mut all = Findings::default();
        for page in 0..3 {
            let mut found = Findings::default();
            for n in 0..15 {
                found.note(Finding::Gone, "c", &format!("{page}-{n}"));
            }
            found.note(Finding::Orphan, "d", "x");
            all.add(found);
        }
        assert_eq!(
            (
                all.count(Finding::Gone),
                all.count(Finding::Orphan),
                all.differences()
            ),
            (45, 3, 48)
        );
        assert_eq!(all.samples[&Finding::Gone].len(), SAMPLES);
        assert_eq!(all.samples[&Finding::Gone][19].id, "1-4");
        assert_eq!(all.samples[&Finding::Orphan].len(), 3);
    }

    #[test]
    fn a_job_is_never_wholly_done_before_its_end() {
        let order = Order {
            collections: Some(["c".to_owned()].into()),
            force: true,
            estimated_total: 100,
            ..Order::requested(JobKind::Backfill, "x".to_owned())
        };
        let mut job = Job::new(order, Timestamp::UNIX_EPOCH);
        assert!(job.is_for("c") && !job.is_for("d"));
        assert!(job.progress() < 1e-9);
        job.findings.compared = 50;
        job.effects.queued = 50;
        assert!((job.progress() - 0.25).abs() < 1e-9);
        job.cursor.phase = Phase::Draining;
        job.effects.settled = 50;
        assert!(job.progress() < 1.0);
        job.state = JobState::Done;
        assert!((job.progress() - 1.0).abs() < f64::EPSILON);
    }
}
