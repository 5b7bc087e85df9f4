//! What is to be done, and who does it: the terms in which lanes and the journal talk.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::DocumentId;

/// What is to be done for a document, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work(u8);

impl Work {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Bring the node in line with the store.
    pub const NODE: Self = Self(1);
    /// Compare the edges that the document owns.
    pub const EDGES: Self = Self(2);
    /// Find the documents whose nearest neighbours changed with this one; includes [`Work::EDGES`].
    pub const SPREAD: Self = Self(4 | 2);
    /// Compare its relations: what it mentions, where it belongs to, what it is a part of.
    pub const RELATIONS: Self = Self(8);
    /// All that brings the graph in line with the store.
    pub const ALL: Self = Self(15);
    /// With any of those: others may have changed the graph, so it is asked what it holds, whatever is remembered.
    pub const LOOK: Self = Self(16);
    /// Bring what the graph says of the document into its payload.
    pub const ENRICHMENT: Self = Self(32);

    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits & (Self::ALL.0 | Self::LOOK.0 | Self::ENRICHMENT.0))
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is in both.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in it, for people.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::NODE, "node"),
            (Self::EDGES, "edges"),
            (Self(4), "neighbours"),
            (Self::RELATIONS, "relations"),
            (Self::LOOK, "look"),
            (Self::ENRICHMENT, "enrichment"),
        ]
        .into_iter()
        .filter(move |(work, _)| self.has(*work))
        .map(|(_, name)| name)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// The stages of work on a document, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its node.
    Nodes,
    /// Its edges, once the node is right.
    Edges,
    /// Its payload, once the graph is.
    Enrichment,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nodes, Self::Edges, Self::Enrichment];

    /// Its place among [`Stage::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Nodes => 0,
            Self::Edges => 1,
            Self::Enrichment => 2,
        }
    }

    /// Whether it changes the graph.
    #[must_use]
    pub fn writes_graph(self) -> bool {
        match self {
            Self::Nodes | Self::Edges => true,
            Self::Enrichment => false,
        }
    }

    /// The stage, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Edges => "edges",
            Self::Enrichment => "enrichment",
        }
    }
}

/// How urgent work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody changed a document and may be waiting to see it.
    Interactive,
    /// Imports, comparisons, backfills: much at once, and nobody waits for a single one.
    Bulk,
}

impl Priority {
    /// All of them, the more urgent first.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// The priority, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// One claimed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub id: Arc<str>,
    /// What is to be done.
    pub work: Work,
    /// When the oldest hint for it came: Unix microseconds.
    pub since_micros: u64,
    /// Attempts that failed by the document's own fault.
    pub failures: u32,
    /// Times that the process ended while it was at work.
    pub interrupted: u32,
}

/// Claimed documents of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Their collection.
    pub collection: Arc<str>,
    /// The documents, each once.
    pub claims: Vec<Claim>,
    /// How urgent they are.
    pub priority: Priority,
    /// The number of the claim in the journal.
    pub(super) number: u64,
    /// How many lives of nodes had ended when it was claimed.
    pub(super) ended_lives: u64,
}

impl Batch {
    pub(super) fn new(collection: Arc<str>, claims: Vec<Claim>, priority: Priority) -> Self {
        Self {
            collection,
            claims,
            priority,
            number: 0,
            ended_lives: 0,
        }
    }

    /// Its number in this run, for logs.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The moments of the changes that it is there for, by which they are named ([`crate::correlation`]).
    #[must_use]
    pub fn moments(&self) -> BTreeSet<u64> {
        self.claims.iter().map(|claim| claim.since_micros).collect()
    }

    /// A part of it.
    #[must_use]
    pub fn part(&self, claims: &[Claim]) -> Self {
        Self {
            collection: Arc::clone(&self.collection),
            claims: claims.to_vec(),
            ..*self
        }
    }

    /// One of its documents.
    pub fn document(&self, id: &Arc<str>) -> DocumentId {
        DocumentId {
            collection: Arc::clone(&self.collection),
            id: Arc::clone(id),
        }
    }
}
