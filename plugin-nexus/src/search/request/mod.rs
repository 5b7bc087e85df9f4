//! What a search asks for, read strictly and bounded.
//!
//! Invariant: what is in a [`Search`] can be done, in bounded time and memory.

mod checks;
mod cross;
mod parts;
mod reach;

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use vectorizer_plugin_api::model::JsonMap;

use super::fusion::{Fusion, Normalisation};
use crate::api::{self, ApiError, Query};
use crate::graph::ForeignType;
use crate::journal::DocumentId;
use checks::{list, range};
use parts::{FilterBody, FusionBody, GraphBody, Named, WeightsBody, second, ten};

pub(super) use cross::{CrossBody, CrossDomain, Shape};
pub(super) use reach::{IMPACT, Impact, PATH, Path, RELATED};

const MOST_RESULTS: usize = 100;
const LAST_RESULT: usize = 1_000;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Subject {
    /// What is close to a vector.
    Vector(Vec<f32>),
    /// What has the words of a text, and what is close to it.
    Text {
        /// The words.
        text: String,
        /// The text's vector; `None`: the host embeds it.
        vector: Option<Vec<f32>>,
    },
    /// What has to do with a document.
    Document(DocumentId),
}

/// A search that can be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    pub(super) subject: Subject,
    /// Each once, at least one.
    pub(super) collections: Vec<String>,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) fusion: Fusion,
    pub(super) weights: Weights,
    pub(super) expansion: Expansion,
    pub(super) filter: Filter,
    pub(super) reader: Reader,
    pub(super) budget_ms: u64,
    pub(super) explain: bool,
    pub(super) with_payload: bool,
}

/// For whom something is looked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reader {
    /// Who they are; none: anybody.
    pub(super) principals: BTreeSet<String>,
    pub(super) tenant: Option<String>,
}

impl Reader {
    fn new(principals: BTreeSet<String>, tenant: Option<String>) -> Result<Self, ApiError> {
        checks::names("principals", &principals)?;
        if let Some(tenant) = &tenant {
            checks::name("tenant", tenant)?;
        }
        Ok(Self { principals, tenant })
    }
}

/// How much each source counts; 0: it is not asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weights {
    pub(super) vector: f64,
    pub(super) lexical: f64,
    pub(super) graph: f64,
}

/// Chosen on judged queries (`docs/search.md`): the optimum is flat.
impl Default for Weights {
    fn default() -> Self {
        Self {
            vector: 1.0,
            lexical: 1.5,
            graph: 0.1,
        }
    }
}

/// Where the graph is followed to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expansion {
    pub(super) similar: bool,
    pub(super) mentions: bool,
    pub(super) parts: bool,
    pub(super) types: Vec<ForeignType>,
    pub(super) hops: usize,
    /// The best hits that it is followed from, and the best of each hop that the next goes on from.
    pub(super) seeds: usize,
    /// Documents that one entity or source leads to, at most. One that leads to more says too little.
    pub(super) fan_out: usize,
    /// The share of a hit's strength that goes over each edge.
    pub(super) spread: f64,
}

/// What a document has to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    pub(super) domains: BTreeSet<String>,
    pub(super) without_domains: BTreeSet<String>,
    pub(super) doc_types: BTreeSet<String>,
    pub(super) properties: JsonMap,
    pub(super) dates: Option<Dates>,
}

/// When a document is from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dates {
    pub(super) field: String,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

/// What is looked for, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HybridSearch")]
pub(super) struct HybridBody {
    #[serde(default)]
    vector: Option<Vec<f32>>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    document: Option<Named>,
    #[serde(default)]
    collections: Vec<String>,
    #[serde(default = "ten")]
    limit: usize,
    #[serde(default)]
    offset: usize,
    #[serde(default)]
    fusion: FusionBody,
    #[serde(default)]
    weights: WeightsBody,
    #[serde(default)]
    graph: GraphBody,
    #[serde(default)]
    filter: FilterBody,
    #[serde(default)]
    principals: BTreeSet<String>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default = "second")]
    budget_ms: u64,
    #[serde(default)]
    explain: bool,
    #[serde(default)]
    with_payload: bool,
}

impl Search {
    /// Reads the body of a request; `has_lexical` says whether there is a text index.
    pub(super) fn parse(body: &[u8], has_lexical: bool) -> Result<Self, ApiError> {
        let body: HybridBody = api::body(body)?;
        let subject = parts::subject(body.vector, body.text, body.document)?;
        let collections = collections(body.collections, &subject)?;
        range("limit", body.limit, 1, MOST_RESULTS)?;
        range("offset", body.offset, 0, LAST_RESULT)?;
        Ok(Self {
            subject,
            collections,
            limit: body.limit,
            offset: body.offset,
            fusion: parts::fusion(&body.fusion)?,
            weights: parts::weights(&body.weights, has_lexical)?,
            expansion: parts::expansion(&body.graph)?,
            filter: parts::filter(body.filter)?,
            reader: Reader::new(body.principals, body.tenant)?,
            budget_ms: parts::budget(body.budget_ms)?,
            explain: body.explain,
            with_payload: body.with_payload,
        })
    }
}

/// What one entity leads to, where it is asked what has to do with one document.
const RELATED_FAN_OUT: usize = 200;

impl Search {
    /// What has to do with a document by the graph alone, in these collections: `query` of a request.
    pub(super) fn related(
        document: DocumentId,
        collections: Vec<String>,
        query: &Query,
    ) -> Result<Self, ApiError> {
        let graph = GraphBody {
            types: reach::list(query, "types")?,
            hops: query.count("hops")?,
            fan_out: RELATED_FAN_OUT,
            spread: 1.0,
            ..GraphBody::default()
        };
        let expansion = parts::expansion(&graph).map_err(|error| match error {
            ApiError::Field { field, reason } => ApiError::Field {
                field: field.trim_start_matches("graph.").to_owned(),
                reason,
            },
            error => error,
        })?;
        Ok(Self {
            subject: Subject::Document(document),
            collections,
            limit: query.count("limit")?,
            offset: 0,
            fusion: Fusion::WeightedSum(Normalisation::MinMax),
            weights: Weights {
                vector: 0.0,
                lexical: 0.0,
                graph: 1.0,
            },
            expansion: Expansion {
                seeds: 0,
                ..expansion
            },
            filter: Filter::default(),
            reader: reach::reader(query)?,
            budget_ms: second(),
            explain: true,
            with_payload: query.flag("with_payload")?,
        })
    }

    /// Whether hits are needed of anything but the graph.
    pub(super) fn needs_hits(&self) -> bool {
        self.weights.vector + self.weights.lexical > 0.0 || self.expansion.seeds > 0
    }
}

fn collections(mut named: Vec<String>, subject: &Subject) -> Result<Vec<String>, ApiError> {
    if let (true, Subject::Document(document)) = (named.is_empty(), subject) {
        named.push(document.collection.to_string());
    }
    list("collections", &named, 1)?;
    Ok(named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value) -> Result<Search, String> {
        Search::parse(body.to_string().as_bytes(), true).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_usable_value() {
        let search = read(&json!({"text": "a question", "collections": ["c"]})).unwrap();
        assert_eq!(search.fusion, Fusion::WeightedSum(Normalisation::MinMax));
        assert_eq!((search.limit, search.offset, search.expansion.seeds), (10, 0, 10));
        let about = read(&json!({"document": {"collection": "c", "id": "1"}})).unwrap();
        assert_eq!(about.collections, ["c"]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_its_field() {
        let text = |more: Value| {
            let mut body = json!({"text": "x", "collections": ["c"]});
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            body
        };
        for (body, field) in [
            (json!({}), "body"),
            (json!({"text": "x"}), "collections"),
            (json!({"text": " ", "collections": ["c"]}), "text"),
            (text(json!({"text": "x".repeat(1 << 20)})), "text"),
            (
                json!({"vector": [1.0], "document": {"collection": "c", "id": "1"}}),
                "body",
            ),
            (text(json!({"vector": []})), "vector"),
            (json!({"vector": [], "collections": ["c"]}), "vector"),
            (json!({"vector": [1e39], "collections": ["c"]}), "vector[0]"),
            (json!({"document": {"collection": "c", "id": ""}}), "document.id"),
            (text(json!({"collections": ["c", "c"]})), "collections[1]"),
            (text(json!({"collections": [""]})), "collections[0]"),
            (text(json!({"limit": 0})), "limit"),
            (text(json!({"limit": 1_000_000_000})), "limit"),
            (text(json!({"limit": -1})), "limit"),
            (text(json!({"offset": 1_001})), "offset"),
            (text(json!({"budget_ms": 0})), "budget_ms"),
            (text(json!({"fusion": {"method": "magic"}})), "fusion.method"),
            (text(json!({"fusion": {"method": "rrf", "k": 0}})), "fusion.k"),
            (text(json!({"fusion": {"method": "rrf", "k": 1e9}})), "fusion.k"),
            (
                text(json!({"fusion": {"method": "rrf", "normalization": "min_max"}})),
                "fusion.normalization",
            ),
            (
                text(json!({"fusion": {"method": "weighted_sum", "k": 1}})),
                "fusion.k",
            ),
            (text(json!({"weights": {"vector": -1}})), "weights.vector"),
            (
                text(json!({"weights": {"vector": 0, "lexical": 0, "graph": 0}})),
                "weights",
            ),
            (text(json!({"graph": {"hops": 4}})), "graph.hops"),
            (
                text(json!({"graph": {"types": ["SIMILAR_TO"]}})),
                "graph.types[0]",
            ),
            (text(json!({"graph": {"types": ["A]->(b)"]}})), "graph.types[0]"),
            (text(json!({"graph": {"seeds": 0}})), "graph.seeds"),
            (text(json!({"graph": {"spread": 2}})), "graph.spread"),
            (text(json!({"filter": {"domain": ["legal"]}})), "filter.domain"),
            (
                text(json!({"filter": {"properties": {"a": [1]}}})),
                "filter.properties.a",
            ),
            (
                text(json!({"filter": {"dates": {"field": "d", "from": "yesterday"}}})),
                "filter.dates.from",
            ),
            (
                text(
                    json!({"filter": {"dates": {"field": "d", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}}),
                ),
                "filter.dates.to",
            ),
            (text(json!({"principals": [""]})), "principals"),
            (text(json!({"explian": true})), "explian"),
        ] {
            let error = read(&body).unwrap_err();
            assert!(error.starts_with(&format!("{field}: ")), "{field}: {error}");
            assert!(error.len() < 300, "{error}");
        }
    }
}
