//! Text from elsewhere, made safe to be shown.
//!
//! Invariant: what leaves here moves no cursor, ends no line, colours nothing and reverses nothing, so that nobody who names a
//! collection, a document or a plugin can write on an operator's terminal.

use std::fmt::Write;

/// Whether a character does something else than stand there.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // The marks that turn the direction of writing.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // The ends of a line and of a paragraph, and what cannot be seen at all.
            | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The text in one line.
pub(crate) fn line(text: &str) -> String {
    escaped(text, |_| false)
}

/// The text with its own ends of lines.
pub(crate) fn lines(text: &str) -> String {
    escaped(text, |c| c == '\n')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !is_kept(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A JSON text that means the same. JSON itself only escapes the oldest control characters.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' {
            // All of them are in the first plane. Writing to a String does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_spelled_out() {
        assert_eq!(
            line("a\u{1b}[2J\r\nb\u{9b}31m"),
            "a\\u{1b}[2J\\u{d}\\u{a}b\\u{9b}31m"
        );
        assert_eq!(line("\u{202e}fdp.exe"), "\\u{202e}fdp.exe");
        assert_eq!(line("Zürich, 東京 🦀 \\ \""), "Zürich, 東京 🦀 \\ \"");
        assert_eq!(lines("a\nb\tc"), "a\nb\\u{9}c");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).contains(is_unsafe));
            prop_assert!(!lines(&text).contains(|c| is_unsafe(c) && c != '\n'));
        }

        #[test]
        fn json_means_the_same_and_holds_nothing_unsafe(text in any::<String>()) {
            let value = serde_json::json!({"a": [text, "\u{1b}\u{9b}\u{202e}\u{7f}"]});
            let safe = json(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert!(!safe.contains(|c| is_unsafe(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }
    }
}
