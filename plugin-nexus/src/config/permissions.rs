//! Who may see a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;

/// What permissions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PermissionsMode {
    /// Nothing: they are not read.
    #[default]
    Ignore,
    /// They are stored with the node, and searches for principals heed them.
    Filter,
    /// As `filter`; besides, documents with different permissions have no similarity edge and no part in each other's
    /// enrichment.
    Isolate,
}

/// `permissions:`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// What they do: `ignore`, `filter` or `isolate`. Default `ignore`.
    pub mode: PermissionsMode,
    /// The payload's field that names principals, a text or a list of texts, in its root or its `metadata`. Default `acl`.
    pub field: String,
    /// How collections of tenants are called, as `user_{tenant}:` or `acme_`: the beginning of the name, in which `{tenant}`
    /// stands for the tenant; without it, the beginning itself is the tenant. Default none.
    pub tenants: Vec<String>,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            mode: PermissionsMode::default(),
            field: "acl".into(),
            tenants: Vec::new(),
        }
    }
}

const PLACE: &str = "{tenant}";

impl Permissions {
    /// Whether everybody may see everything.
    #[must_use]
    pub fn is_ignored(&self) -> bool {
        self.mode == PermissionsMode::Ignore
    }

    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        if self.field.is_empty() {
            faults.add(&format!("{key}.field"), "must not be empty");
        }
        for (index, pattern) in self.tenants.iter().enumerate() {
            let key = format!("{key}.tenants[{index}]");
            match pattern.split_once(PLACE) {
                None if pattern.is_empty() => faults.add(&key, "must not be empty"),
                Some((_, "")) => faults.add(&key, "needs a text behind {tenant} that ends it"),
                Some((_, rest)) if rest.contains(PLACE) => faults.add(&key, "may name {tenant} once"),
                _ => {}
            }
        }
    }

    /// The tenant that a collection belongs to.
    #[must_use]
    pub fn tenant_of<'a>(&'a self, collection: &'a str) -> Option<&'a str> {
        self.tenants
            .iter()
            .find_map(|pattern| match pattern.split_once(PLACE) {
                Some((before, behind)) => {
                    let rest = collection.strip_prefix(before)?;
                    let (tenant, _) = rest.split_once(behind)?;
                    Some(tenant).filter(|tenant| !tenant.is_empty())
                }
                None => collection
                    .starts_with(pattern.as_str())
                    .then_some(pattern.as_str()),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_s_name_tells_its_tenant() {
        let permissions = Permissions {
            tenants: vec!["user_{tenant}:".into(), "acme_".into()],
            ..Permissions::default()
        };
        for (collection, tenant) in [
            ("user_7f:docs", Some("7f")),
            ("user_:docs", None),
            ("user_7f", None),
            ("acme_docs", Some("acme_")),
            ("docs", None),
        ] {
            assert_eq!(permissions.tenant_of(collection), tenant, "{collection}");
        }
    }
}
