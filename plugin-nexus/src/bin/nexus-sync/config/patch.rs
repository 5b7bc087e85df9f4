//! Changes on the command line as one JSON merge patch (RFC 7396).
//!
//! Invariant: no secret is taken, since others can read the command line; the host takes none by request either.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::redaction::is_secret;

/// The merge patch of these changes.
pub(super) fn of(changes: &[String]) -> Result<Value, Error> {
    let mut patch = Value::Null;
    for change in changes {
        let (key, text) = change
            .split_once('=')
            .ok_or_else(|| Error::Usage("a change is KEY=VALUE, as similarity.top_k=5".to_owned()))?;
        if is_secret(key) {
            return Err(Error::Usage(format!(
                "'{key}' is a secret, which is not set by request: use the configuration file or the environment"
            )));
        }
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        insert(&mut patch, key, value)?;
    }
    Ok(patch)
}

/// Puts a value where the key says.
pub(super) fn insert(patch: &mut Value, key: &str, value: Value) -> Result<(), Error> {
    let wrong = || Error::Usage(format!("'{key}' is no key, or given twice"));
    let mut place = patch;
    let names: Vec<&str> = key.split('.').collect();
    let Some((last, above)) = names.split_last() else {
        return Err(wrong());
    };
    if names.iter().any(|name| name.is_empty()) {
        return Err(wrong());
    }
    for name in above {
        place = fields(place)
            .ok_or_else(wrong)?
            .entry(*name)
            .or_insert_with(|| json!({}));
    }
    let fields = fields(place).ok_or_else(wrong)?;
    match fields.insert((*last).to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(wrong()),
    }
}

/// The fields of an object that grows from nothing.
fn fields(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Code;

    fn patch(changes: &[&str]) -> Result<Value, Error> {
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        of(&changes)
    }

    #[test]
    fn changes_become_one_merge_patch() {
        assert_eq!(
            patch(&[
                "similarity.top_k=5",
                "similarity.method=hybrid",
                "poller.mode=\"on\"",
                "enabled=false",
                "domains.default=a=b",
                "properties=[\"title\"]",
                "limits.statements_per_second=null",
            ])
            .unwrap(),
            json!({
                "similarity": {"top_k": 5, "method": "hybrid"}, "poller": {"mode": "on"}, "enabled": false,
                "domains": {"default": "a=b"}, "properties": ["title"], "limits": {"statements_per_second": null},
            })
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for changes in [
            &["a"][..],
            &["=1"],
            &["a..b=1"],
            &["a=1", "a=2"],
            &["a=1", "a.b=2"],
            &["a.b=2", "a=1"],
            &["api_key=s3cret"],
            &["webhooks.inbound.secrets=[\"s3cret\"]"],
        ] {
            let error = patch(changes).unwrap_err();
            assert_eq!(error.code(), Code::Usage, "{changes:?}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
