//! A search over several domains.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::checks::{self, list, names, range};
use super::parts::{self, FilterBody, FusionBody, GraphBody, Named, WeightsBody, second, ten};
use super::{MOST_RESULTS, Reader, Search};
use crate::api::{self, ApiError};

/// Results of each domain at least, at most.
const MOST_LEAST: usize = 20;

/// A search over several domains that can be done.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::search) struct CrossDomain {
    /// What is asked of each collection; its list of collections is yet to be found where the request names none.
    pub(in crate::search) search: Search,
    /// Whether the request names the collections.
    pub(in crate::search) names_collections: bool,
    pub(in crate::search) without_collections: BTreeSet<String>,
    /// In the order of the request; none: all.
    pub(in crate::search) domains: Vec<String>,
    pub(in crate::search) without_domains: BTreeSet<String>,
    /// How much results of a domain, or a part of it, count; others count 1.
    pub(in crate::search) domain_weights: BTreeMap<String, f64>,
    /// Results of each domain at least, as far as there are any.
    pub(in crate::search) least: usize,
    pub(in crate::search) shape: Shape,
    /// Whether what links results of different domains is told.
    pub(in crate::search) links: bool,
}

/// How results are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::search) enum Shape {
    /// One list.
    #[default]
    Merged,
    /// A list for each domain.
    Grouped,
}

/// What is looked for, in which domains, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CrossDomainSearch")]
pub(in crate::search) struct CrossBody {
    #[serde(default)]
    vector: Option<Vec<f32>>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    document: Option<Named>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    exclude_domains: BTreeSet<String>,
    #[serde(default)]
    domain_weights: BTreeMap<String, f64>,
    #[serde(default)]
    collections: Vec<String>,
    #[serde(default)]
    exclude_collections: BTreeSet<String>,
    #[serde(default = "one")]
    min_per_domain: usize,
    #[serde(default)]
    results: Shape,
    #[serde(default = "yes")]
    links: bool,
    #[serde(default = "ten")]
    limit: usize,
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

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl CrossDomain {
    /// Reads the body of a request. `knows` says whether there is a domain of a name, `has_lexical` whether there is a text index.
    pub(in crate::search) fn parse(
        body: &[u8],
        has_lexical: bool,
        knows: impl Fn(&str) -> bool,
    ) -> Result<Self, ApiError> {
        let body: CrossBody = api::body(body)?;
        let subject = parts::subject(body.vector, body.text, body.document)?;
        list("collections", &body.collections, 0)?;
        names("exclude_collections", &body.exclude_collections)?;
        list("domains", &body.domains, 0)?;
        names("exclude_domains", &body.exclude_domains)?;
        range("domain_weights", body.domain_weights.len(), 0, checks::MOST_NAMES)?;
        for (name, weight) in &body.domain_weights {
            let shown = &name[..name.floor_char_boundary(64)];
            checks::weight(&format!("domain_weights.{shown}"), *weight)?;
        }
        let at = |at: usize| format!("domains[{at}]");
        let asked = body.domains.iter().enumerate();
        let mut named = asked
            .map(|(n, name)| (at(n), name))
            .chain(
                body.exclude_domains
                    .iter()
                    .map(|name| ("exclude_domains".to_owned(), name)),
            )
            .chain(
                body.domain_weights
                    .keys()
                    .map(|name| ("domain_weights".to_owned(), name)),
            );
        if let Some((field, name)) = named.find(|(_, name)| !knows(name)) {
            let shown = &name[..name.floor_char_boundary(64)];
            return Err(ApiError::field(&field, format!("there is no domain '{shown}'")));
        }
        range("limit", body.limit, 1, MOST_RESULTS)?;
        range("min_per_domain", body.min_per_domain, 0, MOST_LEAST)?;
        let filter = parts::filter(body.filter)?;
        if !filter.domains.is_empty() {
            return Err(ApiError::field("filter.domains", "is given as domains here"));
        }
        Ok(Self {
            search: Search {
                subject,
                collections: body.collections.clone(),
                limit: body.limit,
                offset: 0,
                fusion: parts::fusion(&body.fusion)?,
                weights: parts::weights(&body.weights, has_lexical)?,
                expansion: parts::expansion(&body.graph)?,
                filter,
                reader: Reader::new(body.principals, body.tenant)?,
                budget_ms: parts::budget(body.budget_ms)?,
                explain: body.explain,
                with_payload: body.with_payload,
            },
            names_collections: !body.collections.is_empty(),
            without_collections: body.exclude_collections,
            domains: body.domains,
            without_domains: body.exclude_domains,
            domain_weights: body.domain_weights,
            least: body.min_per_domain,
            shape: body.results,
            links: body.links,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value) -> Result<CrossDomain, String> {
        let knows = |name: &str| ["legal", "financial"].contains(&name);
        CrossDomain::parse(body.to_string().as_bytes(), true, knows).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_its_field() {
        let usable =
            read(&json!({"text": "x", "domains": ["legal"], "domain_weights": {"legal": 2}})).unwrap();
        assert_eq!(
            (usable.least, usable.shape, usable.links),
            (1, Shape::Merged, true)
        );
        for (more, field) in [
            (json!({"domains": ["leagl"]}), "domains[0]"),
            (json!({"domains": ["legal", "legal"]}), "domains[1]"),
            (json!({"exclude_domains": ["x"]}), "exclude_domains"),
            (json!({"domain_weights": {"x": 1}}), "domain_weights"),
            (json!({"domain_weights": {"legal": -1}}), "domain_weights.legal"),
            (json!({"min_per_domain": 21}), "min_per_domain"),
            (json!({"limit": 1_000_000_000}), "limit"),
            (json!({"limit": 0}), "limit"),
            (json!({"results": "nested"}), "results"),
            (json!({"filter": {"domains": ["legal"]}}), "filter.domains"),
            (json!({"offset": 1}), "offset"),
        ] {
            let mut body = json!({"text": "x"});
            for (name, value) in more.as_object().unwrap() {
                body[name] = value.clone();
            }
            let error = read(&body).unwrap_err();
            assert!(error.starts_with(&format!("{field}: ")), "{field}: {error}");
        }
    }
}
