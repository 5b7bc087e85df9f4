//! Failures by their kind: causes that differ in numbers and quoted words only are one.

use std::collections::BTreeMap;

use serde::Serialize;

/// Kinds that are told one by one.
const MOST: usize = 20;
/// Characters of a cause that are kept.
const LONGEST: usize = 300;

/// A kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    /// What it is.
    pub(crate) cause: String,
    /// How many documents failed by it.
    pub(crate) documents: u64,
}

/// Counts failures.
#[derive(Debug, Default)]
pub(crate) struct Causes(BTreeMap<String, u64>);

impl Causes {
    /// Takes one more.
    pub(crate) fn add(&mut self, cause: &str) {
        *self.0.entry(kind(cause)).or_default() += 1;
    }

    /// The most frequent ones, the rest together.
    pub(crate) fn ranked(self) -> Vec<Cause> {
        let mut all: Vec<Cause> = self
            .0
            .into_iter()
            .map(|(cause, documents)| Cause { cause, documents })
            .collect();
        all.sort_by(|a, b| b.documents.cmp(&a.documents).then_with(|| a.cause.cmp(&b.cause)));
        if all.len() > MOST {
            let rest = all.split_off(MOST);
            all.push(Cause {
                cause: format!("{} other causes", rest.len()),
                documents: rest.iter().map(|cause| cause.documents).sum(),
            });
        }
        all
    }
}

/// Counts all of these.
pub(crate) fn tally<'a>(causes: impl IntoIterator<Item = &'a str>) -> Vec<Cause> {
    let mut all = Causes::default();
    causes.into_iter().for_each(|cause| all.add(cause));
    all.ranked()
}

/// A cause without what differs from document to document.
fn kind(cause: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    for c in cause.chars().take(LONGEST) {
        match quote {
            Some(end) if c == end => {
                text.push('…');
                text.push(end);
                quote = None;
            }
            Some(_) => {}
            None if c == '\'' || c == '"' || c == '`' => {
                text.push(c);
                quote = Some(c);
            }
            None if c.is_ascii_digit() => {
                if !text.ends_with('#') {
                    text.push('#');
                }
            }
            None => text.push(c),
        }
    }
    if quote.is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_differ_in_numbers_and_names_are_one() {
        let causes = tally([
            "Type mismatch in 'a' at 17",
            "timed out after 5 s",
            "Type mismatch in 'b c' at 4",
            "Type mismatch in 'unclosed",
        ]);
        let shown: Vec<(&str, u64)> = causes
            .iter()
            .map(|cause| (cause.cause.as_str(), cause.documents))
            .collect();
        assert_eq!(
            shown,
            [
                ("Type mismatch in '…' at #", 2),
                ("Type mismatch in '…", 1),
                ("timed out after # s", 1)
            ]
        );
    }

    #[test]
    fn rare_ones_are_counted_together() {
        let names: Vec<String> = (b'a'..=b'z')
            .map(|letter| char::from(letter).to_string())
            .collect();
        let causes = tally(names.iter().map(String::as_str).chain(["z"]));
        assert_eq!((causes.len(), causes[0].documents), (MOST + 1, 2));
        assert_eq!(
            causes[MOST],
            Cause {
                cause: "6 other causes".to_owned(),
                documents: 6
            }
        );
    }
}
