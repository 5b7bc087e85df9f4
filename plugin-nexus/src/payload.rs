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
