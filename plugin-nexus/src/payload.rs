//! Reading a payload: where its fields are, and whether it can be read at all.

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

/// A field of the payload's root, else of its `metadata`.
#[must_use]
pub fn field<'a>(payload: &'a JsonMap, name: &str) -> Option<&'a Value> {
    payload
        .get(name)
        .or_else(|| payload.get("metadata")?.as_object()?.get(name))
}

/// Whether it is encrypted, in Vectorizer's form (`contracts/vectorizer.md` section 2).
#[must_use]
pub fn is_encrypted(payload: &JsonMap) -> bool {
    ["nonce", "tag", "encrypted_data", "ephemeral_public_key"]
        .iter()
        .all(|name| payload.contains_key(*name))
}

/// What a payload says in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// The title; empty where there is none.
    pub title: &'a str,
    /// The text itself; empty where there is none.
    pub body: &'a str,
}

/// The words of a payload: a `title`, or else `name` or `subject`, and the first of `content`, `text`, `body`, `description` and
/// `summary` that is a text, in the root or the `metadata`. Nothing of an encrypted one.
#[must_use]
pub fn text(payload: &JsonMap) -> Text<'_> {
    if is_encrypted(payload) {
        return Text::default();
    }
    let first = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| field(payload, name)?.as_str());
        texts
            .into_iter()
            .find(|text| !text.trim().is_empty())
            .unwrap_or_default()
    };
    Text {
        title: first(&["title", "name", "subject"]),
        body: first(&["content", "text", "body", "description", "summary"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_where_writers_put_them() {
        let payload = json!({"metadata": {"title": "T", "text": "nested"}, "content": " ", "body": "B"});
        let found = text(payload.as_object().unwrap());
        assert_eq!((found.title, found.body), ("T", "nested"));
        let encrypted = json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d", "title": "t"});
        assert_eq!(text(encrypted.as_object().unwrap()), Text::default());
    }
}
