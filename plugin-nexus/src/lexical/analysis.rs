//! How a text becomes words: split at what is neither letter nor digit, lower case, without accents, reduced to stems by the rules of
//! a language (Snowball).
//!
//! Invariant: the same for documents and for queries; whoever changes it changes [`VERSION`], so that what was indexed by the old
//! rules is not read by the new ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language as Stems, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer,
    TextAnalyzer, TokenStream,
};

/// Changes with the rules.
pub(super) const VERSION: u32 = 1;
/// Words of more bytes say nothing: they are hashes, keys, and pictures in base64.
const LONGEST_WORD: usize = 40;

/// The language whose words are reduced to their stems; a store of many languages loses little by the wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "names of languages")]
pub enum Language {
    /// Words stay as they are.
    None,
    Arabic,
    Danish,
    Dutch,
    #[default]
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

impl Language {
    fn stems(self) -> Option<Stems> {
        Some(match self {
            Self::None => return None,
            Self::Arabic => Stems::Arabic,
            Self::Danish => Stems::Danish,
            Self::Dutch => Stems::Dutch,
            Self::English => Stems::English,
            Self::Finnish => Stems::Finnish,
            Self::French => Stems::French,
            Self::German => Stems::German,
            Self::Greek => Stems::Greek,
            Self::Hungarian => Stems::Hungarian,
            Self::Italian => Stems::Italian,
            Self::Norwegian => Stems::Norwegian,
            Self::Portuguese => Stems::Portuguese,
            Self::Romanian => Stems::Romanian,
            Self::Russian => Stems::Russian,
            Self::Spanish => Stems::Spanish,
            Self::Swedish => Stems::Swedish,
            Self::Tamil => Stems::Tamil,
            Self::Turkish => Stems::Turkish,
        })
    }
}

/// Takes texts apart.
#[derive(Clone)]
pub(super) struct Analyzer(TextAnalyzer);

impl Analyzer {
    pub(super) fn new(language: Language) -> Self {
        let plain = TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(LONGEST_WORD + 1))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter);
        Self(match language.stems() {
            Some(stems) => plain.filter(Stemmer::new(stems)).build(),
            None => plain.build(),
        })
    }

    /// The words of a text, in its order.
    pub(super) fn words(&self, text: &str, mut each: impl FnMut(&str)) {
        // A stream needs the analyzer for itself; a copy is a few pointers.
        let mut analyzer = self.0.clone();
        let mut stream = analyzer.token_stream(text);
        while let Some(token) = stream.next() {
            each(&token.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: Language, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        Analyzer::new(language).words(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_are_what_readers_take_for_the_same() {
        assert_eq!(
            words(Language::English, "Café contracts, contracting: Q3/2026!"),
            ["cafe", "contract", "contract", "q3", "2026"]
        );
        assert_eq!(words(Language::None, "Contracts"), ["contracts"]);
        assert_eq!(
            words(Language::German, "Häuser"),
            words(Language::German, "hauser")
        );
        assert_eq!(words(Language::English, &"x".repeat(41)), [] as [&str; 0]);
        assert_eq!(words(Language::English, "\u{0}\u{feff} -- \n"), [] as [&str; 0]);
    }
}
