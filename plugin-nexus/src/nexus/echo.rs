//! What a server says, without what it was sent.
//!
//! A refusal may quote the values of its statement, and those are texts of documents, which are in no log line, no metric and no dead
//! letter. So words of a message that stand in the statement's values in the same order are blanked: two and more, or one that is a value
//! by itself. Names that the plugin gave, as keys, stay.

use std::collections::HashMap;

use serde_json::Value;

use super::error::NexusError;
use crate::sync::is_reserved_property;

/// Of the properties that the plugin sets itself those whose values come out of payloads.
const OUT_OF_PAYLOADS: [&str; 3] = ["acl", "tenant", "domain"];
/// Digits from which on a number says something of a document.
const LONG_NUMBER: usize = 4;
/// Characters of a word that was cut off from which on it is told apart from a word of the message.
const CUT_WORD: usize = 3;
/// The properties of a record among a statement's parameters.
const PROPERTIES: &str = "props";
const BLANK: &str = "[…]";
/// Texts that are looked at: a statement holds more only where a batch is large, and its refusal quotes one of them.
const MOST_TEXTS: usize = 100_000;

impl NexusError {
    /// The error without what its message quotes of a statement with these parameters.
    pub(super) fn without_echo(mut self, params: &Value) -> Self {
        let message = match &mut self {
            Self::Server { message, .. }
            | Self::NotUnderstood { message, .. }
            | Self::Rejected { message, .. } => message,
            Self::BadAnswer { what, .. } => what,
            Self::Setup { .. }
            | Self::Unreachable { .. }
            | Self::SessionEnded
            | Self::Unsettled
            | Self::TimedOut { .. }
            | Self::Interrupted { .. }
            | Self::Overloaded { .. }
            | Self::Paused { .. }
            | Self::Unauthorised { .. }
            | Self::MissingEndpoint { .. }
            | Self::AnswerTooLarge { .. }
            | Self::RequestTooLarge { .. } => return self,
        };
        let mut texts = Vec::new();
        collect(params, false, &mut texts);
        *message = blanked(&unescaped(message), &texts);
        self
    }
}

/// The texts and numbers among properties that are not the plugin's own.
fn collect(value: &Value, is_property: bool, texts: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let is_ours = is_reserved_property(name) && !OUT_OF_PAYLOADS.contains(&name.as_str());
                if !(is_property && is_ours) {
                    collect(value, is_property || name == PROPERTIES, texts);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_property, texts)),
        _ if !is_property || texts.len() >= MOST_TEXTS => {}
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            if text.chars().filter(char::is_ascii_digit).count() >= LONG_NUMBER {
                texts.push(text);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A message in which values stand as they are, though the server escaped them; in one line.
fn unescaped(message: &str) -> String {
    let mut clean = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut chars = rest.chars();
        match chars.next() {
            Some('n' | 'r' | 't' | 'b' | 'f') => clean.push(' '),
            Some('u') => {
                let digits = chars.as_str().trim_start_matches('{');
                let code = digits
                    .get(..4)
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok());
                if let Some(named) = code.and_then(char::from_u32) {
                    clean.push(if named.is_control() { ' ' } else { named });
                    rest = digits[4..].trim_start_matches('}');
                    continue;
                }
                clean.push('u');
            }
            Some(other) => clean.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    clean.push_str(rest);
    clean
}

/// The words of a text: where each begins, and what it is.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, c.is_alphanumeric()) {
            (None, true) => begin = Some(at),
            (Some(from), false) => {
                words.push((from, &text[from..at]));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

fn blanked(message: &str, texts: &[String]) -> String {
    let said = words(message);
    let sent: Vec<Vec<(usize, &str)>> = texts.iter().map(|text| words(text)).collect();
    let mut places: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for (text, words) in sent.iter().enumerate() {
        for (at, (_, word)) in words.iter().enumerate() {
            places.entry(word).or_default().push((text, at));
        }
    }
    let mut hidden = vec![false; said.len()];
    // A message that was cut off may end in the middle of a value's first word.
    if let (Some(last), Some((_, word))) = (hidden.last_mut(), said.last())
        && word.chars().count() >= CUT_WORD
        && !message.ends_with(|c: char| !c.is_alphanumeric())
    {
        *last = places.keys().any(|sent| sent.starts_with(word));
    }
    for (at, (_, word)) in said.iter().enumerate() {
        for (text, from) in places.get(word).into_iter().flatten() {
            let rest = &sent[*text][*from..];
            let same = said[at..]
                .iter()
                .zip(rest)
                .take_while(|(one, other)| one.1 == other.1);
            let run = same.count();
            // The last word of a message that was cut off may be the beginning of one.
            let cut = at + run + 1 == said.len()
                && rest
                    .get(run)
                    .is_some_and(|next| next.1.starts_with(said[at + run].1));
            if run > 1 || run == sent[*text].len() || cut {
                hidden[at..at + run + usize::from(cut)].fill(true);
            }
        }
    }
    let mut clean = String::with_capacity(message.len());
    let mut end = 0;
    for ((from, word), is_hidden) in said.iter().zip(hidden) {
        clean.push_str(&message[end..*from]);
        clean.push_str(if is_hidden { BLANK } else { word });
        end = from + word.len();
    }
    clean.push_str(&message[end..]);
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rejected(message: &str, params: &Value) -> String {
        let error = NexusError::Rejected {
            statement: "upsert_nodes",
            message: message.to_owned(),
        };
        match error.without_echo(params) {
            NexusError::Rejected { message, .. } => message,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_was_sent_is_not_quoted_and_what_went_wrong_is() {
        let params = json!({"rows": [{"key": "c/d1", "props": {
            "title": "The annual report of Acme", "author": "Smith", "vector_id": "d1", "tags": ["very secret"],
            "phone": 4_915_112_345_u64, "chunk_index": 12, "firm": "Müller\nand sons", "acl": ["admins@acme.example"],
        }}]});
        for (message, clean) in [
            (
                "Type mismatch: 'The annual report of Acme' is no number",
                "Type mismatch: '[…] […] […] […] […]' is no number",
            ),
            ("row c/d1: bad value Smith", "row c/d1: bad value […]"),
            ("row d1: annual report", "row d1: […] […]"),
            ("cut off in The ann", "cut off in […] […]"),
            ("cut off in Smi", "cut off in […]"),
            ("no such number: 4915112345", "no such number: […]"),
            ("row 12 of 13: bad", "row 12 of 13: bad"),
            ("bad: \"M\\u00fcller\\nand sons\"", "bad: \"[…] […] […]\""),
            ("not for admins@acme.example", "not for […]@[…].[…]"),
            ("the report of a parse error", "the […] […] a parse error"),
            ("Parse error", "Parse error"),
            ("bad: [\"very secret\"]", "bad: [\"[…] […]\"]"),
        ] {
            assert_eq!(rejected(message, &params), clean);
        }
    }

    proptest! {
        #[test]
        fn no_value_is_left_in_a_message_that_quotes_it(
            value in "[a-zA-Z0-9äß]{1,12}([ ,.'\"-][a-zA-Z0-9äß]{1,12}){0,6}",
            before in "[ -/:-@]{0,40}",
            after in "[ -/:-@]{0,40}",
        ) {
            let message = format!("{before} {value} {after}");
            let clean = rejected(&message, &json!({"rows": [{"props": {"title": value}}]}));
            prop_assert!(!clean.contains(&value), "{}", clean);
        }

        #[test]
        fn no_value_is_left_in_a_message_that_quotes_it_as_json(value in "[a-zA-Z0-9äß\\n\"]{5,30}") {
            let message = format!("cannot store {}", Value::from(value.clone()));
            let clean = rejected(&message, &json!({"rows": [{"props": {"title": value}}]}));
            for word in words(&value).iter().filter(|(_, word)| word.len() > 8) {
                prop_assert!(!clean.contains(word.1), "{}", clean);
            }
        }

        #[test]
        fn no_message_makes_it_panic(message in "(\\\\|u|\\{|[0-9a-f]|.){0,40}") {
            rejected(&message, &json!({"rows": [{"props": {"title": message}}]}));
        }
    }
}
