//! What searches answer.
//!
//! Invariant: where a source could not be asked, or not to its end, the answer has what there is, says that it is degraded, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::journal::DocumentId;

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "NamedDocument")]
pub(super) struct Named {
    pub(super) collection: Arc<str>,
    pub(super) id: Arc<str>,
}

impl From<&DocumentId> for Named {
    fn from(document: &DocumentId) -> Self {
        Self {
            collection: Arc::clone(&document.collection),
            id: Arc::clone(&document.id),
        }
    }
}

/// A result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "SearchHit")]
pub(super) struct Hit {
    #[serde(flatten)]
    pub(super) document: Named,
    /// The fused score; higher is better.
    pub(super) score: f64,
    /// Where it is asked for; null for an encrypted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Value>,
    /// Where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explain: Option<Explanation>,
    /// Of searches over several domains.
    #[serde(flatten)]
    pub(super) placed: Option<DomainOf>,
}

/// Where a result belongs to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct DomainOf {
    /// The domain that it counts for; null: none.
    pub(super) domain: Option<String>,
    /// From the topmost domain down to the innermost.
    pub(super) domain_path: Vec<String>,
}

/// Why a result stands where it stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Explanation {
    /// What each source says of it.
    pub(super) sources: Vec<Share>,
    /// The best ways through the graph that lead to it.
    pub(super) paths: Vec<Way>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Share {
    /// `vector`, `lexical` or `graph`.
    pub(super) source: &'static str,
    /// From 1.
    pub(super) rank: usize,
    /// As the source has it.
    pub(super) score: f64,
    /// What it adds to the fused score.
    pub(super) share: f64,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Way {
    pub(super) from: Named,
    /// The edge's type.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The entity or the source that lies between.
    pub(super) via: Option<String>,
    pub(super) worth: f64,
}

/// What became of a search besides its results.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Outcome {
    /// Whether a source could not be asked, or not to its end.
    pub(super) degraded: bool,
    /// Which, and why.
    pub(super) degraded_reason: Option<String>,
    pub(super) took_ms: u64,
}

impl Outcome {
    pub(super) fn of(reasons: &[String], begun: std::time::Instant) -> Self {
        Self {
            degraded: !reasons.is_empty(),
            degraded_reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Results of one search.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HybridResults")]
pub(super) struct Hybrid {
    /// Best first.
    pub(super) results: Vec<Hit>,
    /// How many there are on all pages.
    pub(super) found: usize,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

/// Results of a search over several domains.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CrossDomainResults")]
pub(super) struct CrossDomain {
    /// Best first; where they are merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) results: Option<Vec<Hit>>,
    /// By domain; where they are grouped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) groups: Option<Vec<Group>>,
    /// What links results of different domains; null where it is not asked for.
    pub(super) links: Option<Links>,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Group {
    pub(super) domain: Option<String>,
    pub(super) results: Vec<Hit>,
}

/// What links results of different domains.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Links {
    /// Entities that several mention.
    pub(super) entities: Vec<SharedEntity>,
    /// Edges between them.
    pub(super) edges: Vec<LinkingEdge>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SharedEntity {
    /// Its key.
    pub(super) entity: String,
    pub(super) documents: Vec<NamedOfDomain>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LinkingEdge {
    pub(super) from: NamedOfDomain,
    pub(super) to: NamedOfDomain,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Null: it has none.
    pub(super) weight: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NamedOfDomain {
    #[serde(flatten)]
    pub(super) document: Named,
    pub(super) domain: Option<String>,
}

/// What depends on a document.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ImpactResults")]
pub(super) struct Impact {
    /// The nearest first.
    pub(super) results: Vec<Dependent>,
    /// How many there are, also beyond the limit.
    pub(super) found: usize,
    pub(super) by_type: BTreeMap<String, usize>,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Dependent {
    #[serde(flatten)]
    pub(super) document: Named,
    pub(super) hops: usize,
    /// The type of the edge that says so.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) depends_on: Named,
}

/// How a document has to do with another.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PathResult")]
pub(super) struct Path {
    pub(super) found: bool,
    pub(super) hops: Option<usize>,
    pub(super) steps: Option<Vec<Step>>,
    /// Whether everything within reach was followed.
    pub(super) exhaustive: bool,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Step {
    pub(super) from: Named,
    pub(super) to: Named,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The entity or the source that lies between.
    pub(super) via: Option<String>,
    /// Whether it goes against the edge.
    pub(super) reversed: bool,
}

/// An answer of which it is counted how it came out.
pub(super) trait Answer: Serialize + JsonSchema + Send + 'static {
    fn outcome(&self) -> &Outcome;
}

macro_rules! answers {
    ($($name:ident),*) => {$(
        impl Answer for $name {
            fn outcome(&self) -> &Outcome {
                &self.outcome
            }
        }
    )*};
}

answers!(Hybrid, CrossDomain, Impact, Path);
