//! Payloads as every reader of Vectorizer would have them.
//!
//! Its readers change texts on the way out, some of them, and not twice in the same way (`contracts/vectorizer.md`, section 2): what
//! is read by one call would differ from what is read by another. Here it is always the same, whoever read it.

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

/// Keys of a payload that Vectorizer keeps enciphered, and does not touch then.
const CIPHERED: [&str; 5] = [
    "nonce",
    "tag",
    "encrypted_data",
    "ephemeral_public_key",
    "algorithm",
];

/// Brings all texts into the one form: ends of lines are `\n`, no line ends in spaces, no more than one line in a row is empty,
/// nothing empty begins or ends it. Doing so twice changes nothing.
pub(super) fn normalize(payload: &mut JsonMap) {
    if !CIPHERED.iter().all(|key| payload.contains_key(*key)) {
        payload.values_mut().for_each(normalize_value);
    }
}

fn normalize_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(normal) = normal(text) {
                *text = normal;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(normalize_value),
        Value::Object(values) => values.values_mut().for_each(normalize_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The normal form of a text; `None` where it is in it.
fn normal(text: &str) -> Option<String> {
    let is_plain = !text.contains(['\n', '\r']) && text.trim().len() == text.len();
    if is_plain {
        return None;
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut normal = String::with_capacity(unified.len());
    let mut empty_lines = 0;
    for line in unified.split('\n').map(str::trim_end) {
        match line.is_empty() {
            true => empty_lines += 1,
            false => {
                if !normal.is_empty() {
                    normal.push_str(if empty_lines > 0 { "\n\n" } else { "\n" });
                }
                normal.push_str(line);
                empty_lines = 0;
            }
        }
    }
    Some(normal.trim().to_owned())
}

/// Whether a payload that was read is one that was written. Numbers are compared as numbers: Vectorizer may write them another way.
pub(super) fn is_same(written: Option<&JsonMap>, read: Option<&JsonMap>) -> bool {
    let empty = JsonMap::new();
    let mut written = written.unwrap_or(&empty).clone();
    normalize(&mut written);
    is_same_object(&written, read.unwrap_or(&empty))
}

fn is_same_object(one: &JsonMap, other: &JsonMap) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(key, value)| other.get(key).is_some_and(|other| is_same_value(value, other)))
}

fn is_same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => is_same_object(one, other),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonMap {
        value.as_object().unwrap().clone()
    }

    fn normalized(text: &str) -> String {
        let mut payload = object(json!({ "t": [text] }));
        normalize(&mut payload);
        payload["t"][0].as_str().unwrap().to_owned()
    }

    #[test]
    fn texts_have_one_form() {
        for (text, normal) in [
            ("plain", "plain"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("  a  \n\n\n\n b\t\n", "a\n\n b"),
            ("a\n \n \nb", "a\n\nb"),
            ("\n\n", ""),
            (" \u{a0}x ", "x"),
        ] {
            assert_eq!(normalized(text), normal, "{text:?}");
        }
    }

    #[test]
    fn what_is_enciphered_is_left_alone() {
        let mut ciphered = object(json!({
            "nonce": "n ", "tag": "t", "encrypted_data": " e\r\n", "ephemeral_public_key": "k", "algorithm": "a",
        }));
        let before = ciphered.clone();
        normalize(&mut ciphered);
        assert_eq!(ciphered, before);
    }

    #[test]
    fn what_was_written_is_known_again() {
        let written = object(json!({"a": " x\r\n", "n": 1, "o": {"l": [2.0]}}));
        let read = object(json!({"n": 1.0, "o": {"l": [2]}, "a": "x"}));
        assert!(is_same(Some(&written), Some(&read)));
        assert!(is_same(None, None) && is_same(Some(&JsonMap::new()), None));
        let other = object(json!({"n": 2, "o": {"l": [2]}, "a": "x"}));
        assert!(!is_same(Some(&written), Some(&other)) && !is_same(Some(&written), None));
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "[a \\t\\r\\n\u{a0}]{0,24}") {
            let once = normalized(&text);
            prop_assert_eq!(normalized(&once), once);
        }
    }
}
