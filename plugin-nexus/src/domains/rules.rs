//! Rules: words that speak for a domain, and collections and payload fields that decide it.
//!
//! Invariants:
//! - time is linear in the text, of which a bounded part is looked at;
//! - the evidence of a term grows with the logarithm of its occurrences up to a bound, and falls with the length of the
//!   text: no word repeated often wins over many that occur;
//! - evidence is by *domain*; what it means for the topmost domains is summed over the hierarchy.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use vectorizer_plugin_api::model::JsonMap;

use super::hierarchy::{Cycle, Hierarchy};
use super::words::words;
use crate::config::DomainRule;
use crate::payload::{Text, field};

/// Bytes of a body that are looked at.
const MAX_BODY: usize = 64 * 1024;
/// An occurrence in the title counts so many times.
const TITLE: f32 = 2.0;
/// Most that occurrences of one term count for.
const SATURATION: f32 = 3.0;
/// Words added to the length of a text, so that few words are no proof.
const SHORT: f32 = 40.0;

/// Compiled rules.
#[derive(Debug)]
pub struct Rules {
    hierarchy: Hierarchy,
    domains: Vec<Entry>,
    /// Terms by their first word.
    terms: HashMap<String, Vec<Term>>,
    count: usize,
}

#[derive(Debug)]
struct Entry {
    name: String,
    priority: i32,
    collections: Vec<String>,
    fields: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug)]
struct Term {
    /// The words behind the first one.
    rest: Vec<String>,
    domain: usize,
    weight: f32,
    number: usize,
}

impl Rules {
    /// Compiles rules. Several of one name add up.
    ///
    /// # Errors
    /// [`Cycle`].
    pub fn new(rules: &[DomainRule]) -> Result<Self, Cycle> {
        let hierarchy = Hierarchy::new(
            rules
                .iter()
                .map(|rule| (rule.name.as_str(), rule.parent.as_deref())),
        )?;
        let mut compiled = Self {
            hierarchy,
            domains: Vec::with_capacity(rules.len()),
            terms: HashMap::new(),
            count: 0,
        };
        for rule in rules {
            let domain = compiled.domains.len();
            for (weight, terms) in rule.weighted() {
                for term in terms {
                    let mut words = words(term).map(Cow::into_owned);
                    if let Some(first) = words.next() {
                        let number = compiled.count;
                        compiled.count += 1;
                        compiled.terms.entry(first).or_default().push(Term {
                            rest: words.collect(),
                            domain,
                            weight,
                            number,
                        });
                    }
                }
            }
            compiled.domains.push(Entry {
                name: rule.name.clone(),
                priority: rule.priority,
                collections: rule.collections.clone(),
                fields: rule.fields(),
            });
        }
        Ok(compiled)
    }

    /// Which domain is part of which.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// The domain that the collection's name or a payload field decides: of the highest priority, then the first.
    #[must_use]
    pub fn decisive(&self, collection: &str, payload: Option<&JsonMap>) -> Option<&str> {
        let matching = self.domains.iter().filter(|entry| {
            let by_name = entry
                .collections
                .iter()
                .any(|pattern| is_of_pattern(pattern, collection));
            by_name
                || entry.fields.iter().any(|(name, values)| {
                    let found = payload.and_then(|payload| field(payload, name));
                    found.is_some_and(|found| holds(found, values))
                })
        });
        // Of equals `max_by_key` takes the last.
        let rev = matching.collect::<Vec<_>>().into_iter().rev();
        rev.max_by_key(|entry| entry.priority)
            .map(|entry| entry.name.as_str())
    }

    /// The evidence for each domain that the text has any for or against, without what its subdomains have.
    #[must_use]
    pub fn evidence(&self, text: &Text<'_>) -> BTreeMap<&str, f32> {
        let mut counts: HashMap<usize, (usize, f32, f32)> = HashMap::new();
        let title = self.count(text.title, TITLE, &mut counts);
        let body = self.count(
            &text.body[..text.body.floor_char_boundary(MAX_BODY)],
            1.0,
            &mut counts,
        );
        let length = ((title + body) as f32 + SHORT).sqrt();
        let mut evidence: BTreeMap<&str, f32> = BTreeMap::new();
        let mut found: Vec<_> = counts.into_iter().collect();
        // In one order, since sums of floats depend on it.
        found.sort_unstable_by_key(|(number, _)| *number);
        for (_, (domain, weight, count)) in found {
            let name = self.domains[domain].name.as_str();
            *evidence.entry(name).or_default() += weight * (1.0 + count.ln()).min(SATURATION) / length;
        }
        evidence
    }

    /// Counts the terms of a text; answers how many words it has.
    fn count(&self, text: &str, times: f32, counts: &mut HashMap<usize, (usize, f32, f32)>) -> usize {
        let words: Vec<Cow<'_, str>> = words(text).collect();
        for (at, word) in words.iter().enumerate() {
            for term in self.terms.get(word.as_ref()).into_iter().flatten() {
                let behind = words.get(at + 1..at + 1 + term.rest.len());
                if behind.is_some_and(|behind| behind.iter().eq(term.rest.iter())) {
                    counts
                        .entry(term.number)
                        .or_insert((term.domain, term.weight, 0.0))
                        .2 += times;
                }
            }
        }
        words.len()
    }
}

/// Whether a name is of a pattern, in which `*` stands for anything.
pub(crate) fn is_of_pattern(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn holds(found: &Value, wanted: &[Value]) -> bool {
    let same = |one: &Value, other: &Value| match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        // Some writers turn every value into a text.
        (Value::String(text), other) | (other, Value::String(text)) => {
            let other = other.to_string();
            *text == other
        }
        (one, other) => one == other,
    };
    match found {
        Value::Array(items) => items
            .iter()
            .any(|item| wanted.iter().any(|wanted| same(item, wanted))),
        one => wanted.iter().any(|wanted| same(one, wanted)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rules(rules: Value) -> Rules {
        let rules: Vec<DomainRule> = serde_json::from_value(rules).unwrap();
        Rules::new(&rules).unwrap()
    }

    fn evidence(rules: &Rules, title: &str, body: &str, name: &str) -> f32 {
        rules
            .evidence(&Text { title, body })
            .get(name)
            .copied()
            .unwrap_or(0.0)
    }

    #[test]
    fn a_term_matches_whole_words_and_their_plural_in_any_case() {
        let rules =
            rules(json!([{"name": "legal", "terms": {"2": ["contract", "force majeure", "договор"]}}]));
        assert!(evidence(&rules, "", "Two Contracts.", "legal") > 0.0);
        assert!(evidence(&rules, "", "the force-majeure clause", "legal") > 0.0);
        assert!(evidence(&rules, "", "Договор подписан", "legal") > 0.0);
        assert_eq!(
            evidence(&rules, "", "contractor subcontract договоры force", "legal"),
            0.0
        );
    }

    #[test]
    fn a_title_counts_more_a_repeated_word_less_and_a_term_may_speak_against() {
        let rules = rules(json!([
            {"name": "a", "terms": {"1": ["apple", "pear"]}},
            {"name": "b", "terms": {"-3": ["apple"]}},
        ]));
        let filler = "and ".repeat(20);
        assert!(
            evidence(&rules, "apple", &filler, "a") > evidence(&rules, "", &format!("apple {filler}"), "a")
        );
        let thousand = evidence(&rules, "", &"apple ".repeat(1_000), "a");
        assert!(thousand < evidence(&rules, "", "apple pear", "a"));
        assert!(evidence(&rules, "apple", "", "b") < 0.0);
    }

    #[test]
    fn collections_and_fields_decide_by_priority_then_order() {
        let rules = rules(json!([
            {"name": "a", "collections": ["legal-*", "*-law"]},
            {"name": "b", "metadata": {"department": ["HR", 7]}, "priority": 1},
            {"name": "c", "metadata": {"department": "hr"}, "priority": 1},
        ]));
        let decided =
            |collection, payload: Value| rules.decisive(collection, payload.as_object()).map(str::to_owned);
        assert_eq!(decided("legal-eu", json!({})).as_deref(), Some("a"));
        assert_eq!(decided("tax-law", json!({})).as_deref(), Some("a"));
        assert_eq!(decided("lawless", json!({})), None);
        assert_eq!(
            decided("legal-eu", json!({"department": "hr"})).as_deref(),
            Some("b")
        );
        assert_eq!(
            decided("x", json!({"metadata": {"department": ["x", "7"]}})).as_deref(),
            Some("b")
        );
    }

    #[test]
    fn patterns_are_globs() {
        for (pattern, name, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*b*", "abc", true),
            ("**", "x", true),
        ] {
            assert_eq!(is_of_pattern(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_megabyte_is_looked_at_in_part() {
        let rules = rules(json!([{"name": "a", "terms": {"1": ["apple"]}}]));
        let text = format!("{}apple", "ä ".repeat(MAX_BODY));
        assert_eq!(evidence(&rules, "", &text, "a"), 0.0);
    }

    proptest! {
        #[test]
        fn any_text_has_finite_evidence(title in "\\PC{0,60}", body in "\\PC{0,400}") {
            let rules = rules(json!([{"name": "a", "terms": {"1": ["a", "b c"], "-2": ["é"]}}]));
            let evidence = rules.evidence(&Text { title: &title, body: &body });
            prop_assert!(evidence.values().all(|value| value.is_finite()));
        }

        #[test]
        fn a_glob_of_parts_fits_what_is_made_of_them(parts in proptest::collection::vec("[a-c]{0,3}", 1..4), gap in "[a-d]{0,3}") {
            prop_assert!(is_of_pattern(&parts.join("*"), &parts.join(&gap)));
        }
    }
}
