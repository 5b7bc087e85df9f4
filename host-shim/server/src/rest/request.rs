//! Fields of JSON requests, each read to its type or to an error that names it.

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::ApiError;
use crate::store::filter::Filter;

/// Longest id that a client may give where chunk ids may be made of it.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// A required string.
pub(super) fn text<'a>(object: &'a JsonMap, field: &str) -> Result<&'a str, ApiError> {
    object
        .get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| missing(field))
}

/// An optional string; null is absent.
pub(super) fn optional_text<'a>(object: &'a JsonMap, field: &str) -> Result<Option<&'a str>, ApiError> {
    optional(object, field, Value::as_str)
}

/// An optional yes or no; null is absent.
pub(super) fn optional_bool(object: &JsonMap, field: &str) -> Result<Option<bool>, ApiError> {
    optional(object, field, Value::as_bool)
}

/// An optional count; null is absent.
pub(super) fn optional_count(object: &JsonMap, field: &str) -> Result<Option<usize>, ApiError> {
    optional(object, field, |value| {
        value.as_u64().and_then(|n| usize::try_from(n).ok())
    })
}

/// An optional number; null is absent.
pub(super) fn optional_number(object: &JsonMap, field: &str) -> Result<Option<f64>, ApiError> {
    optional(object, field, Value::as_f64)
}

fn optional<'a, T>(
    object: &'a JsonMap,
    field: &str,
    read: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| missing(field)),
    }
}

/// A required array that is not empty.
pub(super) fn entries<'a>(object: &'a JsonMap, field: &str) -> Result<&'a [Value], ApiError> {
    let array = object
        .get(field)
        .and_then(Value::as_array)
        .ok_or_else(|| missing(field))?;
    if array.is_empty() {
        return Err(ApiError::validation(
            field,
            format!("{field} array must contain at least one entry"),
        ));
    }
    Ok(array)
}

/// An array of numbers. Those that 32 bits cannot hold become infinite, which the store refuses.
pub(super) fn vector(value: &Value, field: &str) -> Result<Vec<f32>, ApiError> {
    let array = value
        .as_array()
        .ok_or_else(|| ApiError::validation(field, format!("{field} must be an array of f32")))?;
    array
        .iter()
        .enumerate()
        .map(|(at, component)| {
            let number = component
                .as_f64()
                .ok_or_else(|| ApiError::validation(field, format!("{field}[{at}] is not a number")))?;
            Ok(number as f32)
        })
        .collect()
}

/// A required vector.
pub(super) fn required_vector(object: &JsonMap, field: &str) -> Result<Vec<f32>, ApiError> {
    let value = object.get(field).ok_or_else(|| {
        ApiError::validation(
            field,
            format!("missing or invalid {field} parameter (expected an array of f32)"),
        )
    })?;
    vector(value, field)
}

/// A payload: an object, or null for none.
pub(super) fn payload(value: &Value, field: &str) -> Result<Option<JsonMap>, ApiError> {
    match value {
        Value::Object(object) => Ok(Some(object.clone())),
        Value::Null => Ok(None),
        _ => Err(ApiError::validation(
            field,
            format!("{field} must be an object or null"),
        )),
    }
}

/// The `metadata` of an entry as a payload: every value that is no string becomes the text of its JSON.
pub(super) fn metadata(entry: &JsonMap) -> Result<JsonMap, ApiError> {
    let metadata = match entry.get("metadata") {
        None | Some(Value::Null) => return Ok(JsonMap::new()),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err(ApiError::validation("metadata", "metadata must be an object")),
    };
    let as_text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(metadata
        .iter()
        .map(|(key, value)| (key.clone(), Value::String(as_text(value))))
        .collect())
}

/// A required filter.
pub(super) fn filter(object: &JsonMap) -> Result<Filter, ApiError> {
    optional_filter(object)?.ok_or_else(|| ApiError::validation("filter", "missing filter field"))
}

/// An optional filter; null is absent.
pub(super) fn optional_filter(object: &JsonMap) -> Result<Option<Filter>, ApiError> {
    match object.get("filter") {
        None | Some(Value::Null) => Ok(None),
        // The parser would take an array for the fields in order.
        Some(value) if !value.is_object() => Err(ApiError::validation(
            "filter",
            "invalid filter: must be an object",
        )),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| ApiError::validation("filter", format!("invalid filter: {error}"))),
    }
}

/// An id that a client chose for a text or a vector. `#` is kept for chunks.
pub(super) fn client_id(entry: &JsonMap) -> Result<Option<&str>, ApiError> {
    let Some(id) = optional_text(entry, "id")? else {
        return Ok(None);
    };
    let refused = |reason: String| Err(ApiError::validation("id", reason));
    if id.is_empty() {
        return refused("client id must not be empty".to_owned());
    }
    if id.len() > MAX_CLIENT_ID_BYTES {
        let most = MAX_CLIENT_ID_BYTES;
        return refused(format!(
            "client id must be at most {most} characters (got {})",
            id.len()
        ));
    }
    if id.trim() != id {
        return refused("client id must not have leading or trailing whitespace".to_owned());
    }
    if id.contains('#') {
        return refused("client id must not contain '#' (reserved as chunk separator)".to_owned());
    }
    Ok(Some(id))
}

/// Refuses a request that asks for encryption.
pub(super) fn refuse_encryption(object: &JsonMap) -> Result<(), ApiError> {
    match object.get("public_key") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(ApiError::EncryptionUnsupported),
    }
}

/// An entry of an array as an object.
pub(super) fn object<'a>(value: &'a Value, field: &str) -> Result<&'a JsonMap, ApiError> {
    value
        .as_object()
        .ok_or_else(|| ApiError::validation(field, "must be an object"))
}

fn missing(field: &str) -> ApiError {
    ApiError::validation(field, format!("missing or invalid {field} parameter"))
}
