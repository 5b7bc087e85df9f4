//! Amounts of money and percentages: `$1.25 million`, `EUR 3,000`, `fifty dollars`, `12.5 %`.
//!
//! The value of an amount is its ISO 4217 code and the number; a bare dollar counts as the US one. The value of a percentage is the
//! number and `%`.

use regex::{Captures, Regex};

use super::super::{EntityKind, Extractor, Mention};
use super::{compiled, number};

/// Signs and words of currencies with their codes; the first that fits counts.
const CURRENCIES: [(&str, &str); 44] = [
    ("us$", "USD"),
    ("usd", "USD"),
    ("u.s. dollar", "USD"),
    ("us dollar", "USD"),
    ("united states dollar", "USD"),
    ("c$", "CAD"),
    ("c $", "CAD"),
    ("cad", "CAD"),
    ("canadian dollar", "CAD"),
    ("a$", "AUD"),
    ("aud", "AUD"),
    ("australian dollar", "AUD"),
    ("hk$", "HKD"),
    ("hong kong dollar", "HKD"),
    ("nz$", "NZD"),
    ("new zealand dollar", "NZD"),
    ("s$", "SGD"),
    ("singapore dollar", "SGD"),
    ("$", "USD"),
    ("dollar", "USD"),
    ("cent", "USD"),
    ("€", "EUR"),
    ("eur", "EUR"),
    ("euro", "EUR"),
    ("£", "GBP"),
    ("gbp", "GBP"),
    ("pound", "GBP"),
    ("sterling", "GBP"),
    ("pence", "GBP"),
    ("¥", "JPY"),
    ("jpy", "JPY"),
    ("yen", "JPY"),
    ("yuan", "CNY"),
    ("renminbi", "CNY"),
    ("rmb", "CNY"),
    ("cny", "CNY"),
    ("₹", "INR"),
    ("inr", "INR"),
    ("rupee", "INR"),
    ("chf", "CHF"),
    ("swiss franc", "CHF"),
    ("franc", "CHF"),
    ("won", "KRW"),
    ("ruble", "RUB"),
];

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Amounts {
    before: Option<Regex>,
    behind: Option<Regex>,
    spelled: Option<Regex>,
    percent: Option<Regex>,
}

const NUMBER: &str = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?: \. \d+|\.\d+)?|\.\d+";
const MAGNITUDE: &str = r"(?:hundred|thousand|million|billion|trillion|lakh|crore|mn|bn|tn|mm|[kmb])\b";
const SIGNS: &str =
    r"(?:\b(?:U\.?S\.?|C|A|HK|NZ|S|CA|AU) ?)?\$|€|£|¥|₹|USD|EUR|GBP|JPY|CAD|AUD|CHF|CNY|RMB|INR";
const NAMES: &str = r"(?:(?:u\.?s\.?|united states|canadian|australian|hong kong|new zealand|singapore|swiss|japanese|british|chinese|indian|russian) )?(?:dollars?|euros?|pounds?(?: sterling)?|pence|cents?|yens?|yuan|renminbi|rmb|rupees?|francs?|won|rubles?|usd|eur|gbp|jpy|cad|aud|chf)\b|€|£";

impl Amounts {
    pub(super) fn new() -> Self {
        let words = number::words_pattern();
        Self {
            before: compiled(&format!(
                r"(?i)(?P<unit>{SIGNS}) ?(?P<number>{NUMBER})(?:[ -]?(?P<magnitude>{MAGNITUDE}))?"
            )),
            behind: compiled(&format!(
                r"(?i)\b(?P<number>{NUMBER})(?:[ -]?(?P<magnitude>{MAGNITUDE}))?[ -]?(?P<unit>{NAMES})"
            )),
            spelled: compiled(&format!(
                r"(?i)\b(?P<number>(?:{words})(?:[ -](?:and )?(?:{words}))*) (?P<unit>{NAMES})"
            )),
            percent: compiled(&format!(
                r"(?i)(?P<minus>minus |-)?\b(?P<number>{NUMBER}|(?:{words})(?:[ -](?:and )?(?:{words}))*) ?(?:%|percents?\b|per cent\b|percentage points?\b|pct\b)"
            )),
        }
    }
}

fn code(unit: &str) -> Option<&'static str> {
    let unit = unit
        .to_lowercase()
        .replace("u.s.", "us")
        .replace("ca$", "c$")
        .replace("au$", "a$");
    let unit = unit.trim();
    CURRENCIES
        .iter()
        .find(|(name, _)| {
            unit.starts_with(name) || unit.ends_with(name) || unit.trim_end_matches('s').ends_with(name)
        })
        .map(|(_, code)| *code)
}

fn amount(captures: &Captures<'_>) -> Option<f64> {
    let text = captures.name("number")?.as_str();
    let value = number::digits(&text.replace(" . ", ".")).or_else(|| number::words(text))?;
    let factor = captures
        .name("magnitude")
        .and_then(|word| number::magnitude(word.as_str()));
    Some(value * factor.unwrap_or(1.0))
}

impl Extractor for Amounts {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        for pattern in [&self.before, &self.behind, &self.spelled].into_iter().flatten() {
            for captures in pattern.captures_iter(text) {
                let (Some(whole), Some(unit)) = (captures.get(0), captures.name("unit")) else {
                    continue;
                };
                let starts_word = whole.as_str().starts_with(char::is_alphanumeric);
                let inside = starts_word && text[..whole.start()].ends_with(char::is_alphanumeric);
                if inside || text[whole.end()..].starts_with(char::is_alphanumeric) {
                    continue;
                }
                if let (Some(code), Some(value)) = (code(unit.as_str()), amount(&captures)) {
                    let small = ["pence", "cent"]
                        .iter()
                        .any(|small| unit.as_str().to_lowercase().contains(small));
                    let value = if small { value / 100.0 } else { value };
                    found.push(Mention {
                        kind: EntityKind::Money,
                        span: whole.range(),
                        value: Some(format!("{code} {}", number::plain(value))),
                        confidence: 0.95,
                    });
                }
            }
        }
        for captures in self
            .percent
            .iter()
            .flat_map(|pattern| pattern.captures_iter(text))
        {
            let (Some(whole), Some(value)) = (captures.get(0), amount(&captures)) else {
                continue;
            };
            let sign = if captures.name("minus").is_some() { "-" } else { "" };
            found.push(Mention {
                kind: EntityKind::Percent,
                span: whole.range(),
                value: Some(format!("{sign}{}%", number::plain(value))),
                confidence: 0.95,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Amounts::new().extract(text, &mut found);
        found.sort_by_key(|mention| mention.span.start);
        found.into_iter().filter_map(|mention| mention.value).collect()
    }

    #[test]
    fn amounts_are_read_with_their_currency() {
        for (text, value) in [
            ("a loan of $1.25 million.", "USD 1250000"),
            ("EUR 3,000 each", "EUR 3000"),
            ("£ 15 million", "GBP 15000000"),
            ("fell to 309,381 yen", "JPY 309381"),
            ("fifty dollars", "USD 50"),
            ("C$100", "CAD 100"),
            ("197 pence", "GBP 1.97"),
            ("10 us dollars", "USD 10"),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
    }

    #[test]
    fn percentages_are_read_in_digits_and_words() {
        assert_eq!(
            values("12.5 % and twenty percent, minus five per cent"),
            ["12.5%", "20%", "-5%"]
        );
    }

    #[test]
    fn other_numbers_are_no_amounts() {
        for text in ["1234", "the pound", "$", "abc$x", "chapter 5", "12 m", "12pm"] {
            assert!(values(text).is_empty(), "{text}: {:?}", values(text));
        }
    }
}
