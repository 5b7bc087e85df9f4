//! Tests of the record codec: whatever is wanted in whatever order, no record shrinks.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fuzzing::record;

fn map(value: Value) -> JsonMap {
    value.as_object().cloned().unwrap()
}

/// What the server holds after `MERGE (d {key}) SET d += props`.
fn apply(server: &mut JsonMap, key: &str, props: &JsonMap) {
    server.insert(KEY.to_owned(), key.into());
    for (name, value) in props {
        if value.is_null() {
            server.remove(name);
        } else {
            server.insert(name.clone(), value.clone());
        }
    }
}

fn printed(server: &JsonMap) -> usize {
    serde_json::to_vec(server).unwrap().len()
}

#[test]
fn a_shorter_title_keeps_the_width() {
    let long = map(json!({"title": "a fairly long title", "rev": "r1"}));
    let short = map(json!({"title": "x", "rev": "r1"}));
    let first = NodeRecord::build("c/1", &long, None).unwrap();
    let second = NodeRecord::build("c/1", &short, Some(first.shape())).unwrap();
    assert_eq!(first.shape().width, 256);
    assert_eq!(second.shape().width, 256);
    let mut server = JsonMap::new();
    apply(&mut server, "c/1", first.props());
    assert_eq!(printed(&server), 256);
    apply(&mut server, "c/1", second.props());
    assert_eq!(printed(&server), 256);
}

#[test]
fn a_vanished_property_is_sent_as_null_and_its_bytes_become_padding() {
    let first = NodeRecord::build("c/1", &map(json!({"a": "y".repeat(300), "b": 1})), None).unwrap();
    let second = NodeRecord::build("c/1", &map(json!({"b": 1, "c": null})), Some(first.shape())).unwrap();
    assert_eq!(second.props().get("a"), Some(&Value::Null));
    assert_eq!(second.props().get("c"), None);
    assert_eq!(second.shape().width, 512);
    assert_eq!(second.shape().names, BTreeSet::from(["b".to_owned()]));
}

#[test]
fn a_node_tagged_for_deletion_is_untagged_without_shrinking() {
    let stored =
        map(json!({"key": "c/1", "a": 1, "gc": "0123456789abcdef0123456789abcdef", "_pad": " ".repeat(240)}));
    let shape = RecordShape::of_stored(&stored, |_| true).unwrap();
    let record = NodeRecord::build("c/1", &map(json!({"a": 1})), Some(&shape)).unwrap();
    let mut server = stored.clone();
    apply(&mut server, "c/1", record.props());
    assert_eq!(server.get(GC), None);
    assert!(printed(&server) >= printed(&stored));
}

#[test]
fn foreign_properties_survive_and_do_not_count() {
    let stored = map(json!({"key": "c/1", "a": 1, "_pad": "", "theirs": "z".repeat(500), "_nexus_id": 7}));
    let shape = RecordShape::of_stored(&stored, |name| name == "a").unwrap();
    assert_eq!(shape.names, BTreeSet::from(["a".to_owned()]));
    assert!(shape.width < 100);
    let record = NodeRecord::build("c/1", &JsonMap::new(), Some(&shape)).unwrap();
    assert!(!record.props().contains_key("theirs"));
}

#[test]
fn names_of_the_server_and_of_the_codec_are_refused() {
    for name in ["_pad", "gc", "_id", "_nexus_id", "_nexus_labels", ""] {
        let desired = JsonMap::from_iter([(name.to_owned(), json!(1))]);
        let refused = NodeRecord::build("c/1", &desired, None);
        assert_eq!(
            refused,
            Err(RecordError::ReservedName {
                name: name.to_owned()
            })
        );
    }
    assert!(NodeRecord::build("c/1", &map(json!({"key": "c/2"})), None).is_err());
    assert!(NodeRecord::build("c/1", &map(json!({"key": "c/1"})), None).is_ok());
}

#[test]
fn a_property_that_no_json_reader_would_take_is_refused() {
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let refused = NodeRecord::build("c/1", &map(json!({"deep": deep})), None);
    assert_eq!(
        refused,
        Err(RecordError::TooDeep {
            name: "deep".to_owned()
        })
    );
    let wide = "w".repeat(MAX_NODE_WIDTH as usize);
    let refused = NodeRecord::build("c/1", &map(json!({"wide": wide})), None);
    assert!(matches!(refused, Err(RecordError::TooWide { .. })));
}

#[test]
fn an_edge_that_cannot_fit_its_width_is_refused() {
    let refused = EdgeRecord::similar(0.5, &"m".repeat(200), "2026-01-01T00:00:00Z", true);
    assert!(matches!(refused, Err(RecordError::TooWide { limit: 192, .. })));
    assert_eq!(
        EdgeRecord::similar(f64::NAN, "m", "t", true),
        Err(RecordError::ScoreNotFinite)
    );
}

#[test]
fn an_edge_with_other_properties_than_its_type_is_refused() {
    for values in [
        json!({}),
        json!({"confidence": 1}),
        json!({"confidence": 1, "cnt": 2}),
        json!({"confidence": 1, "count": 2, "x": 3}),
        // What JSON makes of a number that is none. The server would drop it, and the record would be too short.
        json!({"confidence": f64::NAN, "count": 2}),
    ] {
        let refused = EdgeRecord::build(EdgeType::Mentions, &map(values), true);
        assert!(matches!(
            refused,
            Err(RecordError::EdgeProperties { kind: "MENTIONS", .. })
        ));
    }
}

#[test]
fn a_canary_has_the_width_it_is_asked_for() {
    for width in [96, 97, 1_000] {
        assert_eq!(
            printed(EdgeRecord::canary("0123", width).unwrap().props()),
            width as usize
        );
    }
    assert!(EdgeRecord::canary("0123", 20).is_err());
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\"\\\\\\x00-\\x1f\\x7f é漢😀/]{0,80}".prop_map(Value::from),
    ]
}

fn property() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zé\"\\n]{0,4}", inner, 0..4)
                .prop_map(|map| Value::from(JsonMap::from_iter(map))),
        ]
    })
}

fn desired() -> impl Strategy<Value = JsonMap> {
    let name = prop_oneof![
        "[a-f]",
        "\\PC{1,12}".prop_filter("reserved", |name| !name.starts_with('_'))
    ];
    prop::collection::hash_map(name, property(), 0..8).prop_map(|map| {
        map.into_iter()
            .filter(|(name, _)| name != KEY && name != GC)
            .collect()
    })
}

proptest! {
    #[test]
    fn no_history_of_updates_ever_shrinks_a_record(
        history in prop::collection::vec((desired(), any::<bool>()), 1..12),
    ) {
        let steps = history.iter().map(|(desired, forgotten)| (desired, *forgotten));
        prop_assert_eq!(record::history(steps), history.len());
    }

    #[test]
    fn every_edge_of_a_type_has_the_width_of_the_type(number in any::<f64>(), count: u64, active: bool) {
        prop_assume!(number.is_finite());
        for kind in EdgeType::ALL {
            let values = kind.properties().iter().map(|name| {
                let value = if *name == "count" { json!(count) } else { json!(number) };
                ((*name).to_owned(), value)
            });
            let record = EdgeRecord::build(kind, &values.collect(), active).unwrap();
            prop_assert_eq!(printed(record.props()), kind.width() as usize, "{}", kind.name());
            prop_assert_eq!(&record.props()["active"], &json!(u8::from(active)));
        }
    }

    #[test]
    fn every_similar_edge_has_the_same_width(score in any::<f64>(), method in "[a-z\"é]{0,12}", second in 0_u32..60, active: bool) {
        prop_assume!(score.is_finite());
        let time = format!("2026-01-01T00:00:{second}Z");
        let edge = EdgeRecord::similar(score, &method, &time, active).unwrap();
        prop_assert_eq!(printed(edge.props()), 192);
    }
}
