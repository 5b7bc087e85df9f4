//! Numbers that name something: UUID, DOI, ISBN, IBAN, case and ticket numbers.
//!
//! ISBN (ISO 2108) and IBAN (ISO 13616) are taken only with the right check digit.

use regex::Regex;

use super::super::{EntityKind, Extractor, Mention};
use super::{compiled, stands_alone};

type Reading = fn(&str) -> Option<String>;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Identifiers {
    forms: Vec<(Regex, Reading)>,
}

impl Identifiers {
    pub(super) fn new() -> Self {
        let forms: [(&str, Reading); 5] = [
            (
                r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                |text| Some(text.to_lowercase()),
            ),
            (r#"10\.\d{4,9}/[^\s"<>]*[^\s"<>.,;)\]]"#, |text| {
                Some(format!("doi:{}", text.to_lowercase()))
            }),
            (
                r"(?:97[89][- ]?)?\d{1,5}[- ]\d{1,7}[- ]\d{1,7}[- ][\dX]|97[89]\d{10}",
                isbn,
            ),
            (r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?", iban),
            (r"(?:CVE-\d{4}-\d{4,7}|[A-Z][A-Z0-9]{1,9}-\d{2,7})", |text| {
                Some(text.to_owned())
            }),
        ];
        Self {
            forms: forms
                .into_iter()
                .filter_map(|(pattern, reading)| Some((compiled(pattern)?, reading)))
                .collect(),
        }
    }
}

impl Extractor for Identifiers {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        for (pattern, reading) in &self.forms {
            for whole in pattern.find_iter(text) {
                if stands_alone(text, whole.start(), whole.end())
                    && let Some(value) = reading(whole.as_str())
                {
                    found.push(Mention {
                        kind: EntityKind::Identifier,
                        span: whole.range(),
                        value: Some(value),
                        confidence: 0.9,
                    });
                }
            }
        }
    }
}

fn isbn(text: &str) -> Option<String> {
    let signs: Vec<char> = text.chars().filter(|sign| !matches!(sign, '-' | ' ')).collect();
    let value = |sign: &char| if *sign == 'X' { Some(10) } else { sign.to_digit(10) };
    let values: Vec<u32> = signs.iter().map(value).collect::<Option<_>>()?;
    let right = match values.len() {
        10 => {
            values
                .iter()
                .zip((1..=10).rev())
                .map(|(value, weight)| value * weight)
                .sum::<u32>()
                % 11
                == 0
        }
        13 => {
            let weighted = values
                .iter()
                .enumerate()
                .map(|(at, value)| value * if at % 2 == 0 { 1 } else { 3 });
            weighted.sum::<u32>() % 10 == 0
        }
        _ => false,
    };
    right.then(|| format!("isbn:{}", signs.into_iter().collect::<String>()))
}

fn iban(text: &str) -> Option<String> {
    let signs: String = text.chars().filter(|sign| *sign != ' ').collect();
    if !(15..=34).contains(&signs.len()) {
        return None;
    }
    let (head, rest) = signs.split_at_checked(4)?;
    let remainder = rest.chars().chain(head.chars()).try_fold(0_u32, |sum, sign| {
        let value = sign.to_digit(36)?;
        Some((sum * if value > 9 { 100 } else { 10 } + value) % 97)
    })?;
    (remainder == 1).then(|| format!("iban:{signs}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Identifiers::new().extract(text, &mut found);
        found.into_iter().filter_map(|mention| mention.value).collect()
    }

    #[test]
    fn identifiers_are_found_where_their_check_digit_is_right() {
        assert_eq!(values("ISBN 978-3-16-148410-0."), ["isbn:9783161484100"]);
        assert_eq!(
            values("GB82 WEST 1234 5698 7654 32"),
            ["iban:GB82WEST12345698765432"]
        );
        assert_eq!(values("doi 10.1000/Xyz123."), ["doi:10.1000/xyz123"]);
        assert_eq!(
            values("CVE-2024-12345 and PROJ-17"),
            ["CVE-2024-12345", "PROJ-17"]
        );
        assert!(values("978-3-16-148410-1 GB83 WEST 1234 5698 7654 32").is_empty());
    }
}
