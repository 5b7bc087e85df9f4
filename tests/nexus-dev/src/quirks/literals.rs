//! String literals that Nexus 2.5 prints back without escaping and parses again (section 7 of the dialect page).
//!
//! Outside of an index seek a literal that holds `'` ends early, and what stands behind its quote is read as the rest
//! of the predicate: as more of the condition when an operator follows, as nothing otherwise. A backslash is read as
//! an escape a second time.

use crate::statement::error::CypherError;
use crate::statement::lexer::{TokenKind, tokenize};

/// Words that carry an expression on.
const OPERATORS: [&str; 6] = ["AND", "OR", "XOR", "IN", "IS", "CONTAINS"];

/// Whether a literal changes when it is printed without escaping.
pub(crate) fn is_unsafe(text: &str) -> bool {
    text.contains(['\'', '\\'])
}

/// The expression that a literal with this text is after the second reading, in correct Cypher. Inside of brackets
/// (`nested`) nothing may be left over behind it.
///
/// # Errors
/// [`CypherError`] when the second reading does not parse.
pub(crate) fn reprinted(text: &str, nested: bool) -> Result<String, CypherError> {
    let raw = format!("'{text}'");
    let end = closing_quote(&raw).ok_or_else(|| broken(&raw))?;
    let first = match tokenize(&raw[..=end])?.into_iter().next().map(|token| token.kind) {
        Some(TokenKind::Text(first)) => quoted(&first),
        _ => return Err(broken(&raw)),
    };
    let rest = &raw[end + 1..];
    let carries_on = rest.trim_start();
    let word: String = carries_on.chars().take_while(|c| c.is_alphanumeric()).collect();
    let operator = OPERATORS.iter().any(|known| known.eq_ignore_ascii_case(&word))
        || carries_on.starts_with(['=', '<', '>', '+', '-', '*', '/', '%']);
    if !operator {
        return match nested && !carries_on.is_empty() {
            true => Err(broken(&raw)),
            false => Ok(first),
        };
    }
    tokenize(rest).map_err(|_| broken(rest))?;
    Ok(format!("{first} {carries_on}"))
}

/// A literal with correct escapes.
pub(crate) fn quoted(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// Where the literal at the start of `raw` ends.
fn closing_quote(raw: &str) -> Option<usize> {
    let mut escaped = false;
    raw.char_indices().skip(1).find_map(|(at, c)| {
        let closes = c == '\'' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

fn broken(source: &str) -> CypherError {
    CypherError::Verbatim(format!(
        "Cypher syntax error: Expected ')' at line 1, column {}",
        source.chars().count()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_the_literal_and_an_operator_behind_it_is_obeyed() {
        assert_eq!(reprinted("it's", false).unwrap(), "'it'");
        assert_eq!(
            reprinted("yy' OR true OR 'a' = '", false).unwrap(),
            "'yy' OR true OR 'a' = ''"
        );
        assert!(reprinted("x' OR ('", false).is_err());
        assert!(reprinted("it's", true).is_err() && reprinted("b\\s", true).is_ok());
    }

    #[test]
    fn a_backslash_is_read_twice() {
        assert_eq!(reprinted("b\\s", false).unwrap(), "'bs'");
        assert_eq!(reprinted("a\\\\b", false).unwrap(), "'a\\\\b'");
        assert!(reprinted("end\\", false).is_err());
    }

    #[test]
    fn other_text_is_safe() {
        assert!(!is_unsafe("c1/d1 \"x\" %27 é\n"));
        assert_eq!(reprinted("plain\ntext", false).unwrap(), "'plain\\ntext'");
    }
}
