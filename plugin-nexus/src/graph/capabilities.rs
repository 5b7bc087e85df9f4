//! What a server can do right: the outcome of the probe.
//!
//! Invariant: a form stands in [`Forms`] only when it was seen to be right on this very process, or when it needs no
//! server's help (soft retraction, reverse edges).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::catalogue::edges::HopForm;
use super::catalogue::nodes::LookupForm;

/// An operation on the graph, as far as servers differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Create and update nodes.
    UpsertNodes,
    /// Find nodes by key.
    LookUpNodes,
    /// List the nodes of a bucket.
    ListBuckets,
    /// Count the documents of each collection.
    Census,
    /// Delete nodes with their edges.
    DeleteNodes,
    /// Create and update edges, each with its own values.
    UpsertEdges,
    /// Read the outgoing edges of nodes.
    Neighbours,
    /// Make an edge hold no longer.
    RetractEdges,
    /// Read paths of two edges.
    TwoHops,
    /// Read the incoming edges of nodes.
    IncomingEdges,
    /// Delete edges only where they are retracted.
    SweepEdges,
    /// A further predicate behind a seek. No form of ours has one; told for those who query by hand.
    FilterBehindSeek,
    /// SKIP and LIMIT behind a seek. Told for those who query by hand.
    PageBehindSeek,
    /// Edge properties by a plain SET behind MERGE. Told for those who write by hand.
    PlainSet,
}

impl Operation {
    /// The operation's name in tables and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UpsertNodes => "upsert_nodes",
            Self::LookUpNodes => "look_up_nodes",
            Self::ListBuckets => "list_buckets",
            Self::Census => "census",
            Self::DeleteNodes => "delete_nodes",
            Self::UpsertEdges => "upsert_edges",
            Self::Neighbours => "neighbours",
            Self::RetractEdges => "retract_edges",
            Self::TwoHops => "two_hops",
            Self::IncomingEdges => "incoming_edges",
            Self::SweepEdges => "sweep_edges",
            Self::FilterBehindSeek => "filter_behind_seek",
            Self::PageBehindSeek => "page_behind_seek",
            Self::PlainSet => "plain_set",
        }
    }

    /// All of them, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::UpsertNodes,
        Self::LookUpNodes,
        Self::ListBuckets,
        Self::Census,
        Self::DeleteNodes,
        Self::UpsertEdges,
        Self::Neighbours,
        Self::RetractEdges,
        Self::TwoHops,
        Self::IncomingEdges,
        Self::SweepEdges,
        Self::FilterBehindSeek,
        Self::PageBehindSeek,
        Self::PlainSet,
    ];

    /// Whether nothing is written to a server that has no right form of it.
    #[must_use]
    pub fn is_required(self) -> bool {
        match self {
            Self::UpsertNodes
            | Self::LookUpNodes
            | Self::ListBuckets
            | Self::DeleteNodes
            | Self::UpsertEdges
            | Self::Neighbours
            | Self::RetractEdges => true,
            Self::Census
            | Self::TwoHops
            | Self::IncomingEdges
            | Self::SweepEdges
            | Self::FilterBehindSeek
            | Self::PageBehindSeek
            | Self::PlainSet => false,
        }
    }
}

/// How an edge is made to hold no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetractForm {
    /// It is deleted.
    Delete,
    /// It stays, with `active` 0.
    Soft,
}

impl RetractForm {
    /// The form's name in the capability table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Soft => "soft",
        }
    }
}

/// The forms in use on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forms {
    /// Finding nodes by key.
    pub lookup: LookupForm,
    /// Walking outgoing edges.
    pub hops: HopForm,
    /// Retracting edges.
    pub retract: RetractForm,
    /// Whether retracted edges can be deleted by condition.
    pub sweep: bool,
    /// Walking incoming edges; `None`: over reverse edges only.
    pub incoming: Option<HopForm>,
    /// Whether documents can be counted by collection.
    pub census: bool,
}

impl Forms {
    /// The forms that are right on Nexus 2.5, and on servers that read `*1..1` as one edge.
    pub const NEXUS_2_5: Self = Self {
        lookup: LookupForm::LiteralUnion,
        hops: HopForm::RangeHop,
        retract: RetractForm::Soft,
        sweep: false,
        incoming: None,
        census: false,
    };
}

/// What the probe says of one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It did what it says.
    Right,
    /// It did something else, without an error.
    Wrong {
        /// What should have been read back.
        expected: String,
        /// What was.
        found: String,
    },
    /// The server refused it.
    Failed {
        /// The server's words.
        error: String,
    },
    /// It came out right, and that proves nothing yet.
    Unproven {
        /// What is missing.
        why: String,
    },
}

/// What the probe says of one form of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The operation.
    #[serde(skip)]
    pub operation: Operation,
    /// The form's name.
    pub form: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The capability table of one server process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capabilities {
    /// The server's version.
    pub version: String,
    /// When it was probed.
    pub probed_at: Timestamp,
    /// How long that took.
    #[serde(rename = "probe_ms", serialize_with = "millis")]
    pub took: Duration,
    /// The operations, in order.
    pub operations: Vec<Row>,
    /// The forms in use.
    #[serde(skip)]
    pub forms: Forms,
}

/// One operation in the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// Whether nothing is written without it.
    pub required: bool,
    /// The form in use; `None` where there is no right one.
    pub form: Option<&'static str>,
    /// All forms that were tried.
    pub tried: Vec<Finding>,
}

impl Capabilities {
    /// The table of these findings. `chosen` says which form of each operation is in use.
    pub(super) fn new(
        version: String,
        took: Duration,
        findings: Vec<Finding>,
        chosen: &BTreeMap<Operation, &'static str>,
        forms: Forms,
    ) -> Self {
        let operations = Operation::ALL
            .into_iter()
            .map(|operation| Row {
                operation,
                required: operation.is_required(),
                form: chosen.get(&operation).copied(),
                tried: findings
                    .iter()
                    .filter(|finding| finding.operation == operation)
                    .cloned()
                    .collect(),
            })
            .collect();
        Self {
            version,
            probed_at: Timestamp::now(),
            took,
            operations,
            forms,
        }
    }

    /// The form in use of an operation.
    #[must_use]
    pub fn form(&self, operation: Operation) -> Option<&'static str> {
        self.row(operation).and_then(|row| row.form)
    }

    /// The required operations without a right form, each with what was seen. Empty: the server can be written to.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.operations
            .iter()
            .filter(|row| row.required && row.form.is_none())
            .map(|row| {
                let seen: Vec<String> = row.tried.iter().map(described).collect();
                let seen = if seen.is_empty() {
                    "not tried".to_owned()
                } else {
                    seen.join("; ")
                };
                format!("{} ({seen})", row.operation.name())
            })
            .collect()
    }

    /// One line for the log: each operation with its form.
    #[must_use]
    pub fn summary(&self) -> String {
        let cells: Vec<String> = self
            .operations
            .iter()
            .map(|row| format!("{}={}", row.operation.name(), row.form.unwrap_or("none")))
            .collect();
        cells.join(" ")
    }

    fn row(&self, operation: Operation) -> Option<&Row> {
        self.operations.iter().find(|row| row.operation == operation)
    }
}

fn described(finding: &Finding) -> String {
    let form = finding.form;
    match &finding.verdict {
        Verdict::Right => format!("{form} is right"),
        Verdict::Wrong { expected, found } => format!("{form} gave {found} instead of {expected}"),
        Verdict::Failed { error } => format!("{form} failed: {error}"),
        Verdict::Unproven { why } => format!("{form} is unproven: {why}"),
    }
}

fn millis<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1e5).round() / 100.0)
}
