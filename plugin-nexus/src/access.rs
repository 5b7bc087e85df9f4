//! Who may see a document: the principals its payload names, and the tenant its collection belongs to.
//!
//! Invariants:
//! - it fails closed: a field that is there but makes no sense names nobody, and a list that is too long is cut, never widened;
//! - the order in which principals are named and how often makes no difference.

use std::collections::BTreeSet;

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use crate::config::{Permissions, PermissionsMode};
use crate::payload::{field, is_encrypted};

/// Most principals of a document. Further ones, in their order, are left out.
pub const MAX_PRINCIPALS: usize = 256;
/// Longest principal in bytes. A longer one is left out.
pub const MAX_PRINCIPAL: usize = 256;

/// Who may see a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Access {
    /// The principals, in order; `None`: everybody.
    pub principals: Option<BTreeSet<String>>,
    /// The tenant of its collection; `None`: none.
    pub tenant: Option<String>,
}

impl Access {
    /// Who may see a document of `collection` with this payload; everybody where permissions are ignored.
    #[must_use]
    pub fn of(permissions: &Permissions, collection: &str, payload: Option<&JsonMap>) -> Self {
        if permissions.mode == PermissionsMode::Ignore {
            return Self::default();
        }
        let principals = payload.and_then(|payload| match field(payload, &permissions.field) {
            Some(value) => Some(principals(value)),
            // What cannot be read may name anybody, so it is nobody's.
            None => is_encrypted(payload).then(BTreeSet::new),
        });
        Self {
            principals,
            tenant: permissions.tenant_of(collection).map(str::to_owned),
        }
    }

    /// Whether it differs for nobody.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// A digest that is equal for equal access; 0 for a document that everybody may see.
    #[must_use]
    pub fn digest(&self) -> u64 {
        if self.is_open() {
            return 0;
        }
        let tenant = self.tenant.as_deref().unwrap_or_default();
        let open = ["open"];
        let listed = self.principals.iter().flatten().map(String::as_str);
        let kind: &[&str] = if self.principals.is_some() {
            &["listed"]
        } else {
            &open
        };
        let parts = [tenant].into_iter().chain(kind.iter().copied()).chain(listed);
        crate::sync::settings_digest(parts).max(1)
    }
}

fn principals(value: &Value) -> BTreeSet<String> {
    let named = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    named
        .iter()
        .filter_map(Value::as_str)
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.len() <= MAX_PRINCIPAL)
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .take(MAX_PRINCIPALS)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(mode: PermissionsMode) -> Permissions {
        Permissions {
            mode,
            tenants: vec!["user_{tenant}:".into()],
            ..Permissions::default()
        }
    }

    fn access(payload: Value) -> Access {
        Access::of(&rules(PermissionsMode::Isolate), "docs", payload.as_object())
    }

    fn named(access: &Access) -> Vec<&str> {
        access.principals.iter().flatten().map(String::as_str).collect()
    }

    #[test]
    fn principals_come_from_the_root_or_the_metadata_as_a_list_or_a_text() {
        assert_eq!(named(&access(json!({"acl": ["b", "a", "b", " "]}))), ["a", "b"]);
        assert_eq!(named(&access(json!({"metadata": {"acl": "hr"}}))), ["hr"]);
        assert!(access(json!({})).is_open());
    }

    #[test]
    fn what_makes_no_sense_names_nobody() {
        for value in [
            json!(7),
            json!({}),
            json!([]),
            json!([1]),
            json!(null),
            json!(["x".repeat(1_000)]),
        ] {
            let access = access(json!({"acl": value}));
            assert_eq!(access.principals, Some(BTreeSet::new()), "{value}");
            assert!(!access.is_open());
        }
        let encrypted = json!({"nonce": "a", "tag": "b", "encrypted_data": "c", "ephemeral_public_key": "d"});
        assert_eq!(access(encrypted).principals, Some(BTreeSet::new()));
    }

    #[test]
    fn a_long_list_is_cut_in_its_order() {
        let names: Vec<String> = (0..1_000).rev().map(|number| format!("p{number:04}")).collect();
        let access = access(json!({"acl": names}));
        assert_eq!(named(&access).len(), MAX_PRINCIPALS);
        assert_eq!(named(&access)[0], "p0000");
    }

    #[test]
    fn equal_access_has_one_digest_and_other_access_another() {
        let digest = |payload| access(payload).digest();
        assert_eq!(
            digest(json!({"acl": ["a", "b"]})),
            digest(json!({"acl": ["b", "a"]}))
        );
        let all = [
            digest(json!({})),
            digest(json!({"acl": []})),
            digest(json!({"acl": ["a"]})),
            digest(json!({"acl": ["ab"]})),
            digest(json!({"acl": ["a", "b"]})),
            Access::of(&rules(PermissionsMode::Filter), "user_t1:docs", None).digest(),
            Access::of(&rules(PermissionsMode::Filter), "user_t2:docs", None).digest(),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0], 0);
    }

    #[test]
    fn permissions_that_are_ignored_are_open() {
        let open = Access::of(
            &rules(PermissionsMode::Ignore),
            "user_t:c",
            json!({"acl": ["a"]}).as_object(),
        );
        assert!(open.is_open());
    }
}
