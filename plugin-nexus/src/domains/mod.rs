//! Which field of knowledge a document belongs to: by rules, by what was learned from labelled vectors, or by both.
//!
//! ```text
//! collection, payload -> rules: decided?  -> that domain
//! text                -> rules: evidence  \
//! vector              -> model: verdict   -> weighed against each other -> domains with confidence
//! ```
//!
//! Invariants:
//! - a pure function of the document, the rules and the model; [`Classifier::digest`] changes with the latter two;
//! - how much the model counts depends on how near the vector is to labelled ones: far from all of them the rules decide;
//! - without evidence a document belongs to the default domain.

mod hierarchy;
mod labels;
mod rules;
mod vectors;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use vectorizer_plugin_api::model::JsonMap;

pub use hierarchy::{Cycle, Hierarchy};
pub use labels::Labels;
pub use rules::Rules;
pub(crate) use rules::is_of_pattern;
pub use vectors::{Example, Unusable, VectorModel, Verdict};
pub(crate) use words::words;

use crate::config::{DomainRule, Domains};
use crate::payload::text;
use crate::sync::settings_digest;

/// The built-in rules, as configuration.
const BUILTIN: &str = include_str!("builtin.yaml");

/// How much the evidence of rules counts.
const RULES: f32 = 4.0;
/// How much the model counts at least, and how much more at most, by familiarity. These four were chosen on the labelled data, by the
/// sum of the score on known sources and the accuracy on unknown ones; the optimum is flat.
const MODEL: [f32; 2] = [0.5, 2.5];
/// The familiarity at which it counts half of that more, and how steep that is.
const FAMILIAR: f32 = 0.4;
const STEEPNESS: f32 = 10.0;
/// Least probability that the model may speak with.
const DOUBT: f32 = 1e-3;
/// Share of a topmost domain's evidence from which on a subdomain is named.
const MOST: f32 = 0.5;

/// A domain that a document belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    /// Its name.
    pub domain: String,
    /// From 0 to 1.
    pub confidence: f32,
}

/// Where the settings of a collection say that its documents belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned<'a> {
    /// The domain.
    pub domain: &'a str,
    /// Whether they belong there whatever they say; else those do that nothing speaks for.
    pub only: bool,
}

/// A document, as far as it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The collection's name.
    pub collection: &'a str,
    /// The document's id.
    pub id: &'a str,
    /// The payload.
    pub payload: Option<&'a JsonMap>,
    /// The vector; empty where it is not known.
    pub vector: &'a [f32],
    /// What its collection's settings say.
    pub assigned: Option<Assigned<'a>>,
}

/// What a classifier knows besides its rules.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// What labelled vectors taught.
    pub model: Option<VectorModel>,
    /// Documents whose domain is known.
    pub labels: Labels,
}

/// Classifies documents.
#[derive(Debug)]
pub struct Classifier {
    rules: Arc<Rules>,
    knowledge: Knowledge,
    settings: Domains,
    /// Digest of rules and settings.
    described: u64,
}

/// Why there is no classifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Domains hold each other.
    #[error(transparent)]
    Cycle(#[from] Cycle),
    /// The built-in rules cannot be read; a fault of the plugin.
    #[error("the built-in rules are damaged: {0}")]
    Builtin(String),
}

/// The built-in rules.
///
/// # Errors
/// [`DomainError::Builtin`]; not in practice.
pub fn builtin_rules() -> Result<Vec<DomainRule>, DomainError> {
    serde_saphyr::from_str(BUILTIN).map_err(|error| DomainError::Builtin(error.to_string()))
}

impl Classifier {
    /// A classifier by these settings, that knows this.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn new(settings: &Domains, knowledge: Knowledge) -> Result<Self, DomainError> {
        let mut rules = if settings.builtin {
            builtin_rules()?
        } else {
            Vec::new()
        };
        rules.extend(settings.rules.iter().cloned());
        rules.push(DomainRule::named(&settings.default));
        let described = format!("{rules:?}{settings:?}");
        let untaught = Self {
            rules: Arc::new(Rules::new(&rules)?),
            knowledge: Knowledge::default(),
            settings: settings.clone(),
            described: settings_digest([described.as_str()].into_iter()),
        };
        Ok(untaught.taught(knowledge))
    }

    /// The same classifier, knowing this instead.
    #[must_use]
    pub fn taught(&self, knowledge: Knowledge) -> Self {
        Self {
            rules: Arc::clone(&self.rules),
            knowledge,
            settings: self.settings.clone(),
            described: self.described,
        }
    }

    /// Changes with rules, settings and knowledge.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let Knowledge { model, labels } = &self.knowledge;
        let learned = model.as_ref().map_or(0, VectorModel::digest);
        self.described.rotate_left(2) ^ learned.rotate_left(1) ^ labels.digest()
    }

    /// Whether it learned from labelled vectors, so that vectors have a say.
    #[must_use]
    pub fn has_learned(&self) -> bool {
        self.knowledge.model.is_some()
    }

    /// Which domain is part of which.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        self.rules.hierarchy()
    }

    /// The domains of a document, the surest first; never none.
    #[must_use]
    pub fn classify(&self, subject: &Subject<'_>) -> Vec<Membership> {
        if let Some(domain) = self.decided(subject) {
            return self.path(domain, 1.0);
        }
        let text = subject.payload.map(text).unwrap_or_default();
        let evidence = self.rules.evidence(&text);
        let probabilities = self.weigh(&self.topmost(&evidence), subject.vector);
        let mut ranked: Vec<(&str, f32)> = probabilities
            .iter()
            .map(|(name, share)| (name.as_str(), *share))
            .collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let mut found = Vec::new();
        for (name, share) in ranked.into_iter().take(self.settings.max_domains) {
            if share >= self.settings.min_confidence {
                found.extend(self.with_subdomain(name, share, &evidence));
            }
        }
        if !found.is_empty() {
            return found;
        }
        match subject.assigned.and_then(|assigned| self.domain(assigned.domain)) {
            Some(domain) => self.path(domain, 1.0),
            None => vec![Membership {
                domain: self.settings.default.clone(),
                confidence: 0.0,
            }],
        }
    }

    /// The domain that a label, the collection's settings or a rule decides.
    fn decided(&self, subject: &Subject<'_>) -> Option<&str> {
        let named = self.knowledge.labels.domain(subject.collection, subject.id);
        let only = subject.assigned.filter(|assigned| assigned.only);
        named
            .and_then(|domain| self.domain(domain))
            .or_else(|| self.label(subject.payload))
            .or_else(|| self.domain(only?.domain))
            .or_else(|| self.rules.decisive(subject.collection, subject.payload))
    }

    /// The domain that the payload names in the field for labels, if there is such a domain.
    #[must_use]
    pub fn label(&self, payload: Option<&JsonMap>) -> Option<&str> {
        let field = crate::payload::field(payload?, self.settings.label_field.as_deref()?)?;
        self.domain(field.as_str()?.trim())
    }

    /// Whether there is a domain of this name.
    #[must_use]
    pub fn knows(&self, domain: &str) -> bool {
        self.domain(domain).is_some()
    }

    fn domain(&self, name: &str) -> Option<&str> {
        self.rules.hierarchy().ancestors(name).next()
    }

    /// Evidence summed over the hierarchy.
    fn topmost(&self, evidence: &BTreeMap<&str, f32>) -> BTreeMap<String, f32> {
        let hierarchy = self.rules.hierarchy();
        let tops = hierarchy.names().filter(|name| hierarchy.parent(name).is_none());
        let mut sums: BTreeMap<String, f32> = tops.map(|name| (name.to_owned(), 0.0)).collect();
        for (name, value) in evidence {
            if let Some(sum) = hierarchy.top(name).and_then(|top| sums.get_mut(top)) {
                *sum += value;
            }
        }
        sums
    }

    /// Weighs evidence and model against each other: a logarithmic pool whose weight for the model grows with familiarity.
    fn weigh(&self, evidence: &BTreeMap<String, f32>, vector: &[f32]) -> BTreeMap<String, f32> {
        let verdict = self
            .knowledge
            .model
            .as_ref()
            .and_then(|model| model.classify(vector).ok());
        let mut scores: Vec<f32> = evidence.values().map(|value| RULES * value).collect();
        let untouched = scores.iter().all(|score| *score == 0.0);
        if let Some(verdict) = &verdict {
            let [least, more] = MODEL;
            let weight = least + more / (1.0 + (-STEEPNESS * (verdict.familiarity - FAMILIAR)).exp());
            let hierarchy = self.rules.hierarchy();
            for (score, name) in scores.iter_mut().zip(evidence.keys()) {
                let of_top = |(domain, share): (&String, &f32)| {
                    (hierarchy.top(domain) == Some(name.as_str())).then_some(*share)
                };
                let share: f32 = verdict.probabilities.iter().filter_map(of_top).sum();
                *score += weight * (share + DOUBT).ln();
            }
        } else if untouched {
            return BTreeMap::new();
        }
        vectors::softmax(&mut scores);
        evidence.keys().cloned().zip(scores).collect()
    }

    /// A topmost domain, and the one below it that most of the evidence is for.
    fn with_subdomain(&self, name: &str, share: f32, evidence: &BTreeMap<&str, f32>) -> Vec<Membership> {
        let hierarchy = self.rules.hierarchy();
        let below: Vec<(&str, f32)> = evidence
            .iter()
            .filter(|(domain, value)| **value > 0.0 && hierarchy.top(domain) == Some(name))
            .map(|(domain, value)| (*domain, *value))
            .collect();
        let total: f32 = below.iter().map(|(_, value)| value).sum();
        let mut found = vec![Membership {
            domain: name.to_owned(),
            confidence: share,
        }];
        let best = below
            .into_iter()
            .filter(|(domain, value)| *domain != name && *value >= MOST * total)
            .max_by(|one, other| one.1.total_cmp(&other.1));
        if let Some((domain, value)) = best {
            let below = hierarchy.ancestors(domain).filter(|domain| *domain != name);
            found.extend(below.map(|domain| Membership {
                domain: domain.to_owned(),
                confidence: share * value / total,
            }));
        }
        found
    }

    fn path(&self, domain: &str, confidence: f32) -> Vec<Membership> {
        let mut path: Vec<Membership> = self
            .hierarchy()
            .ancestors(domain)
            .map(|name| Membership {
                domain: name.to_owned(),
                confidence,
            })
            .collect();
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::DomainLabel;

    fn classifier(settings: Value) -> Classifier {
        Classifier::new(&serde_json::from_value(settings).unwrap(), Knowledge::default()).unwrap()
    }

    fn domains(classifier: &Classifier, collection: &str, payload: Value) -> Vec<(String, f32)> {
        let found = classifier.classify(&Subject {
            collection,
            id: "a",
            payload: payload.as_object(),
            vector: &[],
            assigned: None,
        });
        found
            .into_iter()
            .map(|one| (one.domain, one.confidence))
            .collect()
    }

    #[test]
    fn the_built_in_rules_know_what_a_contract_is() {
        let classifier = classifier(json!({}));
        let payload = json!({"content": "WHEREAS the Licensee wishes to obtain a non-exclusive license, the parties hereby agree to \
            the terms of this Agreement, and each party shall indemnify the other party."});
        let found = domains(&classifier, "c", payload);
        assert_eq!((found[0].0.as_str(), found[1].0.as_str()), ("legal", "contracts"));
        assert!(found[0].1 > 0.8 && found[1].1 <= found[0].1, "{found:?}");
        assert_eq!(classifier.hierarchy().top("contracts"), Some("legal"));
    }

    #[test]
    fn without_evidence_a_document_belongs_to_the_default_domain() {
        let classifier = classifier(json!({"default": "misc"}));
        for payload in [json!({}), json!({"content": "xyzzy"}), json!({"content": 7})] {
            assert_eq!(domains(&classifier, "c", payload), [("misc".to_owned(), 0.0)]);
        }
    }

    #[test]
    fn a_label_in_the_payload_decides_over_rules_and_rules_over_words() {
        let classifier = classifier(json!({
            "label_field": "topic",
            "rules": [{"name": "leases", "parent": "contracts", "collections": ["leases-*"]}],
        }));
        let text = "int main() compiles the source code of the api";
        let by_name = domains(&classifier, "leases-2026", json!({"content": text}));
        assert_eq!(
            by_name.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
            ["legal", "contracts", "leases"]
        );
        let labelled = domains(
            &classifier,
            "leases-2026",
            json!({"content": text, "topic": "hr"}),
        );
        assert_eq!(labelled, [("hr".to_owned(), 1.0)]);
        let unknown = domains(
            &classifier,
            "c",
            json!({"content": text, "topic": "no such domain"}),
        );
        assert_eq!(unknown[0].0, "engineering");
    }

    #[test]
    fn a_label_that_somebody_gave_decides_over_all_others() {
        let label = |id: &str, domain: &str| DomainLabel {
            collection: "c".into(),
            id: id.into(),
            domain: domain.into(),
        };
        let untaught = classifier(json!({"label_field": "topic"}));
        let of_a = |domain: &str| {
            let labels = Labels::of([label("a", domain), label("b", "financial")]);
            let taught = untaught.taught(Knowledge {
                labels,
                ..Knowledge::default()
            });
            assert_ne!(taught.digest(), untaught.digest());
            domains(&taught, "c", json!({"topic": "hr"}))[0].clone()
        };
        assert_eq!(of_a("legal"), ("legal".to_owned(), 1.0));
        assert_eq!(of_a("no such domain"), ("hr".to_owned(), 1.0));
    }

    #[test]
    fn what_is_configured_is_in_the_digest() {
        let digest = |settings| classifier(settings).digest();
        let all = [
            digest(json!({})),
            digest(json!({"min_confidence": 0.5})),
            digest(json!({"builtin": false})),
            digest(json!({"rules": [{"name": "x"}]})),
        ];
        assert_eq!(
            all.iter().collect::<std::collections::BTreeSet<_>>().len(),
            all.len()
        );
        assert_eq!(all[0], digest(json!({})));
    }
}
