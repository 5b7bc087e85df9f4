//! The filter language of Vectorizer: conditions on payloads.
//!
//! `{"must": [..], "should": [..], "must_not": [..]}`; each condition says its `type`. All of `must` hold,
//! none of `must_not`, and where `should` is not empty at least one of it. A key is a path (`a.b`); a key
//! that contains dots itself is found first. A condition on an array holds where it holds for an element. An
//! unknown key or type is an error, not a condition that is passed over: a filter also says what to delete.

use serde::Deserialize;
use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

/// Mean radius of the earth in metres.
const EARTH_RADIUS: f64 = 6_371_008.8;

/// Conditions on a payload.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// All of these hold.
    #[serde(default)]
    must: Option<Vec<Condition>>,
    /// At least one of these holds, if there are any.
    #[serde(default)]
    should: Option<Vec<Condition>>,
    /// None of these holds.
    #[serde(default)]
    must_not: Option<Vec<Condition>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Condition {
    Match { key: String, match_value: MatchValue },
    Range { key: String, range: Bounds },
    GeoBoundingBox { key: String, geo_bounding_box: GeoBox },
    GeoRadius { key: String, geo_radius: GeoCircle },
    ValuesCount { key: String, values_count: Bounds },
    Nested { filter: Box<Filter> },
}

/// What a value is compared with. Null is any value: the key is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum MatchValue {
    String(String),
    Bool(bool),
    Number(serde_json::Number),
    Text(TextMatch),
    Any(()),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextMatch {
    text: String,
    #[serde(rename = "type")]
    kind: TextMatchKind,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TextMatchKind {
    Exact,
    Prefix,
    Suffix,
    Contains,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    gt: Option<f64>,
    gte: Option<f64>,
    lt: Option<f64>,
    lte: Option<f64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeoPoint {
    lat: f64,
    lon: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeoBox {
    top_right: GeoPoint,
    bottom_left: GeoPoint,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeoCircle {
    center: GeoPoint,
    /// Metres.
    radius: f64,
}

impl Filter {
    /// Whether it has no condition, and so passes everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.must, &self.should, &self.must_not]
            .into_iter()
            .all(|part| conditions(part).is_empty())
    }

    /// Whether the payload passes.
    #[must_use]
    pub fn matches(&self, payload: &JsonMap) -> bool {
        let should = conditions(&self.should);
        conditions(&self.must).iter().all(|c| c.holds(payload))
            && !conditions(&self.must_not).iter().any(|c| c.holds(payload))
            && (should.is_empty() || should.iter().any(|c| c.holds(payload)))
    }
}

fn conditions(part: &Option<Vec<Condition>>) -> &[Condition] {
    part.as_deref().unwrap_or_default()
}

impl Condition {
    fn holds(&self, payload: &JsonMap) -> bool {
        match self {
            Self::Match { key, match_value } => any_value(payload, key, |v| match_value.matches(v)),
            Self::Range { key, range } => {
                any_value(payload, key, |v| v.as_f64().is_some_and(|x| range.contain(x)))
            }
            Self::GeoBoundingBox {
                key,
                geo_bounding_box,
            } => any_value(payload, key, |v| {
                GeoPoint::of(v).is_some_and(|p| geo_bounding_box.contains(p))
            }),
            Self::GeoRadius { key, geo_radius } => any_value(payload, key, |v| {
                GeoPoint::of(v).is_some_and(|p| geo_radius.contains(p))
            }),
            Self::ValuesCount { key, values_count } => {
                let count = match find(payload, key) {
                    None | Some(Value::Null) => 0,
                    Some(Value::Array(values)) => values.len(),
                    Some(_) => 1,
                };
                values_count.contain(count as f64)
            }
            Self::Nested { filter } => filter.matches(payload),
        }
    }
}

/// Whether `test` holds for the value at `key`, or for an element where it is an array.
fn any_value(payload: &JsonMap, key: &str, test: impl Fn(&Value) -> bool) -> bool {
    match find(payload, key) {
        Some(Value::Array(elements)) => elements.iter().any(test),
        Some(value) => test(value),
        None => false,
    }
}

fn find<'a>(payload: &'a JsonMap, key: &str) -> Option<&'a Value> {
    payload.get(key).or_else(|| {
        let (first, rest) = key.split_once('.')?;
        find(payload.get(first)?.as_object()?, rest)
    })
}

impl MatchValue {
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::String(expected) => value.as_str() == Some(expected),
            Self::Bool(expected) => value.as_bool() == Some(*expected),
            // As numbers: 1 and 1.0 are the same. Whole numbers beyond 2^53 are compared exactly first.
            Self::Number(expected) => value.as_number().is_some_and(|actual| {
                actual == expected
                    || (actual.is_f64() != expected.is_f64() && actual.as_f64() == expected.as_f64())
            }),
            Self::Text(expected) => value.as_str().is_some_and(|actual| expected.matches(actual)),
            Self::Any(()) => true,
        }
    }
}

impl TextMatch {
    fn matches(&self, actual: &str) -> bool {
        match self.kind {
            TextMatchKind::Exact => actual == self.text,
            TextMatchKind::Prefix => actual.starts_with(&self.text),
            TextMatchKind::Suffix => actual.ends_with(&self.text),
            TextMatchKind::Contains => actual.contains(&self.text),
        }
    }
}

impl Bounds {
    fn contain(&self, x: f64) -> bool {
        self.gt.is_none_or(|least| x > least)
            && self.gte.is_none_or(|least| x >= least)
            && self.lt.is_none_or(|most| x < most)
            && self.lte.is_none_or(|most| x <= most)
    }
}

impl GeoPoint {
    /// `{"lat": .., "lon": ..}` in a payload, whatever else is there.
    fn of(value: &Value) -> Option<Self> {
        Some(Self {
            lat: value.get("lat")?.as_f64()?,
            lon: value.get("lon")?.as_f64()?,
        })
    }
}

impl GeoBox {
    fn contains(&self, point: GeoPoint) -> bool {
        let (west, east) = (self.bottom_left.lon, self.top_right.lon);
        let within_longitude = if west <= east {
            (west..=east).contains(&point.lon)
        } else {
            // The box crosses the date line.
            point.lon >= west || point.lon <= east
        };
        within_longitude && (self.bottom_left.lat..=self.top_right.lat).contains(&point.lat)
    }
}

impl GeoCircle {
    /// By the haversine formula.
    fn contains(&self, point: GeoPoint) -> bool {
        let half = |a: f64, b: f64| ((a - b).to_radians() / 2.0).sin().powi(2);
        let h = half(point.lat, self.center.lat)
            + self.center.lat.to_radians().cos()
                * point.lat.to_radians().cos()
                * half(point.lon, self.center.lon);
        2.0 * EARTH_RADIUS * h.sqrt().min(1.0).asin() <= self.radius
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(filter: Value, payload: Value) -> bool {
        let filter: Filter = serde_json::from_value(filter).expect("a filter");
        filter.matches(payload.as_object().expect("an object"))
    }

    fn one(condition: Value, payload: Value) -> bool {
        let alone = passes(json!({"must": [condition]}), payload.clone());
        assert_eq!(alone, !passes(json!({"must_not": [condition]}), payload.clone()));
        assert_eq!(alone, passes(json!({"should": [condition]}), payload.clone()));
        let nested = json!({"type": "nested", "filter": {"must": [condition]}});
        assert_eq!(alone, passes(json!({"must": [nested]}), payload));
        alone
    }

    #[test]
    fn match_compares_by_kind_of_value() {
        let m = |value: Value| json!({"type": "match", "key": "k", "match_value": value});
        assert!(one(m(json!("x")), json!({"k": "x"})));
        assert!(!one(m(json!("x")), json!({"k": "X"})));
        assert!(!one(m(json!("1")), json!({"k": 1})));
        assert!(one(m(json!(1)), json!({"k": 1.0})));
        assert!(one(m(json!(1.5)), json!({"k": 1.5})));
        assert!(!one(
            m(json!(9_007_199_254_740_993_u64)),
            json!({"k": 9_007_199_254_740_992_u64})
        ));
        assert!(one(m(json!(true)), json!({"k": true})));
        assert!(!one(m(json!(true)), json!({"k": 1})));
        assert!(one(m(json!("x")), json!({"k": ["y", "x"]})));
        assert!(one(m(Value::Null), json!({"k": 0})));
        assert!(!one(m(Value::Null), json!({"other": 0})));
    }

    #[test]
    fn text_matches_by_place() {
        for (kind, text, expected) in [
            ("exact", "abc", true),
            ("exact", "ab", false),
            ("prefix", "ab", true),
            ("prefix", "bc", false),
            ("suffix", "bc", true),
            ("suffix", "ab", false),
            ("contains", "b", true),
            ("contains", "d", false),
        ] {
            let c = json!({"type": "match", "key": "k", "match_value": {"text": text, "type": kind}});
            assert_eq!(one(c, json!({"k": "abc"})), expected, "{kind} {text}");
        }
    }

    #[test]
    fn keys_are_paths_and_may_contain_dots() {
        let c = json!({"type": "match", "key": "a.b.c", "match_value": 1});
        assert!(one(c.clone(), json!({"a": {"b": {"c": 1}}})));
        assert!(one(c.clone(), json!({"a.b.c": 1})));
        assert!(one(c.clone(), json!({"a": {"b.c": 1}})));
        assert!(!one(c, json!({"a": {"b": 1}})));
    }

    #[test]
    fn ranges_hold_for_numbers_only() {
        let r = |range: Value| json!({"type": "range", "key": "n", "range": range});
        assert!(one(r(json!({"gte": 1, "lt": 2})), json!({"n": 1})));
        assert!(!one(r(json!({"gt": 1})), json!({"n": 1})));
        assert!(one(r(json!({"lte": 1.5})), json!({"n": 1.5})));
        assert!(!one(r(json!({"lt": 1.5})), json!({"n": 1.5})));
        assert!(!one(r(json!({"gte": 0})), json!({"n": "1"})));
        assert!(one(r(json!({"gt": 5})), json!({"n": [1, 9]})));
    }

    #[test]
    fn places_are_found_in_boxes_and_circles() {
        let berlin = json!({"at": {"lat": 52.52, "lon": 13.405}});
        let circle = |metres: f64| {
            json!({"type": "geo_radius", "key": "at",
                   "geo_radius": {"center": {"lat": 52.40, "lon": 13.06}, "radius": metres}})
        };
        // Potsdam to Berlin is about 27 km.
        assert!(one(circle(28_000.0), berlin.clone()));
        assert!(!one(circle(25_000.0), berlin.clone()));
        let boxed = |west: f64, east: f64| {
            json!({"type": "geo_bounding_box", "key": "at", "geo_bounding_box":
                {"top_right": {"lat": 53.0, "lon": east}, "bottom_left": {"lat": 52.0, "lon": west}}})
        };
        assert!(one(boxed(13.0, 14.0), berlin.clone()));
        assert!(!one(boxed(14.0, 15.0), berlin.clone()));
        assert!(one(boxed(170.0, 14.0), berlin));
        assert!(!one(boxed(13.0, 14.0), json!({"at": "here"})));
    }

    #[test]
    fn values_are_counted() {
        let c = |n: u32| json!({"type": "values_count", "key": "tags", "values_count": {"gte": n}});
        assert!(one(c(2), json!({"tags": ["a", "b"]})));
        assert!(!one(c(3), json!({"tags": ["a", "b"]})));
        assert!(one(c(1), json!({"tags": "a"})));
        assert!(!one(c(1), json!({})));
    }

    #[test]
    fn the_three_parts_combine() {
        let m = |k: &str| json!({"type": "match", "key": k, "match_value": true});
        let filter = json!({"must": [m("a")], "should": [m("b"), m("c")], "must_not": [m("d")]});
        assert!(passes(filter.clone(), json!({"a": true, "c": true})));
        assert!(!passes(filter.clone(), json!({"a": true})));
        assert!(!passes(filter.clone(), json!({"b": true})));
        assert!(!passes(filter, json!({"a": true, "b": true, "d": true})));
        assert!(passes(json!({}), json!({"x": 1})));
        assert!(passes(json!({"must": [], "should": null}), json!({})));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in [
            json!({"must": [{"key": "k", "match": {"value": 1}}]}),
            json!({"must": [{"type": "match", "key": "k"}]}),
            json!({"must": [{"type": "has_id", "ids": []}]}),
            json!({"must": [{"type": "range", "key": "k", "range": {"ge": 1}}]}),
            json!({"must": [{"type": "match", "key": "k", "match_value": [1]}]}),
            json!({"mustnot": []}),
            json!({"must": {}}),
        ] {
            assert!(serde_json::from_value::<Filter>(bad.clone()).is_err(), "{bad}");
        }
    }
}
