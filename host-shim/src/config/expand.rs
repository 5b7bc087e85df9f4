//! References to the environment in configuration values: `${NAME}`, or `${NAME:-default}`; `$${` stands
//! for a literal `${`.

use serde_json::Value;

use super::{ConfigError, ConfigFault};

/// Resolves the references in every text of `value`, which stands under `key`.
///
/// # Errors
/// [`ConfigError`] with the key of each text whose reference is malformed, or has neither value nor default. The
/// message holds the variable's name, never a value.
pub fn expand(
    value: &Value,
    key: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, ConfigError> {
    let mut faults = Vec::new();
    let expanded = expand_value(value, key, lookup, &mut faults);
    ConfigError::refuse(faults)?;
    Ok(expanded)
}

fn expand_value(
    value: &Value,
    key: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<ConfigFault>,
) -> Value {
    match value {
        Value::String(text) => match expand_text(text, lookup) {
            Ok(expanded) => Value::String(expanded),
            Err(reason) => {
                faults.push(ConfigFault::new(key, reason));
                Value::Null
            }
        },
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| expand_value(item, &format!("{key}[{index}]"), lookup, faults))
                .collect()
        }
        Value::Object(entries) => entries
            .iter()
            .map(|(name, item)| {
                let item = expand_value(item, &format!("{key}.{name}"), lookup, faults);
                (name.clone(), item)
            })
            .collect(),
        other => other.clone(),
    }
}

fn expand_text(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
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
            .ok_or("a reference '${' is not closed by '}'")?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err("a reference must look like ${NAME} or ${NAME:-default}".to_owned());
        }
        match lookup(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => result.push_str(&value),
            None => {
                return Err(format!(
                    "the environment variable {name} is not set; set it, or give a default: ${{{name}:-...}}"
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
        assert_eq!(error.faults()[0].key, "s.a[0]");
        assert!(error.faults()[0].reason.contains("NONE"));
        for malformed in ["${KEY", "${a b}"] {
            let error = expand(&json!(malformed), "s", &lookup).unwrap_err();
            assert_eq!(error.faults()[0].key, "s");
        }
    }

    #[test]
    fn all_unset_variables_are_named_at_once() {
        let value = json!({"a": "${NONE}", "b": [{"c": "${KEY}"}, "${NEITHER}"]});
        let error = expand(&value, "s", &lookup).unwrap_err();
        let keys: Vec<&str> = error.faults().iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["s.a", "s.b[1]"]);
        assert!(!error.to_string().contains("secret"));
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
