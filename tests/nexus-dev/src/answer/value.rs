//! JSON to engine values and back.
//!
//! Invariants:
//! * `from_engine(to_engine(v)) == v` for every JSON value, except that a float beyond f64 is what serde_json made of it;
//! * integers above `i64::MAX` travel as eight bytes, a type no JSON value maps to otherwise. They come back exactly,
//!   but do not take part in arithmetic or comparison with other numbers;
//! * nodes lose the engine's `_id` and `_labels` and gain `_nexus_id`; relationships gain `_nexus_id` and `type`.
//!   Maps inside their properties are left alone.
//!
//! Limit: a property of its own named `_id` or `_labels` on a node hides the engine's, and the node then comes back
//! as a plain map. `_id` is special on Nexus too and has to be avoided.

use std::collections::BTreeMap;
use std::sync::Arc;

use grafeo_common::types::{PropertyKey, Value};
use serde_json::{Map, Number, Value as Json, json};

/// An engine value for a JSON value.
pub(crate) fn to_engine(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => number_to_engine(number),
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Array(items) => Value::List(items.iter().map(to_engine).collect::<Vec<_>>().into()),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (PropertyKey::from(key.as_str()), to_engine(value)));
            Value::Map(Arc::new(entries.collect::<BTreeMap<_, _>>()))
        }
    }
}

fn number_to_engine(number: &Number) -> Value {
    if let Some(integer) = number.as_i64() {
        return Value::Int64(integer);
    }
    if let Some(unsigned) = number.as_u64() {
        return Value::Bytes(unsigned.to_be_bytes().to_vec().into());
    }
    number.as_f64().map_or(Value::Null, Value::Float64)
}

/// The JSON value of an engine value in a result row.
pub(crate) fn from_engine(value: &Value) -> Json {
    match value {
        Value::Map(entries) => graph_element(entries).unwrap_or_else(|| map(entries, from_engine)),
        Value::List(items) => Json::Array(items.iter().map(from_engine).collect()),
        Value::Path { nodes, edges } => {
            let list = |values: &[Value]| Json::Array(values.iter().map(from_engine).collect());
            json!({"nodes": list(nodes), "relationships": list(edges)})
        }
        other => property(other),
    }
}

/// The JSON value of a stored property: maps in it are maps, whatever their keys.
pub(crate) fn property(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int64(integer) => json!(integer),
        Value::Float64(float) => Number::from_f64(*float).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => match <[u8; 8]>::try_from(bytes.as_ref()) {
            Ok(bytes) => json!(u64::from_be_bytes(bytes)),
            Err(_) => json!(bytes.as_ref()),
        },
        Value::List(items) => Json::Array(items.iter().map(property).collect()),
        Value::Map(entries) => map(entries, property),
        Value::Vector(items) => json!(items.as_ref()),
        other => Json::String(other.to_string()),
    }
}

fn map(entries: &BTreeMap<PropertyKey, Value>, convert: fn(&Value) -> Json) -> Json {
    Json::Object(
        entries
            .iter()
            .map(|(key, value)| (key.as_str().to_string(), convert(value)))
            .collect(),
    )
}

/// A node or relationship in Nexus's form, when the map is one.
fn graph_element(entries: &BTreeMap<PropertyKey, Value>) -> Option<Json> {
    let Some(Value::Int64(id)) = entries.get("_id") else {
        return None;
    };
    let relationship_type = match (
        entries.get("_labels"),
        entries.get("_type"),
        entries.get("_source"),
    ) {
        (Some(Value::List(_)), _, _) => None,
        (None, Some(Value::String(name)), Some(Value::Int64(_))) => Some(name.to_string()),
        _ => return None,
    };
    let hidden: &[&str] = match relationship_type {
        Some(_) => &["_id", "_type", "_source", "_target"],
        None => &["_id", "_labels"],
    };
    let own = entries.iter().filter(|(key, _)| !hidden.contains(&key.as_str()));
    let mut element: Map<String, Json> = own
        .map(|(key, value)| (key.as_str().to_string(), property(value)))
        .collect();
    element.insert("_nexus_id".to_string(), json!(id));
    if let Some(name) = relationship_type {
        element.insert("type".to_string(), Json::String(name));
    }
    Some(Json::Object(element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_json_value_comes_back_exactly() {
        let text = r#"{"null": null, "t": true, "min": -9223372036854775808, "i64": 9223372036854775807,
            "u64": 18446744073709551615, "above": 9223372036854775808, "one": 1, "one_f": 1.0, "neg0": -0.0,
            "f": 0.1, "tiny": 5e-324, "big": 1.7976931348623157e308, "third": 0.3333333333333333,
            "s": "é漢字🎉\n\t\"'\\", "empty": "", "l": [], "m": {}, "deep": [{"a": [null, {"b": [1, 2.5, "x"]}]}]}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        let back = from_engine(&to_engine(&json));
        assert_eq!(back, json);
        assert_eq!(
            serde_json::to_string(&back).unwrap(),
            serde_json::to_string(&json).unwrap()
        );
    }

    #[test]
    fn nodes_and_relationships_take_nexus_form() {
        let node =
            to_engine(&json!({"_id": 7, "_labels": ["D"], "key": "a", "m": {"_id": 1, "_labels": []}}));
        assert_eq!(
            from_engine(&node),
            json!({"_nexus_id": 7, "key": "a", "m": {"_id": 1, "_labels": []}})
        );
        let edge = to_engine(&json!({"_id": 3, "_type": "T", "_source": 1, "_target": 2, "score": 0.5}));
        assert_eq!(
            from_engine(&edge),
            json!({"_nexus_id": 3, "type": "T", "score": 0.5})
        );
        let collected = Value::List(vec![node].into());
        assert_eq!(from_engine(&collected)[0]["_nexus_id"], 7);
    }

    #[test]
    fn a_map_that_only_resembles_a_node_stays_a_map() {
        for json in [
            json!({"_id": "x", "_labels": ["D"]}),
            json!({"_id": 1}),
            json!({"_id": 1, "_type": "T"}),
        ] {
            assert_eq!(from_engine(&to_engine(&json)), json);
        }
    }

    #[test]
    fn a_float_json_cannot_hold_becomes_null() {
        assert_eq!(from_engine(&Value::Float64(f64::NAN)), Json::Null);
    }
}
