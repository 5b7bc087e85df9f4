//! Properties that others set on documents' nodes, and that go into payloads.
//!
//! A merge of three versions, field by field. The third one, what was taken from the graph last, stands in the payload under
//! `_nexus.mapped`:
//!
//! | the graph, since then | the payload, since then | |
//! | --- | --- | --- |
//! | as it was | whatever | nothing to do |
//! | changed | as it was, or the same | the payload takes it |
//! | changed | changed | a conflict: settled as the configuration says, once, and written down |
//!
//! A value that is gone is a value, too. Texts of more than 2 KiB, and lists and objects that no node can hold, are not taken.

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::super::document::{is_plain, is_same};
use crate::config::{Mapped, Side};

/// What comes of the three versions.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settled<'a> {
    /// What the payload takes; null: the field goes.
    pub(super) changes: JsonMap,
    /// How the fields were that were decided about; null: absent.
    pub(super) expected: JsonMap,
    /// What was taken from the graph by now.
    pub(super) bases: JsonMap,
    /// Properties that were changed on both sides.
    pub(super) conflicts: Vec<&'a Mapped>,
}

/// Settles what the rules say of a node, a payload and what was taken last.
pub(super) fn settle<'a>(
    rules: &'a [Mapped],
    node: &JsonMap,
    payload: &JsonMap,
    bases: &JsonMap,
) -> Settled<'a> {
    let mut settled = Settled::default();
    for rule in rules {
        let value = |map: &'_ JsonMap| map.get(rule.field()).cloned().unwrap_or(Value::Null);
        let (base, stored) = (value(bases), value(payload));
        let found = node.get(&rule.property).unwrap_or(&Value::Null);
        let is_taken = found.is_null() || is_plain(found);
        if !is_taken || is_same(found, &base) {
            keep(&mut settled.bases, rule, base);
            continue;
        }
        settled.expected.insert(rule.field().to_owned(), stored.clone());
        keep(&mut settled.bases, rule, found.clone());
        if is_same(found, &stored) {
            continue;
        }
        let is_conflict = !is_same(&stored, &base);
        if is_conflict {
            settled.conflicts.push(rule);
        }
        if !is_conflict || rule.on_conflict == Side::Graph {
            settled.changes.insert(rule.field().to_owned(), found.clone());
        }
    }
    settled
}

fn keep(bases: &mut JsonMap, rule: &Mapped, value: Value) {
    if !value.is_null() {
        bases.insert(rule.field().to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rule(on_conflict: Side) -> [Mapped; 1] {
        [Mapped {
            property: "p".to_owned(),
            field: Some("f".to_owned()),
            on_conflict,
        }]
    }

    fn map(name: &str, value: &Value) -> JsonMap {
        let mut map = JsonMap::new();
        keep(&mut map, &rule(Side::Store)[0], value.clone());
        match map.remove("f") {
            Some(value) => JsonMap::from_iter([(name.to_owned(), value)]),
            None => map,
        }
    }

    /// What the payload has afterwards, what counts as taken, and whether it was a conflict.
    fn outcome(side: Side, graph: &Value, stored: &Value, base: &Value) -> (Value, Value, bool) {
        let rules = rule(side);
        let settled = settle(&rules, &map("p", graph), &map("f", stored), &map("f", base));
        let after = settled.changes.get("f").unwrap_or(stored).clone();
        let base = settled.bases.get("f").cloned().unwrap_or_default();
        (after, base, !settled.conflicts.is_empty())
    }

    #[test]
    fn three_versions_are_settled_as_the_table_says() {
        let (none, a, b, c) = (Value::Null, json!("a"), json!("b"), json!("c"));
        for (graph, stored, base, after, conflict) in [
            (&a, &a, &a, &a, false),
            (&none, &none, &none, &none, false),
            // Only the payload changed.
            (&a, &b, &a, &b, false),
            (&a, &none, &a, &none, false),
            // Only the graph did.
            (&b, &a, &a, &b, false),
            (&none, &a, &a, &none, false),
            (&a, &none, &none, &a, false),
            // Both, to the same.
            (&b, &b, &a, &b, false),
            // Both.
            (&b, &c, &a, &c, true),
            (&none, &c, &a, &c, true),
            (&b, &none, &a, &none, true),
            (&b, &c, &none, &c, true),
        ] {
            let case = format!("{graph} {stored} {base}");
            assert_eq!(
                outcome(Side::Store, graph, stored, base),
                (after.clone(), graph.clone(), conflict),
                "{case}"
            );
            let graph_wins = if conflict { graph } else { after };
            assert_eq!(outcome(Side::Graph, graph, stored, base).0, *graph_wins, "{case}");
        }
    }

    #[test]
    fn what_no_payload_should_take_is_as_if_it_had_not_changed() {
        let rules = rule(Side::Graph);
        for value in [json!("x".repeat(3_000)), json!({"a": 1}), json!([[1]])] {
            let node = JsonMap::from_iter([("p".to_owned(), value)]);
            let base = map("f", &json!("old"));
            let settled = settle(&rules, &node, &map("f", &json!("old")), &base);
            assert_eq!((settled.changes.len(), settled.bases), (0, base));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[ab]".prop_map(Value::from),
            (0..3_u8).prop_map(Value::from),
            Just(json!(0.1)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_settled_stays_so(graph in value(), stored in value(), base in value(), store_wins in any::<bool>()) {
            let side = if store_wins { Side::Store } else { Side::Graph };
            let (after, base, _) = outcome(side, &graph, &stored, &base);
            prop_assert_eq!(&base, &graph);
            prop_assert_eq!(outcome(side, &graph, &after, &base), (after.clone(), base.clone(), false));
        }
    }
}
