//! Companies that say what they are: a name before a legal form (`Inc.`, `GmbH`, `S.A.`), also in capitals, as in contracts.
//!
//! The name is read backwards from the form: words that begin with a capital or a digit, joined by `&`, or by `of` to
//! a `Bank` and the like. It ends at
//! a word that no name has before its own (`between`, `AND`, `THE`), at a stop, and after [`LONGEST`] words.

use std::ops::Range;

use regex::Regex;

use super::super::{EntityKind, Extractor, Mention};
use super::compiled;

/// Legal forms that are nothing else.
const FORM: &str = r"(?:Inc|INC|Incorporated|INCORPORATED|Corp|CORP|Corporation|CORPORATION|LLC|L\.L\.C|LLP|L\.L\.P|LP|L\.P|Ltd|LTD|Limited|LIMITED|PLC|Plc|plc|P\.L\.C|GmbH|GMBH|AG|KGaA|S\.A\.R\.L|SARL|S\.[aà] ?r\.l|S\.A|SA|S\.A\.S|SAS|S\.p\.A|SpA|S\.R\.L|SRL|S\.r\.l|N\.V|NV|B\.V|BV|N\.A|Pty|PTY|Pte|PTE|A/S|ASA|AB|Oy|Co|CO|Company|COMPANY)";
/// Words of a name before its form.
const LONGEST: usize = 8;
/// How sure it is that a name with a legal form is a company's.
const CONFIDENCE: f32 = 0.93;

/// Words with a capital that are no part of a name, or not its first.
const STOPS: [&str; 34] = [
    "a", "an", "and", "among", "any", "between", "by", "company", "each", "either", "exhibit", "for", "from",
    "in", "if", "is", "of", "on", "or", "other", "our", "party", "said", "such", "that", "the", "these",
    "this", "to", "under", "we", "whereas", "with", "your",
];
/// Words that join what follows to one of [`HEADS`]; `&` joins anything.
const JOINS: [&str; 5] = ["of", "for", "de", "du", "des"];
/// Of the institutions that are called after what they are for.
const HEADS: [&str; 18] = [
    "association",
    "bank",
    "board",
    "bureau",
    "church",
    "college",
    "company",
    "corporation",
    "fund",
    "house",
    "institute",
    "league",
    "museum",
    "office",
    "school",
    "society",
    "trust",
    "university",
];

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Companies {
    form: Option<Regex>,
}

impl Companies {
    pub(super) fn new() -> Self {
        // Forms may follow each other: `Co., Ltd.`, `Pty Ltd`.
        Self {
            form: compiled(&format!(r"(?:,? {FORM}\b\.?)+")),
        }
    }
}

impl Extractor for Companies {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        let Some(form) = &self.form else { return };
        let mut floor = 0;
        for form in form.find_iter(text) {
            if let Some(span) = name(text, floor, form.range()) {
                floor = span.end;
                found.push(Mention {
                    kind: EntityKind::Organisation,
                    span,
                    value: None,
                    confidence: CONFIDENCE,
                });
            }
        }
    }
}

/// The span of the name that ends with a form, not before `floor`.
fn name(text: &str, floor: usize, form: Range<usize>) -> Option<Range<usize>> {
    let mut start = form.start;
    let mut rest = text.get(floor..form.start)?;
    // The start of the last word that may begin a name.
    let mut first = None;
    let mut joined = false;
    for _ in 0..LONGEST {
        let word = rest.rsplit(char::is_whitespace).next().unwrap_or_default();
        // What stands before a quotation mark or a bracket belongs to something else.
        let bare = word.trim_start_matches(|letter: char| !letter.is_alphanumeric() && letter != '&');
        let at = start - bare.len();
        match kind(bare) {
            Kind::Name if joined && !HEADS.contains(&bare.to_lowercase().as_str()) => break,
            Kind::Name => {
                first = Some(at);
                joined = false;
            }
            Kind::And if first.is_some() => {}
            Kind::Join if first.is_some() => joined = true,
            _ => break,
        }
        if bare.len() < word.len() {
            break;
        }
        rest = &rest[..rest.len() - word.len()];
        let Some(before) = rest.strip_suffix(char::is_whitespace) else {
            break;
        };
        start = at - (rest.len() - before.len());
        rest = before;
    }
    let mut span = first?..form.end;
    // A full stop that ends the sentence as well as the form stays with the form; a name may not be the form alone.
    if text[span.clone()].ends_with(char::is_whitespace) {
        span.end = span.start + text[span.clone()].trim_end().len();
    }
    Some(span)
}

enum Kind {
    /// May begin a name, or go on.
    Name,
    /// Joins any two words.
    And,
    /// Joins a name to one of [`HEADS`].
    Join,
    /// Ends the search.
    Other,
}

fn kind(word: &str) -> Kind {
    let lower = word.to_lowercase();
    if word == "&" {
        return Kind::And;
    }
    if JOINS.contains(&word) {
        return Kind::Join;
    }
    if STOPS.contains(&lower.as_str()) {
        return Kind::Other;
    }
    let begins = word
        .chars()
        .next()
        .is_some_and(|letter| letter.is_alphanumeric() && !letter.is_lowercase());
    // `deltathree.com` and `eBay` have a capital or a full stop inside.
    let inside = word.chars().skip(1).any(char::is_uppercase) || word.ends_with(".com");
    let abbreviation = word.ends_with('.') && (word.len() <= 3 || word.matches('.').count() > 1);
    let ends = word.ends_with([',', ';', ':', '!', '?', ')', ']', '"', '”', '.']) && !abbreviation;
    if (begins || inside) && !ends {
        Kind::Name
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        Companies::new().extract(text, &mut found);
        found.into_iter().map(|mention| &text[mention.span]).collect()
    }

    #[test]
    fn a_legal_form_ends_a_name() {
        for (text, wanted) in [
            (
                "between Rogers Cable Communications Inc. (\"Rogers\") and EuroMedia Holdings Corp.",
                vec!["Rogers Cable Communications Inc.", "EuroMedia Holdings Corp."],
            ),
            (
                "BETWEEN BIRCH FIRST GLOBAL INVESTMENTS INC., AND TIME LIFE, INC. OF",
                vec!["BIRCH FIRST GLOBAL INVESTMENTS INC.", "TIME LIFE, INC."],
            ),
            (
                "the shares of Müller & Söhne GmbH and deltathree.com, Inc. fell",
                vec!["Müller & Söhne GmbH", "deltathree.com, Inc."],
            ),
            (
                "(“Bank of Ohio, N.A.”) and Sun Co., Ltd. with Acme Pty Ltd",
                vec!["Bank of Ohio, N.A.", "Sun Co., Ltd.", "Acme Pty Ltd"],
            ),
            (
                "Source: CYBERGY HOLDINGS, INC., 10-Q",
                vec!["CYBERGY HOLDINGS, INC."],
            ),
            ("J. P. Morgan Inc. said", vec!["J. P. Morgan Inc."]),
        ] {
            assert_eq!(names(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_form_without_a_name_is_none() {
        for text in [
            "the Company",
            "This Company",
            "Limited edition",
            "is limited",
            " Inc.",
            "and, Inc.",
            "The Company and the Corp.",
        ] {
            assert_eq!(names(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn a_name_has_eight_words_at_most_and_ends_at_a_stop() {
        assert_eq!(
            names("One Two Three Four Five Six Seven Eight Nine Ten Inc."),
            ["Three Four Five Six Seven Eight Nine Ten Inc."]
        );
        assert_eq!(names("We met Smith. Jones Ltd"), ["Jones Ltd"]);
        assert_eq!(names("Xencor and Aimmune Inc."), ["Aimmune Inc."]);
    }
}
