//! From mentions to entities: one for each name, however it is spelled.
//!
//! - The *normal form* of a name is its key: in lower case, without accents, punctuation, the titles of people and the legal forms of
//!   companies. The same name has the same key in every document.
//! - *Aliases* of the configuration stand for another name, everywhere.
//! - Within a document, names of one kind that are nearly the same (Jaro-Winkler, see [`ALIKE`]), and a family name after the whole
//!   name, are one entity, called by the most frequent form. No mention is lost: counts add up.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{EntityKind, Mention};

/// Names at least so similar are one, from the length [`LONG`] on.
const ALIKE: f64 = 0.96;
/// Shorter names are one only when they are equal: a letter makes another one of them.
const LONG: usize = 8;
/// Longest name in bytes; of a longer one the beginning.
const MAX_NAME: usize = 200;
/// Names of one kind up to which similar ones are looked for.
const MAX_COMPARED: usize = 200;

const TITLES: [&str; 22] = [
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "professor",
    "sir",
    "lord",
    "lady",
    "president",
    "senator",
    "governor",
    "king",
    "queen",
    "prince",
    "princess",
    "pope",
    "saint",
    "st",
    "judge",
    "captain",
];
const LEGAL_FORMS: [&str; 28] = [
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "ltd",
    "limited",
    "llc",
    "llp",
    "lp",
    "plc",
    "gmbh",
    "ag",
    "sa",
    "sarl",
    "bv",
    "nv",
    "spa",
    "srl",
    "oy",
    "ab",
    "as",
    "pty",
    "kg",
    "kgaa",
    "se",
    "holdings",
];

/// Something that a document mentions.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name in normal form; with the kind it tells it from all others.
    pub key: String,
    /// Its name as it is written most often.
    pub name: String,
    /// How often it is mentioned.
    pub count: u64,
    /// The highest confidence of its mentions.
    pub confidence: f32,
}

/// The normal form of a name.
#[must_use]
pub fn normal_form(kind: &EntityKind, name: &str) -> String {
    let folded: String = name
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    match kind {
        EntityKind::Email | EntityKind::Url | EntityKind::Identifier | EntityKind::Phone | EntityKind::Ip => {
            return bounded(folded.trim()).to_owned();
        }
        EntityKind::Date | EntityKind::Money | EntityKind::Percent => {
            return bounded(&folded.split_whitespace().collect::<Vec<_>>().join(" ")).to_owned();
        }
        EntityKind::Person | EntityKind::Organisation | EntityKind::Location | EntityKind::Custom(_) => {}
    }
    let dotless = folded.replace(['.', '\'', '’'], "");
    let mut words: Vec<&str> = dotless
        .split(|letter: char| !letter.is_alphanumeric() && letter != '&')
        .filter(|word| !word.is_empty())
        .collect();
    match kind {
        EntityKind::Person => {
            while words.len() > 1 && TITLES.contains(&words[0]) {
                words.remove(0);
            }
        }
        EntityKind::Organisation => {
            while words.len() > 1 && words.last().is_some_and(|last| LEGAL_FORMS.contains(last)) {
                words.pop();
            }
            if words.len() > 1 && words[0] == "the" {
                words.remove(0);
            }
        }
        EntityKind::Location if words.len() > 1 && words[0] == "the" => {
            words.remove(0);
        }
        _ => {}
    }
    bounded(&words.join(" ")).to_owned()
}

fn bounded(text: &str) -> &str {
    text[..text.floor_char_boundary(MAX_NAME)].trim_end()
}

/// A name while mentions are counted.
#[derive(Debug, Default)]
struct Tally {
    spellings: BTreeMap<String, u64>,
    count: u64,
    confidence: f32,
}

/// Makes entities of mentions, the surest and most mentioned ones first.
pub(super) fn resolve(
    text: &str,
    mentions: &[Mention],
    aliases: &BTreeMap<String, Vec<String>>,
) -> Vec<Entity> {
    let canonical: BTreeMap<String, &str> = aliases
        .iter()
        .flat_map(|(name, others)| {
            others
                .iter()
                .map(move |other| (other.to_lowercase(), name.as_str()))
        })
        .collect();
    let mut tallies: BTreeMap<EntityKind, BTreeMap<String, Tally>> = BTreeMap::new();
    for mention in mentions {
        let Some(written) = text.get(mention.span.clone()) else {
            continue;
        };
        let written = written.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = canonical
            .get(&written.to_lowercase())
            .map_or(written.as_str(), |name| name);
        let key = normal_form(&mention.kind, mention.value.as_deref().unwrap_or(name));
        if key.is_empty() {
            continue;
        }
        let tally = tallies
            .entry(mention.kind.clone())
            .or_default()
            .entry(key)
            .or_default();
        *tally.spellings.entry(bounded(name).to_owned()).or_default() += 1;
        tally.count += 1;
        tally.confidence = tally.confidence.max(mention.confidence);
    }
    let mut entities: Vec<Entity> = Vec::new();
    for (kind, mut names) in tallies {
        if matches!(
            kind,
            EntityKind::Person | EntityKind::Organisation | EntityKind::Location
        ) {
            names = merged(&kind, names);
        }
        entities.extend(names.into_iter().map(|(key, tally)| Entity {
            kind: kind.clone(),
            key,
            name: usual(&tally),
            count: tally.count,
            confidence: tally.confidence,
        }));
    }
    let weight = |entity: &Entity| entity.confidence * (1.0 + entity.count as f32).ln();
    entities.sort_by(|one, other| {
        let order = weight(other).total_cmp(&weight(one));
        order.then_with(|| (&one.kind, &one.key).cmp(&(&other.kind, &other.key)))
    });
    entities
}

/// The spelling that is used most, of equals the longest, then the first.
fn usual(tally: &Tally) -> String {
    let best = tally.spellings.iter().max_by(|one, other| {
        (one.1, one.0.len())
            .cmp(&(other.1, other.0.len()))
            .then_with(|| other.0.cmp(one.0))
    });
    best.map(|(name, _)| name.clone()).unwrap_or_default()
}

/// Puts names together that mean the same one.
fn merged(kind: &EntityKind, names: BTreeMap<String, Tally>) -> BTreeMap<String, Tally> {
    if names.len() > MAX_COMPARED {
        return names;
    }
    // The longest first, and of equals the most frequent: others join them.
    let mut order: Vec<(String, Tally)> = names.into_iter().collect();
    order.sort_by(|one, other| {
        let words = |key: &str| key.split(' ').count();
        let order = words(&other.0).cmp(&words(&one.0));
        order
            .then_with(|| other.1.count.cmp(&one.1.count))
            .then_with(|| one.0.cmp(&other.0))
    });
    let mut kept: Vec<(String, Tally)> = Vec::new();
    for (key, tally) in order {
        let fits: Vec<usize> = (0..kept.len())
            .filter(|at| means(kind, &kept[*at].0, &key))
            .collect();
        // A family name that several have means none of them.
        match fits.as_slice() {
            [at] => {
                let other = &mut kept[*at].1;
                other.count += tally.count;
                other.confidence = other.confidence.max(tally.confidence);
                // The spellings of a part are no names of the whole.
                if kept[*at].0.split(' ').count() == key.split(' ').count() {
                    for (spelling, count) in tally.spellings {
                        *kept[*at].1.spellings.entry(spelling).or_default() += count;
                    }
                }
            }
            _ => kept.push((key, tally)),
        }
    }
    kept.into_iter().collect()
}

/// Whether `short` means the one that is called `long`.
fn means(kind: &EntityKind, long: &str, short: &str) -> bool {
    if *kind == EntityKind::Person && !short.contains(' ') && long.contains(' ') {
        return long.rsplit(' ').next() == Some(short);
    }
    let same_length = long.split(' ').count() == short.split(' ').count();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    same_length
        && long.chars().count().min(short.chars().count()) >= LONG
        && digits(long) == digits(short)
        && strsim::jaro_winkler(long, short) >= ALIKE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(kind: EntityKind, names: &[&str], aliases: &[(&str, &[&str])]) -> Vec<(String, String, u64)> {
        let text = names.join("\n");
        let mut mentions = Vec::new();
        let mut at = 0;
        for name in names {
            mentions.push(Mention {
                kind: kind.clone(),
                span: at..at + name.len(),
                value: None,
                confidence: 0.9,
            });
            at += name.len() + 1;
        }
        let aliases = aliases
            .iter()
            .map(|(name, others)| {
                (
                    (*name).to_owned(),
                    others.iter().map(|other| (*other).to_owned()).collect(),
                )
            })
            .collect();
        let found = resolve(&text, &mentions, &aliases);
        found
            .into_iter()
            .map(|entity| (entity.key, entity.name, entity.count))
            .collect()
    }

    #[test]
    fn spellings_of_a_name_have_one_key() {
        for (kind, one, other) in [
            (EntityKind::Organisation, "Example Holdings, Inc.", "EXAMPLE"),
            (EntityKind::Organisation, "The Example Co", "example"),
            (EntityKind::Person, "Dr. José O'Neil", "jose oneil"),
            (EntityKind::Location, "The Hague", "hague"),
            (EntityKind::Location, "Île-de-France", "ile de france"),
        ] {
            assert_eq!(normal_form(&kind, one), normal_form(&kind, other), "{one}");
        }
        assert_ne!(
            normal_form(&EntityKind::Organisation, "AT&T"),
            normal_form(&EntityKind::Organisation, "ATT")
        );
    }

    #[test]
    fn a_family_name_and_a_misspelling_mean_the_whole_name_and_no_mention_is_lost() {
        let found = resolved(
            EntityKind::Person,
            &[
                "Anna Schmidt",
                "Schmidt",
                "Anna Schmitd",
                "Anna Schmidt",
                "Miller",
            ],
            &[],
        );
        assert_eq!(found[0], ("anna schmidt".into(), "Anna Schmidt".into(), 4));
        assert_eq!(found[1], ("miller".into(), "Miller".into(), 1));
        let two = resolved(
            EntityKind::Person,
            &["Anna Schmidt", "Bert Schmidt", "Schmidt"],
            &[],
        );
        assert_eq!(two.len(), 3, "{two:?}");
    }

    #[test]
    fn an_alias_stands_for_the_name_it_is_given() {
        let found = resolved(
            EntityKind::Organisation,
            &["IBM", "International Business Machines"],
            &[("International Business Machines", &["IBM", "Big Blue"])],
        );
        assert_eq!(
            found,
            [(
                "international business machines".into(),
                "International Business Machines".into(),
                2
            )]
        );
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own_and_bounded(name in "\\PC{0,300}") {
            for kind in EntityKind::BUILTIN {
                let key = normal_form(&kind, &name);
                prop_assert!(key.len() <= MAX_NAME);
                // A title before a title, and the like, come off at once.
                prop_assert_eq!(normal_form(&EntityKind::Email, &key).len(), key.len());
            }
        }

        #[test]
        fn no_mention_is_lost(names in proptest::collection::vec("(Anna|Bert|Jon|John) (Schmidt|Schmitt|Miller)|Schmidt", 1..12)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let found = resolved(EntityKind::Person, &names, &[]);
            prop_assert_eq!(found.iter().map(|(_, _, count)| count).sum::<u64>(), names.len() as u64);
        }
    }
}
