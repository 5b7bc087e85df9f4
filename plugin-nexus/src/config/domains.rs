//! Which field of knowledge documents belong to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Faults;
use crate::domains::{Classifier, Knowledge};

/// `domains:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Domains {
    /// Whether documents are classified. Default true.
    pub enabled: bool,
    /// Whether the built-in rules for legal, financial, hr, engineering and general texts apply besides `rules`. Default true.
    pub builtin: bool,
    /// The domain of documents that nothing speaks for. Default `general`.
    pub default: String,
    /// Least confidence of a domain, from 0 to 1. Default 0.3.
    pub min_confidence: f32,
    /// Most topmost domains of a document. Default 2.
    pub max_domains: usize,
    /// Further rules. One with the name of a built-in one adds to it.
    pub rules: Vec<DomainRule>,
    /// The payload's field, in its root or its `metadata`, that names a document's domain; those documents teach the classifier.
    /// Default none.
    pub label_field: Option<String>,
    /// Documents whose domain is known; they teach the classifier, too. Default none.
    pub labels: Vec<DomainLabel>,
}

impl Default for Domains {
    fn default() -> Self {
        Self {
            enabled: true,
            builtin: true,
            default: "general".into(),
            min_confidence: 0.3,
            max_domains: 2,
            rules: Vec::new(),
            label_field: None,
            labels: Vec::new(),
        }
    }
}

/// An entry of `domains.labels:`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainLabel {
    /// The document's collection.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// Its domain: a built-in one, or one that `rules` name.
    pub domain: String,
}

/// An entry of `domains.rules:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainRule {
    /// The domain.
    pub name: String,
    /// The domain that holds it. Default none.
    #[serde(default)]
    pub parent: Option<String>,
    /// Of several rules whose `collections` or `metadata` fit, the one with the highest decides. Default 0.
    #[serde(default)]
    pub priority: i32,
    /// Collections whose documents belong to it; `*` stands for anything.
    #[serde(default)]
    pub collections: Vec<String>,
    /// Payload fields, in the root or the `metadata`, with the value or the values that decide for it.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// Words and phrases by how much one occurrence speaks for it; below 0: against it.
    #[serde(default)]
    pub terms: BTreeMap<String, Vec<String>>,
}

/// Most terms of all rules.
const MAX_TERMS: usize = 100_000;
/// Longest term in bytes.
const MAX_TERM: usize = 200;

impl DomainRule {
    /// A rule that only names a domain.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            parent: None,
            priority: 0,
            collections: Vec::new(),
            metadata: BTreeMap::new(),
            terms: BTreeMap::new(),
        }
    }

    /// The terms with their weights as numbers.
    pub fn weighted(&self) -> impl Iterator<Item = (f32, &[String])> {
        self.terms
            .iter()
            .filter_map(|(weight, terms)| Some((weight.parse().ok()?, terms.as_slice())))
    }

    /// The payload fields with all values that fit.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<String, Vec<Value>> {
        let values = |value: &Value| match value {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        self.metadata
            .iter()
            .map(|(name, value)| (name.clone(), values(value)))
            .collect()
    }

    fn check(&self, key: &str, faults: &mut Faults) {
        if self.name.is_empty() || self.name.len() > MAX_TERM {
            faults.add(&format!("{key}.name"), "must have 1 to 200 bytes");
        }
        if self.parent.as_ref().is_some_and(String::is_empty) {
            faults.add(&format!("{key}.parent"), "must not be empty");
        }
        for (weight, terms) in &self.terms {
            let key = format!("{key}.terms.{weight}");
            if !weight.parse::<f32>().is_ok_and(|weight| weight.abs() <= 100.0) {
                faults.add(&key, "must be a number from -100 to 100");
            }
            let fits = |term: &&String| term.chars().any(char::is_alphanumeric) && term.len() <= MAX_TERM;
            if let Some(term) = terms.iter().find(|term| !fits(term)) {
                faults.add(
                    &key,
                    &format!("'{term}' must have 1 to 200 bytes and a letter or digit"),
                );
            }
        }
    }
}

impl Domains {
    /// Answers what classifies by these settings, unless their rules are faulty.
    pub(super) fn check(&self, key: &str, faults: &mut Faults) -> Option<Classifier> {
        if self.default.is_empty() {
            faults.add(&format!("{key}.default"), "must not be empty");
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            let least = self.min_confidence;
            faults.add(
                &format!("{key}.min_confidence"),
                &format!("{least} is out of range; allowed are 0 to 1"),
            );
        }
        faults.range(&format!("{key}.max_domains"), self.max_domains as u64, 1, 20);
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(&format!("{key}.rules[{index}]"), faults);
        }
        let terms: usize = self
            .rules
            .iter()
            .flat_map(|rule| rule.terms.values())
            .map(Vec::len)
            .sum();
        if terms > MAX_TERMS {
            faults.add(
                &format!("{key}.rules"),
                &format!("{terms} terms are too many; allowed are {MAX_TERMS}"),
            );
            return None;
        }
        match Classifier::new(self, Knowledge::default()) {
            Ok(classifier) => {
                self.check_labels(&classifier, key, faults);
                Some(classifier)
            }
            Err(error) => {
                faults.add(&format!("{key}.rules"), &error.to_string());
                None
            }
        }
    }

    fn check_labels(&self, classifier: &Classifier, key: &str, faults: &mut Faults) {
        for (index, label) in self.labels.iter().enumerate() {
            let key = format!("{key}.labels[{index}]");
            for (name, value) in [("collection", &label.collection), ("id", &label.id)] {
                if value.is_empty() {
                    faults.add(&format!("{key}.{name}"), "must not be empty");
                }
            }
            if !classifier.knows(&label.domain) {
                faults.add(
                    &format!("{key}.domain"),
                    &format!(
                        "'{}' is no domain that is built in or that `rules` name",
                        label.domain
                    ),
                );
            }
        }
    }
}
