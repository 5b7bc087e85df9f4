//! Dates: days, months, quarters, years, decades, centuries, and spans of them, in English, and in the forms of ISO 8601.
//!
//! The value is the date in ISO 8601 as far as it is known (`2014-05-08`, `2014-05`, `2014`, `2013-Q1`, `198X` for a decade, `19XX` for a
//! century), spans as `start/end`. Relative dates (`next week`) have no value, as nobody knows when the text was written. A day in
//! digits alone is read with the month first, unless that is impossible.

use jiff::civil::Date;
use regex::{Captures, Regex};

use super::super::{EntityKind, Extractor, Mention};
use super::compiled;

type Reading = fn(&Captures<'_>) -> Option<String>;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Dates {
    forms: Vec<(Regex, Reading, f32)>,
}

const MONTH: &str = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?";
const DAY: &str = r"(?P<day>3[01]|[12]\d|0?[1-9])(?: ?(?:st|nd|rd|th))?";
const YEAR: &str = r"(?P<year>1\d{3}|20\d{2})";
const WEEKDAY: &str = r"(?:mon|tues?|wednes|wed|thurs?|thu|fri|satur|sat|sun)(?:day)?\.?";
const ERA: &str = r"(?: ?(?:BCE?|CE|AD|B\.C\.|A\.D\.))?";

impl Dates {
    pub(super) fn new() -> Self {
        let forms: Vec<(String, Reading, f32)> = vec![
            (r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?\b".into(), day, 0.97),
            (format!(r"(?i)\b(?:{WEEKDAY},? )?{MONTH},? ?{DAY},? (?:of )?{YEAR}\b"), day, 0.97),
            (format!(r"(?i)\b(?:{WEEKDAY},? )?(?:the )?{DAY} (?:day )?(?:of )?{MONTH},? ?{YEAR}\b"), day, 0.97),
            (format!(r"(?i)\b{DAY}[-–/ ]{MONTH}[-–/ ](?P<year>1\d{{3}}|20\d{{2}}|\d{{2}})\b"), day, 0.9),
            (r"\b(?P<first>\d{1,2})[/.-](?P<second>\d{1,2})[/.-](?P<year>\d{4}|\d{2})\b".into(), digits, 0.86),
            (r"\b(?P<year>1\d{3}|20\d{2})[/.](?P<number>\d{1,2})[/.](?P<day>\d{1,2})\b".into(), day, 0.9),
            (format!(r"(?i)\b(?:early |late |mid[- ])?{MONTH},? (?:of )?{YEAR}\b"), month, 0.95),
            (format!(r"(?i)\b(?:{WEEKDAY},? )?{MONTH},? {DAY}\b"), undated, 0.86),
            (format!(r"(?i)\b(?:{WEEKDAY},? )?(?:the )?{DAY} (?:of )?{MONTH}\b"), undated, 0.86),
            (format!(r"(?i)\b(?:the )?(?P<ordinal>first|second|third|fourth|1st|2nd|3rd|4th) (?:quarter|qtr)(?:,? (?:of )?{YEAR})?\b|\bQ(?P<quarter>[1-4]) ?{}\b", YEAR.replace("year", "of")), quarter, 0.93),
            (r"\b(?P<from>1\d{3}|20\d{2})[-–—/](?P<to>\d{2}|\d)\b".into(), span, 0.93),
            (r"(?i)\b(?:the )?(?P<decade>1\d{2}|20\d)0['’]?s\b".into(), decade, 0.94),
            (r"(?i)\b(?P<century>\d{1,2}) ?(?:st|nd|rd|th)?[- ]?centur(?:y|ies)\b".into(), century, 0.9),
            (format!(r"(?i)\b(?:early |late |mid[- ])?(?:the )?(?:{})(?:[- ]centur(?:y|ies))", ORDINALS.join("|")), spelled, 0.9),
            (format!(r"\b{YEAR}{ERA}\b"), year, 0.82),
            (r"\b(?:circa |c\. ?)?(?P<year>\d{1,4}) ?(?:BCE?|CE|AD|B\.C\.|A\.D\.)".into(), nothing, 0.9),
            (r"(?i)\b(?:(?:on|this|next|last|every) )?(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b".into(), nothing, 0.83),
            (r"(?i)\b(?:this|next|last|past|previous|coming|following) (?:week(?:end)?|month|year|quarter|decade|century|spring|summer|autumn|fall|winter)\b".into(), nothing, 0.84),
            (r"(?i)\b(?:the day (?:after tomorrow|before yesterday)|today|tomorrow|yesterday|tonight)\b".into(), nothing, 0.84),
            (r"(?i)\b(?:in |the )?(?:end|beginning|start|middle) of (?:the |this |next |last )?(?:week|month|year|quarter|day)\b".into(), nothing, 0.84),
            (r"(?i)\b(?:the )?week \d{1,2}\b".into(), nothing, 0.83),
            (r"(?i)\b(?:january|february|april|june|july|august|september|october|november|december)\b".into(), undated, 0.81),
            (format!(r"(?i)\b(?:{})-(?:year|month|week|day)\b", "one|two|three|four|five|six|seven|eight|nine|ten"), nothing, 0.81),
        ];
        Self {
            forms: forms
                .into_iter()
                .filter_map(|(pattern, reading, confidence)| Some((compiled(&pattern)?, reading, confidence)))
                .collect(),
        }
    }
}

const ORDINALS: [&str; 21] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
];

impl Extractor for Dates {
    fn extract(&self, text: &str, found: &mut Vec<Mention>) {
        for (pattern, reading, confidence) in &self.forms {
            for captures in pattern.captures_iter(text) {
                let Some(whole) = captures.get(0) else { continue };
                let part_of_number = text[..whole.start()]
                    .ends_with(['$', '€', '£', '.', ',', '#', '/', '-'])
                    && whole.as_str().bytes().all(|byte| byte.is_ascii_digit())
                    || text[whole.end()..]
                        .strip_prefix([',', '.'])
                        .is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()))
                        && whole.as_str().bytes().all(|byte| byte.is_ascii_digit());
                if part_of_number {
                    continue;
                }
                let value = reading(&captures);
                // A day that does not exist is no date, though its parts may be.
                let names = |name| captures.name(name).is_some();
                if value.is_none() && (names("first") || names("day") && names("year")) {
                    continue;
                }
                found.push(Mention {
                    kind: EntityKind::Date,
                    span: whole.range(),
                    value,
                    confidence: *confidence,
                });
            }
        }
    }
}

fn number<T: std::str::FromStr>(captures: &Captures<'_>, name: &str) -> Option<T> {
    captures.name(name)?.as_str().parse().ok()
}

fn month_of(captures: &Captures<'_>) -> Option<i8> {
    if let Some(month) = number(captures, "number") {
        return Some(month);
    }
    let name = captures.name("month")?.as_str().to_lowercase();
    let names = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let at = names.iter().position(|month| name.starts_with(month))?;
    i8::try_from(at + 1).ok()
}

/// A year of two digits is of the hundred years up to 2049.
fn full_year(year: i16) -> i16 {
    match year {
        0..=49 => 2_000 + year,
        50..=99 => 1_900 + year,
        year => year,
    }
}

fn day(captures: &Captures<'_>) -> Option<String> {
    let year = full_year(number(captures, "year")?);
    let date = Date::new(year, month_of(captures)?, number(captures, "day")?).ok()?;
    Some(date.to_string())
}

fn digits(captures: &Captures<'_>) -> Option<String> {
    let year = full_year(number(captures, "year")?);
    let (first, second) = (number(captures, "first")?, number(captures, "second")?);
    let date = Date::new(year, first, second)
        .or_else(|_| Date::new(year, second, first))
        .ok()?;
    Some(date.to_string())
}

fn month(captures: &Captures<'_>) -> Option<String> {
    Some(format!(
        "{:04}-{:02}",
        number::<i16>(captures, "year")?,
        month_of(captures)?
    ))
}

fn year(captures: &Captures<'_>) -> Option<String> {
    number::<i16>(captures, "year").map(|year| format!("{year:04}"))
}

fn quarter(captures: &Captures<'_>) -> Option<String> {
    let year: i16 = number(captures, "year").or_else(|| number(captures, "of"))?;
    let quarter = number::<u8>(captures, "quarter").or_else(|| {
        let name = captures.name("ordinal")?.as_str().to_lowercase();
        let names = [
            ["first", "1st"],
            ["second", "2nd"],
            ["third", "3rd"],
            ["fourth", "4th"],
        ];
        let at = names.iter().position(|names| names.contains(&name.as_str()))?;
        u8::try_from(at + 1).ok()
    })?;
    Some(format!("{year:04}-Q{quarter}"))
}

fn span(captures: &Captures<'_>) -> Option<String> {
    let from = captures.name("from")?.as_str();
    let to = captures.name("to")?.as_str();
    // `1997-8` ends in 1998.
    let to = format!("{}{to}", from.get(..4 - to.len().min(4))?);
    (from < to.as_str()).then(|| format!("{from}/{to}"))
}

fn decade(captures: &Captures<'_>) -> Option<String> {
    Some(format!("{}X", captures.name("decade")?.as_str()))
}

fn century(captures: &Captures<'_>) -> Option<String> {
    let century: u8 = number(captures, "century")?;
    (1..=30)
        .contains(&century)
        .then(|| format!("{:02}XX", century - 1))
}

fn spelled(captures: &Captures<'_>) -> Option<String> {
    let text = captures.get(0)?.as_str().to_lowercase();
    // The longest first: `first` is a part of `twenty-first`.
    let at = ORDINALS.iter().rposition(|name| text.contains(name))?;
    Some(format!("{at:02}XX"))
}

fn undated(captures: &Captures<'_>) -> Option<String> {
    let month = month_of(captures)?;
    match number::<i8>(captures, "day") {
        // A leap year, so that the 29th of February is one.
        Some(day) => Date::new(2024, month, day)
            .ok()
            .map(|_| format!("--{month:02}-{day:02}")),
        None => Some(format!("--{month:02}")),
    }
}

fn nothing(_: &Captures<'_>) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Option<String>> {
        let mut found = Vec::new();
        Dates::new().extract(text, &mut found);
        super::super::super::settle(found)
            .into_iter()
            .map(|mention| mention.value)
            .collect()
    }

    #[test]
    fn dates_are_read_as_far_as_they_are_known() {
        for (text, value) in [
            ("on 13 March 1963 in", "1963-03-13"),
            ("May 8, 2014", "2014-05-08"),
            ("this 8th day of May 2014", "2014-05-08"),
            ("2014-05-08T10:00:00Z", "2014-05-08"),
            ("05/20/2014", "2014-05-20"),
            ("20/05/2014", "2014-05-20"),
            ("03-Jan-19", "2019-01-03"),
            ("July 2012", "2012-07"),
            ("in 1992.", "1992"),
            ("1997-8", "1997/1998"),
            ("1983–84", "1983/1984"),
            ("the 1990s", "199X"),
            ("13th century", "12XX"),
            ("the nineteenth century", "18XX"),
            ("the first quarter of 2013", "2013-Q1"),
            ("Q3 2020", "2020-Q3"),
            ("June 5", "--06-05"),
        ] {
            assert_eq!(values(text), [Some(value.to_owned())], "{text}");
        }
        assert_eq!(values("see you next week"), [None]);
    }

    #[test]
    fn what_is_no_date_is_left_alone() {
        for text in [
            "$1992",
            "1,992",
            "version 1992.5",
            "he may come",
            "room 101",
            "31/31/2014",
            "12-34",
            "the march",
        ] {
            assert!(values(text).is_empty(), "{text}: {:?}", values(text));
        }
    }
}
