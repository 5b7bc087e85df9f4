//! What differs for a collection, or for all whose names are of a pattern.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Domains, Faults, SimilarityOverride};
use crate::domains::{Assigned, Classifier, is_of_pattern};

/// An entry of `collections:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// The collection, or a pattern of names, in which `*` stands for anything.
    pub name: String,
    /// Whether it is synced. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether its documents are taken out of the graph while it is not synced; else they stay there as they were. Default false.
    #[serde(default)]
    pub remove: bool,
    /// The domain of its documents: of those that nothing else speaks for, or with `auto_classify: false` of all that no label names
    /// another one for. Default none.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether its documents are classified by what they say; needs `domain` where not. Default true.
    #[serde(default = "yes")]
    pub auto_classify: bool,
    /// What differs from the general settings.
    #[serde(default)]
    pub similarity: SimilarityOverride,
}

fn yes() -> bool {
    true
}

impl Collection {
    /// An entry that differs in nothing.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: true,
            remove: false,
            domain: None,
            auto_classify: true,
            similarity: SimilarityOverride::default(),
        }
    }

    fn fits(&self, collection: &str) -> bool {
        self.name == collection || self.name.contains('*') && is_of_pattern(&self.name, collection)
    }

    /// Where its documents belong to by its settings.
    #[must_use]
    pub fn assigned(&self) -> Option<Assigned<'_>> {
        self.domain.as_deref().map(|domain| Assigned {
            domain,
            only: !self.auto_classify,
        })
    }
}

/// The entry that counts for a collection: the first with exactly its name, else the first whose pattern fits.
#[must_use]
pub fn entry<'a>(entries: &'a [Collection], collection: &str) -> Option<&'a Collection> {
    let named = entries.iter().find(|entry| entry.name == collection);
    named.or_else(|| entries.iter().find(|entry| entry.fits(collection)))
}

/// Checks all entries. `classifier` is what classifies by the rules, unless these are faulty.
pub(super) fn check(
    entries: &[Collection],
    domains: &Domains,
    classifier: Option<&Classifier>,
    key: &str,
    faults: &mut Faults,
) {
    for (index, entry) in entries.iter().enumerate() {
        let key = format!("{key}[{index}]");
        let Collection {
            name,
            enabled,
            remove,
            domain,
            auto_classify,
            similarity,
        } = entry;
        if name.is_empty() {
            faults.add(&format!("{key}.name"), "must not be empty");
        }
        if entries[..index].iter().any(|other| other.name == *name) {
            faults.add(&format!("{key}.name"), &format!("'{name}' is listed twice"));
        }
        if *remove && *enabled {
            faults.add(&format!("{key}.remove"), "needs enabled: false");
        }
        match domain {
            Some(domain) if !domains.enabled => {
                let reason = format!(
                    "'{domain}' is of no use: documents are not classified, since domains.enabled is false"
                );
                faults.add(&format!("{key}.domain"), &reason);
            }
            Some(domain) if !classifier.is_some_and(|classifier| classifier.knows(domain)) => {
                let reason = format!("'{domain}' is no domain that is built in or that domains.rules name");
                faults.add(&format!("{key}.domain"), &reason);
            }
            None if !auto_classify => faults.add(&format!("{key}.auto_classify"), "false needs domain"),
            Some(_) | None => {}
        }
        similarity.check(&format!("{key}.similarity"), faults);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Config, ConfigError};

    fn read(section: Value) -> Result<Config, ConfigError> {
        let mut section = section;
        section["nexus_url"] = json!("http://127.0.0.1:1");
        Config::from_section(section)
    }

    #[test]
    fn a_name_counts_before_a_pattern_and_a_pattern_before_those_behind_it() {
        let config = read(json!({
            "sync_all_collections": false,
            "collections": [
                {"name": "lease-*", "similarity": {"top_k": 3}},
                {"name": "*-2024", "enabled": false, "remove": true},
                {"name": "lease-7", "similarity": {"top_k": 5}},
            ],
        }))
        .unwrap();
        assert!(config.syncs("lease-1") && config.syncs("lease-2024") && config.syncs("lease-7"));
        assert!(!config.syncs("hr-2024") && !config.syncs("other"));
        assert_eq!(config.similarity_of("lease-1").top_k, 3);
        assert_eq!(config.similarity_of("lease-7").top_k, 5);
        assert!(config.removes("hr-2024") && !config.removes("other") && !config.removes("lease-1"));
    }

    #[test]
    fn what_makes_no_sense_together_is_refused_all_at_once() {
        let error = read(json!({"collections": [
            {"name": "a", "remove": true},
            {"name": "a", "domain": "astrology"},
            {"name": "b", "auto_classify": false},
            {"name": "c", "domain": "legal"},
        ]}))
        .unwrap_err();
        assert_eq!(
            error.faults,
            [
                "nexus_integration.collections[0].remove: needs enabled: false",
                "nexus_integration.collections[1].name: 'a' is listed twice",
                "nexus_integration.collections[1].domain: 'astrology' is no domain that is built in or that domains.rules name",
                "nexus_integration.collections[2].auto_classify: false needs domain",
            ]
        );
        let unclassified =
            json!({"domains": {"enabled": false}, "collections": [{"name": "a", "domain": "legal"}]});
        let text = read(unclassified).unwrap_err().to_string();
        assert!(
            text.contains("collections[0].domain: 'legal' is of no use"),
            "{text}"
        );
    }
}
