//! What documents mention.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::entities::EntityExtractor;

/// `entities:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entities {
    /// Whether entities are looked for. Default true.
    pub enabled: bool,
    /// Which kinds count: `person`, `organisation`, `location`, `date`, `money`, `percent`, `email`, `url`, `phone`, `ip`, `identifier`,
    /// and those of `patterns` and `lists`. Default: all.
    pub kinds: Vec<String>,
    /// Least confidence of a mention, from 0 to 1. Default 0.6.
    pub min_confidence: f32,
    /// Most entities of a document; the surest and most mentioned ones are kept. Default 32: each costs two edges.
    pub max_per_document: usize,
    /// Further patterns.
    pub patterns: Vec<EntityPattern>,
    /// Further names.
    pub lists: Vec<EntityList>,
    /// Other names, by the one they stand for.
    pub aliases: BTreeMap<String, Vec<String>>,
}

impl Default for Entities {
    fn default() -> Self {
        Self {
            enabled: true,
            kinds: Vec::new(),
            min_confidence: 0.6,
            max_per_document: 32,
            patterns: Vec::new(),
            lists: Vec::new(),
            aliases: BTreeMap::new(),
        }
    }
}

/// An entry of `entities.patterns:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityPattern {
    /// The kind of what it finds.
    pub kind: String,
    /// A regular expression without look-around and back-references, so that it takes linear time.
    pub regex: String,
    /// From 0 to 1. Default 0.99, so that it goes before the built-in ones.
    #[serde(default = "sure")]
    pub confidence: f32,
}

/// An entry of `entities.lists:`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityList {
    /// The kind of what it finds.
    pub kind: String,
    /// The names.
    pub names: Vec<String>,
    /// Whether a name counts only as it is written here. Default false.
    #[serde(default)]
    pub case_sensitive: bool,
}

fn sure() -> f32 {
    0.99
}

const MAX_NAMES: usize = 10_000;

impl Entities {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let share = |key: String, value: f32, faults: &mut Faults| {
            if !(0.0..=1.0).contains(&value) {
                faults.add(&key, &format!("{value} is out of range; allowed are 0 to 1"));
            }
        };
        share(format!("{key}.min_confidence"), self.min_confidence, faults);
        faults.range(
            &format!("{key}.max_per_document"),
            self.max_per_document as u64,
            1,
            1_000,
        );
        for (index, pattern) in self.patterns.iter().enumerate() {
            share(
                format!("{key}.patterns[{index}].confidence"),
                pattern.confidence,
                faults,
            );
            if pattern.kind.is_empty() {
                faults.add(&format!("{key}.patterns[{index}].kind"), "must not be empty");
            }
        }
        let mut names = 0;
        for (index, list) in self.lists.iter().enumerate() {
            names += list.names.len();
            if list.kind.is_empty() {
                faults.add(&format!("{key}.lists[{index}].kind"), "must not be empty");
            }
            if list.names.iter().any(|name| name.trim().is_empty()) {
                faults.add(
                    &format!("{key}.lists[{index}].names"),
                    "must not hold an empty name",
                );
            }
        }
        if names > MAX_NAMES {
            faults.add(
                &format!("{key}.lists"),
                &format!("{names} names are too many; allowed are {MAX_NAMES}"),
            );
        } else if let Err(error) = EntityExtractor::check(self) {
            faults.add(&format!("{key}.{}", error.key), &error.reason);
        }
    }
}
