//! Numbers as they are written: digits with separators, and English words.

/// The value of digits with separators of thousands and a decimal point.
pub(super) fn digits(text: &str) -> Option<f64> {
    let plain: String = text
        .chars()
        .filter(|letter| !matches!(letter, ',' | ' ' | '\u{a0}' | '\''))
        .collect();
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// What a word of magnitude multiplies by.
pub(super) fn magnitude(word: &str) -> Option<f64> {
    Some(match word.to_lowercase().as_str() {
        "k" | "thousand" => 1e3,
        "m" | "mn" | "mm" | "mil" | "million" | "millions" => 1e6,
        "b" | "bn" | "billion" | "billions" => 1e9,
        "t" | "tn" | "trillion" | "trillions" => 1e12,
        "hundred" => 1e2,
        "lakh" => 1e5,
        "crore" => 1e7,
        _ => return None,
    })
}

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// All words that numbers are made of, as alternatives of a pattern.
pub(super) fn words_pattern() -> String {
    let all: Vec<&str> = UNITS.iter().chain(&TENS).copied().collect();
    format!("{}|hundred|thousand|million|billion", all.join("|"))
}

/// The value of a number in English words, as `one hundred and five`.
pub(super) fn words(text: &str) -> Option<f64> {
    let (mut total, mut part, mut any) = (0.0, 0.0, false);
    for word in text.split([' ', '-']).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if let Some(unit) = UNITS.iter().position(|name| *name == word) {
            part += unit as f64;
        } else if let Some(ten) = TENS.iter().position(|name| *name == word) {
            part += (ten as f64 + 2.0) * 10.0;
        } else if word == "hundred" {
            part = f64::max(part, 1.0) * 100.0;
        } else if let Some(factor) = magnitude(&word) {
            total += f64::max(part, 1.0) * factor;
            part = 0.0;
        } else if word != "and" {
            return None;
        }
        any |= word != "and";
    }
    any.then_some(total + part)
}

/// A number without needless digits.
pub(super) fn plain(value: f64) -> String {
    let rounded = (value * 1e4).round() / 1e4;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_digits_and_in_words() {
        assert_eq!(digits("1,250,000.50"), Some(1_250_000.5));
        assert_eq!(words("one hundred and five"), Some(105.0));
        assert_eq!(
            words("twenty-two million three hundred thousand"),
            Some(22_300_000.0)
        );
        assert_eq!(words("and"), None);
        assert_eq!(words("five apples"), None);
        assert_eq!(plain(1.17e9), "1170000000");
        assert_eq!(plain(4.25), "4.25");
    }
}
