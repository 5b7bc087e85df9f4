//! What Vectorizer answers to this server's own calls, read key by key. Keys that are not needed may be missing or anything.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use vectorizer_plugin_api::model::{Document, Fields, Hit, JsonMap, Metric};

use super::catalogue::{Listed, Version};
use super::id::Id;
use super::payload;

/// The answers of the Qdrant routes.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) result: T,
}

/// The answer of Vectorizer's own search.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) results: Vec<Point>,
}

/// A point of the Qdrant routes, with or without a score.
#[derive(Debug, Deserialize)]
pub(super) struct Point {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) vector: Option<Vec<f32>>,
    #[serde(default)]
    pub(super) payload: Option<JsonMap>,
    #[serde(default)]
    pub(super) score: f32,
}

impl Point {
    /// With no more than was asked for.
    pub(super) fn into_document(self, fields: Fields) -> Document {
        let mut payload = self.payload.filter(|_| fields.payload);
        if let Some(payload) = &mut payload {
            payload::normalize(payload);
        }
        Document {
            id: self.id.0,
            vector: self.vector.filter(|_| fields.vector).unwrap_or_default(),
            payload,
        }
    }

    pub(super) fn into_hit(self, fields: Fields) -> Hit {
        let score = self.score;
        Hit {
            document: self.into_document(fields),
            score,
        }
    }
}

/// Points by their ids, for whoever has an order of its own.
pub(super) fn by_id(points: Vec<Point>) -> HashMap<String, Point> {
    let points = points.into_iter();
    points.map(|point| (point.id.0.clone(), point)).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Scrolled {
    pub(super) points: Vec<Point>,
    #[serde(default)]
    pub(super) next_page_offset: Option<Id>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    pub(super) count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Embedded {
    pub(super) embedding: Vec<f32>,
}

/// The answer to a batch of updates.
#[derive(Debug, Deserialize)]
pub(super) struct Updated {
    pub(super) results: Vec<UpdatedItem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct UpdatedItem {
    pub(super) status: String,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// The answer of GraphQL.
#[derive(Debug, Deserialize)]
pub(super) struct GraphQl {
    #[serde(default)]
    pub(super) data: Option<GraphQlCollections>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphQlCollections {
    pub(super) collections: Vec<GraphQlCollection>,
}

/// A collection as GraphQL has it: cheaply, and with the time of the last write.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GraphQlCollection {
    name: String,
    vector_count: u64,
    created_at: String,
    updated_at: String,
    config: GraphQlConfig,
}

#[derive(Debug, Deserialize)]
struct GraphQlConfig {
    dimension: u32,
    #[serde(deserialize_with = "metric")]
    metric: Metric,
}

impl From<GraphQlCollection> for Listed {
    fn from(collection: GraphQlCollection) -> Self {
        Self {
            name: collection.name,
            dimension: collection.config.dimension,
            metric: collection.config.metric,
            version: Version {
                count: collection.vector_count,
                created_at: collection.created_at,
                updated_at: collection.updated_at,
            },
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RestCollections {
    pub(super) collections: Vec<RestCollection>,
}

/// A collection as the list of REST has it. Its `updated_at` is the time of the answer, and is passed over.
#[derive(Debug, Deserialize)]
pub(super) struct RestCollection {
    name: String,
    vector_count: u64,
    dimension: u32,
    #[serde(deserialize_with = "metric")]
    metric: Metric,
    #[serde(default)]
    created_at: String,
}

impl From<RestCollection> for Listed {
    fn from(collection: RestCollection) -> Self {
        Self {
            name: collection.name,
            dimension: collection.dimension,
            metric: collection.metric,
            version: Version {
                count: collection.vector_count,
                created_at: collection.created_at,
                updated_at: String::new(),
            },
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Aliases {
    #[serde(default)]
    aliases: Vec<Alias>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    alias_name: String,
    collection_name: String,
}

impl From<Aliases> for HashMap<String, String> {
    fn from(aliases: Aliases) -> Self {
        let pairs = aliases.aliases.into_iter();
        pairs
            .map(|alias| (alias.alias_name, alias.collection_name))
            .collect()
    }
}

/// Who a caller is.
#[derive(Debug, Deserialize)]
pub(super) struct Me {
    pub(super) username: String,
    #[serde(default)]
    pub(super) roles: Vec<String>,
}

/// A metric by any of the names that it has there: `Cosine`, `COSINE`, `DotProduct`, `DOT_PRODUCT`, `dot`, `Euclid`.
fn metric<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metric, D::Error> {
    let name = String::deserialize(deserializer)?.to_ascii_lowercase();
    if name.starts_with("cos") {
        Ok(Metric::Cosine)
    } else if name.starts_with("euclid") {
        Ok(Metric::Euclidean)
    } else if name.starts_with("dot") {
        Ok(Metric::Dot)
    } else {
        Err(serde::de::Error::custom(format!("unknown metric {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn point(value: Value) -> Point {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_document_has_no_more_than_was_asked_for() {
        let value = json!({"id": "a", "vector": [0.5], "payload": {"t": "x\r\n"}, "score": 0.5});
        let all = point(value.clone()).into_document(Fields::ALL);
        assert_eq!(
            (all.id.as_str(), all.vector.as_slice()),
            ("a", [0.5_f32].as_slice())
        );
        assert_eq!(Value::from(all.payload.unwrap()), json!({"t": "x"}));
        let none = point(value).into_document(Fields::NONE);
        assert!(none.vector.is_empty() && none.payload.is_none());
        let bare = point(json!({"id": 7, "vector": null, "payload": null}));
        assert_eq!(bare.into_document(Fields::ALL).id, "7");
    }

    #[test]
    fn a_metric_is_known_by_all_its_names() {
        let of = |name: &str| {
            let value = json!({"name": "c", "vector_count": 1, "dimension": 4, "metric": name});
            serde_json::from_value::<RestCollection>(value).map(|collection| collection.metric)
        };
        for (name, metric) in [
            ("Cosine", Metric::Cosine),
            ("COSINE", Metric::Cosine),
            ("Euclidean", Metric::Euclidean),
            ("DotProduct", Metric::Dot),
            ("DOT_PRODUCT", Metric::Dot),
        ] {
            assert_eq!(of(name).unwrap(), metric);
        }
        assert!(of("hamming").is_err());
    }
}
