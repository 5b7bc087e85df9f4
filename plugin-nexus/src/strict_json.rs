//! JSON from outside, read strictly: the whole text is one value of the type that is asked for, and what does not fit is told by
//! its place, without a word of the text itself beyond what serde says of types and names.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field, as `rows[3].name`; `None`: the text as a whole.
    pub(crate) field: Option<String>,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Reads a text.
///
/// # Errors
/// [`Misfit`] with the first field that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Misfit> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        Misfit {
            field: (path != ".").then_some(path),
            reason: without_position(error.inner()),
        }
    })?;
    reader.end().map_err(|error| Misfit {
        field: None,
        reason: without_position(&error),
    })?;
    Ok(value)
}

/// Where lists stand in place of objects: a reader would take them for the values of the fields, in their order. `schema` is a JSON
/// Schema with its definitions.
pub(crate) fn misplaced_lists(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find_lists(value, schema, schema, String::new(), &mut found);
    found
}

fn find_lists(value: &Value, schema: &Value, root: &Value, path: String, found: &mut Vec<String>) {
    let schema = referred(schema, root);
    match value {
        Value::Array(_) if schema["properties"].is_object() => found.push(path),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_lists(item, &schema["items"], root, format!("{path}[{index}]"), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = match path.as_str() {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                find_lists(value, &schema["properties"][key.as_str()], root, path, found);
            }
        }
        _ => {}
    }
}

/// The schema that a schema refers to, be it as one that may be missing; itself where it refers to none.
fn referred<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| {
        let mut options = schema["anyOf"].as_array()?.iter();
        options.find_map(|option| option["$ref"].as_str())
    });
    let target = reference.and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(schema)
}

/// The message without serde's position in a text that whoever reads it may never have seen.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        n: Vec<u8>,
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_place() {
        assert_eq!(parse::<Row>(br#"{"n": [1]}"#), Ok(Row { n: vec![1] }));
        for (text, field) in [
            ("", None),
            ("{} {}", None),
            (r#"{"n": [1]} x"#, None),
            (r#"{"n": [1, -1]}"#, Some("n[1]")),
            (r#"{"n": [], "m": 1}"#, Some("m")),
        ] {
            let misfit = parse::<Row>(text.as_bytes()).unwrap_err();
            assert_eq!(misfit.field.as_deref(), field, "{text}");
            assert!(!misfit.reason.contains(" at line "), "{}", misfit.reason);
        }
    }
}
