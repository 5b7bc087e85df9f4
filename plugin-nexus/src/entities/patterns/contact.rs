//! Addresses: e-mail, web, telephone, network.
//!
//! Values: e-mail and host in lower case; telephone numbers as digits, with `+` where the country is given; network addresses as RFC 5952
//! writes them.

use std::net::IpAddr;

use regex::Regex;

use super::super::{EntityKind, Extractor, Mention};
use super::{compiled, stands_alone};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Contacts {
    email: Option<Regex>,
    url: Option<Regex>,
    host: Option<Regex>,
    phone: Option<Regex>,
    v4: Option<Regex>,
    v6: Option<Regex>,
}

/// Top-level domains that a bare host name may end with.
const TOP_LEVEL: &str = "com|org|net|edu|gov|mil|int|info|biz|io|dev|app|ai|me|tv|pm|am|fm|co|uk|de|fr|nl|es|it|ch|at|be|se|no|dk|fi|pl|cz|ru|ua|jp|cn|kr|in|br|mx|ar|ca|au|nz|za|eu|us|sa|tr|gr|pt|ie|il|sg|hk|tw";
/// Fewest and most digits of a telephone number.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

impl Contacts {
    pub(super) fn new() -> Self {
        Self {
            email: compiled(
                r"(?i)[a-z0-9._%+'-]*[a-z0-9_]@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}",
            ),
            url: compiled(
                r#"(?i)(?:https?|ftp)://[^\s<>"'\]\)]*[^\s<>"'\]\).,;:!?]|www\d?\.[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s<>"'\]\)]*[^\s<>"'\]\).,;:!?])?"#,
            ),
            host: compiled(&format!(
                r#"(?i)\b(?:[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.)+(?:{TOP_LEVEL})\b(?:/[^\s<>"'\]\)]*)?"#
            )),
            phone: compiled(
                r"(?:\+|\b00 ?)?(?:\(\d{1,5}\)|\d{1,5})(?:[ ./-]{0,2}(?:\(\d{1,5}\)|\d{1,13})){0,6}(?: ?(?:x|ext\.?) ?\d{1,5})?",
            ),
            v4: compiled(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"),
            v6: compiled(r"(?i)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:\.\d{1,3}){0,3}"),
        }
    }
}

impl Extractor for Contacts {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        let mut add = |kind, span: std::ops::Range<usize>, value: String, confidence| {
            found.push(Mention {
                kind,
                span,
                value: Some(value),
                confidence,
            });
        };
        for whole in self.email.iter().flat_map(|pattern| pattern.find_iter(text)) {
            add(
                EntityKind::Email,
                whole.range(),
                whole.as_str().to_lowercase(),
                0.99,
            );
        }
        for whole in self.url.iter().flat_map(|pattern| pattern.find_iter(text)) {
            add(EntityKind::Url, whole.range(), url(whole.as_str()), 0.98);
        }
        for whole in self.host.iter().flat_map(|pattern| pattern.find_iter(text)) {
            let before = text[..whole.start()].chars().next_back();
            if !matches!(before, Some('@' | '.' | '/' | '-' | '_')) && !text[whole.end()..].starts_with('@') {
                add(EntityKind::Url, whole.range(), url(whole.as_str()), 0.85);
            }
        }
        for pattern in [&self.v4, &self.v6].into_iter().flatten() {
            for whole in pattern.find_iter(text) {
                let (start, end) = (whole.start(), whole.end());
                let glued = |letter: char| letter.is_alphanumeric() || letter == ':';
                let free = !text[..start].ends_with(glued) && !text[end..].starts_with(glued);
                if free && let Ok(address) = whole.as_str().parse::<IpAddr>() {
                    add(EntityKind::Ip, whole.range(), address.to_string(), 0.97);
                }
            }
        }
        for whole in self.phone.iter().flat_map(|pattern| pattern.find_iter(text)) {
            if let Some((value, confidence)) = phone(text, whole.start(), whole.end()) {
                add(EntityKind::Phone, whole.range(), value, confidence);
            }
        }
    }
}

/// An address in lower case up to its path.
fn url(text: &str) -> String {
    let host = text.find("://").map_or(0, |at| at + 3);
    let path = text[host..].find('/').map_or(text.len(), |at| host + at);
    format!("{}{}", text[..path].to_lowercase(), &text[path..])
}

/// Words in front of a number that say that it is one to call.
const CUES: [&str; 10] = [
    "phone",
    "tel",
    "call",
    "fax",
    "mobile",
    "cell",
    "number is",
    "hotline",
    "dial",
    "contact",
];

/// The digits of a telephone number, and how sure it is one: by its form, or by a word in front of it.
fn phone(text: &str, start: usize, end: usize) -> Option<(String, f32)> {
    let written = &text[start..end];
    if !stands_alone(text, start, end)
        || text[..start].ends_with(['$', '€', '£', '.', ',', '-', '/', '#', ':'])
    {
        return None;
    }
    if text[end..]
        .strip_prefix(['.', ',', '/', '-', ':'])
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    {
        return None;
    }
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    if !DIGITS.contains(&digits.len()) {
        return None;
    }
    let from = text[..start].char_indices().rev().nth(24).map_or(0, |(at, _)| at);
    let before = text[from..start].to_lowercase();
    let cued = CUES.iter().any(|cue| before.contains(cue));
    let international = written.starts_with('+') || written.starts_with("00");
    let groups = written
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .count();
    let formed = international || written.contains('(') || groups == 3 && digits.len() == 10;
    let looks_like_date = groups == 3 && digits.len() == 8;
    if !(cued || formed && !looks_like_date) {
        return None;
    }
    let value = if written.starts_with('+') {
        format!("+{digits}")
    } else {
        digits
    };
    Some((value, if cued { 0.96 } else { 0.85 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(EntityKind, String)> {
        let mut found = Vec::new();
        Contacts::new().extract(text, &mut found);
        found.sort_by_key(|mention| mention.span.start);
        found
            .into_iter()
            .filter_map(|mention| Some((mention.kind, mention.value?)))
            .collect()
    }

    fn of(kind: EntityKind, text: &str) -> Vec<String> {
        found(text)
            .into_iter()
            .filter(|(found, _)| *found == kind)
            .map(|(_, value)| value)
            .collect()
    }

    #[test]
    fn e_mail_addresses_are_found_in_any_surroundings() {
        assert_eq!(
            of(EntityKind::Email, "a邮箱地址Test.X+y@Mail.Example.com."),
            ["test.x+y@mail.example.com"]
        );
        assert!(of(EntityKind::Email, "@user a@b x@.com").is_empty());
    }

    #[test]
    fn web_addresses_end_before_punctuation() {
        assert_eq!(
            of(EntityKind::Url, "see (https://A.org/Path?q=1)."),
            ["https://a.org/Path?q=1"]
        );
        assert_eq!(
            of(EntityKind::Url, "www.example.co.uk, too"),
            ["www.example.co.uk", "www.example.co.uk"]
        );
        assert!(of(EntityKind::Url, "e.g. v1.2 and main.rs").is_empty());
    }

    #[test]
    fn telephone_numbers_need_a_form_or_a_word_before_them() {
        assert_eq!(
            of(EntityKind::Phone, "My phone number is 070043256."),
            ["070043256"]
        );
        assert_eq!(of(EntityKind::Phone, "+1(123)456-7890"), ["+11234567890"]);
        for text in [
            "in 2014-05-08",
            "1234567",
            "$1,234,567",
            "12.34.5678",
            "10.0.0.1 or so",
        ] {
            assert!(of(EntityKind::Phone, text).is_empty(), "{text}");
        }
    }

    #[test]
    fn network_addresses_are_those_that_can_be_read_as_one() {
        assert_eq!(
            of(EntityKind::Ip, "is 8.8.8.1/24, or ABEF:452::FE10"),
            ["8.8.8.1", "abef:452::fe10"]
        );
        assert!(of(EntityKind::Ip, "300.1.1.1 12:30:45 a::b::c 1.2.3").is_empty());
    }
}
