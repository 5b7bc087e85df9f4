//! How documents are searched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Faults;
use crate::lexical::Language;

/// `search:`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// The index of words.
    pub lexical: Lexical,
}

/// `search.lexical:`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lexical {
    /// Whether there is one. It stands in the plugin's folder, and tells which words each document has; where these may not leave the
    /// store, switch it off, which deletes it. Default true.
    pub enabled: bool,
    /// The language whose words are reduced to their stems, as `german`; `none`: they stay as they are. Default `english`.
    pub language: Language,
    /// Documents that may wait to be indexed; beyond that their collection is compared instead. Default 50000.
    pub max_waiting: usize,
}

impl Default for Lexical {
    fn default() -> Self {
        Self {
            enabled: true,
            language: Language::default(),
            max_waiting: 50_000,
        }
    }
}

impl Search {
    pub(super) fn check(&self, key: &str, faults: &mut Faults) {
        let Self {
            lexical:
                Lexical {
                    enabled: _,
                    language: _,
                    max_waiting,
                },
        } = *self;
        faults.range(
            &format!("{key}.lexical.max_waiting"),
            max_waiting as u64,
            100,
            10_000_000,
        );
    }
}
