//! What can be told by its form alone: dates, amounts, addresses, numbers that name something, companies with a legal form.
//!
//! Every pattern is a linear-time regular expression; what it means is read off its groups. A pattern that does not compile is a
//! fault of the plugin, found by the tests, and leaves its family out.

mod company;
mod contact;
mod date;
mod identifier;
mod money;
mod number;

use regex::Regex;

use super::Extractor;

/// One of each family.
pub(super) fn extractors() -> Vec<Box<dyn Extractor>> {
    vec![
        Box::new(contact::Contacts::new()),
        Box::new(company::Companies::new()),
        Box::new(identifier::Identifiers::new()),
        Box::new(money::Amounts::new()),
        Box::new(date::Dates::new()),
    ]
}

/// Compiles a pattern in which `\b` and `\d` mean what they mean in ASCII: only then can it be searched for by an automaton that
/// looks at each byte once, also in texts that are not ASCII, which makes extraction as a whole three times as fast. And a
/// year that touches a letter of another script (`2020年`) is found.
fn compiled(pattern: &str) -> Option<Regex> {
    let pattern = pattern.replace(r"\b", r"(?-u:\b)").replace(r"\d", "[0-9]");
    Regex::new(&pattern)
        .inspect_err(|error| tracing::error!(%error, "a built-in pattern is damaged"))
        .ok()
}

/// Whether the span is no part of a longer word or number.
pub(super) fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let behind = text[end..].chars().next();
    before.is_none_or(|letter| !letter.is_alphanumeric())
        && behind.is_none_or(|letter| !letter.is_alphanumeric())
}
