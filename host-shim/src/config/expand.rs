//! References to the environment in configuration values: `${NAME}`, or `${NAME:-default}`; `$${` stands
//! for a literal `${`.

use serde_json::Value;

use super::ConfigError;

/// Resolves the references in every text of `value`, which stands under `key`.
///
/// # Errors
/// [`ConfigError`] naming the key of a reference that is malformed, or has neither value nor default. The message
/// holds the variable's name, never a value.
pub fn expand(
    value: &Value,
    key: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, ConfigError> {
    Ok(match value {
        Value::String(text) => Value::String(expand_text(text, key, lookup)?),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| expand(item, &format!("{key}[{index}]"), lookup))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .map(|(name, item)| Ok((name.clone(), expand(item, &format!("{key}.{name}"), lookup)?)))
                .collect::<Result<_, ConfigError>>()?,
        ),
        other => other.clone(),
    })
}

fn expand_text(
    text: &str,
    key: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ConfigError> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(literal) = rest[..at].strip_suffix('$') {
            result.push_str(literal);
            result.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        result.push_str(&rest[..at]);
        let (reference, after) = rest[at + 2..]
            .split_once('}')
            .ok_or_else(|| ConfigError::new(key, "a reference '${' is not closed by '}'"))?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(ConfigError::new(
                key,
                "a reference must look like ${NAME} or ${NAME:-default}",
            ));
        }
        match lookup(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => result.push_str(&value),
            None => {
                return Err(ConfigError::new(
                    key,
                    format!(
                        "the environment variable {name} is not set; set it, or give a default: ${{{name}:-...}}"
                    ),
                ));
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn lookup(name: &str) -> Option<String> {
        (name == "KEY").then(|| "secret".to_owned())
    }

    #[test]
    fn references_resolve_at_any_depth() {
        let value = json!({"a": ["x${KEY}y", {"b": "${NONE:-fallback}"}], "n": 1, "lit": "$${KEY}"});
        assert_eq!(
            expand(&value, "s", &lookup).unwrap(),
            json!({"a": ["xsecrety", {"b": "fallback"}], "n": 1, "lit": "${KEY}"})
        );
    }

    #[test]
    fn an_unset_variable_is_named_with_its_key() {
        let error = expand(&json!({"a": ["${NONE}"]}), "s", &lookup).unwrap_err();
        assert_eq!(error.key, "s.a[0]");
        assert!(error.reason.contains("NONE"));
        assert_eq!(expand(&json!("${KEY"), "s", &lookup).unwrap_err().key, "s");
        assert_eq!(expand(&json!("${a b}"), "s", &lookup).unwrap_err().key, "s");
    }

    proptest! {
        #[test]
        fn a_text_without_references_stays_as_it_is(text in "[^$]*") {
            prop_assert_eq!(expand(&json!(text), "s", &lookup).unwrap(), json!(text));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = expand(&json!(text), "s", &lookup);
        }
    }
}
