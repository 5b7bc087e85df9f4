//! The parts that the bodies of searches have in common, as they come and as they are checked.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::checks::{self, A_NAME, MOST_NAMES, is_name, names, range};
use super::{Dates, Expansion, Filter, Subject, Weights};
use crate::api::ApiError;
use crate::graph::ForeignType;
use crate::journal::DocumentId;
use crate::search::fusion::{Fusion, Normalisation};

/// Bytes of a text at most.
const LONGEST_TEXT: usize = 64 << 10;
/// Components of a vector at most.
const MOST_COMPONENTS: usize = 65_536;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DocumentName")]
pub(super) struct Named {
    pub(super) collection: String,
    pub(super) id: String,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Fusion")]
pub(super) struct FusionBody {
    method: Method,
    k: Option<f64>,
    normalization: Option<Normalisation>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FusionMethod")]
enum Method {
    Rrf,
    #[default]
    WeightedSum,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Weights")]
pub(super) struct WeightsBody {
    vector: Option<f64>,
    lexical: Option<f64>,
    graph: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "GraphReach")]
pub(super) struct GraphBody {
    pub(super) similar: bool,
    pub(super) mentions: bool,
    pub(super) parts: bool,
    pub(super) types: Vec<String>,
    pub(super) hops: usize,
    pub(super) seeds: usize,
    pub(super) fan_out: usize,
    pub(super) spread: f64,
}

impl Default for GraphBody {
    fn default() -> Self {
        Self {
            similar: true,
            mentions: true,
            parts: true,
            types: Vec::new(),
            hops: 1,
            seeds: 10,
            fan_out: 50,
            spread: 0.1,
        }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Filter")]
pub(super) struct FilterBody {
    domains: BTreeSet<String>,
    doc_types: BTreeSet<String>,
    properties: JsonMap,
    dates: Option<DatesBody>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Dates")]
struct DatesBody {
    field: String,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    to: Option<Timestamp>,
}

pub(super) fn ten() -> usize {
    10
}

pub(super) fn second() -> u64 {
    1_000
}

pub(super) fn budget(budget_ms: u64) -> Result<u64, ApiError> {
    range(
        "budget_ms",
        usize::try_from(budget_ms).unwrap_or(usize::MAX),
        10,
        30_000,
    )?;
    Ok(budget_ms)
}

pub(super) fn subject(
    vector: Option<Vec<f32>>,
    text: Option<String>,
    document: Option<Named>,
) -> Result<Subject, ApiError> {
    if let Some(vector) = &vector {
        range("vector", vector.len(), 1, MOST_COMPONENTS)?;
        if let Some(at) = vector.iter().position(|component| !component.is_finite()) {
            return Err(ApiError::field(
                &format!("vector[{at}]"),
                "must be a finite number",
            ));
        }
    }
    if let Some(text) = &text {
        if text.trim().is_empty() {
            return Err(ApiError::field("text", "must not be empty"));
        }
        if text.len() > LONGEST_TEXT {
            return Err(ApiError::field("text", "must have 65536 bytes at most"));
        }
    }
    match (vector, text, document) {
        (Some(vector), None, None) => Ok(Subject::Vector(vector)),
        (vector, Some(text), None) => Ok(Subject::Text { text, vector }),
        (None, None, Some(Named { collection, id })) => {
            for (field, name) in [("document.collection", &collection), ("document.id", &id)] {
                checks::name(field, name)?;
            }
            Ok(Subject::Document(DocumentId::new(collection, id)))
        }
        _ => Err(ApiError::field(
            "body",
            "must hold a text, a vector, both of these, or a document",
        )),
    }
}

pub(super) fn fusion(body: &FusionBody) -> Result<Fusion, ApiError> {
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
        Method::WeightedSum if body.k.is_some() => Err(ApiError::field("fusion.k", "is for the method rrf")),
        Method::WeightedSum => Ok(Fusion::WeightedSum(body.normalization.unwrap_or_default())),
    }
}

/// `has_lexical` says whether there is a text index.
pub(super) fn weights(body: &WeightsBody, has_lexical: bool) -> Result<Weights, ApiError> {
    let default = Weights::default();
    let weight = |name: &str, given: Option<f64>, default: f64| {
        checks::weight(&format!("weights.{name}"), given.unwrap_or(default))
    };
    let mut weights = Weights {
        vector: weight("vector", body.vector, default.vector)?,
        lexical: weight("lexical", body.lexical, default.lexical)?,
        graph: weight("graph", body.graph, default.graph)?,
    };
    if !has_lexical {
        if body.lexical.is_some_and(|weight| weight > 0.0) {
            let reason = "the text index is switched off (search.lexical.enabled)";
            return Err(ApiError::field("weights.lexical", reason));
        }
        weights.lexical = 0.0;
    }
    if weights.vector + weights.lexical + weights.graph == 0.0 {
        return Err(ApiError::field("weights", "must not all be 0"));
    }
    Ok(weights)
}

pub(super) fn expansion(body: &GraphBody) -> Result<Expansion, ApiError> {
    range("graph.hops", body.hops, 1, 3)?;
    range("graph.seeds", body.seeds, 1, 50)?;
    range("graph.fan_out", body.fan_out, 1, 500)?;
    if !(0.0..=1.0).contains(&body.spread) {
        return Err(ApiError::field("graph.spread", "must be a number from 0 to 1"));
    }
    Ok(Expansion {
        types: types("graph.types", &body.types)?,
        similar: body.similar,
        mentions: body.mentions,
        parts: body.parts,
        hops: body.hops,
        seeds: body.seeds,
        fan_out: body.fan_out,
        spread: body.spread,
    })
}

/// Types of edges that are not the plugin's.
pub(super) fn types(field: &str, named: &[String]) -> Result<Vec<ForeignType>, ApiError> {
    range(field, named.len(), 0, 16)?;
    let types = named.iter().enumerate().map(|(at, name)| {
        ForeignType::new(name).ok_or_else(|| {
            ApiError::field(
                &format!("{field}[{at}]"),
                "must be a type of edges that is not the plugin's: letters, digits and _",
            )
        })
    });
    types.collect()
}

pub(super) fn filter(body: FilterBody) -> Result<Filter, ApiError> {
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
                return Err(ApiError::field("filter.dates.field", A_NAME));
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
        without_domains: BTreeSet::new(),
        doc_types: body.doc_types,
        properties: body.properties,
        dates,
    })
}
