//! What a text mentions: people, organisations, places, dates, amounts, addresses.
//!
//! ```text
//! text -> extractors (patterns, tagger, custom) -> mentions -> overlaps settled -> resolution -> entities
//! ```
//!
//! Invariants:
//! - time is linear in the text, of which a bounded part is looked at; a document has a bounded number of entities, the
//!   surest and most mentioned ones, and what is left out is counted;
//! - spans are byte offsets at borders of characters, in order, without overlap;
//! - the same text gives the same entities, and the same name the same key, whatever else is in the document.

mod context;
mod custom;
mod patterns;
mod resolution;
mod tagger;

use std::fmt;
use std::ops::Range;

pub use custom::CustomError;
pub use resolution::{Entity, normal_form};
pub use tagger::{ModelError, Tagger, Teacher};

use crate::config::Entities;

/// Bytes of a text that are looked at.
pub const MAX_TEXT: usize = 256 * 1024;

/// What a mention is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// Somebody.
    Person,
    /// A company, an authority, a team.
    Organisation,
    /// A place, a region, a country.
    Location,
    /// A day, month, year or span of them.
    Date,
    /// An amount of money.
    Money,
    /// A share in hundredths.
    Percent,
    /// An e-mail address.
    Email,
    /// An address in the web.
    Url,
    /// A telephone number.
    Phone,
    /// An address in a network.
    Ip,
    /// A number that names something: an ISBN, a DOI, an IBAN, a UUID, a case number.
    Identifier,
    /// A kind of the configuration.
    Custom(String),
}

impl EntityKind {
    /// All but custom ones.
    pub const BUILTIN: [Self; 11] = [
        Self::Person,
        Self::Organisation,
        Self::Location,
        Self::Date,
        Self::Money,
        Self::Percent,
        Self::Email,
        Self::Url,
        Self::Phone,
        Self::Ip,
        Self::Identifier,
    ];

    /// The kind's name in the graph and in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person => "person",
            Self::Organisation => "organisation",
            Self::Location => "location",
            Self::Date => "date",
            Self::Money => "money",
            Self::Percent => "percent",
            Self::Email => "email",
            Self::Url => "url",
            Self::Phone => "phone",
            Self::Ip => "ip",
            Self::Identifier => "identifier",
            Self::Custom(name) => name,
        }
    }

    /// The kind of this name; a custom one where none of the others is called so.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let known = Self::BUILTIN.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or_else(|| Self::Custom(name.to_owned()))
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One place in a text that names something.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// Of what.
    pub kind: EntityKind,
    /// Where, in bytes.
    pub span: Range<usize>,
    /// What it says in a form of its own, as `2014-05-08` or `USD 1250000`; `None`: the words themselves.
    pub value: Option<String>,
    /// From 0 to 1.
    pub confidence: f32,
}

/// Finds mentions of some kinds.
pub trait Extractor: fmt::Debug + Send + Sync {
    /// Adds the mentions in a text, in any order; they may overlap.
    fn extract(&self, text: &str, found: &mut Vec<Mention>);
}

/// What a text mentions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extraction {
    /// The entities, the surest first.
    pub entities: Vec<Entity>,
    /// Entities that were left out since there are too many.
    pub skipped: usize,
}

/// Finds entities.
#[derive(Debug)]
pub struct EntityExtractor {
    extractors: Vec<Box<dyn Extractor>>,
    settings: Entities,
    digest: u64,
}

impl EntityExtractor {
    /// An extractor by these settings.
    ///
    /// # Errors
    /// [`CustomError`] for a pattern or a list that cannot be used.
    pub fn new(settings: &Entities) -> Result<Self, CustomError> {
        Self::with_tagger(settings, Tagger::builtin())
    }

    /// Whether there is an extractor by these settings: what is built in always compiles.
    ///
    /// # Errors
    /// As [`EntityExtractor::new`].
    pub fn check(settings: &Entities) -> Result<(), CustomError> {
        custom::Custom::new(settings).map(drop)
    }

    /// As [`EntityExtractor::new`], with another tagger.
    ///
    /// # Errors
    /// [`CustomError`].
    pub fn with_tagger(settings: &Entities, tagger: Tagger) -> Result<Self, CustomError> {
        let mut extractors = patterns::extractors();
        extractors.push(Box::new(tagger));
        if let Some(custom) = custom::Custom::new(settings)? {
            extractors.push(Box::new(custom));
        }
        let described = format!("{settings:?}");
        let parts = [
            env!("CARGO_PKG_VERSION"),
            described.as_str(),
            Tagger::fingerprint(),
        ];
        Ok(Self {
            extractors,
            digest: crate::sync::settings_digest(parts.into_iter()),
            settings: settings.clone(),
        })
    }

    /// Changes with the settings and with what the extractors know.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The mentions in a text, in order, without overlap.
    #[must_use]
    pub fn mentions(&self, text: &str) -> Vec<Mention> {
        let text = cut(text);
        let mut found = Vec::new();
        for extractor in &self.extractors {
            extractor.extract(text, &mut found);
        }
        let Entities {
            kinds,
            min_confidence,
            ..
        } = &self.settings;
        found.retain(|mention| {
            let wanted = kinds.is_empty() || kinds.iter().any(|kind| kind == mention.kind.name());
            wanted
                && mention.confidence >= *min_confidence
                && text
                    .get(mention.span.clone())
                    .is_some_and(|name| !name.is_empty())
        });
        settle(found)
    }

    /// The entities in a text.
    #[must_use]
    pub fn extract(&self, text: &str) -> Extraction {
        let text = cut(text);
        let mut entities = resolution::resolve(text, &self.mentions(text), &self.settings.aliases);
        let skipped = entities.len().saturating_sub(self.settings.max_per_document);
        entities.truncate(self.settings.max_per_document);
        Extraction { entities, skipped }
    }
}

/// Keeps of overlapping mentions the surest, of equals the longest, then the first.
fn settle(mut found: Vec<Mention>) -> Vec<Mention> {
    found.sort_by(|one, other| {
        let length = |mention: &Mention| mention.span.len();
        other
            .confidence
            .total_cmp(&one.confidence)
            .then_with(|| length(other).cmp(&length(one)))
            .then_with(|| one.span.start.cmp(&other.span.start))
            .then_with(|| one.kind.cmp(&other.kind))
    });
    let mut kept: std::collections::BTreeMap<usize, Mention> = std::collections::BTreeMap::new();
    for mention in found {
        let before = kept.range(..mention.span.end).next_back();
        if before.is_none_or(|(_, before)| before.span.end <= mention.span.start) {
            kept.insert(mention.span.start, mention);
        }
    }
    kept.into_values().collect()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extractor() -> EntityExtractor {
        EntityExtractor::new(&Entities::default()).unwrap()
    }

    #[test]
    fn a_text_s_entities_are_found_once_each_with_their_count() {
        let text = "Anna Schmidt of Example Holdings Inc. wrote to anna@example.com on 5 May 2014. Anna Schmidt was paid $1.5 million.";
        let found = extractor().extract(text).entities;
        let of = |kind: EntityKind| found.iter().find(|entity| entity.kind == kind).unwrap();
        assert_eq!(of(EntityKind::Date).key, "2014-05-05");
        assert_eq!(of(EntityKind::Money).key, "usd 1500000");
        assert_eq!(of(EntityKind::Email).key, "anna@example.com");
        assert_eq!(
            (of(EntityKind::Person).key.as_str(), of(EntityKind::Person).count),
            ("anna schmidt", 2)
        );
    }

    #[test]
    fn ten_thousand_entities_are_bounded_and_what_is_left_out_is_counted() {
        let text: String = (0..10_000).map(|n| format!("a{n}@example.com, ")).collect();
        let found = extractor().extract(&text);
        assert_eq!(found.entities.len(), Entities::default().max_per_document);
        assert!(found.skipped > 5_000);
    }

    #[test]
    fn of_overlapping_mentions_the_surest_stays() {
        let mention = |span: Range<usize>, confidence| Mention {
            kind: EntityKind::Date,
            span,
            value: None,
            confidence,
        };
        let kept = settle(vec![
            mention(0..9, 0.5),
            mention(3..5, 0.9),
            mention(5..7, 0.5),
            mention(6..9, 0.5),
        ]);
        let spans: Vec<_> = kept.into_iter().map(|mention| mention.span).collect();
        assert_eq!(spans, [3..5, 6..9]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn spans_of_any_text_are_in_order_and_at_borders_of_characters(text in "(\\PC{0,8}|[0-9./:$€%@-]{1,6}|\\n| ){0,40}") {
            let found = extractor().mentions(&text);
            let mut end = 0;
            for mention in found {
                prop_assert!(mention.span.start >= end && text.get(mention.span.clone()).is_some());
                end = mention.span.end;
            }
        }
    }
}
