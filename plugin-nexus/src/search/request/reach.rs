//! Questions about the graph around a document, asked in a query.

use super::{Reader, checks, parts};
use crate::api::{ApiError, Query};
use crate::graph::ForeignType;
use crate::journal::DocumentId;

const MOST_HOPS: usize = 6;
const MOST_DEPENDENTS: usize = 500;
const LONGEST_BUDGET: usize = 30_000;

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
    pub(in crate::search) fn parse(document: DocumentId, query: &str) -> Result<Self, ApiError> {
        let known = ["types", "hops", "limit", "budget_ms", "principals", "tenant"];
        let query = Query::parse(query, &known)?;
        Ok(Self {
            document,
            types: parts::types("types", &list(&query, "types")?)?,
            hops: query.count("hops", 3, MOST_HOPS)?,
            limit: query.count("limit", 100, MOST_DEPENDENTS)?,
            budget_ms: query.count("budget_ms", 5_000, LONGEST_BUDGET)? as u64,
            reader: reader(&query)?,
        })
    }
}

impl Path {
    pub(in crate::search) fn parse(from: DocumentId, query: &str) -> Result<Self, ApiError> {
        let known = [
            "to_collection",
            "to_id",
            "types",
            "hops",
            "budget_ms",
            "principals",
            "tenant",
        ];
        let query = Query::parse(query, &known)?;
        let collection = query.text("to_collection")?.unwrap_or(&from.collection);
        let id = query.required("to_id")?;
        for (field, name) in [("to_collection", collection), ("to_id", id)] {
            checks::name(field, name)?;
        }
        Ok(Self {
            to: DocumentId::new(collection, id),
            from,
            types: parts::types("types", &list(&query, "types")?)?,
            hops: query.count("hops", 4, MOST_HOPS)?,
            budget_ms: query.count("budget_ms", 5_000, LONGEST_BUDGET)? as u64,
            reader: reader(&query)?,
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
        let impact = Impact::parse(from(), "types=CITES,USES&principals=hr").unwrap();
        assert_eq!((impact.types.len(), impact.hops, impact.limit), (2, 3, 100));
        let path = Path::parse(from(), "to_id=2").unwrap();
        assert_eq!(path.to, DocumentId::new("c", "2"));
        let fault = |result: Result<(), ApiError>| result.unwrap_err().to_string();
        for (query, field) in [
            ("hops=7", "hops"),
            ("hops=0", "hops"),
            ("limit=1000000000", "limit"),
            ("types=SIMILAR_TO", "types[0]"),
            ("tpyes=A", "tpyes"),
        ] {
            let error = fault(Impact::parse(from(), query).map(drop));
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
        }
        for (query, field) in [
            ("", "to_id"),
            ("to_id=", "to_id"),
            ("to_id=1&budget_ms=0", "budget_ms"),
        ] {
            let error = fault(Path::parse(from(), query).map(drop));
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
        }
    }
}
