//! Questions about the graph around a document, asked in a query.

use super::{Reader, checks, parts};
use crate::api::{ApiError, Parameter, Query};
use crate::graph::ForeignType;
use crate::journal::DocumentId;

const TYPES: Parameter = Parameter::text(
    "types",
    "Types of edges that are followed, with commas between them",
);
const PRINCIPALS: Parameter = Parameter::text("principals", "For whom it is asked, with commas between them");
const TENANT: Parameter = Parameter::text("tenant", "For whose tenant it is asked");
const BUDGET: Parameter = Parameter::count("budget_ms", "Most time that it may take", 5_000, 30_000);

/// What a question about what has to do with a document may hold.
pub(in crate::search) const RELATED: &[Parameter] = &[
    TYPES,
    Parameter::count("hops", "How far edges are followed", 1, 3),
    Parameter::count("limit", "Most documents of the answer", 20, 100),
    Parameter::flag("with_payload", "Whether their payloads are told, too"),
    PRINCIPALS,
    TENANT,
];
/// And about what depends on it.
pub(in crate::search) const IMPACT: &[Parameter] = &[
    TYPES,
    Parameter::count("hops", "How far edges are followed", 3, 6),
    Parameter::count("limit", "Most documents of the answer", 100, 500),
    BUDGET,
    PRINCIPALS,
    TENANT,
];
/// And about how it has to do with another.
pub(in crate::search) const PATH: &[Parameter] = &[
    Parameter::text("to_collection", "The other's collection; left out: the same"),
    Parameter::required("to_id", "The other's id"),
    TYPES,
    Parameter::count("hops", "How far edges are followed", 4, 6),
    BUDGET,
    PRINCIPALS,
    TENANT,
];

/// What depends on a document.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::search) struct Impact {
    pub(in crate::search) document: DocumentId,
    /// The types of edges that say so; none: all that are not the plugin's.
    pub(in crate::search) types: Vec<ForeignType>,
    pub(in crate::search) hops: usize,
    pub(in crate::search) limit: usize,
    pub(in crate::search) budget_ms: u64,
    pub(in crate::search) reader: Reader,
}

/// How one document has to do with another.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::search) struct Path {
    pub(in crate::search) from: DocumentId,
    pub(in crate::search) to: DocumentId,
    /// Types of edges besides the plugin's own.
    pub(in crate::search) types: Vec<ForeignType>,
    pub(in crate::search) hops: usize,
    pub(in crate::search) budget_ms: u64,
    pub(in crate::search) reader: Reader,
}

impl Impact {
    pub(in crate::search) fn parse(document: DocumentId, query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            document,
            types: parts::types("types", &list(query, "types")?)?,
            hops: query.count("hops")?,
            limit: query.count("limit")?,
            budget_ms: query.count("budget_ms")? as u64,
            reader: reader(query)?,
        })
    }
}

impl Path {
    pub(in crate::search) fn parse(from: DocumentId, query: &Query) -> Result<Self, ApiError> {
        let collection = query.text("to_collection")?.unwrap_or(&from.collection);
        let id = query.required("to_id")?;
        for (field, name) in [("to_collection", collection), ("to_id", id)] {
            checks::name(field, name)?;
        }
        Ok(Self {
            to: DocumentId::new(collection, id),
            from,
            types: parts::types("types", &list(query, "types")?)?,
            hops: query.count("hops")?,
            budget_ms: query.count("budget_ms")? as u64,
            reader: reader(query)?,
        })
    }
}

/// For whom a query asks.
pub(super) fn reader(query: &Query) -> Result<Reader, ApiError> {
    let principals = list(query, "principals")?.into_iter().collect();
    Reader::new(principals, query.text("tenant")?.map(str::to_owned))
}

/// Names between commas.
pub(super) fn list(query: &Query, name: &str) -> Result<Vec<String>, ApiError> {
    let text = query.text(name)?.unwrap_or_default();
    Ok(text
        .split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_and_bounded() {
        let from = || DocumentId::new("c", "1");
        let impact = |text: &str| Query::parse(text, IMPACT).and_then(|query| Impact::parse(from(), &query));
        let path = |text: &str| Query::parse(text, PATH).and_then(|query| Path::parse(from(), &query));
        let found = impact("types=CITES,USES&principals=hr").unwrap();
        assert_eq!((found.types.len(), found.hops, found.limit), (2, 3, 100));
        let found = path("to_id=2").unwrap();
        assert_eq!(found.to, DocumentId::new("c", "2"));
        let fault = |result: Result<(), ApiError>| result.unwrap_err().to_string();
        for (query, field) in [
            ("hops=7", "hops"),
            ("hops=0", "hops"),
            ("limit=1000000000", "limit"),
            ("types=SIMILAR_TO", "types[0]"),
            ("tpyes=A", "tpyes"),
        ] {
            let error = fault(impact(query).map(drop));
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
        }
        for (query, field) in [
            ("", "to_id"),
            ("to_id=", "to_id"),
            ("to_id=1&budget_ms=0", "budget_ms"),
        ] {
            let error = fault(path(query).map(drop));
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
        }
    }
}
