//! Secrets in what others will read: by the names of fields, in addresses, and the program's own key wherever it is.
//!
//! The host redacts as well. This is for hosts that do not, and for what it cannot know.

use serde_json::Value;

use crate::client::Client;

/// What stands for a secret.
pub(crate) const REDACTED: &str = "[redacted]";
/// Fields whose content is a secret, whatever it is.
const NAMES: [&str; 9] = [
    "api_key",
    "user_api_keys",
    "authorization",
    "password",
    "private_key",
    "secret",
    "secrets",
    "plain_secrets",
    "token",
];

/// Whether a key of the configuration, as `webhooks.inbound.secrets`, is one.
pub(crate) fn is_secret(key: &str) -> bool {
    key.split(['.', '[']).any(|name| NAMES.contains(&name))
}

/// The same without secrets.
pub(crate) fn redacted(value: &Value, client: &Client) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Value::Null | Value::Bool(_) => value.clone(),
                    _ if NAMES.contains(&name.as_str()) => Value::from(REDACTED),
                    _ => redacted(value, client),
                };
                (client.blank(name), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| redacted(item, client)).collect(),
        Value::String(text) => Value::from(without_credentials(&client.blank(text))),
        other => other.clone(),
    }
}

/// A text without what stands before the host of an address in it.
fn without_credentials(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        safe.push_str(before);
        let end = address
            .find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace())
            .unwrap_or(address.len());
        let (authority, behind) = address.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                safe.push_str(REDACTED);
                safe.push('@');
                safe.push_str(host);
            }
            None => safe.push_str(authority),
        }
        rest = behind;
    }
    safe.push_str(rest);
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_by_name_and_in_addresses() {
        let client = crate::stand_in::client("http://h", None);
        let value = json!({
            "api_key": "s3cret", "password": null,
            "webhooks": {"inbound": {"secrets": ["s3cret"], "tolerance_seconds": 3}},
            "list": [{"token": {"a": "s3cret"}}],
            "reason": "GET https://ann:s3cret@nexus:1/x?a=b failed, also http://h/a@b",
            "note": "none here: ://",
        });
        let safe = redacted(&value, &client);
        assert!(!safe.to_string().contains("s3cret"), "{safe}");
        assert_eq!(
            safe["reason"],
            "GET https://[redacted]@nexus:1/x?a=b failed, also http://h/a@b"
        );
        assert_eq!((&safe["password"], &safe["note"]), (&Value::Null, &value["note"]));
        assert_eq!(safe["webhooks"]["inbound"]["tolerance_seconds"], 3);
        assert!(is_secret("webhooks.inbound.secrets[0]") && !is_secret("similarity.top_k"));
    }
}
