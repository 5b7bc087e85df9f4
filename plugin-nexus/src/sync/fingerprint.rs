//! Digests that tell whether a document changed.
//!
//! The payload's fingerprint is taken of a normal form: keys sorted, texts with unified line ends, trimmed and with at most
//! two line breaks in a row (what Vectorizer does to payloads on some of its ways, `contracts/vectorizer.md` section 2),
//! without the key `_nexus`, which is the plugin's own.

use serde_json::Value;
use sha2::{Digest, Sha256};
use vectorizer_plugin_api::model::JsonMap;

use crate::payload::Text;

/// The payload's key that belongs to the plugin.
pub(crate) const ENRICHMENT_KEY: &str = "_nexus";

/// The fingerprint of a payload; an absent payload has the one of an empty object.
#[must_use]
pub fn fingerprint(payload: Option<&JsonMap>) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(b"{");
    for (name, value) in payload
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != ENRICHMENT_KEY)
        .collect::<Sorted<'_>>()
        .0
    {
        hash_text(name, &mut hasher);
        hash(value, &mut hasher);
    }
    hasher.update(b"}");
    truncate(hasher)
}

/// A fingerprint as it stands in the graph: 32 hex digits.
#[must_use]
pub fn fingerprint_text(fingerprint: u128) -> String {
    format!("{fingerprint:032x}")
}

/// The digest of a vector's bits.
pub(crate) fn vector_digest(vector: &[f32]) -> u64 {
    let mut hasher = Sha256::new();
    for component in vector {
        hasher.update(component.to_bits().to_le_bytes());
    }
    (truncate(hasher) >> 64) as u64
}

/// The digest of what a document holds.
pub(super) fn content_digest(fingerprint: u128, vector: &[f32]) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(fingerprint.to_le_bytes());
    hasher.update(vector_digest(vector).to_le_bytes());
    (truncate(hasher) >> 64) as u64
}

/// The digest of several digests and a text.
pub(super) fn likeness_digest(digests: &[u64], text: Text<'_>) -> u64 {
    let mut hasher = Sha256::new();
    for digest in digests {
        hasher.update(digest.to_le_bytes());
    }
    hash_text(text.title, &mut hasher);
    hash_text(text.body, &mut hasher);
    (truncate(hasher) >> 64) as u64
}

/// The digest of some settings.
pub(crate) fn settings_digest<'a>(settings: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = Sha256::new();
    for setting in settings {
        hash_text(setting, &mut hasher);
    }
    (truncate(hasher) >> 64) as u64
}

struct Sorted<'a>(Vec<(&'a String, &'a Value)>);

impl<'a> FromIterator<(&'a String, &'a Value)> for Sorted<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a Value)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        Self(entries)
    }
}

fn hash(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(value) => hasher.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => {
            hasher.update(b"#");
            // 1 and 1.0 are one number to most JSON writers.
            match number
                .as_f64()
                .filter(|value| value.fract() == 0.0 && value.abs() < 9e15)
            {
                Some(whole) => hasher.update((whole as i64).to_string()),
                None => hasher.update(number.to_string()),
            }
            hasher.update(b";");
        }
        Value::String(text) => hash_text(&normal_text(text), hasher),
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| hash(item, hasher));
            hasher.update(b"]");
        }
        Value::Object(entries) => {
            hasher.update(b"{");
            for (name, value) in entries.iter().collect::<Sorted<'_>>().0 {
                hash_text(name, hasher);
                hash(value, hasher);
            }
            hasher.update(b"}");
        }
    }
}

/// Length first, so that no two sequences of texts look alike.
fn hash_text(text: &str, hasher: &mut Sha256) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn normal_text(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut breaks = 0;
    for c in text.replace("\r\n", "\n").replace('\r', "\n").trim().chars() {
        breaks = if c == '\n' { breaks + 1 } else { 0 };
        if breaks <= 2 {
            normal.push(c);
        }
    }
    normal
}

fn truncate(hasher: Sha256) -> u128 {
    let digest: [u8; 32] = hasher.finalize().into();
    let mut head = [0; 16];
    head.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(value: Value) -> u128 {
        fingerprint(value.as_object())
    }

    #[test]
    fn what_the_store_may_rewrite_does_not_count() {
        assert_eq!(
            of(json!({"a": " x\r\ny\n\n\n\nz ", "b": 1.0})),
            of(json!({"b": 1, "a": "x\ny\n\nz"}))
        );
        assert_eq!(of(json!({"a": 1, "_nexus": {"rev": 3}})), of(json!({"a": 1})));
        assert_eq!(fingerprint(None), of(json!({})));
    }

    #[test]
    fn what_differs_counts() {
        let all = [
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"a": "1"}),
            json!({"a": null}),
            json!({"a": [1]}),
            json!({"b": 1}),
            json!({"a": {"_nexus": 1}}),
            json!({"a": {}}),
            json!({"a": true}),
            json!({"a": 1.5}),
            json!({"a": [[], 1]}),
            json!({"a": [[1]]}),
            json!({"ab": "c"}),
            json!({"a": "bc"}),
            json!({"a": u64::MAX}),
            json!({"a": u64::MAX - 1}),
        ];
        let distinct: std::collections::HashSet<u128> = all.iter().map(|value| of(value.clone())).collect();
        assert_eq!(distinct.len(), all.len());
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in any::<String>()) {
            let once = normal_text(&text);
            prop_assert_eq!(normal_text(&once), once);
        }
    }
}
