//! Words as rules compare them: runs of letters, digits and underscores, in lower case, without the ending of a plural.
//!
//! A text is cut by these runs in every script, so a term never matches inside a longer word. Scripts that write no spaces
//! have long runs; terms in them match whole runs only.

use std::borrow::Cow;

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .map(normal)
}

fn normal(word: &str) -> Cow<'_, str> {
    let plain = word
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let lower = if plain {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.to_lowercase())
    };
    let ends = |ending: &[&str]| ending.iter().any(|ending| lower.ends_with(ending));
    let length = lower.len();
    if length > 4 && lower.ends_with("ies") {
        return format!("{}y", &lower[..length - 3]).into();
    }
    let cut = if length > 4 && ends(&["sses", "shes", "ches", "xes"]) {
        2
    } else if length > 3 && lower.ends_with('s') && !ends(&["ss", "us", "is"]) {
        1
    } else {
        return lower;
    };
    match lower {
        Cow::Borrowed(lower) => lower[..length - cut].into(),
        Cow::Owned(mut lower) => {
            lower.truncate(length - cut);
            lower.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        words(text).map(Cow::into_owned).collect()
    }

    #[test]
    fn words_end_where_letters_do_in_every_script() {
        assert_eq!(
            all("The parties' CONTRACTS, and losses."),
            ["the", "party", "contract", "and", "loss"]
        );
        assert_eq!(all("status is basis"), ["status", "is", "basis"]);
        assert_eq!(
            all("Ärzte—договоры 契約書 __init__"),
            ["ärzte", "договоры", "契約書", "__init__"]
        );
        assert!(all(" \u{200d}—!").is_empty());
    }
}
