//! Records: no history of a node makes its stored record shorter, and every edge of a type has the width of the type. See
//! `fuzzing::record`.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use vectorizer_plugin_nexus::fuzzing::record;
use vectorizer_plugin_nexus::graph::schema::EdgeType;

#[derive(Debug, Arbitrary)]
enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Count(u64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => value.into(),
            Json::Integer(value) => value.into(),
            Json::Count(value) => value.into(),
            Json::Float(value) => value.into(),
            Json::Text(value) => value.into(),
            Json::List(items) => items.into_iter().map(Self::from).collect(),
            Json::Map(entries) => Self::Object(map(entries)),
        }
    }
}

fn map(entries: Vec<(String, Json)>) -> Map<String, Value> {
    entries
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect()
}

#[derive(Debug, Arbitrary)]
struct Input {
    /// What the node shall hold, and whether its shape is read back first.
    history: Vec<(Vec<(String, Json)>, bool)>,
    edge: [Json; 3],
    active: bool,
}

fuzz_target!(|input: Input| {
    let steps: Vec<_> = input
        .history
        .into_iter()
        .map(|(wanted, forgotten)| (map(wanted), forgotten))
        .collect();
    record::history(steps.iter().map(|(wanted, forgotten)| (wanted, *forgotten)));
    let values = input.edge.map(Value::from);
    for kind in EdgeType::ALL {
        let names = kind.properties().iter().map(|name| (*name).to_owned());
        record::edge(&names.zip(values.iter().cloned()).collect(), input.active);
    }
});
