//! What an exchange with Vectorizer changed, told by its request and its answer.
//!
//! Invariants:
//! - An exchange that may have changed something has an effect: where neither request nor answer says which documents, it is the
//!   collection, and where they do not say that, anything. A comparison finds the rest.
//! - Nothing is taken from an item that failed.

use serde_json::Value;
use vectorizer_plugin_api::model::Op;

use super::asked::{Asked, Point};
use super::mutation::Mutation;

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// These documents.
    Documents {
        /// Their collection, by any of its names.
        collection: String,
        /// What happened to them.
        op: Op,
        /// Which they are.
        ids: Vec<String>,
    },
    /// These documents will, or perhaps not: it was acknowledged before it is done.
    Promised {
        /// Their collection.
        collection: String,
        /// What they will be.
        points: Vec<Point>,
    },
    /// There is a collection.
    Created(String),
    /// A collection is gone, and must not be asked for: that would bring it back.
    Dropped(String),
    /// A collection has another name.
    Renamed {
        /// The one before.
        from: String,
        /// The one now.
        to: String,
    },
    /// Some of a collection.
    Collection(String),
    /// Anything.
    Anything,
}

impl Effect {
    /// The collection that it is about, if it is one.
    pub(super) fn collection(&self) -> Option<&str> {
        match self {
            Self::Documents { collection, .. } | Self::Promised { collection, .. } => Some(collection),
            Self::Created(name) | Self::Dropped(name) | Self::Collection(name) => Some(name),
            Self::Renamed { .. } | Self::Anything => None,
        }
    }
}

/// What a successful exchange changed. `answer` is null where it was not read, is too long, or no JSON.
pub(super) fn effects(mutation: &Mutation, asked: Asked, answer: &Value) -> Vec<Effect> {
    if asked == Asked::Nothing {
        return Vec::new();
    }
    match mutation {
        Mutation::Insert => match (text(answer, "collection"), ids_in(&answer["vector_ids"])) {
            (Some(collection), Some(ids)) => documents(collection, Op::Upsert, ids),
            _ => vec![somewhere(&asked)],
        },
        Mutation::InsertMany => items(&asked, answer, Op::Upsert, |item| {
            ids_in(&item["vector_ids"]).unwrap_or_default()
        }),
        Mutation::Batch(op) => items(&asked, answer, *op, |item| {
            id_in(&item["id"]).into_iter().collect()
        }),
        Mutation::One { collection, op, id } => documents(collection, *op, vec![id.clone()]),
        Mutation::Transfer { source, moves } => transfer(source, *moves, &asked, answer),
        Mutation::Filtered { collection, op } => match answer["results"].as_array() {
            Some(items) => {
                let ids = items.iter().filter_map(|item| id_in(&item["id"])).collect();
                documents(collection, *op, ids)
            }
            None => vec![Effect::Collection(collection.clone())],
        },
        Mutation::QdrantUpsert(collection) => match asked {
            Asked::Points(points) if points.is_empty() => Vec::new(),
            Asked::Points(points) => vec![Effect::Promised {
                collection: collection.clone(),
                points,
            }],
            _ => vec![Effect::Collection(collection.clone())],
        },
        Mutation::QdrantDelete(collection) => match asked {
            Asked::Documents { ids: Some(ids), .. } => documents(collection, Op::Delete, ids),
            _ => vec![Effect::Collection(collection.clone())],
        },
        Mutation::Create => match (text(answer, "collection"), asked) {
            (Some(name), _) => vec![Effect::Created(name.to_owned())],
            (
                None,
                Asked::Documents {
                    collection: Some(name),
                    ..
                },
            ) => vec![Effect::Created(name)],
            _ => vec![Effect::Anything],
        },
        Mutation::QdrantCreate(name) => vec![Effect::Created(name.clone())],
        Mutation::Drop(name) => vec![Effect::Dropped(name.clone())],
        Mutation::Rename(name) => match text(answer, "new_name") {
            Some(to) => vec![Effect::Renamed {
                from: text(answer, "old_name").unwrap_or(name).to_owned(),
                to: to.to_owned(),
            }],
            None => vec![Effect::Anything],
        },
        Mutation::Reset(name) => vec![Effect::Collection(name.clone())],
        Mutation::Upload => match text(answer, "collection_name") {
            Some(name) => vec![Effect::Collection(name.to_owned())],
            None => vec![Effect::Anything],
        },
        Mutation::Command(_) | Mutation::Unsaid | Mutation::Anything => vec![Effect::Anything],
    }
}

/// What an exchange may have changed whose answer did not come.
pub(super) fn possible_effects(mutation: &Mutation, asked: Asked) -> Vec<Effect> {
    match (mutation, asked) {
        (Mutation::Drop(_) | Mutation::Rename(_) | Mutation::QdrantCreate(_) | Mutation::Create, _) => {
            vec![Effect::Anything]
        }
        // Whether they are still to come is not known: the comparison finds them.
        (Mutation::QdrantUpsert(name), _) => vec![Effect::Collection(name.clone())],
        (
            Mutation::Batch(op),
            Asked::Documents {
                collection: Some(collection),
                ids: Some(ids),
                ..
            },
        ) => documents(&collection, *op, ids),
        (mutation, asked) => effects(mutation, asked, &Value::Null),
    }
}

fn transfer(source: &str, moves: bool, asked: &Asked, answer: &Value) -> Vec<Effect> {
    let asked_for = match asked {
        Asked::Documents { destination, .. } => destination.as_deref(),
        _ => None,
    };
    let destination = text(answer, "dst").or(asked_for);
    let (Some(destination), Some(items)) = (destination, answer["results"].as_array()) else {
        let destination = destination.map_or(Effect::Anything, |name| Effect::Collection(name.to_owned()));
        return vec![Effect::Collection(source.to_owned()), destination];
    };
    let touched = |statuses: &[&str]| -> Vec<String> {
        let items = items.iter().filter(|item| {
            item["status"]
                .as_str()
                .is_some_and(|status| statuses.contains(&status))
        });
        items.filter_map(|item| id_in(&item["id"])).collect()
    };
    // One that could not be taken out of the source is in the destination all the same.
    let mut effects = documents(destination, Op::Upsert, touched(&["ok", "src_delete_failed"]));
    if moves {
        effects.extend(documents(source, Op::Delete, touched(&["ok"])));
    }
    effects
}

/// Of the items of an answer those that went well.
fn items(asked: &Asked, answer: &Value, op: Op, ids: impl Fn(&Value) -> Vec<String>) -> Vec<Effect> {
    let (Some(collection), Some(items)) = (text(answer, "collection"), answer["results"].as_array()) else {
        return vec![somewhere(asked)];
    };
    let done = items.iter().filter(|item| item["status"] == "ok");
    documents(collection, op, done.flat_map(ids).collect())
}

fn documents(collection: &str, op: Op, ids: Vec<String>) -> Vec<Effect> {
    match ids.is_empty() {
        true => Vec::new(),
        false => vec![Effect::Documents {
            collection: collection.to_owned(),
            op,
            ids,
        }],
    }
}

/// In the collection that the request names, or anywhere.
fn somewhere(asked: &Asked) -> Effect {
    match asked {
        Asked::Documents {
            collection: Some(name),
            ..
        } => Effect::Collection(name.clone()),
        _ => Effect::Anything,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}

/// An id, which Qdrant's routes give as a number, too.
fn id_in(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// A list of ids, if it is nothing else.
fn ids_in(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(id_in).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(method: &str, path: &str, request: &Value, answer: &Value) -> Vec<Effect> {
        let mutation = Mutation::of(method, path).unwrap();
        let asked = match mutation.reads_request() {
            true => Asked::read(&mutation, request.to_string().as_bytes()),
            false => Asked::Unknown,
        };
        effects(&mutation, asked, answer)
    }

    fn changed(collection: &str, op: Op, ids: &[&str]) -> Effect {
        Effect::Documents {
            collection: collection.to_owned(),
            op,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    /// As they were recorded from Vectorizer 3.5 (`contracts/vectorizer-transcripts.jsonl`).
    #[test]
    fn answers_say_which_documents_changed() {
        let post = |path: &str, answer: Value| of("POST", path, &Value::Null, &answer);
        let answer = json!({"collection": "c1", "inserted": 1, "failed": 1, "results": [
            {"index": 0, "client_id": "a", "status": "ok", "vector_ids": ["a"]},
            {"index": 1, "client_id": "bad#id", "status": "error", "error": "Invalid id"},
        ]});
        for path in ["/insert_vectors", "/insert_texts", "/batch_insert"] {
            assert_eq!(post(path, answer.clone()), [changed("c1", Op::Upsert, &["a"])]);
        }
        let chunks = json!({"vector_ids": ["long#0", "long#1"], "collection": "txt", "chunked": true});
        assert_eq!(
            post("/insert", chunks),
            [changed("txt", Op::Upsert, &["long#0", "long#1"])]
        );
        let batch = json!({"collection": "c1", "results": [
            {"index": 0, "id": "a", "status": "ok"}, {"index": 1, "id": "zz", "status": "error"},
        ]});
        assert_eq!(
            post("/batch_update", batch.clone()),
            [changed("c1", Op::Update, &["a"])]
        );
        assert_eq!(post("/batch_delete", batch), [changed("c1", Op::Delete, &["a"])]);
        let moved = json!({"src": "c1", "dst": "c2", "results": [
            {"id": "c", "status": "ok"}, {"id": "m", "status": "missing_in_src"}, {"id": "h", "status": "src_delete_failed"},
        ]});
        assert_eq!(
            post("/collections/c1/vectors/move", moved.clone()),
            [
                changed("c2", Op::Upsert, &["c", "h"]),
                changed("c1", Op::Delete, &["c"])
            ]
        );
        assert_eq!(
            post("/collections/c1/vectors/copy", moved),
            [changed("c2", Op::Upsert, &["c", "h"])]
        );
        let filtered = json!({"matched": 1, "results": [{"id": "b", "status": "deleted"}]});
        assert_eq!(
            post("/collections/c1/vectors/delete_by_filter", filtered),
            [changed("c1", Op::Delete, &["b"])]
        );
        let all_failed = json!({"collection": "c1", "results": [{"status": "error"}]});
        assert_eq!(post("/insert_vectors", all_failed), []);
    }

    #[test]
    fn where_only_the_request_says_it_the_request_counts() {
        let points = json!({"points": [{"id": "q1", "vector": [0]}, {"id": 7, "vector": [1]}]});
        let promised = of("PUT", "/qdrant/collections/c%201/points", &points, &Value::Null);
        let [Effect::Promised { collection, points }] = promised.as_slice() else {
            panic!("{promised:?}")
        };
        let ids: Vec<&str> = points.iter().map(|point| point.id.as_str()).collect();
        assert_eq!((collection.as_str(), ids), ("c 1", vec!["q1", "7"]));
        let gone = json!({"points": ["q1", 7]});
        assert_eq!(
            of(
                "POST",
                "/qdrant/collections/c1/points/delete",
                &gone,
                &Value::Null
            ),
            [changed("c1", Op::Delete, &["q1", "7"])]
        );
        assert_eq!(
            of(
                "DELETE",
                "/collections/c1/vectors/a%2Fb",
                &Value::Null,
                &Value::Null
            ),
            [changed("c1", Op::Delete, &["a/b"])]
        );
    }

    #[test]
    fn what_is_not_told_is_a_whole_collection_or_anything() {
        let whole = |name: &str| Effect::Collection(name.to_owned());
        let named = json!({"collection": "c1", "text": "t"});
        assert_eq!(of("POST", "/insert", &named, &Value::Null), [whole("c1")]);
        assert_eq!(of("POST", "/insert", &json!(5), &Value::Null), [Effect::Anything]);
        let unnamed = json!({"points": [{"vector": [1]}]});
        assert_eq!(
            of("PUT", "/qdrant/collections/c/points", &unnamed, &Value::Null),
            [whole("c")]
        );
        let uploaded = json!({"collection_name": "files"});
        assert_eq!(
            of("POST", "/files/upload", &Value::Null, &uploaded),
            [whole("files")]
        );
        for path in ["/backups/restore", "/setup/apply", "/qdrant/collections/aliases"] {
            assert_eq!(
                of("POST", path, &json!({}), &Value::Null),
                [Effect::Anything],
                "{path}"
            );
        }
        let query = json!({"query": "{ stats }"});
        assert_eq!(of("POST", "/graphql", &query, &Value::Null), []);
    }

    #[test]
    fn an_answer_that_did_not_come_leaves_what_was_asked_for() {
        let mutation = Mutation::of("POST", "/batch_delete").unwrap();
        let asked = Asked::read(&mutation, br#"{"collection": "c", "ids": ["a"]}"#);
        assert_eq!(
            possible_effects(&mutation, asked),
            [changed("c", Op::Delete, &["a"])]
        );
        let drop = Mutation::of("DELETE", "/collections/c").unwrap();
        assert_eq!(possible_effects(&drop, Asked::Unknown), [Effect::Anything]);
    }

    #[test]
    fn collections_come_go_and_get_other_names() {
        let renamed = json!({"old_name": "c2", "new_name": "c2b", "alias_retained": "c2", "status": "ok"});
        assert_eq!(
            of("POST", "/collections/c2/rename", &Value::Null, &renamed),
            [Effect::Renamed {
                from: "c2".to_owned(),
                to: "c2b".to_owned()
            }]
        );
        for path in ["/collections/c1", "/qdrant/collections/c1"] {
            assert_eq!(
                of("DELETE", path, &Value::Null, &Value::Null),
                [Effect::Dropped("c1".to_owned())]
            );
        }
        let created = Effect::Created("c3".to_owned());
        assert_eq!(
            of("PUT", "/qdrant/collections/c3", &Value::Null, &Value::Null),
            std::slice::from_ref(&created)
        );
        let wanted = json!({"name": "c3"});
        assert_eq!(
            of("POST", "/collections", &wanted, &Value::Null),
            std::slice::from_ref(&created)
        );
        assert_eq!(
            of("POST", "/collections", &wanted, &json!({"collection": "c3"})),
            [created]
        );
    }
}
