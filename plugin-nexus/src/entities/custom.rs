//! What the configuration adds: patterns and lists of names.
//!
//! Patterns are linear-time regular expressions of a bounded size; a list is one pattern of all its names.

use regex::{Regex, RegexBuilder};

use super::patterns::stands_alone;
use super::{EntityKind, Extractor, Mention};
use crate::config::Entities;

/// Most bytes that one compiled pattern may take.
const MAX_COMPILED: usize = 4 * 1024 * 1024;

/// What of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct CustomError {
    /// The key within `entities`.
    pub key: String,
    /// Why. Quotes the pattern only.
    pub reason: String,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Custom {
    forms: Vec<Form>,
}

#[derive(Debug)]
struct Form {
    kind: EntityKind,
    pattern: Regex,
    confidence: f32,
    /// Whether it has to stand between borders of words.
    whole_words: bool,
}

impl Custom {
    /// `None` where nothing is configured.
    pub(super) fn new(settings: &Entities) -> Result<Option<Self>, CustomError> {
        let mut forms = Vec::new();
        for (index, pattern) in settings.patterns.iter().enumerate() {
            forms.push(Form {
                kind: EntityKind::named(&pattern.kind),
                pattern: build(&pattern.regex, false, &format!("patterns[{index}].regex"))?,
                confidence: pattern.confidence,
                whole_words: false,
            });
        }
        for (index, list) in settings.lists.iter().enumerate() {
            // The longest first: of alternatives the first that fits is taken.
            let mut names: Vec<&str> = list.names.iter().map(String::as_str).collect();
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
            let names: Vec<String> = names.into_iter().map(regex::escape).collect();
            if !names.is_empty() {
                forms.push(Form {
                    kind: EntityKind::named(&list.kind),
                    pattern: build(
                        &names.join("|"),
                        !list.case_sensitive,
                        &format!("lists[{index}].names"),
                    )?,
                    confidence: 0.99,
                    whole_words: true,
                });
            }
        }
        Ok((!forms.is_empty()).then_some(Self { forms }))
    }
}

fn build(pattern: &str, any_case: bool, key: &str) -> Result<Regex, CustomError> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(any_case)
        .size_limit(MAX_COMPILED)
        .build();
    built.map_err(|error| CustomError {
        key: key.to_owned(),
        reason: match error {
            regex::Error::CompiledTooBig(limit) => format!("needs more than {limit} bytes when compiled"),
            other => other
                .to_string()
                .lines()
                .last()
                .unwrap_or("not a regular expression")
                .to_owned(),
        },
    })
}

impl Extractor for Custom {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        for form in &self.forms {
            for whole in form.pattern.find_iter(text) {
                if !form.whole_words || stands_alone(text, whole.start(), whole.end()) {
                    found.push(Mention {
                        kind: form.kind.clone(),
                        span: whole.range(),
                        value: None,
                        confidence: form.confidence,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::EntityExtractor;

    fn found(settings: Value, text: &str) -> Vec<(String, String)> {
        let extractor = EntityExtractor::new(&serde_json::from_value(settings).unwrap()).unwrap();
        let mentions = extractor.mentions(text).into_iter();
        mentions
            .map(|mention| (mention.kind.name().to_owned(), text[mention.span].to_owned()))
            .collect()
    }

    #[test]
    fn configured_patterns_and_lists_are_found_with_their_kind() {
        let settings = json!({
            "kinds": ["product", "order", "organisation"],
            "patterns": [{"kind": "order", "regex": "ORD[0-9]{4}"}],
            "lists": [{"kind": "product", "names": ["Widget", "Widget Pro"]}, {"kind": "organisation", "names": ["ACME"], "case_sensitive": true}],
        });
        let all = found(
            settings,
            "ORD1234 is a WIDGET pro, no widgets, of ACME, not acme.",
        );
        let all: Vec<_> = all
            .iter()
            .map(|(kind, name)| (kind.as_str(), name.as_str()))
            .collect();
        assert!(
            all.contains(&("order", "ORD1234")) && all.contains(&("product", "WIDGET pro")),
            "{all:?}"
        );
        assert!(
            all.contains(&("organisation", "ACME")) && !all.contains(&("product", "widget")),
            "{all:?}"
        );
    }

    #[test]
    fn hostile_patterns_are_refused_and_slow_ones_are_linear() {
        for regex in ["(", "(?:a{1000}){1000}", "(?=a)"] {
            let settings = json!({"patterns": [{"kind": "x", "regex": regex}]});
            let error = EntityExtractor::new(&serde_json::from_value(settings).unwrap()).unwrap_err();
            assert_eq!(error.key, "patterns[0].regex");
        }
        let settings = json!({"patterns": [{"kind": "x", "regex": "(a+)+$"}], "kinds": ["x"]});
        assert!(found(settings, &format!("{}b", "a".repeat(20_000))).is_empty());
    }
}
