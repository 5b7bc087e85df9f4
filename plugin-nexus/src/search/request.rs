//! What a search asks for, read strictly and bounded.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::fusion::{Fusion, Normalisation};
use crate::api::{self, ApiError, Query};
use crate::graph::ForeignType;
use crate::journal::DocumentId;

/// Bytes of a text, and of a name, at most.
const LONGEST_TEXT: usize = 64 << 10;
const LONGEST_NAME: usize = 1_024;
/// Components of a vector at most.
const MOST_COMPONENTS: usize = 65_536;
/// Names in a list at most.
const MOST_NAMES: usize = 100;
const MOST_RESULTS: usize = 100;
const LAST_RESULT: usize = 1_000;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Subject {
    /// What is close to a vector.
    Vector(Vec<f32>),
    /// What is close to a text, as the host embeds it.
    Text(String),
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
    /// For whom; none: for anybody.
    pub(super) principals: BTreeSet<String>,
    pub(super) tenant: Option<String>,
    pub(super) budget_ms: u64,
    pub(super) explain: bool,
    pub(super) with_payload: bool,
}

/// How much each source counts; 0: it is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Weights {
    pub(super) vector: f64,
    pub(super) graph: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            vector: 1.0,
            graph: 0.3,
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
    /// The best hits that it is followed from.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
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
    weights: Weights,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    collection: String,
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FusionBody {
    method: Method,
    k: Option<f64>,
    normalization: Option<Normalisation>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    #[default]
    Rrf,
    WeightedSum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GraphBody {
    similar: bool,
    mentions: bool,
    parts: bool,
    types: Vec<String>,
    seeds: usize,
    fan_out: usize,
    spread: f64,
}

impl Default for GraphBody {
    fn default() -> Self {
        Self {
            similar: true,
            mentions: true,
            parts: true,
            types: Vec::new(),
            seeds: 10,
            fan_out: 50,
            spread: 0.1,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FilterBody {
    domains: BTreeSet<String>,
    doc_types: BTreeSet<String>,
    properties: JsonMap,
    dates: Option<DatesBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatesBody {
    field: String,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    to: Option<Timestamp>,
}

fn ten() -> usize {
    10
}

fn second() -> u64 {
    1_000
}

impl Search {
    /// Reads the body of a request.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body: Body = api::body(body)?;
        let subject = subject(body.vector, body.text, body.document)?;
        let collections = collections(body.collections, &subject)?;
        range("limit", body.limit, 1, MOST_RESULTS)?;
        range("offset", body.offset, 0, LAST_RESULT)?;
        range("budget_ms", body.budget_ms as usize, 10, 30_000)?;
        names("principals", &body.principals)?;
        if body.tenant.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(ApiError::field("tenant", "must be a name of 1 to 1024 bytes"));
        }
        Ok(Self {
            subject,
            collections,
            limit: body.limit,
            offset: body.offset,
            fusion: fusion(&body.fusion)?,
            weights: weights(body.weights)?,
            expansion: expansion(body.graph)?,
            filter: filter(body.filter)?,
            principals: body.principals,
            tenant: body.tenant,
            budget_ms: body.budget_ms,
            explain: body.explain,
            with_payload: body.with_payload,
        })
    }
}

const MOST_RELATED: usize = 100;
/// What one entity leads to, where it is asked what has to do with one document.
const RELATED_FAN_OUT: usize = 200;

impl Search {
    /// What has to do with a document by the graph alone, in these collections: `query` of a request.
    pub(super) fn related(
        document: DocumentId,
        collections: Vec<String>,
        query: &Query,
    ) -> Result<Self, ApiError> {
        let list = |name: &str| -> Result<Vec<String>, ApiError> {
            let text = query.text(name)?.unwrap_or_default();
            Ok(text
                .split(',')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect())
        };
        let principals: BTreeSet<String> = list("principals")?.into_iter().collect();
        names("principals", &principals)?;
        let graph = GraphBody {
            types: list("types")?,
            fan_out: RELATED_FAN_OUT,
            spread: 1.0,
            ..GraphBody::default()
        };
        let expansion = expansion(graph).map_err(|error| match error {
            ApiError::Field { field, reason } => ApiError::Field {
                field: field.trim_start_matches("graph.").to_owned(),
                reason,
            },
            error => error,
        })?;
        Ok(Self {
            subject: Subject::Document(document),
            collections,
            limit: query.count("limit", 20, MOST_RELATED)?,
            offset: 0,
            fusion: Fusion::WeightedSum(Normalisation::MinMax),
            weights: Weights {
                vector: 0.0,
                graph: 1.0,
            },
            expansion: Expansion {
                seeds: 0,
                ..expansion
            },
            filter: Filter::default(),
            principals,
            tenant: query.text("tenant")?.map(str::to_owned),
            budget_ms: second(),
            explain: true,
            with_payload: false,
        })
    }

    /// Whether anything is asked of the vectors.
    pub(super) fn needs_vectors(&self) -> bool {
        self.weights.vector > 0.0 || self.expansion.seeds > 0
    }
}

fn subject(
    vector: Option<Vec<f32>>,
    text: Option<String>,
    document: Option<Named>,
) -> Result<Subject, ApiError> {
    match (vector, text, document) {
        (Some(vector), None, None) => {
            range("vector", vector.len(), 1, MOST_COMPONENTS)?;
            match vector.iter().position(|component| !component.is_finite()) {
                Some(at) => Err(ApiError::field(
                    &format!("vector[{at}]"),
                    "must be a finite number",
                )),
                None => Ok(Subject::Vector(vector)),
            }
        }
        (None, Some(text), None) => {
            if text.trim().is_empty() {
                return Err(ApiError::field("text", "must not be empty"));
            }
            if text.len() > LONGEST_TEXT {
                return Err(ApiError::field("text", "must have 65536 bytes at most"));
            }
            Ok(Subject::Text(text))
        }
        (None, None, Some(Named { collection, id })) => {
            for (field, name) in [("document.collection", &collection), ("document.id", &id)] {
                if !is_name(name) {
                    return Err(ApiError::field(field, "must be a name of 1 to 1024 bytes"));
                }
            }
            Ok(Subject::Document(DocumentId::new(collection, id)))
        }
        _ => Err(ApiError::field(
            "body",
            "must hold exactly one of vector, text and document",
        )),
    }
}

fn collections(mut named: Vec<String>, subject: &Subject) -> Result<Vec<String>, ApiError> {
    if let (true, Subject::Document(document)) = (named.is_empty(), subject) {
        named.push(document.collection.to_string());
    }
    range("collections", named.len(), 1, MOST_NAMES)?;
    let mut seen = BTreeSet::new();
    for (at, name) in named.iter().enumerate() {
        if !is_name(name) || !seen.insert(name) {
            let reason = "must be a name of 1 to 1024 bytes, and given once";
            return Err(ApiError::field(&format!("collections[{at}]"), reason));
        }
    }
    Ok(named)
}

fn fusion(body: &FusionBody) -> Result<Fusion, ApiError> {
    match body.method {
        Method::Rrf if body.normalization.is_some() => Err(ApiError::field(
            "fusion.normalization",
            "is for weighted_sum; rrf looks at ranks only",
        )),
        Method::Rrf => {
            let k = body.k.unwrap_or(60.0);
            match (1.0..=10_000.0).contains(&k) {
                true => Ok(Fusion::ReciprocalRank { k }),
                false => Err(ApiError::field("fusion.k", "must be a number from 1 to 10000")),
            }
        }
        Method::WeightedSum if body.k.is_some() => Err(ApiError::field("fusion.k", "is for rrf")),
        Method::WeightedSum => Ok(Fusion::WeightedSum(body.normalization.unwrap_or_default())),
    }
}

fn weights(weights: Weights) -> Result<Weights, ApiError> {
    for (name, weight) in [("vector", weights.vector), ("graph", weights.graph)] {
        if !(0.0..=100.0).contains(&weight) {
            let reason = "must be a number from 0 to 100";
            return Err(ApiError::field(&format!("weights.{name}"), reason));
        }
    }
    if weights.vector == 0.0 && weights.graph == 0.0 {
        return Err(ApiError::field("weights", "must not all be 0"));
    }
    Ok(weights)
}

fn expansion(body: GraphBody) -> Result<Expansion, ApiError> {
    range("graph.seeds", body.seeds, 1, 50)?;
    range("graph.fan_out", body.fan_out, 1, 500)?;
    if !(0.0..=1.0).contains(&body.spread) {
        return Err(ApiError::field("graph.spread", "must be a number from 0 to 1"));
    }
    range("graph.types", body.types.len(), 0, 16)?;
    let types = body.types.iter().enumerate().map(|(at, name)| {
        ForeignType::new(name).ok_or_else(|| {
            ApiError::field(
                &format!("graph.types[{at}]"),
                "must be a type of edges that is not the plugin's: letters, digits and _",
            )
        })
    });
    Ok(Expansion {
        types: types.collect::<Result<_, _>>()?,
        similar: body.similar,
        mentions: body.mentions,
        parts: body.parts,
        seeds: body.seeds,
        fan_out: body.fan_out,
        spread: body.spread,
    })
}

fn filter(body: FilterBody) -> Result<Filter, ApiError> {
    names("filter.domains", &body.domains)?;
    names("filter.doc_types", &body.doc_types)?;
    range("filter.properties", body.properties.len(), 0, MOST_NAMES)?;
    for (name, value) in &body.properties {
        if !is_name(name) || !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
            return Err(ApiError::field(
                &format!("filter.properties.{}", &name[..name.floor_char_boundary(64)]),
                "must be a name with a text, a number or a truth value",
            ));
        }
    }
    let dates = match body.dates {
        Some(DatesBody { field, from, to }) => {
            if !is_name(&field) {
                return Err(ApiError::field(
                    "filter.dates.field",
                    "must be a name of 1 to 1024 bytes",
                ));
            }
            if from.zip(to).is_some_and(|(from, to)| from > to) {
                return Err(ApiError::field("filter.dates.to", "must not be before from"));
            }
            Some(Dates { field, from, to })
        }
        None => None,
    };
    Ok(Filter {
        domains: body.domains,
        doc_types: body.doc_types,
        properties: body.properties,
        dates,
    })
}

fn names(field: &str, names: &BTreeSet<String>) -> Result<(), ApiError> {
    range(field, names.len(), 0, MOST_NAMES)?;
    match names.iter().all(|name| is_name(name)) {
        true => Ok(()),
        false => Err(ApiError::field(field, "must be names of 1 to 1024 bytes")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
}

fn range(field: &str, value: usize, least: usize, most: usize) -> Result<(), ApiError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(ApiError::field(
            field,
            format!("{value} is out of range; allowed are {least} to {most}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Search, String> {
        Search::parse(body.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_usable_value() {
        let search = read(&json!({"text": "a question", "collections": ["c"]})).unwrap();
        assert_eq!(search.fusion, Fusion::ReciprocalRank { k: 60.0 });
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
            (text(json!({"vector": [1.0]})), "body"),
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
            (text(json!({"fusion": {"k": 0}})), "fusion.k"),
            (
                text(json!({"fusion": {"normalization": "min_max"}})),
                "fusion.normalization",
            ),
            (
                text(json!({"fusion": {"method": "weighted_sum", "k": 1}})),
                "fusion.k",
            ),
            (text(json!({"weights": {"vector": -1}})), "weights.vector"),
            (text(json!({"weights": {"vector": 0, "graph": 0}})), "weights"),
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
