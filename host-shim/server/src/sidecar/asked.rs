//! What the body of a mutation says, as far as it matters: which collection, which documents.
//!
//! Invariants:
//! - What a body says is a hint only: one that cannot be read, or lies, costs a comparison, never a wrong answer.
//! - Vectors are passed over without being made, but those of an upsert that has to be confirmed.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::id::Id;
use super::mutation::{Mutation, Protocol};

/// A body, as far as it is understood.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Asked {
    /// Nothing that is understood: anything may be meant.
    #[default]
    Unknown,
    /// Nothing is changed by it.
    Nothing,
    /// A collection may be dropped; which one is not understood.
    Drop,
    /// Documents of a collection; which, where it names them all.
    Documents {
        /// The collection, where the body names it.
        collection: Option<String>,
        /// Where documents are put, for a transfer.
        destination: Option<String>,
        /// Their ids; `None` where one is named by Vectorizer, or is to be found out by it.
        ids: Option<Vec<String>>,
    },
    /// Points that will be there, or perhaps not.
    Points(Vec<Point>),
}

/// A point as a client wants it to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) id: String,
    pub(super) vector: Vec<f32>,
    pub(super) payload: Option<JsonMap>,
}

impl Asked {
    /// Reads the body of a mutation that [`Mutation::reads_request`].
    pub(super) fn read(mutation: &Mutation, body: &[u8]) -> Self {
        match mutation {
            Mutation::QdrantUpsert(_) => points(body).unwrap_or_default(),
            Mutation::Command(protocol) => command(*protocol, body),
            Mutation::Insert => insert(body).unwrap_or_default(),
            _ => documents(body).unwrap_or_default(),
        }
    }
}

/// The keys of all routes that name documents.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    collection: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    destination: Option<Cow<'a, str>>,
    #[serde(default)]
    ids: Option<Vec<Id>>,
    #[serde(default)]
    points: Option<Vec<Id>>,
    #[serde(default)]
    vectors: Option<Vec<Named>>,
    #[serde(default)]
    texts: Option<Vec<Text>>,
    #[serde(default)]
    updates: Option<Vec<Named>>,
}

fn documents(body: &[u8]) -> Option<Asked> {
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let plain = |ids: Vec<Id>| ids.into_iter().map(|id| id.0).collect();
    let named = |items: Vec<Named>| items.into_iter().map(|item| Some(item.id?.0)).collect();
    let ids: Option<Vec<String>> = if let Some(ids) = body.ids.or(body.points) {
        Some(plain(ids))
    } else if let Some(items) = body.vectors.or(body.updates) {
        named(items)
    } else {
        body.texts
            .and_then(|texts| texts.into_iter().map(Text::only_id).collect())
    };
    Some(Asked::Documents {
        collection: body.collection.or(body.name).map(Cow::into_owned),
        destination: body.destination.map(Cow::into_owned),
        ids,
    })
}

fn insert(body: &[u8]) -> Option<Asked> {
    #[derive(Deserialize)]
    struct One<'a> {
        #[serde(borrow, default)]
        collection: Option<Cow<'a, str>>,
        #[serde(flatten)]
        text: Text,
    }
    let one: One<'_> = serde_json::from_slice(body).ok()?;
    Some(Asked::Documents {
        collection: one.collection.map(Cow::into_owned),
        destination: None,
        ids: one.text.only_id().map(|id| vec![id]),
    })
}

/// A text to be stored. A long one becomes several documents, with ids that Vectorizer makes.
#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    text: Option<String>,
}

impl Text {
    /// Bytes from which on a text is cut, unless something else is said.
    const CUT_FROM: usize = 2048;

    fn only_id(self) -> Option<String> {
        let text = self.text?;
        (text.len() <= Self::CUT_FROM).then_some(self.id?.0)
    }
}

/// Something with an id, perhaps.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: Option<Id>,
}

fn points(body: &[u8]) -> Option<Asked> {
    #[derive(Deserialize)]
    struct Upsert {
        points: Vec<Spelt>,
        /// Payloads are stored enciphered then.
        #[serde(default)]
        public_key: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Spelt {
        id: Id,
        vector: Vector,
        #[serde(default)]
        payload: Option<JsonMap>,
        #[serde(default)]
        public_key: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Vector {
        Plain(Vec<f32>),
        Named(std::collections::BTreeMap<String, Vec<f32>>),
    }
    let upsert: Upsert = serde_json::from_slice(body).ok()?;
    let is_enciphered =
        upsert.public_key.is_some() || upsert.points.iter().any(|point| point.public_key.is_some());
    if is_enciphered {
        return None;
    }
    let points = upsert.points.into_iter().map(|point| Point {
        id: point.id.0,
        vector: match point.vector {
            Vector::Plain(vector) => vector,
            Vector::Named(vectors) => vectors.into_values().next().unwrap_or_default(),
        },
        payload: point.payload,
    });
    Some(Asked::Points(points.collect()))
}

/// The tools of MCP, and operations of UMICP, that change something in a collection.
const WRITING: [&str; 7] = [
    "create_collection",
    "insert_text",
    "update_vector",
    "delete_vector",
    "batch_insert_texts",
    "batch_update",
    "batch_delete",
];
/// Those that may take a collection away.
const DROPPING: [&str; 2] = ["delete_collection", "cleanup_empty_collections"];

/// Whether a command asks for a change at all; what it changes is found by looking. One that cannot be read may do whatever it can.
fn command(protocol: Protocol, body: &[u8]) -> Asked {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Asked::Drop;
    };
    match protocol {
        // A document of GraphQL has mutations only behind this word.
        Protocol::GraphQl => match body["query"].as_str() {
            Some(query) if query.contains("deleteCollection") => Asked::Drop,
            Some(query) if !query.contains("mutation") => Asked::Nothing,
            _ => Asked::Unknown,
        },
        Protocol::Mcp => match &body {
            Value::Array(messages) => messages.iter().map(message).fold(Asked::Nothing, Asked::graver),
            single => message(single),
        },
        // Where in an envelope the operation stands is not told; its name does not stand in others by chance.
        Protocol::Umicp => {
            let text = body.to_string();
            let names = |operations: &[&str]| operations.iter().any(|name| text.contains(name));
            match (names(&DROPPING), names(&WRITING)) {
                (true, _) => Asked::Drop,
                (false, true) => Asked::Unknown,
                (false, false) => Asked::Nothing,
            }
        }
    }
}

/// A message of MCP: only calls of tools do anything.
fn message(message: &Value) -> Asked {
    let tool = message["params"]["name"].as_str();
    match tool.filter(|_| message["method"] == "tools/call") {
        Some(tool) if DROPPING.contains(&tool) => Asked::Drop,
        Some(tool) if WRITING.contains(&tool) => Asked::Unknown,
        _ => Asked::Nothing,
    }
}

impl Asked {
    /// What is asked by a body that is too long to be read.
    pub(super) const fn unread(mutation: &Mutation) -> Self {
        match mutation {
            Mutation::Command(_) => Self::Drop,
            _ => Self::Unknown,
        }
    }

    /// Of two commands the one that may do more.
    fn graver(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Drop, _) | (_, Self::Nothing) => self,
            _ => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, path: &str, body: &Value) -> Asked {
        Asked::read(&Mutation::of(method, path).unwrap(), body.to_string().as_bytes())
    }

    fn ids(asked: Asked) -> Option<Vec<String>> {
        match asked {
            Asked::Documents { ids, .. } => ids,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn documents_are_known_where_the_client_names_them_all() {
        let vectors = json!({"collection": "c", "vectors": [{"id": "a", "embedding": [1, 0]}, {"id": "b", "embedding": [0, 1]}]});
        let known = read("POST", "/insert_vectors", &vectors);
        let expected = Asked::Documents {
            collection: Some("c".to_owned()),
            destination: None,
            ids: Some(vec!["a".to_owned(), "b".to_owned()]),
        };
        assert_eq!(known, expected);
        let unnamed =
            json!({"collection": "c", "vectors": [{"id": "a", "embedding": []}, {"embedding": []}]});
        assert_eq!(ids(read("POST", "/insert_vectors", &unnamed)), None);
        let deleted = json!({"collection": "c", "ids": ["a"]});
        assert_eq!(
            ids(read("POST", "/batch_delete", &deleted)),
            Some(vec!["a".to_owned()])
        );
        let numbered = json!({"points": [7, "q"]});
        assert_eq!(
            ids(read("POST", "/qdrant/collections/c/points/delete", &numbered)),
            Some(vec!["7".to_owned(), "q".to_owned()])
        );
    }

    #[test]
    fn a_text_that_may_be_cut_has_ids_that_only_the_answer_says() {
        let text = |length: usize| json!({"collection": "c", "id": "t", "text": "x".repeat(length), "metadata": {"a": 1}});
        assert_eq!(
            ids(read("POST", "/insert", &text(2048))),
            Some(vec!["t".to_owned()])
        );
        assert_eq!(ids(read("POST", "/insert", &text(2049))), None);
        let many = json!({"collection": "c", "texts": [{"id": "x", "text": "one"}, {"text": "two"}]});
        assert_eq!(ids(read("POST", "/insert_texts", &many)), None);
    }

    #[test]
    fn points_are_read_whole_and_enciphered_ones_not() {
        let body = json!({"points": [{"id": 7, "vector": {"v": [0.5]}, "payload": {"t": "Q"}}]});
        let point = Point {
            id: "7".to_owned(),
            vector: vec![0.5],
            payload: json!({"t": "Q"}).as_object().cloned(),
        };
        assert_eq!(
            read("PUT", "/qdrant/collections/c/points", &body),
            Asked::Points(vec![point])
        );
        let secret = json!({"points": [{"id": 7, "vector": [0.5]}], "public_key": "k"});
        assert_eq!(
            read("PUT", "/qdrant/collections/c/points", &secret),
            Asked::Unknown
        );
    }

    #[test]
    fn commands_that_only_read_change_nothing() {
        let graphql = |query: &str| read("POST", "/graphql", &json!({ "query": query }));
        assert_eq!(graphql("{ collections { name } }"), Asked::Nothing);
        assert_eq!(graphql("mutation { deleteVector }"), Asked::Unknown);
        let mcp = |message: Value| read("POST", "/mcp", &message);
        let call =
            |tool: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}});
        assert_eq!(mcp(json!({"method": "initialize"})), Asked::Nothing);
        assert_eq!(mcp(call("insert_text")), Asked::Unknown);
        assert_eq!(mcp(call("search")), Asked::Nothing);
        let umicp = |operation: &str| {
            read(
                "POST",
                "/umicp",
                &json!({"capabilities": {"operation": operation}}),
            )
        };
        assert_eq!(umicp("list_collections"), Asked::Nothing);
        assert_eq!(
            (umicp("insert_text"), umicp("delete_collection")),
            (Asked::Unknown, Asked::Drop)
        );
        let no_json = Asked::read(&Mutation::of("POST", "/graphql").unwrap(), b"--multipart");
        assert_eq!(no_json, Asked::Drop);
        assert_eq!(
            mcp(json!([{"method": "ping"}, call("delete_vector")])),
            Asked::Unknown
        );
        assert_eq!(
            mcp(json!([call("delete_collection"), call("search")])),
            Asked::Drop
        );
        assert_eq!(graphql("mutation { deleteCollection(name: \"c\") }"), Asked::Drop);
    }
}
